//! Shared memory between processes of different users, and programs that change theirs.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]
#![expect(clippy::print_stderr, reason = "a test that is not tried says so")]
#![expect(
    clippy::print_stdout,
    reason = "a process without a parent tells so what it has found"
)]

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, setuid};
use procession::{
    Array, Event, Lock, Manager, Pool, Process, Queue, Semaphore, Shared, StartMethod, Value,
    grant_to, set_start_method,
};
use procession_testkit::{alive, eventually, hush, watchdog};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, fs};

procession::enable_in_tests!();

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    let root = Uid::effective().is_root();
    if !root {
        eprintln!("not tried: only root can do that");
    }
    root
}

/// So much that it lies in a segment of its own.
fn large(first: i32) -> Array<i32> {
    Array::from_slice(&vec![first; 10_000]).unwrap()
}

/// Takes what comes: the value, or the words of the error.
fn take(items: Queue<Array<i32>>) -> Vec<Result<i32, String>> {
    let get = || Ok(items.get().map_err(|error| error.to_string())?.get(0));
    (0..2).map(|_| get()).collect()
}

// PRC-044
#[test]
fn a_handle_that_reaches_another_users_process_by_a_queue_is_refused_or_granted() {
    let _watchdog = watchdog();
    if !is_root() {
        return;
    }
    for method in StartMethod::ALL {
        let items: Queue<Array<i32>> = Queue::new().unwrap();
        let alone = Process::builder().start_method(StartMethod::Spawn);
        let start = |method: StartMethod, items: Queue<Array<i32>>| {
            let builder = Process::builder().start_method(method).user(NOBODY);
            let child = builder.spawn(take, (items.clone(),)).unwrap();
            items.put(&large(1)).unwrap();
            let granted = large(2);
            grant_to(NOBODY, || items.put(&granted)).unwrap();
            child.join().unwrap()
        };
        let taken = alone.spawn(start, (method, items)).unwrap();
        let taken = taken.join().unwrap();
        let refused = taken[0].as_ref().unwrap_err();
        for part in [
            "belongs to user 0",
            "this process is user 65534",
            "`grant_to`",
        ] {
            assert!(refused.contains(part), "{method:?}: {refused}");
        }
        assert_eq!(taken[1], Ok(2), "{method:?}");
    }
}

/// One of each kind of small things.
type Small = (
    Value<i32>,
    Array<u8>,
    Lock,
    Semaphore,
    Event,
    Shared<AtomicU64>,
);

fn small() -> Small {
    (
        Value::new(1).unwrap(),
        Array::from_slice(&[1, 2]).unwrap(),
        Lock::new().unwrap(),
        Semaphore::new(1).unwrap(),
        Event::new().unwrap(),
        Shared::new(AtomicU64::new(1)).unwrap(),
    )
}

/// Uses all of it; returns the family's files that this process can open, and those that it has mapped.
fn use_and_look(things: Small) -> (Vec<String>, Vec<String>) {
    let (value, array, lock, semaphore, event, shared) = things;
    value.update(|value| *value += 1);
    array.set(1, 9);
    drop(lock.acquire().unwrap());
    semaphore.acquire().unwrap().forget().unwrap();
    event.set();
    shared.fetch_add(1, Relaxed);
    let id = family_of(&value);
    let names = fs::read_dir("/dev/shm").unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let can_open = |name: &String| fs::File::open(format!("/dev/shm/{name}")).is_ok();
    let opened = names.filter(|name| name.contains(&id) && can_open(name));
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter(|line| line.contains(&id));
    (opened.collect(), mapped.map(str::to_owned).collect())
}

/// What all names of the family contain.
fn family_of(value: &Value<i32>) -> String {
    let name = value.segment().name();
    name.split('-').nth(1).unwrap().to_owned()
}

// PRC-044
#[test]
fn another_users_process_gets_small_things_and_nothing_that_lies_beside_others() {
    let _watchdog = watchdog();
    if !is_root() {
        return;
    }
    let _beside = small();
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let start = |things: &Small| {
            let builder = Process::builder().start_method(method).user(NOBODY);
            builder.spawn(use_and_look, (things.clone(),))
        };
        let things = grant_to(NOBODY, small);
        let (opened, mapped) = start(&things).unwrap().join().unwrap();
        assert_eq!((things.0.get(), things.1.get(1)), (2, 9), "{method:?}");
        assert!(things.3.try_acquire().is_err() && things.4.is_set());
        assert_eq!(things.5.load(Relaxed), 2);
        assert!(opened.len() >= 6 && mapped.len() >= 6, "{opened:?}");
        // Where a segment's name has its maker, a slab's has none.
        let slab = format!("{}-0-", family_of(&things.0));
        assert!(
            fs::read_to_string("/proc/self/maps")
                .unwrap()
                .contains(&slab)
        );
        let slabs = |names: &[String]| names.iter().any(|name| name.contains(&slab));
        assert!(!slabs(&opened), "{method:?}: {opened:?}");
        assert!(!slabs(&mapped), "{method:?}: {mapped:?}");
        // One is enough to be refused, whichever it is.
        let others = small();
        let mixed: [Small; 6] = std::array::from_fn(|at| {
            let mut things = things.clone();
            match at {
                0 => things.0 = others.0.clone(),
                1 => things.1 = others.1.clone(),
                2 => things.2 = others.2.clone(),
                3 => things.3 = others.3.clone(),
                4 => things.4 = others.4.clone(),
                _ => things.5 = others.5.clone(),
            }
            things
        });
        for things in &mixed {
            let words = start(things).unwrap_err().to_string();
            assert!(words.contains("`grant_to(65534, ..)`"), "{words}");
        }
    }
}

fn make(items: Queue<Value<i32>>) {
    items.put(&Value::new(3).unwrap()).unwrap();
    // Until the other has looked.
    while !items.is_empty().unwrap() {
        std::thread::yield_now();
    }
}

// PRC-044
#[test]
fn what_another_users_process_has_made_is_not_opened() {
    let _watchdog = watchdog();
    if !is_root() {
        return;
    }
    for method in StartMethod::ALL {
        let alone = Process::builder().start_method(StartMethod::Spawn);
        let start = |method: StartMethod| {
            let items: Queue<Value<i32>> = Queue::new().unwrap();
            let builder = Process::builder().start_method(method).user(NOBODY);
            let child = builder.spawn(make, (items.clone(),)).unwrap();
            let words = items.get().unwrap_err().to_string();
            child.join().unwrap();
            words
        };
        let words = alone.spawn(start, (method,)).unwrap().join().unwrap();
        assert!(
            words.contains("belongs to user 65534"),
            "{method:?}: {words}"
        );
    }
}

/// Outlives its parent, which has founded the family, and shares all the same.
fn share_alone(handed: Value<i32>, parent: u32) {
    eventually("the parent has ended", || !alive(parent));
    let own = Value::new(2).unwrap();
    let add = |handed: Value<i32>, own: Value<i32>| handed.get() + own.get();
    let sum = Process::spawn(add, (handed, own)).unwrap().join().unwrap();
    println!("the sum is {sum}");
}

/// Runs itself again for each method: another program is another family.
// PRC-044
#[test]
fn a_detached_child_of_another_user_keeps_the_family() {
    const NAME: &str = "a_detached_child_of_another_user_keeps_the_family";
    const METHOD: &str = "PROCESSION_TEST_METHOD";
    let _watchdog = watchdog();
    if !is_root() {
        return;
    }
    let methods = [StartMethod::Spawn, StartMethod::ForkServer];
    if let Ok(index) = env::var(METHOD) {
        let handed = grant_to(NOBODY, || Value::new(1)).unwrap();
        let builder = Process::builder().start_method(methods[index.parse::<usize>().unwrap()]);
        let builder = builder.user(NOBODY).detached(true);
        return drop(builder.spawn(share_alone, (handed, id())).unwrap());
    }
    for (index, method) in methods.iter().enumerate() {
        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", NAME, "--nocapture"]);
        // Its end is that of the last which has it: the child.
        let output = program.env(METHOD, index.to_string()).output().unwrap();
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(words.contains("the sum is 3"), "{method:?}: {output:?}");
    }
}

/// What a process has: its user, its umask and its nice value.
fn had() -> (u32, u32, i32) {
    let mask = umask(Mode::empty());
    umask(mask);
    // SAFETY: the call takes two numbers, and touches no memory.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    (Uid::effective().as_raw(), mask.bits(), nice)
}

fn of_a_worker(pool: &Pool) -> (u32, u32, i32) {
    pool.apply(had, ()).unwrap()
}

fn of_a_server(manager: &Manager) -> (u32, u32, i32) {
    let list = manager.list::<u8>().unwrap();
    list.with(|_: &mut Vec<u8>| had()).unwrap()
}

/// Changes what it is after it has started all that starts others.
fn change_and_start(method: StartMethod) {
    set_start_method(method);
    hush();
    let before = (Pool::new(1).unwrap(), Manager::start().unwrap());
    let was = had();
    umask(Mode::from_bits_truncate(0o027));
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) }, 0);
    let root = Uid::effective().is_root();
    if root {
        setuid(Uid::from_raw(NOBODY)).unwrap();
    }
    let is = (if root { NOBODY } else { was.0 }, 0o027, 5);
    assert_eq!(had(), is);
    let after = (Pool::new(1).unwrap(), Manager::start().unwrap());
    assert_eq!((of_a_worker(&after.0), of_a_server(&after.1)), (is, is));
    // Those that run already keep what they have, and the next in their place does not.
    assert_eq!(of_a_worker(&before.0), was);
    if root {
        let refused = before.1.list::<u8>().unwrap_err().to_string();
        assert!(refused.ends_with("belongs to another user"), "{refused}");
    }
    let die = || -> () { std::process::abort() };
    before.0.apply(die, ()).unwrap_err();
    // The nice value is each thread's own, and it is the pool's that starts this one.
    let next = of_a_worker(&before.0);
    assert_eq!((next.0, next.1), (is.0, is.1));
}

// PRC-044
#[test]
fn workers_and_servers_are_as_the_program_is_now() {
    let _watchdog = watchdog();
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let alone = Process::builder().start_method(StartMethod::Spawn);
        let process = alone.spawn(change_and_start, (method,)).unwrap();
        process.join().unwrap();
    }
}

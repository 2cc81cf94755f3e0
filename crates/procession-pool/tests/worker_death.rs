//! Workers that die, at any moment and in any way.

#![expect(clippy::exit, reason = "it is one of the ways in which a worker dies")]

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use procession_call::produce;
use procession_pipe::{PipeWriter, pipe};
use procession_pool::{Pool, PoolError};
use procession_process::{ExitStatus, Process, inherit};
use procession_shm::{Array, Value};
use procession_testkit::{alive, eventually, exists, kill9, watchdog};
use procession_wire::frame::Head;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::process::{Command, Stdio};
use std::thread;

procession_process::enable_in_tests!();

fn forever() {
    loop {
        thread::park();
    }
}

fn tell_pid(mut writer: PipeWriter) {
    let pid = std::process::id().to_le_bytes();
    writer.write_all(&pid).expect("the test reads");
}

fn read_pid(reader: &mut impl Read) -> u32 {
    let mut pid = [0; 4];
    reader
        .read_exact(&mut pid)
        .expect("the task writes its pid");
    u32::from_le_bytes(pid)
}

fn status(error: &PoolError) -> ExitStatus {
    match error {
        PoolError::WorkerDied { status, .. } => *status,
        error => panic!("{error}"),
    }
}

// POL-088, POL-032
#[test]
fn a_worker_killed_while_it_works_fails_its_call() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let work = |writer: PipeWriter| {
        tell_pid(writer);
        forever();
    };
    let result = pool.apply_async(work, (writer,)).unwrap();
    let victim = read_pid(&mut reader);
    kill9(victim);
    let error = result.get().unwrap_err();
    let expected =
        format!("the worker (pid {victim}) was killed by SIGKILL (signal 9) while it ran");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(matches!(error, PoolError::WorkerDied { pid, item: None, .. } if pid == victim));

    assert!(!exists(victim));
    eventually("the pool has its size again", || {
        pool.worker_pids().len() == 2
    });
    assert_eq!(
        pool.map(|n: u8| n + 1, 0..10).unwrap(),
        (1..11).collect::<Vec<u8>>()
    );
}

// POL-089
#[test]
fn idle_workers_that_are_killed_are_replaced() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    for round in 0..20_u32 {
        assert_eq!(pool.apply(|n: u32| n, (round,)).unwrap(), round);
        pool.worker_pids().into_iter().for_each(kill9_if_there);
        assert_eq!(pool.map(|n: u32| n, 0..4).unwrap(), [0, 1, 2, 3]);
    }
    eventually("the pool has its size again", || {
        let pids = pool.worker_pids();
        pids.len() == 2 && pids.into_iter().all(alive)
    });
}

#[test]
fn all_idle_workers_of_a_large_pool_may_be_killed_at_once() {
    let _watchdog = watchdog();
    let pool = Pool::new(8).unwrap();
    for _ in 0..5 {
        assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
        pool.worker_pids().into_iter().for_each(kill9_if_there);
        assert_eq!(pool.apply(|| 8, ()).unwrap(), 8);
    }
}

/// A worker may have died, and been reaped, since its number was read.
fn kill9_if_there(pid: u32) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
}

// POL-045, POL-046, POL-090
#[test]
fn the_ways_to_die_are_told_apart() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let exit = pool
        .apply(|| -> () { std::process::exit(3) }, ())
        .unwrap_err();
    assert_eq!(status(&exit), ExitStatus::Code(3));
    let success = pool
        .apply(|| -> () { std::process::exit(0) }, ())
        .unwrap_err();
    assert_eq!(status(&success), ExitStatus::Code(0));
    let abort = pool
        .apply(|| -> () { std::process::abort() }, ())
        .unwrap_err();
    assert_eq!(status(&abort), ExitStatus::Signal(Signal::SIGABRT as i32));
    let segfault = pool
        .apply(|| raise(Signal::SIGSEGV).unwrap(), ())
        .unwrap_err();
    assert_eq!(
        status(&segfault),
        ExitStatus::Signal(Signal::SIGSEGV as i32)
    );
    let terminated = pool
        .apply(|| raise(Signal::SIGTERM).unwrap(), ())
        .unwrap_err();
    assert_eq!(
        status(&terminated),
        ExitStatus::Signal(Signal::SIGTERM as i32)
    );
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
}

/// Exits where it is encoded or decoded.
#[derive(Debug)]
struct Exits(u8);

impl Serialize for Exits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 2 {
            std::process::exit(12);
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            1 => std::process::exit(11),
            n => Ok(Self(n)),
        }
    }
}

// POL-044, POL-047, POL-048
#[test]
fn a_death_between_the_tasks_fails_the_item_too() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let decoding = pool
        .map(|_: Exits| (), [Exits(0), Exits(1), Exits(0)])
        .unwrap_err();
    assert_eq!(
        (decoding.item(), status(&decoding)),
        (Some(1), ExitStatus::Code(11))
    );
    let encoding = pool.map(Exits, [0, 2, 0]).unwrap_err();
    assert_eq!(
        (encoding.item(), status(&encoding)),
        (Some(1), ExitStatus::Code(12))
    );
}

fn count(ran: Array<u32>, n: usize, deadly: bool, writer: PipeWriter) -> usize {
    ran.update(n, |ran| *ran += 1);
    if deadly {
        tell_pid(writer);
        forever();
    }
    n
}

#[test]
fn a_death_in_the_middle_of_a_batch_costs_one_item() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let ran = Array::<u32>::zeroed(40).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let item = |n| (ran.clone(), n, n == 13, writer.try_clone().unwrap());
    let items: Vec<_> = (0..40).map(item).collect();
    let error = thread::scope(|scope| {
        let call = scope.spawn(|| pool.starmap(count, items).unwrap_err());
        kill9(read_pid(&mut reader));
        call.join().unwrap()
    });
    assert_eq!(
        (error.item(), status(&error)),
        (Some(13), ExitStatus::Signal(9))
    );
    assert_eq!(ran.to_vec(), [1; 40]);
}

#[test]
fn each_death_costs_one_item() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let ran = Array::<u32>::zeroed(60).unwrap();
    let task = |ran: Array<u32>, n: usize| {
        ran.update(n, |ran| *ran += 1);
        if n % 7 == 5 {
            std::process::exit(n as i32);
        }
        n
    };
    let error = pool
        .starmap(task, (0..60).map(|n| (ran.clone(), n)))
        .unwrap_err();
    assert_eq!(
        (error.item(), status(&error)),
        (Some(5), ExitStatus::Code(5))
    );
    assert_eq!(ran.to_vec(), [1; 60]);
}

#[test]
fn under_random_kills_each_call_is_answered_and_run_at_most_once() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let ran = Array::<u32>::zeroed(300).unwrap();
    let task = |ran: Array<u32>, n: usize| {
        ran.update(n, |ran| *ran += 1);
        n
    };
    let calls = (0..300).map(|n| pool.apply_async(task, (ran.clone(), n)).unwrap());
    let results: Vec<_> = calls.collect();
    let done = || results.iter().filter(|result| result.ready()).count();
    let mut round = 0;
    while done() < results.len() {
        let before = done();
        if let Some(&victim) = pool.worker_pids().get(round % 3) {
            kill9_if_there(victim);
        }
        round += 1;
        eventually("a call is answered", || {
            done() > before || done() == results.len()
        });
    }
    for (n, result) in results.into_iter().enumerate() {
        match result.get() {
            Ok(value) => assert_eq!((value, ran.get(n)), (n, 1)),
            Err(PoolError::WorkerDied {
                status: ExitStatus::Signal(9),
                ..
            }) => {
                assert!(ran.get(n) <= 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Gives another program the worker's sockets, and lets it live on.
fn lend_sockets_and_die(pid: Value<u32>) {
    let mut command = Command::new("sleep");
    command
        .arg("1000")
        .stdin(Stdio::from(socket(0)))
        .stdout(Stdio::from(socket(1)));
    let child = command.spawn().expect("there is a program to start");
    pid.set(child.id());
    std::process::exit(9);
}

/// Returns the numbers of this process's sockets.
fn sockets() -> Vec<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").expect("the process has a list of its files");
    let numbers = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_socket = fs::read_link(entry.path())
            .ok()?
            .to_str()?
            .starts_with("socket:");
        is_socket.then(|| entry.file_name().to_str()?.parse::<RawFd>().ok())?
    });
    numbers.collect()
}

/// Returns a duplicate of this process's socket of that place.
fn socket(place: usize) -> OwnedFd {
    let number = sockets()[place];
    // SAFETY: the descriptor is one of this process, which closes none meanwhile.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fd.try_clone_to_owned()
        .expect("there is room for a descriptor")
}

#[test]
fn a_death_is_noticed_though_somebody_else_holds_the_socket() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let holder = Value::new(0_u32).unwrap();
    let error = pool
        .apply(lend_sockets_and_die, (holder.clone(),))
        .unwrap_err();
    assert_eq!(status(&error), ExitStatus::Code(9));
    assert!(alive(holder.get()));
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
    kill9(holder.get());
}

/// Closes the worker's sockets, and lives on.
fn hang_up() {
    // SAFETY: shutting down what is nobody else's socket breaks no memory.
    let hang_up = |fd| unsafe { nix::libc::shutdown(fd, nix::libc::SHUT_RDWR) };
    (3..100).for_each(|fd| {
        hang_up(fd);
    });
    forever();
}

#[test]
fn a_worker_that_hangs_up_is_killed() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let error = pool.apply(hang_up, ()).unwrap_err();
    assert_eq!(status(&error), ExitStatus::Signal(9));
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
}

/// Writes bytes into the worker's sockets that mean nothing.
fn babble() {
    for place in 0..2 {
        let mut file = fs::File::from(socket(place));
        file.write_all(&[0xee; 64]).expect("the pool listens");
    }
}

/// Calls until the pool has found out that something writes to its worker's socket. No call gets what is not
/// its own.
fn use_until_replaced(pool: &Pool, before: &[u32]) {
    eventually("the worker is replaced", || {
        match pool.apply(|| 7, ()) {
            Ok(answer) => assert_eq!(answer, 7),
            Err(error) => assert!(matches!(error, PoolError::Exchange { .. }), "{error}"),
        }
        pool.worker_pids() != before
    });
    assert_eq!(
        pool.map(|n: u32| n, 0..4).expect("the pool works"),
        [0, 1, 2, 3]
    );
}

#[test]
fn a_worker_that_babbles_is_replaced() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let before = pool.worker_pids();
    // It is told if the pool looks there before the outcome comes.
    if let Err(error) = pool.apply(babble, ()) {
        assert!(matches!(error, PoolError::Exchange { .. }), "{error}");
    }
    use_until_replaced(&pool, &before);
}

/// Writes the outcome of another call into the worker's sockets.
fn answer_for_another() {
    let outcome = produce(|| Ok(1000_u32)).message.with_number(u64::MAX);
    let head = Head::new(outcome.bytes().len());
    let frame = [head.as_bytes(), outcome.bytes()].concat();
    for place in 0..2 {
        let mut file = fs::File::from(socket(place));
        file.write_all(&frame).expect("the pool listens");
    }
}

// POL-099
#[test]
fn the_outcome_of_another_call_is_no_result() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let before = pool.worker_pids();
    let task = |n: u32| {
        answer_for_another();
        n
    };
    match pool.map_chunked(task, 0..4, 4) {
        Ok(results) => assert_eq!(results, [0, 1, 2, 3]),
        Err(error) => assert!(
            error.to_string().ends_with("the outcome of another call"),
            "{error}"
        ),
    }
    use_until_replaced(&pool, &before);
}

fn limit_memory(bytes: u64) {
    setrlimit(Resource::RLIMIT_DATA, bytes, bytes).expect("a limit may be lowered");
}

/// Asks workers that have little memory for more than they can read, in one of several calls.
fn with_little_memory() -> (String, u32) {
    inherit(limit_memory, 48 << 20).expect("the setup is a function of this program");
    let pool = Pool::new(2).expect("a pool starts");
    let length = |text: String| text.len() as u32;
    let error = pool
        .apply(length, ("x".repeat(64 << 20),))
        .expect_err("there is no room");
    assert!(matches!(error, PoolError::Exchange { .. }), "{error}");
    (
        error.to_string(),
        pool.apply(length, ("small".to_owned(),))
            .expect("the pool lives"),
    )
}

#[test]
fn a_request_that_a_worker_has_no_memory_for_fails_its_call() {
    let _watchdog = watchdog();
    let (error, length) = Process::spawn(with_little_memory, ())
        .unwrap()
        .join()
        .unwrap();
    assert!(error.contains("memory"), "{error}");
    assert_eq!(length, 5);
}

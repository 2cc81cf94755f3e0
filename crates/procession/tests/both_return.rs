//! Work that forks by the C library and comes to its end in both processes: only the original is
//! heard.
//!
//! Where the original waits for the copy, the copy is through before the original speaks.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getppid};
use procession::{
    Cause, ExitStatus, JoinableQueue, Lock, LockError, Manager, ManagerError, PipeReader,
    PipeWriter, Pool, PoolError, Process, Queue, Semaphore, StartMethod, Stdio, Value, at_exit,
    inherit, manager, pipe, preload,
};
use procession_testkit::{alive, eventually, kill9, watchdog};
use std::io::{Read, Write, stdout};
use std::thread::park;

procession::enable_in_tests!();

/// Runs `task` in a process that has one thread, and so can be forked.
fn alone(task: impl Fn() + Copy + Send + 'static) {
    let _watchdog = watchdog();
    let spawn = Process::builder()
        .start_method(StartMethod::Spawn)
        .stderr(Stdio::null());
    spawn.spawn(task, ()).unwrap().join().unwrap();
}

/// Goes on as two processes; returns the copy's number in the original, and `None` in the copy.
fn split() -> Option<u32> {
    // SAFETY: what the copy does until it exits needs no other thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => Some(child.as_raw().cast_unsigned()),
        ForkResult::Child => None,
    }
}

/// Goes on as two processes, the original when the copy has ended with this code.
fn split_and_wait(code: i32) -> bool {
    let Some(copy) = split() else { return false };
    let copy = nix::unistd::Pid::from_raw(copy.cast_signed());
    assert_eq!(waitpid(copy, None), Ok(WaitStatus::Exited(copy, code)));
    true
}

fn pid() -> u32 {
    split_and_wait(0);
    std::process::id()
}

fn pid_or_error() -> anyhow::Result<u32> {
    if split_and_wait(1) {
        return Ok(std::process::id());
    }
    anyhow::bail!("the copy fails")
}

fn pid_or_panic() -> u32 {
    assert!(split_and_wait(101), "the copy panics");
    std::process::id()
}

fn panic_or_pid() -> u32 {
    assert!(!split_and_wait(0), "the original panics");
    std::process::id()
}

// PRC-080
#[test]
fn a_process_returns_what_the_original_does() {
    alone(|| {
        for method in StartMethod::ALL {
            let start = || Process::builder().start_method(method);
            let process = start().spawn(pid, ()).unwrap();
            let expected = process.pid();
            assert_eq!(process.join().unwrap(), expected);
            let process = start().spawn(pid_or_error, ()).unwrap();
            let expected = process.pid();
            assert_eq!(process.join().unwrap(), expected);
            let process = start().spawn(pid_or_panic, ()).unwrap();
            let expected = process.pid();
            assert_eq!(process.join().unwrap(), expected);
            let error = start().spawn(panic_or_pid, ()).unwrap().join().unwrap_err();
            assert!(
                error.to_string().ends_with("the original panics"),
                "{error}"
            );
        }
        let words = "captured".to_owned();
        let process = Process::fork(|| (pid(), words.clone())).unwrap();
        let expected = (process.pid(), words.clone());
        assert_eq!(process.join().unwrap(), expected);
    });
}

// POL-098
#[test]
fn a_worker_answers_as_the_original_does() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let worker = pool.worker_pids()[0];
    let check = |n: u32| {
        assert_eq!(pool.apply(pid, ()).unwrap(), worker);
        assert_eq!(pool.apply(|n: u32| n, (n,)).unwrap(), n);
    };
    (0..10).for_each(check);
    assert_eq!(pool.apply(pid_or_error, ()).unwrap(), worker);
    let numbers = |n: u32| {
        pid();
        n
    };
    let expected: Vec<u32> = (0..20).collect();
    assert_eq!(pool.map(numbers, 0..20).unwrap(), expected);
    assert_eq!(pool.worker_pids(), [worker]);
}

/// The copy returns, with another result, when nobody can write to `go` any more.
fn return_late(n: u32, mut go: PipeReader) -> (u32, u32) {
    if let Some(copy) = split() {
        return (n, copy);
    }
    go.read_to_end(&mut Vec::new()).unwrap();
    (n + 1000, 0)
}

// POL-098
#[test]
fn copies_that_return_later_answer_nothing() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (go, held) = pipe().unwrap();
    let ask = |n| pool.apply(return_late, (n, go.try_clone().unwrap()));
    let copies: Vec<u32> = (0..10)
        .map(|n| {
            let (result, copy) = ask(n).unwrap();
            assert_eq!(result, n);
            copy
        })
        .collect();
    drop(held);
    eventually("the copies have ended", || {
        !copies.iter().any(|&copy| alive(copy))
    });
    for n in 0..20 {
        assert_eq!(pool.apply(|n: u32| n, (n,)).unwrap(), n);
    }
}

/// The original dies; the copy tells its number, and returns or stays when the original is gone.
fn die_and_leave_a_copy(copy: Value<u32>, stays: bool) -> u32 {
    let original = std::process::id();
    if split().is_some() {
        park_until_killed();
    }
    copy.set(std::process::id());
    kill9(original);
    while getppid().as_raw().cast_unsigned() == original {
        std::thread::yield_now();
    }
    if stays {
        park_until_killed();
    }
    7
}

fn park_until_killed() {
    loop {
        park();
    }
}

// PRC-081
#[test]
fn the_death_of_the_original_is_told_whatever_the_copy_does() {
    alone(|| {
        for stays in [false, true] {
            for method in StartMethod::ALL {
                let copy = Value::new(0).unwrap();
                let start = Process::builder().start_method(method);
                let process = start.spawn(die_and_leave_a_copy, (copy.clone(), stays));
                let process = process.unwrap();
                process.wait_timeout(std::time::Duration::MAX).unwrap();
                eventually("the copy has returned", || stays || !alive(copy.get()));
                let error = process.join().unwrap_err();
                let killed = matches!(error.cause(), Cause::Ended(ExitStatus::Signal(9)));
                assert!(killed, "{error}");
                if stays {
                    kill9(copy.get());
                }
            }
        }
    });
}

// PRC-081
#[test]
fn the_death_of_a_worker_is_told_whatever_the_copy_does() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    for stays in [false, true] {
        let copy = Value::new(0).unwrap();
        let error = pool.apply(die_and_leave_a_copy, (copy.clone(), stays));
        let error = error.unwrap_err();
        assert!(matches!(error, PoolError::WorkerDied { .. }), "{error}");
        assert_eq!(pool.apply(|| 8, ()).unwrap(), 8);
        if stays {
            kill9(copy.get());
        }
    }
}

#[test]
fn a_copy_that_is_killed_changes_nothing() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let task = |n: u32| {
        if let Some(copy) = split() {
            let copy = nix::unistd::Pid::from_raw(copy.cast_signed());
            waitpid(copy, None).unwrap();
        } else {
            kill9(std::process::id());
        }
        n
    };
    assert_eq!(
        pool.map(task, 0..10).unwrap(),
        (0..10).collect::<Vec<u32>>()
    );
}

/// What a copy must not release, being none of its own.
type Held = (Lock, Semaphore, Queue<u32>, JoinableQueue<u32>, Value<u32>);

fn hold(held: Held) -> (bool, u32, u32) {
    let (lock, semaphore, queue, tasks, value) = held;
    let guard = lock.acquire().unwrap();
    let permit = semaphore.acquire().unwrap();
    let item = queue.get().unwrap();
    let task = tasks.get().unwrap();
    if !split_and_wait(0) {
        // All of it is dropped here.
        return (false, 0, 0);
    }
    let seen = (lock.locked(), semaphore.available(), item + task);
    tasks.task_done().unwrap();
    value.set(value.get() + 1);
    drop((guard, permit));
    seen
}

// PRC-080
#[test]
fn what_the_original_holds_stays_held() {
    let _watchdog = watchdog();
    let held: Held = (
        Lock::new().unwrap(),
        Semaphore::new(1).unwrap(),
        Queue::new().unwrap(),
        JoinableQueue::new().unwrap(),
        Value::new(0).unwrap(),
    );
    let pool = Pool::new(1).unwrap();
    for n in 0..5 {
        held.2.put(&n).unwrap();
        held.3.put(&n).unwrap();
        let seen = pool.apply(hold, (held.clone(),)).unwrap();
        assert_eq!(seen, (true, 0, 2 * n));
        held.3.join().unwrap();
    }
    assert!(!held.0.locked());
    assert_eq!((held.1.available(), held.4.segment().holders()), (1, 1));
}

/// Leaves words in this process's buffer.
fn print(words: &str) {
    stdout().write_all(words.as_bytes()).unwrap();
}

fn print_and_return() {
    print("once ");
    at_exit(0, || print("at the exit ")).unwrap();
    if split_and_wait(0) {
        print("from the original ");
    } else {
        print("from the copy ");
    }
}

// PRC-082
#[test]
fn what_was_printed_before_is_printed_once() {
    alone(|| {
        for method in StartMethod::ALL {
            let builder = Process::builder()
                .start_method(method)
                .stdout(Stdio::piped());
            let mut process = builder.spawn(print_and_return, ()).unwrap();
            let mut output = String::new();
            let mut stdout = process.take_stdout().unwrap();
            stdout.read_to_string(&mut output).unwrap();
            assert_eq!(output, "once from the original at the exit ");
            process.join().unwrap();
        }
    });
}

fn split_in_setup(_: ()) {
    split_and_wait(0);
}

// PRC-080
#[test]
fn a_setup_goes_on_in_the_original_alone() {
    alone(|| {
        preload(split_in_setup, ()).unwrap();
        inherit(split_in_setup, ()).unwrap();
        for method in StartMethod::ALL {
            // A second server would answer some of them.
            for _ in 0..4 {
                let process = Process::builder().start_method(method);
                let process = process.spawn(std::process::id, ()).unwrap();
                let expected = process.pid();
                assert_eq!(process.join().unwrap(), expected);
            }
        }
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map(|n: u8| n, [1, 2, 3]).unwrap(), [1, 2, 3]);
    });
}

/// Drops itself in two processes.
struct Splits {
    dropped: Value<u32>,
    _writer: PipeWriter,
}

impl Drop for Splits {
    fn drop(&mut self) {
        self.dropped.update(|dropped| *dropped += 1);
        split_and_wait(0);
    }
}

// MGR-030
#[test]
fn a_hosted_method_returns_what_the_original_does() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let list = manager.create(Vec::<u32>::new, ()).unwrap();
    for n in 0..10 {
        let pid = list.call(
            |list, n| {
                split_and_wait(0);
                list.push(n);
                std::process::id()
            },
            n,
        );
        assert_eq!(pid.unwrap(), manager.pid());
        assert_eq!(list.with(|list| list.len() as u32).unwrap(), n + 1);
        let elsewhere = Process::spawn(
            |list: procession::manager::Proxy<Vec<u32>>| {
                list.with(|list| list.last().copied()).unwrap()
            },
            (list.clone(),),
        );
        assert_eq!(elsewhere.unwrap().join().unwrap(), Some(n));
    }
    manager.shutdown().unwrap();
}

// MGR-030
#[test]
fn a_hosted_object_is_dropped_by_the_original_alone() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let dropped = Value::new(0).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let construct = |dropped, writer| Splits {
        dropped,
        _writer: writer,
    };
    let host = || manager.host(construct, (dropped.clone(), writer.try_clone().unwrap()));
    let objects: Vec<_> = (0..5).map(|_| host().unwrap()).collect();
    drop((objects, writer));
    // The end comes when all are dropped, and no copy is left.
    reader.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(dropped.get(), 5);
    manager.shutdown().unwrap();
}

/// Leaves a copy behind that lives until it is killed.
fn leave_a_copy(copy: Value<u32>) {
    if split().is_none() {
        copy.set(std::process::id());
        park_until_killed();
    }
    while copy.get() == 0 {
        std::thread::yield_now();
    }
}

// MGR-032
#[test]
fn the_end_of_a_server_is_noticed_though_a_copy_of_it_lives() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let (copy, list) = (Value::new(0).unwrap(), manager.create(Vec::<u32>::new, ()));
    let (list, queue) = (list.unwrap(), manager.queue::<u32>().unwrap());
    // One that waits in a call, on a connection that was there before the copy.
    queue.put(&1).unwrap();
    assert_eq!(queue.get().unwrap(), 1);
    let waits = std::thread::spawn(move || queue.get().unwrap_err().to_string());
    let task = |_: &mut Vec<u32>, copy| leave_a_copy(copy);
    list.call(task, copy.clone()).unwrap();
    kill9(manager.pid());
    let gone = list.with(|list| list.len());
    assert!(matches!(gone, Err(ManagerError::Gone)));
    assert!(matches!(manager.list::<u32>(), Err(ManagerError::Gone)));
    let words = waits.join().unwrap();
    assert!(words.ends_with(&ManagerError::Gone.to_string()), "{words}");
    kill9(copy.get());
}

fn hold_and_die(lock: manager::Lock, copy: Value<u32>) {
    let _guard = lock.acquire().unwrap();
    leave_a_copy(copy);
    kill9(std::process::id());
}

// MGR-032
#[test]
fn the_end_of_a_client_is_noticed_though_a_copy_of_it_lives() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let lock = manager.lock().unwrap();
    let copy = Value::new(0).unwrap();
    let client = Process::spawn(hold_and_die, (lock.clone(), copy.clone()));
    assert!(client.unwrap().join().is_err());
    let poisoned = lock.acquire().map_err(LockError::from).err();
    kill9(copy.get());
    assert_eq!(poisoned, Some(LockError::Poisoned));
}

// PRC-083
#[test]
fn a_copy_of_the_parent_leaves_the_result_to_it() {
    alone(|| {
        let process = Process::spawn(|| 7, ()).unwrap();
        process.wait_timeout(std::time::Duration::MAX).unwrap();
        if split().is_none() {
            let error = process.join().unwrap_err();
            let refused = matches!(error.cause(), Cause::Copied);
            // SAFETY: ending the process leaves nobody who could see anything unsound.
            unsafe { libc::_exit(i32::from(!refused)) }
        }
        let status = nix::sys::wait::wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
        assert_eq!(process.join().unwrap(), 7);
    });
}

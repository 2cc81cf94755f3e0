//! Workers that are stopped by a signal.

use nix::sys::signal::{Signal, kill, killpg, raise};
use nix::unistd::Pid;
use procession_pipe::{PipeWriter, pipe};
use procession_pool::{AsyncResult, Pool, PoolError};
use procession_process::{Process, StartMethod};
use procession_shm::{Array, Value};
use procession_testkit::{eventually, exists, watchdog};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).expect("the process is there");
}

/// Stops a process, and waits until it is.
fn stop(pid: u32) {
    signal(pid, Signal::SIGSTOP);
    eventually("the process is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('T'))
    });
}

fn tell_pid_and_wait(mut writer: PipeWriter) {
    let pid = std::process::id().to_le_bytes();
    writer.write_all(&pid).expect("the test reads");
    loop {
        thread::park();
    }
}

fn read_pid(reader: &mut impl Read) -> u32 {
    let mut pid = [0; 4];
    reader.read_exact(&mut pid).expect("the task writes");
    u32::from_le_bytes(pid)
}

// POL-130
#[test]
fn a_worker_stopped_in_a_task_fails_that_task_and_is_replaced() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let pool = Pool::builder()
            .workers(2)
            .process(move |process| process.start_method(method))
            .start()
            .unwrap();
        let (mut reader, writer) = pipe().unwrap();
        let stopped = pool.apply_async(tell_pid_and_wait, (writer,)).unwrap();
        let victim = read_pid(&mut reader);
        let others: Vec<_> = (0..40_u32)
            .map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap())
            .collect();
        stop(victim);
        match stopped.get() {
            Err(PoolError::WorkerStopped { item: None, pid }) => assert_eq!(pid, victim),
            other => panic!("{other:?}"),
        }
        for (n, other) in (0..).zip(others) {
            assert_eq!(other.get().unwrap(), n);
        }
        assert!(!exists(victim));
        eventually("the pool has its size again", || {
            pool.worker_pids().len() == 2
        });
    }
}

fn stop_at(ran: Array<u32>, n: usize) -> usize {
    ran.update(n, |ran| *ran += 1);
    if n % 10 == 3 {
        raise(Signal::SIGSTOP).expect("a process may stop itself");
    }
    n
}

#[test]
fn of_a_chunk_the_item_fails_at_which_the_worker_was_stopped() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let ran = Array::<u32>::zeroed(20).unwrap();
    let items: Vec<_> = (0..20).map(|n| (ran.clone(), n)).collect();
    let calls = items
        .into_iter()
        .map(|item| pool.apply_async(stop_at, item).unwrap());
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        match call.get() {
            Ok(answer) => assert!(answer == n && n % 10 != 3),
            Err(PoolError::WorkerStopped { .. }) => assert_eq!(n % 10, 3),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(ran.to_vec(), [1; 20]);
    let stops = |n: u32| {
        if n == 5 {
            raise(Signal::SIGSTOP).expect("a process may stop itself");
        }
        n
    };
    let error = pool.map_chunked(stops, 0..9, 9).unwrap_err();
    assert_eq!(error.item(), Some(5));
    let words = error.to_string();
    assert!(
        words.ends_with("was stopped while it ran the task for item 5"),
        "{words}"
    );
}

// POL-131
#[test]
fn what_a_stopped_worker_has_not_begun_goes_to_others_also_large_requests() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(2)
        .stop_timeout(Duration::MAX)
        .start()
        .unwrap();
    let pids = pool.worker_pids();
    let ran_by = |_: Vec<u8>| std::process::id();
    eventually("both have begun", || {
        let used = pool.map_chunked(ran_by, vec![vec![0; 9]; 20], 1).unwrap();
        used.into_iter().collect::<BTreeSet<u32>>().len() == 2
    });
    let (stopped, other) = (pids[0], pids[1]);
    stop(stopped);
    // Each is larger than what the rings and the socket hold.
    let sizes = [4 << 20, 9, 4 << 20, 9, 9, 4 << 20, 9, 9];
    let calls = sizes.map(|size| pool.apply_async(ran_by, (vec![1; size],)).unwrap());
    for call in calls {
        assert_eq!(call.get().unwrap(), other);
    }
    signal(stopped, Signal::SIGCONT);
    eventually("the stopped one is used again", || {
        pool.map_chunked(ran_by, vec![vec![0; 4 << 20]; 8], 1)
            .unwrap()
            .contains(&stopped)
    });
    assert!(pids.iter().all(|pid| pool.worker_pids().contains(pid)));
}

#[test]
fn a_worker_that_is_stopped_while_idle_is_replaced_and_costs_no_call() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let first = pool.apply(std::process::id, ()).unwrap();
    stop(first);
    let calls = [9, 4 << 20, 9].map(|size| {
        let own = |_: Vec<u8>| std::process::id();
        pool.apply_async(own, (vec![1; size],)).unwrap()
    });
    for call in calls {
        assert_ne!(call.get().unwrap(), first);
    }
    assert!(!exists(first));
}

#[test]
fn a_call_that_is_sent_in_part_to_a_stopped_worker_can_be_cancelled() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .stop_timeout(Duration::MAX)
        .start()
        .unwrap();
    let ran = Value::new(0_u32).unwrap();
    let worker = pool.apply(std::process::id, ()).unwrap();
    stop(worker);
    let run = |ran: Value<u32>, _: Vec<u8>| ran.update(|ran| *ran += 1);
    let large = pool
        .apply_async(run, (ran.clone(), vec![1; 4 << 20]))
        .unwrap();
    assert!(large.cancel());
    assert!(matches!(large.get(), Err(PoolError::Cancelled)));
    signal(worker, Signal::SIGCONT);
    assert_eq!(pool.apply(std::process::id, ()).unwrap(), worker);
    assert_eq!(ran.get(), 0);
}

#[test]
fn a_worker_that_is_continued_in_time_goes_on() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .stop_timeout(Duration::from_mins(10))
        .start()
        .unwrap();
    let pid = pool.worker_pids()[0];
    let stop_own = |n: u32| {
        raise(Signal::SIGSTOP).expect("a process may stop itself");
        n + 1
    };
    let call = pool.apply_async(stop_own, (6,)).unwrap();
    eventually("the worker is stopped and continued", || {
        signal(pid, Signal::SIGCONT);
        call.wait_timeout(Duration::from_millis(1))
    });
    assert_eq!(call.get().unwrap(), 7);
    assert_eq!(pool.worker_pids(), [pid]);
}

// POL-153
#[test]
fn a_worker_that_is_stopped_when_it_is_to_end_gives_its_place_to_another() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .idle_timeout(Duration::from_millis(20))
        .exit_hook(|| raise(Signal::SIGSTOP).is_ok())
        .start()
        .unwrap();
    for _ in 0..2 {
        let pid = pool.apply(std::process::id, ()).unwrap();
        eventually("it is in its hook", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            let stat = stat.unwrap_or_default();
            let state = stat.rsplit(") ").next();
            state.is_some_and(|rest| rest.starts_with('T'))
        });
        let next = pool.apply(std::process::id, ()).unwrap();
        assert_ne!(next, pid);
        assert!(!exists(pid));
    }
    pool.terminate();
}

/// Makes a pool and tells how its calls end.
fn own_pool(mut writer: PipeWriter) -> Vec<u32> {
    let pool = Pool::new(2).expect("a pool starts");
    let wait = |n: u32| {
        thread::sleep(Duration::from_millis(500));
        n
    };
    let calls: Vec<_> = (0..6)
        .map(|n| pool.apply_async(wait, (n,)).expect("it is accepted"))
        .collect();
    writer.write_all(&[1]).expect("the test reads");
    let results = calls.into_iter().map(AsyncResult::get);
    results.collect::<Result<_, _>>().expect("nothing failed")
}

// POL-132
#[test]
fn a_group_that_is_stopped_as_a_whole_goes_on_when_it_is_continued() {
    let _watchdog = watchdog();
    let (mut reader, writer) = pipe().unwrap();
    let owner = Process::builder()
        .process_group(0)
        .spawn(own_pool, (writer,))
        .unwrap();
    reader.read_exact(&mut [0]).unwrap();
    let group = Pid::from_raw(owner.pid().cast_signed());
    for _ in 0..3 {
        killpg(group, Signal::SIGSTOP).unwrap();
        eventually("the owner is stopped", || owner.is_stopped());
        // It is stopped for longer than a worker may be.
        thread::sleep(Duration::from_millis(800));
        killpg(group, Signal::SIGCONT).unwrap();
        thread::sleep(Duration::from_millis(120));
    }
    assert_eq!(owner.join().unwrap(), [0, 1, 2, 3, 4, 5]);
}

// POL-133
#[test]
fn a_pool_whose_workers_are_stopped_while_they_start_says_so() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(1)
        .stop_timeout(Duration::from_millis(1))
        .initializer(
            || {
                raise(Signal::SIGSTOP)
                    .map(drop)
                    .map_err(anyhow::Error::from)
            },
            (),
        )
        .start()
        .unwrap();
    let error = pool.apply(|| 7, ()).unwrap_err();
    assert!(matches!(error, PoolError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("was stopped"), "{error}");
}

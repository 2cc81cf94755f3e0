//! How a pool ends, and that nobody waits for one that has.

#![expect(clippy::exit, reason = "it is one of the ways in which a worker dies")]

use log::LevelFilter;
use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_pool::{Pool, PoolError};
use procession_process::Process;
use procession_shm::Value;
use procession_testkit::{alive, eventually, exists, kill9, records, watchdog};
use std::io::{Read, Write};
use std::mem::forget;
use std::sync::mpsc::channel;
use std::thread;

procession_process::enable_in_tests!();

fn forever() {
    loop {
        thread::park();
    }
}

fn wait_for_end(mut reader: PipeReader) {
    reader
        .read_to_end(&mut Vec::new())
        .expect("the pipe can be read");
}

// POL-021, POL-029, POL-054
#[test]
fn a_closed_pool_does_what_it_accepted() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let square = |n: u32| n * n;
    let results: Vec<_> = (0..50)
        .map(|n| pool.apply_async(square, (n,)).unwrap())
        .collect();
    pool.close();
    pool.close();
    let workers = pool.worker_pids();
    pool.join();
    assert!(workers.into_iter().all(|pid| !exists(pid)));
    assert!(pool.worker_pids().is_empty());
    for (n, result) in (0..50).zip(results) {
        assert!(result.ready());
        assert_eq!(result.get().unwrap(), n * n);
    }
}

// POL-051
#[test]
fn a_pool_that_has_ended_refuses_calls() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    pool.close();
    assert!(matches!(pool.apply(|| 7, ()), Err(PoolError::Closed)));
    assert!(matches!(pool.map(|n: u8| n, 0..0), Err(PoolError::Closed)));
    assert!(matches!(pool.apply_async(|| 7, ()), Err(PoolError::Closed)));
    pool.terminate();
    assert!(matches!(pool.apply(|| 7, ()), Err(PoolError::Terminated)));
    pool.join();
    pool.terminate();
    assert!(matches!(pool.apply(|| 7, ()), Err(PoolError::Terminated)));
}

#[test]
fn a_closed_pool_replaces_workers_for_what_it_accepted() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let task = |n: i32| if n % 2 == 0 { std::process::exit(n) } else { n };
    let results: Vec<_> = (0..6)
        .map(|n| pool.apply_async(task, (n,)).unwrap())
        .collect();
    pool.close();
    pool.join();
    let values: Vec<_> = results
        .into_iter()
        .map(|result| result.get().ok())
        .collect();
    assert_eq!(values, [None, Some(1), None, Some(3), None, Some(5)]);
}

#[test]
fn terminate_wakes_whoever_waits() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let task = |mut writer: PipeWriter| {
        writer.write_all(&[0]).expect("the test reads");
        forever();
    };
    thread::scope(|scope| {
        let apply = scope.spawn(|| pool.apply(task, (writer.try_clone().unwrap(),)));
        let items: Vec<_> = (0..9).map(|_| writer.try_clone().unwrap()).collect();
        let map = scope.spawn(|| pool.map(task, items));
        let join = scope.spawn(|| {
            reader.read_exact(&mut [0; 2]).unwrap();
            pool.close();
            thread::scope(|scope| {
                scope.spawn(|| pool.join());
                pool.terminate();
            });
        });
        assert!(matches!(apply.join().unwrap(), Err(PoolError::Terminated)));
        assert!(matches!(map.join().unwrap(), Err(PoolError::Terminated)));
        join.join().unwrap();
    });
}

#[test]
fn several_threads_join() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let (reader, writer) = pipe().unwrap();
    let result = pool.apply_async(wait_for_end, (reader,)).unwrap();
    let (done, joined) = channel();
    thread::scope(|scope| {
        for _ in 0..3 {
            let done = done.clone();
            let pool = &pool;
            scope.spawn(move || {
                pool.join();
                done.send(()).unwrap();
            });
        }
        assert!(joined.try_recv().is_err());
        drop(writer);
    });
    result.get().unwrap();
    assert_eq!(joined.try_iter().count(), 3);
}

#[test]
fn a_pool_that_is_dropped_leaves_nothing_running() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let workers = pool.worker_pids();
    let results: Vec<_> = (0..9)
        .map(|_| pool.apply_async(forever, ()).unwrap())
        .collect();
    drop(pool);
    assert!(workers.into_iter().all(|pid| !exists(pid)));
    for result in results {
        assert!(matches!(result.get(), Err(PoolError::Terminated)));
    }
}

// POL-102
#[test]
fn a_pool_that_is_dropped_with_work_to_do_warns() {
    let _watchdog = watchdog();
    records::keep(LevelFilter::Warn);
    let warnings = || {
        let kept = records::kept().into_iter();
        let here = |line: &String| line.contains(" 17 of its calls ");
        kept.filter(here).collect::<Vec<_>>()
    };
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(|n: u8| n, 0..9).unwrap().len(), 9);
    let ask = |_| pool.apply_async(forever, ()).unwrap();
    let results: Vec<_> = (0..17).map(ask).collect();
    pool.terminate();
    drop(pool);
    assert!(results.iter().all(procession_pool::AsyncResult::ready));
    assert!(warnings().is_empty(), "what was terminated is known");

    let pool = Pool::new(2).unwrap();
    let ask = |_| pool.apply_async(forever, ()).unwrap();
    let _results: Vec<_> = (0..17).map(ask).collect();
    drop(pool);
    let expected =
        "WARN a pool was dropped before 17 of its calls were done; `join` waits for them";
    assert_eq!(warnings(), [expected]);
}

#[test]
fn a_pool_may_end_before_its_workers_have_begun() {
    let _watchdog = watchdog();
    for round in 0..10 {
        let pool = Pool::new(2).unwrap();
        let workers = pool.worker_pids();
        let result = pool.apply_async(|| 7, ()).unwrap();
        match round % 3 {
            0 => pool.terminate(),
            1 => pool.join(),
            _ => {}
        }
        drop(pool);
        assert!(workers.into_iter().all(|pid| !exists(pid)));
        match result.get() {
            Ok(7) | Err(PoolError::Terminated) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Uses a pool and forgets about it, with work still to do.
fn forget_pool(pids: Value<[u32; 2]>) -> u32 {
    let pool = Pool::new(2).expect("a pool starts");
    pids.set(pool.worker_pids().try_into().expect("two workers"));
    let sum = pool
        .map(|n: u32| n, 0..5)
        .expect("the pool works")
        .into_iter()
        .sum();
    for _ in 0..4 {
        forget(pool.apply_async(forever, ()));
    }
    forget(pool);
    sum
}

// POL-023, POL-056
#[test]
fn a_program_that_forgets_its_pool_exits_as_usual() {
    let _watchdog = watchdog();
    let pids = Value::new([0; 2]).unwrap();
    let program = Process::spawn(forget_pool, (pids.clone(),)).unwrap();
    assert_eq!(program.join().unwrap(), 10);
    for pid in pids.get() {
        eventually("the worker is gone", || !alive(pid));
    }
}

fn work_for_ever(pids: Value<[u32; 2]>, mut ready: PipeWriter) {
    let pool = Pool::new(2).expect("a pool starts");
    let work = |mut ready: PipeWriter| {
        ready.write_all(&[0]).expect("the test reads");
        forever();
    };
    pids.set(pool.worker_pids().try_into().expect("two workers"));
    let busy = pool.apply_async(work, (ready.try_clone().expect("a descriptor"),));
    let _busy = busy.expect("the pool is open");
    ready.write_all(&[0]).expect("the test reads");
    forever();
}

#[test]
fn workers_busy_or_idle_die_with_a_parent_that_is_killed() {
    let _watchdog = watchdog();
    let pids = Value::new([0; 2]).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let parent = Process::spawn(work_for_ever, (pids.clone(), writer)).unwrap();
    reader.read_exact(&mut [0; 2]).unwrap();
    kill9(parent.pid());
    for pid in pids.get() {
        eventually("the worker is gone", || !alive(pid));
    }
    assert!(parent.join().is_err());
}

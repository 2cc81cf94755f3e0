//! Tasks that are run again when a worker dies.

#![expect(clippy::exit, reason = "it is one of the ways in which a worker dies")]

use nix::sys::signal::{Signal, raise};
use procession_call::Failure;
use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_pool::{Pool, PoolError};
use procession_process::StartMethod;
use procession_shm::{Array, Value};
use procession_testkit::{hush, watchdog};
use std::hint::black_box;
use std::io::Write;
use std::process::{abort, exit};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

/// Dies so often in each item that is divisible by 3.
fn fragile(runs: Array<u32>, n: usize, deaths: u32, how: u32) -> usize {
    let run = runs.update(n, |runs| {
        *runs += 1;
        *runs
    });
    if !n.is_multiple_of(3) || run > deaths {
        return n;
    }
    match how {
        0 => exit(0),
        1 => abort(),
        2 => raise(Signal::SIGKILL).expect("a process may kill itself"),
        3 => raise(Signal::SIGSTOP).expect("a process may stop itself"),
        _ => {
            let memory = black_box(vec![1_u8; 96 << 20]);
            while !memory.is_empty() {
                thread::park();
            }
        }
    }
    n
}

fn pool(retries: u32, method: StartMethod) -> Pool {
    Pool::builder()
        .workers(2)
        .retries(retries)
        .stop_timeout(Duration::from_millis(1))
        .memory_limit(64 << 20)
        .process(move |process| process.start_method(method))
        .start()
        .expect("a pool starts")
}

// POL-147
#[test]
fn a_task_whose_worker_dies_is_run_again_as_often_as_it_may() {
    let _watchdog = watchdog();
    for (how, method) in (0..5).zip([StartMethod::ForkServer, StartMethod::Spawn].iter().cycle()) {
        let pool = pool(2, *method);
        for chunk in [1, 4] {
            let runs = Array::<u32>::zeroed(8).unwrap();
            let items = (0..8).map(|n| (runs.clone(), n, 2, how));
            let run = |item: (Array<u32>, usize, u32, u32)| fragile(item.0, item.1, item.2, item.3);
            let results = pool.map_chunked(run, items, chunk).unwrap();
            assert!(results.into_iter().eq(0..8));
            assert_eq!(runs.to_vec(), [3, 1, 1, 3, 1, 1, 3, 1], "{how}");
        }
    }
}

// POL-148
#[test]
fn a_task_that_kills_all_its_workers_fails_alone_with_the_last_death() {
    let _watchdog = watchdog();
    let pool = pool(1, StartMethod::ForkServer);
    let runs = Array::<u32>::zeroed(8).unwrap();
    let calls: Vec<_> = (0..8)
        .map(|n| pool.apply_async(fragile, (runs.clone(), n, 9, 1)).unwrap())
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        match call.get() {
            Ok(answer) => assert!(answer == n && n % 3 != 0),
            Err(PoolError::WorkerDied { status, .. }) => {
                assert!(n % 3 == 0 && status.signal() == Some(6));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(runs.to_vec(), [2, 1, 1, 2, 1, 1, 2, 1]);
}

/// Of numbers in a row, each item is counted for itself.
fn die_at(n: u32) -> u32 {
    let runs = RUNS.get().expect("the worker was prepared");
    let run = runs.update(n as usize, |runs| {
        *runs += 1;
        *runs
    });
    if n % 2 == 1 && run == 1 {
        exit(1);
    }
    n
}

static RUNS: std::sync::OnceLock<Array<u32>> = std::sync::OnceLock::new();

fn prepare(runs: Array<u32>) {
    RUNS.get_or_init(|| runs);
}

#[test]
fn each_item_of_a_chunk_may_be_tried_again() {
    let _watchdog = watchdog();
    let runs = Array::<u32>::zeroed(30).unwrap();
    let pool = Pool::builder()
        .workers(2)
        .retries(1)
        .initializer(prepare, (runs.clone(),))
        .start()
        .unwrap();
    let results = pool.map_chunked(die_at, 0..30, 15).unwrap();
    assert!(results.into_iter().eq(0..30));
    let expected: Vec<u32> = (0..30).map(|n| 1 + n % 2).collect();
    assert_eq!(runs.to_vec(), expected);
}

#[test]
fn what_is_no_death_is_not_tried_again() {
    let _watchdog = watchdog();
    let pool = || Pool::builder().workers(1).retries(5);
    let runs = Value::new(0_u32).unwrap();
    let panics = |runs: Value<u32>| -> () {
        hush();
        runs.update(|runs| *runs += 1);
        panic!("no more")
    };
    let unlimited = pool().start().unwrap();
    let error = unlimited.apply(panics, (runs.clone(),)).unwrap_err();
    assert!(
        matches!(
            error,
            PoolError::Call {
                failure: Failure::Panicked(_),
                ..
            }
        ),
        "{error}"
    );
    let lasts = |runs: Value<u32>| -> () {
        runs.update(|runs| *runs += 1);
        loop {
            thread::park();
        }
    };
    let limit = Duration::from_millis(50);
    let limited = pool().task_timeout(limit).start().unwrap();
    let error = limited.apply(lasts, (runs.clone(),)).unwrap_err();
    assert!(matches!(error, PoolError::TimedOut { .. }), "{error}");
    assert_eq!(runs.get(), 2);
}

// POL-149
#[test]
fn arguments_with_handles_and_descriptors_arrive_again() {
    let _watchdog = watchdog();
    let pool = pool(3, StartMethod::ForkServer);
    let write = |runs: Value<u32>, mut writer: PipeWriter, text: Array<u8>| {
        let run = runs.update(|runs| {
            *runs += 1;
            *runs
        });
        if run < 4 {
            abort();
        }
        writer.write_all(&text.to_vec()).expect("the test reads");
    };
    for _ in 0..5 {
        let (mut reader, writer) = pipe().unwrap();
        let runs = Value::new(0).unwrap();
        // The call alone has it, and what it leaves goes with the last one.
        let text = Array::<u8>::from_iter(*b"again").unwrap();
        pool.apply(write, (runs.clone(), writer, text)).unwrap();
        assert_eq!(read(&mut reader), "again");
        assert_eq!(runs.get(), 4);
    }
}

fn read(reader: &mut PipeReader) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(reader, &mut text).expect("all writers are closed");
    text
}

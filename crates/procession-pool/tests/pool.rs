//! What a pool computes, and what fails in it without killing anybody.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, raise};
use procession_call::Failure;
use procession_pipe::{PipeWriter, pipe};
use procession_pool::{Pool, PoolError};
use procession_process::current_process;
use procession_shm::{Array, Value};
use procession_testkit::{children, eventually, hush, watchdog};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;

procession_process::enable_in_tests!();

fn square(n: u64) -> u64 {
    n * n
}

fn pid() -> u32 {
    std::process::id()
}

fn workers(pool: &Pool) -> BTreeSet<u32> {
    pool.worker_pids().into_iter().collect()
}

// POL-012, POL-030
#[test]
fn a_pool_has_as_many_workers_as_asked_for() {
    let _watchdog = watchdog();
    assert!(matches!(Pool::new(0), Err(PoolError::NoWorkers)));
    let pool = Pool::new(3).unwrap();
    assert_eq!(pool.size(), 3);
    assert_eq!(workers(&pool).len(), 3);
    assert!(workers(&pool).contains(&pool.apply(pid, ()).unwrap()));
}

#[test]
fn workers_are_daemons_with_names() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let describe = || {
        (
            current_process().name().to_owned(),
            current_process().is_daemon(),
        )
    };
    let (name, daemon) = pool.apply(describe, ()).unwrap();
    let number = name.strip_prefix("PoolWorker-").unwrap();
    assert!(number.parse::<u32>().unwrap() >= 1);
    assert!(daemon);
}

#[test]
fn workers_ignore_interrupts() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    pool.apply(|| raise(Signal::SIGINT).unwrap(), ()).unwrap();
    assert_eq!(
        workers(&pool),
        BTreeSet::from([pool.apply(pid, ()).unwrap()])
    );
}

// POL-001
#[test]
fn apply_takes_any_number_of_arguments() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(square, (7,)).unwrap(), 49);
    assert_eq!(pool.apply(|| "none".to_owned(), ()).unwrap(), "none");
    let join = |a: String, b: char, c: Option<u8>| format!("{a}{b}{c:?}");
    assert_eq!(
        pool.apply(join, ("x".into(), 'y', Some(3))).unwrap(),
        "xySome(3)"
    );
}

// POL-002, POL-033
#[test]
fn map_keeps_the_order_whatever_the_chunks() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let expected: Vec<u64> = (0..100).map(square).collect();
    assert_eq!(pool.map(square, 0..100).unwrap(), expected);
    for chunk in [1, 6, 40, 50, 100, 1000, usize::MAX] {
        assert_eq!(pool.map_chunked(square, 0..100, chunk).unwrap(), expected);
    }
    assert!(matches!(
        pool.map_chunked(square, 0..100, 0),
        Err(PoolError::NoChunk)
    ));
}

// POL-003, POL-026
#[test]
fn starmap_unpacks_tuples() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let pairs = (0..50_u64).zip(10..60_u64);
    let products = pool.starmap(|x: u64, y: u64| x * y, pairs.clone()).unwrap();
    assert!(products.into_iter().eq(pairs.map(|(x, y)| x * y)));
}

// POL-013
#[test]
fn nothing_makes_nothing() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    assert!(pool.map(square, []).unwrap().is_empty());
    assert!(pool.map_chunked(square, [], 5).unwrap().is_empty());
}

fn explain(n: u32) -> Result<u32> {
    if n == 3 {
        let parsed: Result<u32, _> = "three".parse();
        return parsed.context("item three is special");
    }
    if n == 4 {
        hush();
    }
    assert_ne!(n, 4, "four is right out");
    Ok(n)
}

// POL-014, POL-034
#[test]
fn failures_are_data() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let before = workers(&pool);

    let error = pool.map(explain, 0..4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the task for item 3 failed: item three is special"
    );
    let PoolError::Call {
        item: Some(3),
        failure: Failure::Failed(error),
    } = error
    else {
        panic!("{error}")
    };
    let chain: Vec<&str> = error.chain().collect();
    assert_eq!(
        chain,
        ["item three is special", "invalid digit found in string"]
    );

    let error = pool.map(explain, 4..6).unwrap_err();
    let PoolError::Call {
        item: Some(0),
        failure: Failure::Panicked(panic),
    } = &error
    else {
        panic!("{error}")
    };
    assert!(panic.message().contains("four is right out"));
    assert!(panic.location().unwrap().contains("tests/pool.rs"));
    assert!(
        error
            .to_string()
            .starts_with("the task for item 0 panicked at"),
        "{error}"
    );

    assert_eq!(workers(&pool), before);
}

// POL-014
#[test]
fn an_iterator_that_panics_panics_here_and_ends_its_call() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let ran = Value::new(0_u32).unwrap();
    let items = (0..10).map(|n| {
        assert!(n < 5, "the input ends badly");
        (ran.clone(),)
    });
    let count = |ran: Value<u32>| ran.update(|ran| *ran += 1);
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.starmap(count, items)));
    assert!(caught.is_err());
    assert_eq!(pool.apply(square, (3,)).unwrap(), 9);
    assert!(ran.get() <= 5);
}

fn fail_at_length(ran: Array<u32>, n: usize) -> Result<String> {
    ran.update(n, |ran| *ran += 1);
    bail!("{n} {}", "x".repeat(300_000))
}

// POL-016
#[test]
fn every_item_is_run_before_the_first_failure_is_told() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let ran = Array::<u32>::zeroed(50).unwrap();
    let error = pool
        .starmap(fail_at_length, (0..50).map(|n| (ran.clone(), n)))
        .unwrap_err();
    assert_eq!(error.item(), Some(0));
    assert!(error.to_string().len() > 300_000);
    assert_eq!(ran.to_vec(), [1; 50]);
    pool.close();
    pool.join();
}

/// Fails, panics or misbehaves where it is encoded or decoded.
#[derive(Debug, Clone, Copy)]
enum Awkward {
    Unencodable,
    PanicsEncoding,
    Undecodable,
    Fine,
}

impl Serialize for Awkward {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unencodable => Err(S::Error::custom("made of the wrong stuff")),
            Self::PanicsEncoding => panic!("encoding goes wrong"),
            Self::Undecodable => 1_u8.serialize(serializer),
            Self::Fine => 0_u8.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Awkward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Fine),
            _ => Err(D::Error::custom("cannot be read")),
        }
    }
}

fn panics_encoding() -> Awkward {
    hush();
    Awkward::PanicsEncoding
}

// POL-019, POL-049
#[test]
fn a_result_that_cannot_be_encoded_costs_no_worker() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let before = workers(&pool);
    for _ in 0..20 {
        let error = pool.apply(|| Awkward::Unencodable, ()).unwrap_err();
        assert!(
            matches!(
                error,
                PoolError::Call {
                    item: None,
                    failure: Failure::Result(_)
                }
            ),
            "{error}"
        );
        let error = pool.apply(panics_encoding, ()).unwrap_err();
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
    }
    assert_eq!(workers(&pool), before);
}

// POL-050, POL-091
#[test]
fn a_result_that_cannot_be_decoded_fails_its_call_alone() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let before = workers(&pool);
    let odd = |n: u8| {
        if n == 2 {
            Awkward::Undecodable
        } else {
            Awkward::Fine
        }
    };
    let error = pool.map(odd, 0..9).unwrap_err();
    assert!(
        matches!(error, PoolError::ResultNotDecoded { item: Some(2), .. }),
        "{error}"
    );
    assert!(matches!(
        pool.map(odd, 3..9).unwrap()[..],
        [Awkward::Fine, ..]
    ));
    assert_eq!(workers(&pool), before);
}

// POL-043
#[test]
fn arguments_that_cannot_be_encoded_fail_alone() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let ran = Value::new(0_u32).unwrap();
    let count = |ran: Value<u32>, _: Awkward| ran.update(|ran| *ran += 1);
    let items = [Awkward::Fine, Awkward::Unencodable].map(|item| (ran.clone(), item));
    let error = pool.starmap(count, items).unwrap_err();
    assert!(
        matches!(error, PoolError::Encode { item: Some(1), .. }),
        "{error}"
    );
    assert_eq!(ran.get(), 1);
    let error = pool
        .apply(count, (ran.clone(), Awkward::Unencodable))
        .unwrap_err();
    assert!(
        matches!(error, PoolError::Encode { item: None, .. }),
        "{error}"
    );
    pool.apply(count, (ran.clone(), Awkward::Fine)).unwrap();
    assert_eq!(ran.get(), 2);
}

#[test]
fn arguments_that_cannot_be_decoded_fail_alone() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let ran = Array::<u32>::zeroed(5).unwrap();
    let count = |n: usize, _: Awkward, ran: Array<u32>| ran.update(n, |ran| *ran += 1);
    let item = |n| {
        if n == 2 {
            Awkward::Undecodable
        } else {
            Awkward::Fine
        }
    };
    let error = pool
        .starmap(count, (0..5).map(|n| (n, item(n), ran.clone())))
        .unwrap_err();
    assert!(
        matches!(
            error,
            PoolError::Call {
                item: Some(2),
                failure: Failure::Arguments(_)
            }
        ),
        "{error}"
    );
    assert_eq!(ran.to_vec(), [1, 1, 0, 1, 1]);
}

// POL-017, POL-035
#[test]
fn nobody_keeps_the_arguments_of_a_call_that_is_done() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    pool.apply(|_: PipeWriter| (), (writer,)).unwrap();
    // The end is read only when no process has a writer any more.
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(workers(&pool).len(), 1);
}

#[test]
fn results_carry_handles() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let made = pool.map(|n: u32| Value::new(n).unwrap(), 0..3).unwrap();
    assert_eq!(made.iter().map(Value::get).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_chunk_has_no_more_descriptors_than_a_message_carries() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let put = |mut writer: PipeWriter, n: u8| writer.write_all(&[n]).unwrap();
    let items = (0..600).map(|n| (writer.try_clone().unwrap(), n as u8));
    let put_all = pool.starmap(put, items).unwrap();
    assert_eq!(put_all.len(), 600);
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 600);
}

// POL-036, POL-037, POL-038
#[test]
fn work_is_shared_and_never_by_more_processes_than_asked_for() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    let before = workers(&pool);
    let pids: BTreeSet<u32> = pool
        .map_chunked(|_: u32| pid(), 0..200, 1)
        .unwrap()
        .into_iter()
        .collect();
    assert!(pids.is_subset(&before));
    assert_eq!(workers(&pool), before);
    // One that has not begun looks like a child that was made in advance.
    eventually("all are children of this process", || {
        let ours = children(pid());
        before.iter().all(|worker| ours.contains(worker))
    });
}

fn meet(here: Value<u32>, all: u32) -> u32 {
    here.update(|here| *here += 1);
    while here.get() < all {
        thread::yield_now();
    }
    pid()
}

#[test]
fn all_workers_work_at_once() {
    let _watchdog = watchdog();
    let pool = Pool::new(4).unwrap();
    let here = Value::new(0).unwrap();
    let pids = pool
        .starmap(meet, (0..4).map(|_| (here.clone(), 4)))
        .unwrap();
    assert_eq!(pids.into_iter().collect::<BTreeSet<_>>(), workers(&pool));
}

// POL-024
#[test]
fn a_large_pool_works() {
    let _watchdog = watchdog();
    let pool = Pool::new(32).unwrap();
    let here = Value::new(0).unwrap();
    let pids = pool
        .starmap(meet, (0..32).map(|_| (here.clone(), 32)))
        .unwrap();
    assert_eq!(pids.into_iter().collect::<BTreeSet<_>>().len(), 32);
    assert_eq!(
        pool.map(square, 0..1000).unwrap(),
        (0..1000).map(square).collect::<Vec<_>>()
    );
}

#[test]
fn many_threads_use_one_pool() {
    let _watchdog = watchdog();
    let pool = Arc::new(Pool::new(2).unwrap());
    let call = |thread: u64| {
        let pool = Arc::clone(&pool);
        move || {
            let items = thread * 100..thread * 100 + 50;
            let expected: Vec<u64> = items.clone().map(square).collect();
            assert_eq!(pool.map(square, items).unwrap(), expected);
            (0..20).for_each(|n| assert_eq!(pool.apply(square, (n,)).unwrap(), n * n));
        }
    };
    let threads: Vec<_> = (0..8).map(|thread| thread::spawn(call(thread))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn large_arguments_and_results_pass() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let reverse = |text: String| text.chars().rev().collect::<String>();
    let texts: Vec<String> = (0..4)
        .map(|n| format!("{n}{}", "-".repeat(3_000_000)))
        .collect();
    for (n, text) in pool
        .map_chunked(reverse, texts, 2)
        .unwrap()
        .into_iter()
        .enumerate()
    {
        assert_eq!(text.len(), 3_000_001);
        assert!(text.ends_with(&n.to_string()));
    }
}

fn sockets() -> usize {
    let entries = fs::read_dir("/proc/self/fd").expect("the process has a list of its files");
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

#[test]
fn a_worker_holds_its_own_two_sockets_only() {
    let _watchdog = watchdog();
    let pool = Pool::new(3).unwrap();
    assert_eq!(pool.map(|_: u8| sockets(), 0..12).unwrap(), [2; 12]);
}

#[test]
fn a_task_may_have_a_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let inner = |n: u64| {
        let pool = Pool::new(2)?;
        let name = pool.apply(|| current_process().name().to_owned(), ())?;
        anyhow::Ok((pool.map(square, 0..n)?.into_iter().sum::<u64>(), name))
    };
    let sums = pool.map(inner, 1..5).unwrap();
    let expected = [0, 1, 5, 14];
    for ((sum, name), expected) in sums.into_iter().zip(expected) {
        assert_eq!(sum, expected);
        let number = name.strip_prefix("PoolWorker-").unwrap();
        assert_eq!(number.split(':').count(), 2, "{name}");
    }
}

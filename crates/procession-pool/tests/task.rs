//! Tasks with settings: a result for each item, and calls that may take so long.

use procession_call::Failure;
use procession_pool::{Pool, PoolError};
use procession_shm::{Array, Value};
use procession_testkit::{eventually, hush, kill9, watchdog};
use serde::{Deserialize, Deserializer, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const MOMENT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_mins(5);

/// Ends in a way of its own for some numbers.
fn odd(n: u64) -> anyhow::Result<u64> {
    match n {
        3 => {
            hush();
            panic!("three")
        }
        5 => anyhow::bail!("five"),
        7 => kill9(std::process::id()),
        11 => std::process::abort(),
        _ => {}
    }
    Ok(n * n)
}

fn is_as_it_should_be(n: u64, result: &Result<u64, PoolError>) {
    let item = usize::try_from(n).ok();
    match (n, result) {
        (
            3,
            Err(
                error @ PoolError::Call {
                    failure: Failure::Panicked(_),
                    ..
                },
            ),
        )
        | (
            5,
            Err(
                error @ PoolError::Call {
                    failure: Failure::Failed(_),
                    ..
                },
            ),
        )
        | (7 | 11, Err(error @ PoolError::WorkerDied { .. })) => assert_eq!(error.item(), item),
        (3 | 5 | 7 | 11, _) | (_, Err(_)) => panic!("{n}: {result:?}"),
        (_, Ok(square)) => assert_eq!(*square, n * n),
    }
}

// POL-160
#[test]
fn every_item_has_a_result_of_its_own() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 4, 100] {
        let results = pool.task(odd).chunk(chunk).try_map(0..40).unwrap();
        assert_eq!(results.len(), 40);
        (0..)
            .zip(&results)
            .for_each(|(n, it)| is_as_it_should_be(n, it));
        let results = pool.task(odd).chunk(chunk).try_map_async(0..40).unwrap();
        let results = results.get().unwrap();
        assert_eq!(results.len(), 40);
        (0..)
            .zip(&results)
            .for_each(|(n, it)| is_as_it_should_be(n, it));
    }
    let sum = |x: u8, y: u8| x + y;
    let results = pool.task(sum).star().try_map([(1, 2), (255, 1), (3, 4)]);
    let results = results.unwrap();
    assert_eq!(*results[0].as_ref().unwrap(), 3);
    assert!(matches!(
        results[1],
        Err(PoolError::Call {
            failure: Failure::Panicked(_),
            ..
        })
    ));
    assert_eq!(*results[2].as_ref().unwrap(), 7);
    assert!(pool.task(odd).try_map(0..0).unwrap().is_empty());
}

// POL-160
#[test]
fn a_task_with_state_is_called_in_every_way() {
    let _watchdog = watchdog();
    let base = |base: u64| base * 100;
    let pool = Pool::builder().workers(2).state(base, 7).start().unwrap();
    let add = pool.task(|base: &u64, n: u64| base + n).with_state();
    assert_eq!(add.apply(1).unwrap(), 701);
    assert_eq!(add.apply_async(2).unwrap().get().unwrap(), 702);
    assert_eq!(add.map([3, 4]).unwrap(), [703, 704]);
    assert_eq!(add.map_async([5]).unwrap().get().unwrap(), [705]);
    let results = add.chunk(2).imap(0..5).unwrap();
    assert_eq!(
        results.collect::<Result<Vec<_>, _>>().unwrap(),
        [700, 701, 702, 703, 704]
    );
    let none = pool.task(|_: &String, n: u64| n).with_state();
    assert!(matches!(
        none.apply(1),
        Err(PoolError::Call {
            failure: Failure::Arguments(_),
            ..
        })
    ));
}

#[test]
fn a_task_with_several_arguments_is_called_in_every_way() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let power = pool.task(u64::pow).star().chunk(3);
    assert_eq!(power.apply((2, 5)).unwrap(), 32);
    let pairs = || (0..20).map(|n| (n, 2));
    let squares: Vec<u64> = (0..20).map(|n| n * n).collect();
    assert_eq!(power.map(pairs()).unwrap(), squares);
    assert_eq!(power.map_async(pairs()).unwrap().get().unwrap(), squares);
    let ordered = power.imap(pairs()).unwrap();
    assert_eq!(ordered.collect::<Result<Vec<_>, _>>().unwrap(), squares);
    let unordered = power.imap_unordered(pairs()).unwrap();
    let mut unordered = unordered.collect::<Result<Vec<_>, _>>().unwrap();
    unordered.sort_unstable();
    assert_eq!(unordered, squares);
}

#[test]
fn chunks_of_nothing_are_an_error_of_every_call() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let none = pool.task(odd).chunk(0);
    assert!(matches!(none.map([1]), Err(PoolError::NoChunk)));
    assert!(matches!(none.try_map([1]), Err(PoolError::NoChunk)));
    assert!(matches!(none.map_async([1]), Err(PoolError::NoChunk)));
    assert!(matches!(none.imap([1]), Err(PoolError::NoChunk)));
    assert!(matches!(none.imap_unordered([1]), Err(PoolError::NoChunk)));
    // A single call has no chunks.
    assert_eq!(none.apply((1,)).unwrap(), 1);
}

/// Notes that it ran, and waits unless it may go on.
fn wait(ran: Array<u32>, go: Value<bool>, n: usize) -> usize {
    ran.update(n, |ran| *ran += 1);
    while n >= 10 && !go.get() {
        thread::yield_now();
    }
    n
}

// POL-161
#[test]
fn what_is_not_done_in_time_is_an_error_and_what_has_not_begun_is_not_run() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let (ran, go) = (
        Array::<u32>::zeroed(40).unwrap(),
        Value::new(false).unwrap(),
    );
    let items = (0..40).map(|n| (ran.clone(), go.clone(), n));
    let call = pool
        .task(wait)
        .star()
        .chunk(1)
        .timeout(Duration::from_millis(300));
    let results = call.try_map(items).unwrap();
    assert_eq!(results.len(), 40);
    for (n, result) in results.iter().enumerate() {
        match result {
            Ok(done) => assert!(*done == n && n < 10),
            Err(PoolError::NotInTime { item, .. }) => assert!(*item == Some(n) && n >= 10, "{n}"),
            Err(error) => panic!("{error}"),
        }
    }
    go.set(true);
    // The workers are as good as ever, and what was taken back stays so.
    assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
    assert_eq!(ran.to_vec().iter().sum::<u32>(), 12);
}

fn wait_for(go: Value<bool>) {
    while !go.get() {
        thread::yield_now();
    }
}

// POL-161
#[test]
fn every_call_that_waits_can_be_limited() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let task = pool.task(wait_for);
    let late = task.timeout(MOMENT);
    let items = || [go.clone(), go.clone()];
    let first = |error: PoolError| {
        assert!(
            matches!(error, PoolError::NotInTime { limit: MOMENT, .. }),
            "{error}"
        );
        assert_eq!(error.item(), Some(0));
    };
    let error = late.apply((go.clone(),)).unwrap_err();
    assert!(
        matches!(error, PoolError::NotInTime { item: None, .. }),
        "{error}"
    );
    assert_eq!(error.to_string(), "the call was not done within 50ms");
    // The worker is still at it, so none of these begins.
    first(late.map(items()).unwrap_err());
    first(late.map_async(items()).unwrap().get().unwrap_err());
    first(late.star().map(items().map(|go| (go,))).unwrap_err());
    for mut results in [
        late.imap(items()).unwrap(),
        late.imap_unordered(items()).unwrap(),
    ] {
        let error = results.next().unwrap().unwrap_err();
        assert!(matches!(error, PoolError::NotInTime { .. }), "{error}");
        assert!(results.next().is_none() && results.is_done());
    }
    go.set(true);
    task.timeout(LONG).apply((go.clone(),)).unwrap();
    assert_eq!(task.timeout(Duration::MAX).map(items()).unwrap().len(), 2);
}

// POL-161
#[test]
fn a_call_that_nobody_waits_for_ends_in_time_too() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let go = Value::new(false).unwrap();
    let task = pool.task(wait_for);
    let begun = task.timeout(MOMENT).apply_async((go.clone(),)).unwrap();
    let queued = task
        .timeout(MOMENT)
        .map_async([go.clone(), go.clone()])
        .unwrap();
    let patient = task.timeout(LONG).apply_async((go.clone(),)).unwrap();
    eventually("the time is over", || begun.ready() && queued.ready());
    assert!(!patient.ready());
    let (tell, told) = std::sync::mpsc::channel();
    begun
        .then(move |result| tell.send(result).unwrap())
        .unwrap();
    let result = told.recv().unwrap();
    assert!(matches!(
        result,
        Err(PoolError::NotInTime { item: None, .. })
    ));
    assert_eq!(queued.get().unwrap_err().item(), Some(0));
    go.set(true);
    patient.get().unwrap();
    pool.join();
}

// POL-161
#[test]
fn an_input_that_takes_too_long_ends_with_the_time() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let slow = || (0..1000_u64).inspect(|_| thread::sleep(Duration::from_millis(2)));
    let late = pool.task(|n: u64| n).timeout(MOMENT);
    let results = late.try_map(slow()).unwrap();
    let done = results.iter().take_while(|it| it.is_ok()).count();
    assert!(results.len() == 1000 && done < 1000);
    let error = late.map(slow()).unwrap_err();
    assert!(matches!(error, PoolError::NotInTime { .. }), "{error}");
    let results: Vec<_> = late.imap(slow()).unwrap().collect();
    assert!(results.len() < 1000 && results.last().unwrap().is_err());
}

/// Panics where it is read, if it is an odd one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Explosive(u64);

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let n = u64::deserialize(deserializer)?;
        if n % 10 == 7 {
            hush();
            panic!("{n} cannot be read");
        }
        Ok(Self(n))
    }
}

// POL-162
#[test]
fn a_result_whose_decoding_panics_is_the_only_one_that_is_lost() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let check = |n: usize, result: Result<Explosive, PoolError>| match result {
        Ok(value) => assert!(value.0 == n as u64 && n % 10 != 7),
        Err(error) => {
            assert!(
                matches!(error, PoolError::ResultNotDecoded { .. }),
                "{error}"
            );
            assert!(n % 10 == 7 && error.item() == Some(n));
            assert!(
                error
                    .to_string()
                    .contains(&format!("panicked: {n} cannot be read"))
            );
        }
    };
    for chunk in [1, 16, 100] {
        let task = pool.task(|n: u64| Explosive(n)).chunk(chunk);
        let results = task.try_map(0..100).unwrap();
        assert_eq!(results.len(), 100);
        results
            .into_iter()
            .enumerate()
            .for_each(|(n, it)| check(n, it));
        let results: Vec<_> = task.imap(0..100).unwrap().collect();
        assert_eq!(results.len(), 100);
        results
            .into_iter()
            .enumerate()
            .for_each(|(n, it)| check(n, it));
        assert_eq!(task.imap_unordered(0..100).unwrap().count(), 100);
        assert_eq!(task.map(0..100).unwrap_err().item(), Some(7));
    }
    let alone = pool.apply(|| Explosive(17), ()).unwrap_err();
    assert!(
        matches!(alone, PoolError::ResultNotDecoded { item: None, .. }),
        "{alone}"
    );
}

/// Panics where it is written, after a part of it was, unless the other part is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Unwritable(u64, u64);

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        assert!(self.1 == 0, "it cannot be written");
        tuple.serialize_element(&self.1)?;
        tuple.end()
    }
}

// POL-162
#[test]
fn an_argument_whose_encoding_panics_leaves_nothing_in_the_chunk() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let written = (0..300).filter(|n| *n != 207);
    let items = (0..300).map(|n| Unwritable(n, if n == 207 { 7 } else { 0 }));
    let task = pool.task(|it: Unwritable| it.0).chunk(3);
    let mut results = task.imap(items.clone()).unwrap();
    let mut seen = Vec::new();
    let mut take = || seen.extend(results.by_ref().map(Result::unwrap));
    hush();
    assert!(catch_unwind(AssertUnwindSafe(&mut take)).is_err());
    take();
    assert!(seen.into_iter().eq(written));
    assert!(catch_unwind(|| task.map(items).is_ok()).is_err());
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
}

// POL-172
#[test]
fn an_error_shows_the_item_that_it_is_about() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let task = pool.task(odd).show_items().chunk(3);
    let is_shown = |n: usize, error: &PoolError| match error {
        PoolError::OfItem { item, error } => {
            assert_eq!((&**item, error.item()), (n.to_string().as_str(), Some(n)));
            assert!(!matches!(**error, PoolError::OfItem { .. }));
        }
        error => panic!("{error}"),
    };
    let results = task.try_map(0..40).unwrap();
    let failed = (0..).zip(&results).filter(|(_, result)| result.is_err());
    let failed: Vec<_> = failed
        .map(|(n, it)| (n, it.as_ref().unwrap_err()))
        .collect();
    assert_eq!(failed.len(), 4);
    for (n, error) in &failed {
        is_shown(*n, error);
    }
    for (n, result) in task.imap(0..40).unwrap().enumerate() {
        let _ = result.inspect_err(|error| is_shown(n, error));
    }
    is_shown(3, &task.map_async(0..40).unwrap().get().unwrap_err());
    assert_eq!(
        task.imap_unordered(0..40)
            .unwrap()
            .filter(Result::is_err)
            .count(),
        4
    );
    let late = task.timeout(Duration::ZERO).map_async(0..40).unwrap().get();
    assert!(late.is_err());
    // Several arguments, one that is long, and a single call.
    let star = pool.task(|text: String, n: u8| text.len() as u8 / n).star();
    let error = star.show_items().map([("é".repeat(1000), 0)]).unwrap_err();
    let PoolError::OfItem { item, .. } = &error else {
        panic!("{error}")
    };
    assert!(item.starts_with("(\"éé") && item.ends_with("é…") && item.len() < 90);
    let error = pool.task(odd).show_items().apply((5,)).unwrap_err();
    assert_eq!(error.to_string(), "the task failed: five, which is (5,)");
}

//! Parts of an array, which several processes write at once.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{AcquireError, Array, ArrayPart, LockError, LockResult};
use procession_testkit::helper::{Helper, arrive, receive, roundtrip, say, send, wait_for_end};
use procession_testkit::{eventually, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

procession_testkit::helpers!(hold_a_part, negate_a_part, negate_in_a_loop);

const SOON: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(99);

fn hold_a_part() {
    let Some(part) = arrive::<ArrayPart<i64>>() else {
        return;
    };
    let mut guard = part.lock().unwrap();
    guard.fill(-1);
    say("holding");
    wait_for_end();
}

fn negate_a_part() {
    let Some(part) = arrive::<ArrayPart<i64>>() else {
        return;
    };
    say("to write");
    part.lock().unwrap().iter_mut().for_each(|n| *n = -*n);
    say("written");
}

fn negate_in_a_loop() {
    let Some(part) = arrive::<ArrayPart<i64>>() else {
        return;
    };
    say("at work");
    loop {
        let mut guard = part.lock().or_else(AcquireError::into_inner).unwrap();
        let first = guard[0];
        guard.iter_mut().for_each(|n| *n = -first);
    }
}

fn refusal<G>(result: LockResult<G>) -> Option<LockError> {
    result.err()?.into_inner().err()
}

fn numbers(len: i64) -> Array<i64> {
    Array::from_iter(0..len).unwrap()
}

// SHM-034
#[test]
fn processes_hold_disjoint_parts_at_once() {
    let _watchdog = watchdog();
    let array = numbers(10);
    let parts = array.split(3);
    let mut helpers = Vec::new();
    for part in &parts[..2] {
        let mut helper = Helper::with("hold_a_part", part);
        assert_eq!(helper.hear(), "holding");
        helpers.push(helper);
    }
    let mut own = parts[2].lock().unwrap();
    own[0] = 70;
    assert_eq!(own[..], [70, 8, 9]);
    for helper in helpers {
        assert!(helper.end().success());
    }
    drop(own);
    assert_eq!(array.to_vec(), [-1, -1, -1, -1, -1, -1, -1, 70, 8, 9]);
    assert!(!array.is_poisoned());
}

// SHM-034
#[test]
fn overlapping_parts_exclude_each_other_however_they_were_made() {
    let _watchdog = watchdog();
    let array = numbers(10);
    let mut holder = Helper::with("hold_a_part", &array.part(3..6).unwrap());
    assert_eq!(holder.hear(), "holding");
    for range in [3..6, 0..4, 5..10, 0..10, 4..5] {
        let part = array.clone().part(range).unwrap();
        assert_eq!(refusal(part.try_lock()), Some(LockError::WouldBlock));
        assert_eq!(refusal(part.lock_timeout(SOON)), Some(LockError::TimedOut));
    }
    for range in [0..3, 6..10, 4..4, 10..10] {
        assert!(array.part(range).unwrap().try_lock().is_ok());
    }
    let mut waiter = Helper::with("negate_a_part", &array.part(5..7).unwrap());
    assert_eq!(waiter.hear(), "to write");
    assert!(holder.end().success());
    assert_eq!(waiter.hear(), "written");
    assert_eq!(array.to_vec(), [0, 1, 2, -1, -1, 1, -6, 7, 8, 9]);
    assert!(waiter.end().success());
}

// SHM-034
#[test]
fn whoever_uses_the_array_waits_for_parts_and_they_for_it() {
    let _watchdog = watchdog();
    let array = numbers(4);
    let part = array.part(..2).unwrap();
    let mut holder = Helper::with("hold_a_part", &part);
    assert_eq!(holder.hear(), "holding");
    assert_eq!(refusal(array.try_lock()), Some(LockError::WouldBlock));
    assert_eq!(refusal(array.try_read()), Some(LockError::WouldBlock));
    assert_eq!(refusal(array.lock_timeout(SOON)), Some(LockError::TimedOut));
    assert_eq!(refusal(array.read_timeout(SOON)), Some(LockError::TimedOut));
    assert_eq!(format!("{array:?}"), "Array(<locked>)");
    thread::scope(|scope| {
        let copies = [
            scope.spawn(|| array.to_vec()),
            scope.spawn(|| vec![array.get(0), array.get(1), 2, 3]),
            scope.spawn(|| array.read_range(..).unwrap()),
            scope.spawn(|| array.read().unwrap().to_vec()),
        ];
        assert!(holder.end().success());
        for copy in copies {
            assert_eq!(copy.join().unwrap(), [-1, -1, 2, 3]);
        }
    });
    let reading = array.read().unwrap();
    let refused = |expected| {
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(refusal(part.try_lock()), Some(expected)));
        });
    };
    refused(LockError::WouldBlock);
    assert_eq!(refusal(part.lock()), Some(LockError::HeldByThisThread));
    drop(reading);
    let writing = array.lock().unwrap();
    refused(LockError::WouldBlock);
    assert_eq!(refusal(part.lock()), Some(LockError::HeldByThisThread));
    drop(writing);
    assert!(part.try_lock().is_ok());
}

// SHM-034
#[test]
fn a_thread_that_has_a_part_is_not_made_to_wait_for_itself() {
    let _watchdog = watchdog();
    let array = numbers(6);
    let (one, other) = (array.part(..3).unwrap(), array.part(2..).unwrap());
    let guard = one.lock().unwrap();
    for refused in [other.lock(), other.try_lock(), other.lock_timeout(LONG)] {
        assert_eq!(refusal(refused), Some(LockError::HeldByThisThread));
    }
    assert_eq!(refusal(array.lock()), Some(LockError::HeldByThisThread));
    assert_eq!(refusal(array.read()), Some(LockError::HeldByThisThread));
    assert!(array.try_get(5).is_err());
    assert!(array.part(3..).unwrap().lock().is_ok());
    drop(guard);
    assert_eq!(array.to_vec(), [0, 1, 2, 3, 4, 5]);
}

type Use = fn(&Array<i64>) -> bool;

// SHM-034
#[test]
fn a_part_whose_holder_died_is_free_and_the_array_is_poisoned() {
    let _watchdog = watchdog();
    let poisoned: [Use; 5] = [
        |array| array.part(1..).unwrap().lock().is_err(),
        |array| array.part(..2).unwrap().try_lock().is_err(),
        |array| array.part(..2).unwrap().lock_timeout(LONG).is_err(),
        |array| matches!(array.lock(), Err(AcquireError::Poisoned(_))),
        |array| matches!(array.read(), Err(AcquireError::Poisoned(_))),
    ];
    for is_poisoned in poisoned {
        let array = numbers(4);
        let mut holder = Helper::with("hold_a_part", &array.part(..2).unwrap());
        assert_eq!(holder.hear(), "holding");
        holder.kill9();
        assert!(is_poisoned(&array));
        assert!(array.is_poisoned());
        drop(array.lock().or_else(AcquireError::repaired).unwrap());
        assert!(array.part(..).unwrap().lock().is_ok());
        assert_eq!(array.to_vec(), [-1, -1, 2, 3]);
    }
}

// SHM-034
#[test]
fn a_holder_that_is_killed_at_any_moment_blocks_nobody() {
    let _watchdog = watchdog();
    let array = numbers(300);
    array.fill(1);
    for round in 0..30_u64 {
        let mut helpers = Vec::new();
        for part in array.split(3).iter().take(2) {
            let mut helper = Helper::with("negate_in_a_loop", part);
            assert_eq!(helper.hear(), "at work");
            helpers.push(helper);
        }
        thread::sleep(Duration::from_micros(41 * round));
        for helper in &mut helpers {
            helper.kill9();
        }
        let mut guard = array.lock().or_else(AcquireError::repaired).unwrap();
        let (left, right) = guard.split_at_mut(100);
        for part in [left, &mut right[..100]] {
            assert!(part.iter().all(|n| n.abs() == 1));
            let first = part[0];
            part.fill(first);
        }
        drop(guard);
        assert_eq!(array.segment().readers(), 0);
    }
    eventually("nobody is left", || {
        array.part(..).unwrap().try_lock().is_ok()
    });
}

#[test]
fn a_panic_with_a_part_poisons_the_array() {
    let _watchdog = watchdog();
    let array = numbers(4);
    let part = array.part(1..3).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = part.lock().unwrap();
        panic!("half done");
    }));
    assert!(panic.is_err() && array.is_poisoned());
    drop(part.lock().or_else(AcquireError::repaired).unwrap());
    assert!(part.lock().is_ok());
}

#[test]
fn splits_cover_everything_once() {
    let _watchdog = watchdog();
    for len in [0, 1, 7, 12] {
        let array = numbers(len);
        for parts in [0, 1, 2, 5, 20] {
            let ranges: Vec<_> = array.split(parts).iter().map(ArrayPart::range).collect();
            assert_eq!(ranges.len(), parts.max(1));
            let indices = ranges.iter().cloned().flatten();
            assert!(indices.eq(0..len as usize));
            let lens = || ranges.iter().map(ExactSizeIterator::len);
            assert!(lens().max().unwrap() - lens().min().unwrap() <= 1);
        }
    }
}

#[test]
fn a_handle_of_a_part_arrives_and_a_forged_one_does_not() {
    let _watchdog = watchdog();
    let array = numbers(4);
    let part = roundtrip(&array.part(1..3).unwrap());
    assert_eq!((part.range(), part.len(), part.array().len()), (1..3, 2, 4));
    assert_eq!(part.lock().unwrap()[..], [1, 2]);
    let mut bytes = send(&array.part(1..3).unwrap());
    *bytes.last_mut().unwrap() = 5;
    assert!(catch_unwind(|| receive::<ArrayPart<i64>>(bytes)).is_err());
}

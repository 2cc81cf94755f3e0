//! Arrays that are read side by side.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{AccessError, AcquireError, Array, LockError, LockResult, ReadGuard};
use procession_testkit::helper::{Helper, arrive, say, wait_for_end};
use procession_testkit::watchdog;
use std::panic::catch_unwind;
use std::thread;
use std::time::Duration;

procession_testkit::helpers!(read_on, write_on, negate, read_along);

const SOON: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(99);
/// One that is copied under its lock, and one that is not.
const LENGTHS: [usize; 2] = [3, 5000];

fn read_on() {
    let Some(array) = arrive::<Array<i32>>() else {
        return;
    };
    let guard = array.read().unwrap();
    say(&guard.len().to_string());
    wait_for_end();
}

fn write_on() {
    let Some(array) = arrive::<Array<i32>>() else {
        return;
    };
    let mut guard = array.lock().unwrap();
    guard[0] = -1;
    say("half done");
    wait_for_end();
}

fn negate() {
    let Some(array) = arrive::<Array<i32>>() else {
        return;
    };
    say("to write");
    array.lock().unwrap().iter_mut().for_each(|n| *n = -*n);
    say("written");
}

fn ones(len: usize) -> Array<i32> {
    Array::from_slice(&vec![1; len]).unwrap()
}

fn refusal<G>(result: LockResult<G>) -> Option<LockError> {
    result.err()?.into_inner().err()
}

// SHM-032
#[test]
fn several_processes_read_at_once_and_nobody_writes() {
    let _watchdog = watchdog();
    for len in LENGTHS {
        let array = ones(len);
        let mut reader = Helper::with("read_on", &array);
        assert_eq!(reader.hear(), len.to_string());
        let guard = array.read().unwrap();
        assert_eq!(guard[..], vec![1; len]);
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(array.read_timeout(LONG).unwrap().len(), len);
                assert_eq!(refusal(array.try_lock()), Some(LockError::WouldBlock));
                let refused = array.lock_timeout(SOON);
                assert_eq!(refusal(refused), Some(LockError::TimedOut));
            });
        });
        assert_eq!(array.segment().readers(), 2);

        let mut writer = Helper::with("negate", &array);
        assert_eq!(writer.hear(), "to write");
        assert_eq!(guard[..], vec![1; len]);
        assert!(reader.end().success());
        assert_eq!(guard[..], vec![1; len]);
        drop(guard);
        assert_eq!(writer.hear(), "written");
        assert_eq!(array.to_vec(), vec![-1; len]);
        assert!(writer.end().success());
    }
}

// SHM-032
#[test]
fn whoever_reads_can_copy_and_look_and_not_write() {
    let _watchdog = watchdog();
    for len in LENGTHS {
        let array = ones(len);
        let _guard = array.read().unwrap();
        let look = || {
            assert_eq!((array.get(1), array.try_get(2)), (1, Ok(1)));
            assert_eq!(array.read_range(1..len).unwrap(), vec![1; len - 1]);
            assert!(array.iter().eq(array.to_vec()));
            assert!(format!("{array:?}").starts_with("Array([1, 1"));
            assert_eq!(array.read().unwrap().len(), len);
        };
        look();
        thread::scope(|scope| scope.spawn(look).join().unwrap());
        let refused = Err(AccessError::Lock(LockError::HeldByThisThread));
        assert_eq!(array.try_set(0, 2), refused);
        assert_eq!(array.write_range(1, &[2]), refused);
        assert_eq!(refusal(array.lock()), Some(LockError::HeldByThisThread));
        assert!(catch_unwind(|| array.set(0, 2)).is_err());
        assert_eq!(array.get(0), 1);
        assert!(!array.is_poisoned());
    }
}

// SHM-032
#[test]
fn whoever_writes_reads_by_its_guard() {
    let _watchdog = watchdog();
    let array = ones(3);
    let guard = array.lock().unwrap();
    for refused in [array.read(), array.try_read(), array.read_timeout(LONG)] {
        assert_eq!(refusal(refused), Some(LockError::HeldByThisThread));
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(refusal(array.try_read()), Some(LockError::WouldBlock));
            assert_eq!(refusal(array.read_timeout(SOON)), Some(LockError::TimedOut));
            assert_eq!(format!("{array:?}"), "Array(<locked>)");
        });
    });
    drop(guard);
    assert!(array.try_read().is_ok());
}

// SHM-032
#[test]
fn a_dead_reader_leaves_the_array_as_it_is() {
    let _watchdog = watchdog();
    let array = ones(5000);
    let mut reader = Helper::with("read_on", &array);
    assert_eq!(reader.hear(), "5000");
    reader.kill9();
    array.fill(2);
    assert_eq!(array.segment().readers(), 0);
    assert!(!array.is_poisoned());
    assert_eq!(array.read().unwrap()[..], vec![2; 5000]);
}

type Read = fn(&Array<i32>) -> LockResult<ReadGuard<'_, [i32]>>;

// SHM-032
#[test]
fn a_dead_writer_is_told_to_readers_on_every_path() {
    let _watchdog = watchdog();
    let paths: [Read; 3] = [Array::read, Array::try_read, |array| {
        array.read_timeout(LONG)
    }];
    for read in paths {
        let array = ones(3);
        let mut writer = Helper::with("write_on", &array);
        assert_eq!(writer.hear(), "half done");
        writer.kill9();
        let Err(AcquireError::Poisoned(poisoned)) = read(&array) else {
            panic!("not poisoned")
        };
        assert_eq!(poisoned.get_ref()[..], [-1, 1, 1]);
        drop(poisoned.into_inner());
        // Copies go on, as with any poisoned array.
        assert_eq!(array.to_vec(), [-1, 1, 1]);
        drop(read(&array).or_else(AcquireError::repaired).unwrap());
        assert!(read(&array).is_ok());
    }
}

fn read_along() {
    let Some(array) = arrive::<Array<i32>>() else {
        return;
    };
    say("reading");
    loop {
        drop(array.read().unwrap());
        array.to_vec();
        array.get(0);
    }
}

// SHM-032
#[test]
fn a_reader_that_is_killed_at_any_moment_is_neither_waited_for_nor_told() {
    let _watchdog = watchdog();
    let array = ones(2000);
    for round in 0..30 {
        let mut reader = Helper::with("read_along", &array);
        assert_eq!(reader.hear(), "reading");
        thread::sleep(Duration::from_micros(37 * round));
        reader.kill9();
        array.fill(round as i32);
        assert!(!array.is_poisoned(), "it only read");
        assert_eq!(array.read().unwrap()[1999], round as i32);
    }
}

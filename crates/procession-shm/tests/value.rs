//! Shared values.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{AcquireError, Guard, LockError, LockResult, Pod, ShmError, Value, Zeroable};
use procession_testkit::helper::{Helper, arrive, roundtrip, say, wait_for_end};
use procession_testkit::watchdog;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

procession_testkit::helpers!(
    overwrite_scalars,
    double_a_struct,
    count_to_a_thousand,
    hold_a_value
);

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
    tag: [u8; 8],
}

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C, align(16))]
struct Aligned16([u8; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C, align(8192))]
struct TwoPages([u8; 8192]);

type Scalars = (Value<i32>, Value<f64>, Value<i16>, Value<i64>, Value<u8>);

// SHM-001
#[test]
fn another_process_overwrites_scalars() {
    let _watchdog = watchdog();
    let values: Scalars = (
        Value::new(7).unwrap(),
        Value::new(3.25).unwrap(),
        Value::new(-6).unwrap(),
        Value::new(1 << 40).unwrap(),
        Value::new(b'x').unwrap(),
    );
    assert_eq!(
        (values.0.get(), values.1.get(), values.2.get()),
        (7, 3.25, -6)
    );
    assert_eq!((values.3.get(), values.4.get()), (1 << 40, b'x'));
    assert!(Helper::with("overwrite_scalars", &values).end().success());
    assert_eq!(
        (values.0.get(), values.1.get(), values.2.get()),
        (42, -0.5, 32)
    );
    assert_eq!((values.3.get(), values.4.get()), (-(1 << 50), b'y'));
}

fn overwrite_scalars() {
    let Some((int, double, short, long, byte)) = arrive::<Scalars>() else {
        return;
    };
    int.set(42);
    double.set(-0.5);
    short.set(32);
    long.set(-(1 << 50));
    byte.set(b'y');
}

// SHM-008
#[test]
fn another_process_changes_a_struct() {
    let _watchdog = watchdog();
    let point = Value::new(Point {
        x: 1.5,
        y: -2.0,
        tag: *b"original",
    })
    .unwrap();
    assert!(Helper::with("double_a_struct", &point).end().success());
    assert_eq!(
        point.get(),
        Point {
            x: 3.0,
            y: -4.0,
            tag: *b"original"
        }
    );
}

fn double_a_struct() {
    let Some(point) = arrive::<Value<Point>>() else {
        return;
    };
    point.update(|point| (point.x, point.y) = (point.x * 2.0, point.y * 2.0));
}

#[test]
fn updates_are_not_lost() {
    let _watchdog = watchdog();
    let value = Value::new(0_u64).unwrap();
    let mut helper = Helper::with("count_to_a_thousand", &value);
    assert_eq!(helper.hear(), "counting");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..1000).for_each(|_| value.update(|value| *value += 1)));
        }
    });
    assert!(helper.end().success());
    assert_eq!(value.get(), 3000);
}

fn count_to_a_thousand() {
    let Some(value) = arrive::<Value<u64>>() else {
        return;
    };
    say("counting");
    (0..1000).for_each(|_| value.update(|value| *value += 1));
}

#[test]
fn swap_returns_the_old_value() {
    let _watchdog = watchdog();
    let value = Value::new(1).unwrap();
    assert_eq!(value.swap(2), 1);
    assert_eq!(value.swap(3), 2);
}

#[test]
fn sizes_and_alignments() {
    let _watchdog = watchdog();
    let nothing = Value::new([0_u8; 0]).unwrap();
    nothing.set([]);
    assert_eq!(roundtrip(&nothing).get(), []);

    let aligned = Value::new(Aligned16([7; 16])).unwrap();
    assert_eq!(&raw const *aligned.lock().unwrap() as usize % 16, 0);
    assert_eq!(roundtrip(&aligned).get(), Aligned16([7; 16]));

    let page = Value::new(Page([9; 4096])).unwrap();
    assert_eq!(&raw const *page.lock().unwrap() as usize % 4096, 0);
    assert_eq!(roundtrip(&page).get(), Page([9; 4096]));
}

#[test]
fn more_than_a_page_of_alignment_is_refused() {
    let _watchdog = watchdog();
    let refused = Value::new(TwoPages([0; 8192]));
    assert!(matches!(
        refused,
        Err(ShmError::Alignment {
            wanted: 8192,
            max: 4096
        })
    ));
}

#[test]
fn a_guard_is_exclusive_between_threads() {
    let _watchdog = watchdog();
    let value = Value::new(5).unwrap();
    let guard = value.lock().unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let refused = value.try_lock().unwrap_err();
            assert!(matches!(
                refused,
                AcquireError::Failed(LockError::WouldBlock)
            ));
            let refused = value.lock_timeout(Duration::from_millis(20)).unwrap_err();
            assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
            let refused = value.lock_timeout(Duration::ZERO).unwrap_err();
            assert!(matches!(refused, AcquireError::Failed(LockError::TimedOut)));
        });
        other.join().unwrap();
    });
    drop(guard);
    assert_eq!(*value.lock_timeout(Duration::MAX).unwrap(), 5);
    assert_eq!(*value.lock_timeout(Duration::ZERO).unwrap(), 5);
}

#[test]
fn locking_twice_from_one_thread_is_no_deadlock() {
    let _watchdog = watchdog();
    let value = Value::new(5).unwrap();
    let guard = value.lock().unwrap();
    let is_ours = |error| matches!(error, AcquireError::Failed(LockError::HeldByThisThread));
    assert!(is_ours(value.lock().unwrap_err()));
    assert!(is_ours(value.try_lock().unwrap_err()));
    assert!(is_ours(
        value.lock_timeout(Duration::from_secs(99)).unwrap_err()
    ));
    let panic = catch_unwind(AssertUnwindSafe(|| value.get())).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("this thread holds the lock already"),
        "{message}"
    );
    drop(guard);
    assert!(!value.is_poisoned());
}

#[test]
fn debug_never_waits() {
    let _watchdog = watchdog();
    let value = Value::new(5).unwrap();
    assert_eq!(format!("{value:?}"), "Value(5)");
    let guard = value.lock().unwrap();
    assert_eq!(format!("{guard:?}"), "5");
    assert_eq!(format!("{value:?}"), "Value(<locked>)");
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(format!("{value:?}"), "Value(<locked>)"));
    });
}

#[test]
fn a_panic_with_a_guard_poisons() {
    let _watchdog = watchdog();
    let value = Value::new(5).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        value.update(|value| {
            *value = 6;
            panic!("half done");
        });
    }));
    assert!(panic.is_err());
    assert_eq!(value.get(), 6);
    let Err(AcquireError::Poisoned(mut poisoned)) = value.lock() else {
        panic!("not poisoned")
    };
    assert_eq!(**poisoned.get_ref(), 6);
    **poisoned.get_mut() = 7;
    drop(poisoned.into_inner());
    // Sticky until somebody clears it.
    let Err(AcquireError::Poisoned(poisoned)) = value.try_lock() else {
        panic!("not poisoned")
    };
    drop(poisoned.repaired());
    assert_eq!(*value.lock().unwrap(), 7);
}

#[test]
fn a_guard_taken_in_a_panic_does_not_poison() {
    struct Last<'a>(&'a Value<i32>);
    impl Drop for Last<'_> {
        fn drop(&mut self) {
            self.0.set(9);
        }
    }
    let _watchdog = watchdog();
    let value = Value::new(5).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _last = Last(&value);
        panic!("on the way out");
    }));
    assert!(panic.is_err());
    assert_eq!(*value.lock().unwrap(), 9);
}

#[test]
fn a_leaked_guard_is_found_when_its_thread_ends() {
    let _watchdog = watchdog();
    let value = Value::new(5).unwrap();
    thread::scope(|scope| {
        scope
            .spawn(|| mem::forget(value.lock().unwrap()))
            .join()
            .unwrap();
    });
    let Err(AcquireError::Poisoned(poisoned)) = value.lock() else {
        panic!("not poisoned")
    };
    assert_eq!(*poisoned.repaired(), 5);
}

/// Kills a helper that holds a new value's lock, and has set it to 1.
fn value_of_a_dead_owner() -> Value<i32> {
    let value = Value::new(0).expect("there is room for a value");
    let mut helper = Helper::with("hold_a_value", &value);
    assert_eq!(helper.hear(), "holding");
    assert_eq!(
        value.segment().try_lock().map(drop),
        Err(LockError::WouldBlock)
    );
    helper.kill9();
    value
}

fn hold_a_value() {
    let Some(value) = arrive::<Value<i32>>() else {
        return;
    };
    let mut guard = value.lock().unwrap();
    *guard = 1;
    say("holding");
    wait_for_end();
}

// SYN-025
#[test]
fn a_dead_owner_is_reported_on_every_path() {
    let _watchdog = watchdog();
    let paths: [Path; 3] = [
        |value| poisoned_content(value.lock()),
        |value| poisoned_content(value.try_lock()),
        |value| poisoned_content(value.lock_timeout(Duration::from_secs(99))),
    ];
    for lock in paths {
        let value = value_of_a_dead_owner();
        assert_eq!(lock(&value), Some(1));
        assert!(value.is_poisoned());
        assert_eq!(
            lock(&value),
            Some(1),
            "the poison stays until it is cleared"
        );
        value.clear_poison();
        assert_eq!(*value.lock().unwrap(), 1);
    }
}

fn poisoned_content(result: LockResult<Guard<'_, i32>>) -> Option<i32> {
    match result {
        Err(AcquireError::Poisoned(poisoned)) => Some(**poisoned.get_ref()),
        _ => None,
    }
}

type Path = fn(&Value<i32>) -> Option<i32>;

#[test]
fn a_waiter_is_woken_by_the_owners_death() {
    let _watchdog = watchdog();
    let value = Value::new(0).unwrap();
    let mut helper = Helper::with("hold_a_value", &value);
    assert_eq!(helper.hear(), "holding");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| poisoned_content(value.lock()));
        helper.kill9();
        assert_eq!(waiter.join().unwrap(), Some(1));
    });
}

#[test]
fn single_accesses_go_on_after_the_owners_death() {
    let _watchdog = watchdog();
    let value = value_of_a_dead_owner();
    assert_eq!(value.get(), 1);
    value.set(2);
    assert_eq!(value.update(|value| *value + 1), 3);
    assert!(
        value.is_poisoned(),
        "whoever locks learns of it all the same"
    );
}

//! Shared arrays.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{
    AccessError, AcquireError, Array, LockError, Pod, ShmError, Zeroable, family,
};
use procession_testkit::helper::{Helper, arrive, receive, roundtrip, send};
use procession_testkit::{helper, watchdog};
use procession_wire::Packet;
use serde::{Deserialize, Serialize};
use std::panic::catch_unwind;
use std::thread;

procession_testkit::helpers!(prefix_sums, double_structs, hold_an_array);

#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
}

// SHM-003
#[test]
fn another_process_makes_prefix_sums() {
    let _watchdog = watchdog();
    let numbers = Array::from_slice(&[680, 626, 934, 821, 150, 233, 548, 982, 714, 831]).unwrap();
    assert_eq!((numbers.len(), numbers.get(3)), (10, 821));
    assert_eq!(numbers.lock().unwrap()[2..7], [934, 821, 150, 233, 548]);
    numbers.lock().unwrap()[4..8].copy_from_slice(&[1, 2, 3, 4]);
    assert!(Helper::with("prefix_sums", &numbers).end().success());
    let sums = [680, 1306, 2240, 3061, 3062, 3064, 3067, 3071, 3785, 4616];
    assert_eq!(numbers.to_vec(), sums);
}

fn prefix_sums() {
    let Some(numbers) = arrive::<Array<i32>>() else {
        return;
    };
    let mut numbers = numbers.lock().unwrap();
    for i in 1..numbers.len() {
        numbers[i] += numbers[i - 1];
    }
}

// SHM-004
#[test]
fn zeroed_is_zero_even_when_memory_is_recycled() {
    let _watchdog = watchdog();
    for _ in 0..20 {
        let numbers = Array::<i32>::zeroed(1000).unwrap();
        assert_eq!(numbers.to_vec(), [0; 1000]);
        numbers.fill(-1);
        assert_eq!(numbers.to_vec(), [-1; 1000]);
    }
}

// SHM-008
#[test]
fn another_process_doubles_structs() {
    let _watchdog = watchdog();
    let points = Array::from_iter((0..5).map(|n| Point {
        x: f64::from(n),
        y: 0.5,
    }))
    .unwrap();
    assert!(Helper::with("double_structs", &points).end().success());
    assert_eq!(points.get(4), Point { x: 8.0, y: 1.0 });
}

fn double_structs() {
    let Some(points) = arrive::<Array<Point>>() else {
        return;
    };
    for i in 0..points.len() {
        points.update(i, |point| {
            *point = Point {
                x: point.x * 2.0,
                y: point.y * 2.0,
            }
        });
    }
}

#[test]
fn elements_one_by_one() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(1..5).unwrap();
    numbers.set(0, 10);
    assert_eq!(numbers.swap(1, 20), 2);
    assert_eq!(numbers.update(2, |number| std::mem::replace(number, 30)), 3);
    assert_eq!(numbers.try_set(3, 40), Ok(()));
    assert_eq!(numbers.to_vec(), [10, 20, 30, 40]);
    assert_eq!(numbers.try_swap(0, 11), Ok(10));
    assert_eq!(numbers.try_update(1, |number| *number += 1), Ok(()));
    assert_eq!(numbers.to_vec(), [11, 21, 30, 40]);
    assert_eq!(numbers.try_copy_from_slice(&[5, 6, 7, 8]), Ok(()));
    assert_eq!(numbers.to_vec(), [5, 6, 7, 8]);
    numbers.copy_from_slice(&[4, 3, 2, 1]);
    assert_eq!(numbers.try_get(0), Ok(4));
    assert_eq!(format!("{numbers:?}"), "Array([4, 3, 2, 1])");
}

#[test]
fn an_index_out_of_range_is_refused() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..3_u8).unwrap();
    let refused = AccessError::OutOfBounds { index: 3, len: 3 };
    assert_eq!(numbers.try_get(3), Err(refused));
    assert_eq!(numbers.try_set(3, 0), Err(refused));
    assert_eq!(numbers.try_swap(3, 0), Err(refused));
    let not_called = |_: &mut u8| panic!("there is no such element");
    assert_eq!(numbers.try_update::<()>(3, not_called), Err(refused));
    assert!(numbers.try_get(usize::MAX).is_err());
    for given in [0, 2, 4] {
        let refused = AccessError::WrongLength { given, len: 3 };
        let elements = vec![9; given];
        assert_eq!(numbers.try_copy_from_slice(&elements), Err(refused));
    }
    assert_eq!(numbers.to_vec(), [0, 1, 2]);
    assert!(!numbers.is_poisoned());
}

#[test]
fn an_index_out_of_range_does_not_poison() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..3_u8).unwrap();
    let out_of_range = [
        catch_unwind(|| assert_eq!(numbers.get(3), 0)),
        catch_unwind(|| numbers.set(3, 0)),
        catch_unwind(|| assert_eq!(numbers.swap(3, 0), 0)),
        catch_unwind(|| numbers.update(3, |_| ())),
        catch_unwind(|| numbers.copy_from_slice(&[])),
    ];
    assert!(out_of_range.iter().all(Result::is_err));
    assert!(!numbers.is_poisoned());
}

#[test]
fn accesses_under_ones_own_guard_are_refused() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..3_u8).unwrap();
    let guard = numbers.lock().unwrap();
    assert_eq!(
        numbers.try_get(0),
        Err(AccessError::Lock(LockError::HeldByThisThread))
    );
    assert_eq!(
        numbers.try_set(0, 1),
        Err(AccessError::Lock(LockError::HeldByThisThread))
    );
    let own = AccessError::Lock(LockError::HeldByThisThread);
    assert_eq!(numbers.try_swap(0, 1), Err(own));
    assert_eq!(numbers.try_update(0, |number| *number = 1), Err(own));
    assert_eq!(numbers.try_copy_from_slice(&[9; 3]), Err(own));
    assert!(catch_unwind(|| numbers.fill(0)).is_err());
    assert_eq!(format!("{numbers:?}"), "Array(<locked>)");
    assert_eq!(*guard, [0, 1, 2]);
}

#[test]
fn nothing_and_many_of_nothing() {
    let _watchdog = watchdog();
    let empty = Array::<u64>::from_slice(&[]).unwrap();
    assert!(empty.is_empty());
    assert!(roundtrip(&empty).to_vec().is_empty());
    assert!(empty.lock().unwrap().is_empty());
    assert!(empty.try_get(0).is_err());

    let units = Array::from_iter([[0_u8; 0]; 7]).unwrap();
    assert_eq!(units.len(), 7);
    units.set(6, []);
    assert_eq!(roundtrip(&units).to_vec(), [[0_u8; 0]; 7]);
    let many = Array::<[u8; 0]>::zeroed(usize::MAX).unwrap();
    assert_eq!(roundtrip(&many).len(), usize::MAX);
    assert_eq!(many.get(usize::MAX - 1), [0_u8; 0]);
}

// SHM-029
#[test]
fn more_than_memory_is_an_error_and_leaves_nothing() {
    let _watchdog = watchdog();
    let keep = Array::from_slice(&[1_u8]).unwrap();
    let family = family::current().unwrap().id();
    let before = procession_testkit::shared_memory(family);
    for len in [1 << 45, 1 << 50, isize::MAX as usize, usize::MAX] {
        let Err(ShmError::OutOfMemory { wanted }) = Array::<u8>::zeroed(len) else {
            panic!("{len} bytes were to be had")
        };
        assert!(wanted >= len as u64);
    }
    assert!(matches!(
        Array::<u64>::zeroed(usize::MAX / 4),
        Err(ShmError::OutOfMemory { .. })
    ));
    // Other tests of this program come and go meanwhile; a huge file would stay.
    let after = procession_testkit::shared_memory(family);
    let new = after
        .difference(&before)
        .map(|name| format!("/dev/shm/{name}"));
    let sizes = new
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|data| data.len());
    assert_eq!(sizes.filter(|&size| size >= 1 << 45).count(), 0);
    assert_eq!(keep.get(0), 1);
}

// SHM-011
#[test]
fn all_handles_are_to_the_same_elements() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..4).unwrap();
    let [cloned, sent] = [numbers.clone(), roundtrip(&numbers)];
    cloned.set(0, -1);
    sent.set(1, -2);
    assert_eq!(numbers.to_vec(), [-1, -2, 2, 3]);
    drop((numbers, cloned));
    assert_eq!(sent.to_vec(), [-1, -2, 2, 3]);
}

// SHM-012
#[test]
fn a_handle_that_comes_too_late_is_refused() {
    let _watchdog = watchdog();
    let sent = send(&Array::from_iter(0..4).unwrap());
    let bytes = sent.to_vec();
    drop(receive::<Array<i32>>(sent));
    let error = Packet::parse(bytes, Vec::new())
        .unwrap()
        .decode::<Array<i32>>()
        .unwrap_err();
    assert!(error.to_string().contains("the segment is gone"), "{error}");
}

// SHM-017
#[test]
fn a_handle_is_as_small_for_a_large_array() {
    let _watchdog = watchdog();
    let [small, large] = [1, 1 << 20].map(|len| Array::<u8>::zeroed(len).unwrap());
    let [small, large] = [send(&small), send(&large)];
    assert!(small.len() < 50);
    assert!(large.len() < 50);
    receive::<Array<u8>>(small);
    receive::<Array<u8>>(large);
}

#[test]
fn handles_stand_inside_of_other_types() {
    #[derive(Serialize, Deserialize)]
    struct Job {
        name: String,
        inputs: Vec<Array<f32>>,
        output: Option<Array<f32>>,
    }
    let _watchdog = watchdog();
    let input = Array::from_slice(&[1.0, 2.0]).unwrap();
    let job = Job {
        name: "sum".into(),
        inputs: vec![input.clone(), input.clone()],
        output: None,
    };
    let job = roundtrip(&job);
    assert_eq!((job.name.as_str(), job.output.is_none()), ("sum", true));
    job.inputs[0].set(0, 5.0);
    assert_eq!(job.inputs[1].to_vec(), [5.0, 2.0]);
}

#[test]
fn another_type_is_refused() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..4).unwrap();
    // The type that the message names is another one, the handle in it the same.
    let floats = send(&Array::<f32>::zeroed(1).unwrap());
    let mut forged = floats[..MESSAGE_HEAD].to_vec();
    forged.extend_from_slice(&send(&numbers)[MESSAGE_HEAD..]);
    let error = Packet::parse(forged, Vec::new())
        .unwrap()
        .decode::<Array<f32>>()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the segment holds another type of element"),
        "{error}"
    );
}

/// The bytes before the encoded value: a message's head and the hash of the type's name.
const MESSAGE_HEAD: usize = 3 + 8;

#[test]
fn a_handle_goes_into_messages_only() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..4).unwrap();
    let error = serde_json::to_string(&numbers).unwrap_err().to_string();
    assert!(
        error.contains("a handle can only be encoded into a message"),
        "{error}"
    );
    let error = serde_json::from_str::<Array<i32>>("[1,2,3]")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a handle can only be decoded from a message"),
        "{error}"
    );
}

#[test]
fn guards_are_exclusive_for_whole_arrays() {
    let _watchdog = watchdog();
    let numbers = Array::<u64>::zeroed(64).unwrap();
    thread::scope(|scope| {
        for n in 1..=4 {
            let numbers = &numbers;
            scope.spawn(move || {
                for _ in 0..200 {
                    let mut guard = numbers.lock().unwrap();
                    assert!(guard.iter().all(|&element| element == guard[0]));
                    guard.fill(n);
                }
            });
        }
    });
}

#[test]
fn the_memory_under_a_leaked_guard_stays() {
    let _watchdog = watchdog();
    let leak_and_go_on = || {
        // Large, so that what is mapped next does not come to lie where it began.
        let numbers = Array::<u8>::zeroed(1 << 20).expect("there is room");
        std::mem::forget(numbers.lock().expect("it is free"));
        drop(numbers);
        // Each of these goes through the thread's list of held locks.
        let other = Array::from_iter(0..3).expect("there is room");
        other.set(0, 7);
        other.fill(8);
    };
    thread::spawn(leak_and_go_on).join().unwrap();
}

#[test]
fn a_dead_owner_poisons_the_array() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..4).unwrap();
    let mut helper = Helper::with("hold_an_array", &numbers);
    assert_eq!(helper.hear(), "holding");
    helper.kill9();
    let Err(AcquireError::Poisoned(poisoned)) = numbers.lock() else {
        panic!("not poisoned")
    };
    assert_eq!(**poisoned.get_ref(), [9, 1, 2, 3]);
    poisoned.repaired()[0] = 0;
    assert_eq!(*numbers.lock().unwrap(), [0, 1, 2, 3]);
}

fn hold_an_array() {
    let Some(numbers) = arrive::<Array<i32>>() else {
        return;
    };
    numbers.lock().unwrap()[0] = 9;
    let _guard = numbers.lock().unwrap();
    helper::say("holding");
    helper::wait_for_end();
}

#[test]
fn ranges_are_read_and_written_under_one_lock() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..6).unwrap();
    assert_eq!(numbers.read_range(..), Ok(vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(numbers.read_range(4..), Ok(vec![4, 5]));
    assert_eq!(numbers.read_range(..=1), Ok(vec![0, 1]));
    assert_eq!(numbers.read_range(6..), Ok(vec![]));
    assert_eq!(numbers.write_range(4, &[40, 50]), Ok(()));
    assert_eq!(numbers.write_range(6, &[]), Ok(()));
    assert_eq!(numbers.update_range(1..3, |range| range.len()), Ok(2));
    assert_eq!(numbers.update_range(..2, <[i32]>::reverse), Ok(()));
    assert_eq!(
        numbers.iter().rev().collect::<Vec<_>>(),
        [50, 40, 3, 2, 0, 1]
    );
    let mut sum = 0;
    for number in &numbers {
        sum += number;
        numbers.set(0, 0);
    }
    assert_eq!(sum, 96);
}

#[test]
fn ranges_out_of_bounds_are_refused_and_do_not_poison() {
    let _watchdog = watchdog();
    let numbers = Array::from_iter(0..3_u8).unwrap();
    let refused = |start, end| AccessError::RangeOutOfBounds { start, end, len: 3 };
    assert_eq!(numbers.read_range(1..4), Err(refused(1, 4)));
    assert_eq!(numbers.read_range(4..), Err(refused(4, 3)));
    assert_eq!(numbers.write_range(2, &[1, 2]), Err(refused(2, 4)));
    assert_eq!(
        numbers.write_range(usize::MAX, &[1]),
        Err(refused(usize::MAX, usize::MAX))
    );
    assert!(numbers.read_range(..=usize::MAX).is_err());
    assert!(
        numbers
            .update_range(0..9, |_| panic!("not called"))
            .is_err()
    );
    assert_eq!(numbers.to_vec(), [0, 1, 2]);
    assert!(!numbers.is_poisoned());

    let guard = numbers.lock().unwrap();
    let own = Err(AccessError::Lock(LockError::HeldByThisThread));
    assert_eq!(numbers.read_range(..), own);
    drop(guard);
    let panicked = catch_unwind(|| numbers.update_range(.., |_| panic!("half done")));
    assert!(panicked.is_err() && numbers.is_poisoned());
}

// SHM-006
#[test]
fn an_arrays_lock_is_its_own_and_cannot_be_another() {
    let _watchdog = watchdog();
    let [one, other] = [[0; 3], [1; 3]].map(|numbers| Array::from_slice(&numbers).unwrap());
    let guard = one.lock().unwrap();
    assert_eq!(*guard, [0; 3]);
    assert_eq!(other.try_lock().unwrap()[..], [1; 3]);
    let held = roundtrip(&one);
    thread::scope(|scope| {
        let seen = scope.spawn(|| held.try_lock().map(drop).is_err());
        assert!(seen.join().unwrap());
    });
    assert_eq!(
        one.segment().holder().is_some(),
        other.segment().holder().is_none()
    );
    drop(guard);
    assert_eq!(held.try_lock().unwrap().len(), 3);
}

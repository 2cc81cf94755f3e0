//! Values and arrays without a lock.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{AccessError, Array, Pod, RawArray, RawValue, ShmError, Value, Zeroable};
use procession_testkit::helper::{Helper, Sent, arrive, roundtrip, say, send};
use procession_testkit::watchdog;
use procession_wire::Packet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

procession_testkit::helpers!(overwrite_scalars, make_prefix_sums, double_all, scribble);

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C)]
struct Foo {
    x: i32,
    y: f32,
    z: i64,
}

type Scalars = (
    RawValue<i32>,
    RawValue<f64>,
    RawValue<i16>,
    RawValue<i64>,
    RawValue<u8>,
);

// SHM-002
#[test]
fn another_process_overwrites_scalars() {
    let _watchdog = watchdog();
    let scalars: Scalars = (
        RawValue::new(4343).unwrap(),
        RawValue::new(3.625).unwrap(),
        RawValue::new(-232).unwrap(),
        RawValue::new(1 << 33).unwrap(),
        RawValue::new(b'a').unwrap(),
    );
    assert_eq!((scalars.0.get(), scalars.1.get()), (4343, 3.625));
    assert!(Helper::with("overwrite_scalars", &scalars).end().success());
    assert_eq!((scalars.0.get(), scalars.1.get()), (1234, -5.5));
    assert_eq!((scalars.2.get(), scalars.3.get()), (-32, 1 << 34));
    assert_eq!(scalars.4.get(), b'x');
}

fn overwrite_scalars() {
    let Some((int, float, short, long, byte)) = arrive::<Scalars>() else {
        return;
    };
    int.set(1234);
    float.set(-5.5);
    short.set(-32);
    long.set(1 << 34);
    byte.set(b'x');
}

// SHM-005
#[test]
fn another_process_makes_prefix_sums() {
    let _watchdog = watchdog();
    let numbers = RawArray::from_slice(&[680, 626, 934, 821, 150]).unwrap();
    assert_eq!((numbers.len(), numbers.get(3)), (5, 821));
    assert_eq!(numbers.read_range(2..4), Ok(vec![934, 821]));
    numbers.write_range(1, &[1, 2]).unwrap();
    assert!(Helper::with("make_prefix_sums", &numbers).end().success());
    assert_eq!(numbers.to_vec(), [680, 681, 683, 1504, 1654]);
}

fn make_prefix_sums() {
    let Some(numbers) = arrive::<RawArray<i32>>() else {
        return;
    };
    for i in 1..numbers.len() {
        numbers.set(i, numbers.get(i) + numbers.get(i - 1));
    }
}

type Everything = (RawValue<i32>, RawValue<Foo>, RawArray<f64>, RawArray<u8>);

// SHM-007
#[test]
fn another_process_doubles_everything() {
    let _watchdog = watchdog();
    let foo = Foo {
        x: 3,
        y: 2.0,
        z: 1 << 33,
    };
    let everything: Everything = (
        RawValue::new(7).unwrap(),
        RawValue::new(foo).unwrap(),
        RawArray::from_iter((0..10).map(f64::from)).unwrap(),
        RawArray::from_slice(b"hello").unwrap(),
    );
    assert!(Helper::with("double_all", &everything).end().success());
    let (value, foo, numbers, bytes) = everything;
    assert_eq!(value.get(), 14);
    let doubled = Foo {
        x: 6,
        y: 4.0,
        z: 1 << 34,
    };
    assert_eq!(foo.get(), doubled);
    assert!(numbers.iter().eq((0..10).map(|n| f64::from(n) * 2.0)));
    assert_eq!(bytes.to_vec(), b"hellohello"[5..]);
}

fn double_all() {
    let Some((value, structure, numbers, bytes)) = arrive::<Everything>() else {
        return;
    };
    value.set(value.get() * 2);
    let Foo { x, y, z } = structure.get();
    structure.set(Foo {
        x: x * 2,
        y: y * 2.0,
        z: z * 2,
    });
    for i in 0..numbers.len() {
        numbers.set(i, numbers.get(i) * 2.0);
    }
    bytes.write_range(0, b"hello").unwrap();
}

fn comes_back<T: Pod + PartialEq + std::fmt::Debug>(values: [T; 3]) {
    let value = RawValue::new(values[0]).unwrap();
    assert_eq!(value.get(), values[0]);
    value.set(values[1]);
    assert_eq!(roundtrip(&value).get(), values[1]);
    let array = RawArray::from_slice(&values).unwrap();
    assert_eq!(array.to_vec(), values);
    array.set(1, values[2]);
    array.set(2, values[0]);
    assert_eq!(
        roundtrip(&array).to_vec(),
        [values[0], values[2], values[0]]
    );
    array.fill(values[1]);
    assert_eq!(array.to_vec(), [values[1]; 3]);
}

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C, align(64))]
struct Line([u64; 8]);

#[test]
fn every_size_and_alignment_comes_back_whole() {
    let _watchdog = watchdog();
    comes_back([1_u8, 2, 255]);
    comes_back([1_i16, -2, i16::MIN]);
    comes_back([0.5_f32, -1.5, f32::MAX]);
    comes_back([1_u64, 2, u64::MAX]);
    comes_back([1_u128, 2, u128::MAX]);
    comes_back([[1_u8, 2, 3], [4, 5, 6], [7, 8, 9]]);
    comes_back([[1_u16, 2, 3], [4, 5, 6], [7, 8, 9]]);
    comes_back([[1_u8; 8], [2; 8], [255; 8]]);
    comes_back([[1_u32; 3], [2; 3], [u32::MAX; 3]]);
    comes_back([[1_u8; 4097], [2; 4097], [255; 4097]]);
    comes_back([Line([1; 8]), Line([2; 8]), Line([u64::MAX; 8])]);
    comes_back([(), (), ()]);
    let line = RawValue::new(Line([1; 8])).unwrap();
    assert!(line.segment().payload().cast::<Line>().is_aligned());
}

#[test]
fn nothing_and_many_of_nothing() {
    let _watchdog = watchdog();
    let empty = RawArray::<u64>::from_slice(&[]).unwrap();
    assert!(empty.is_empty() && empty.to_vec().is_empty());
    assert_eq!(roundtrip(&empty).iter().len(), 0);
    assert_eq!(empty.read_range(..), Ok(vec![]));
    let many = RawArray::<[u8; 0]>::zeroed(usize::MAX).unwrap();
    many.fill([]);
    many.set(usize::MAX - 1, []);
    assert_eq!(many.to_vec().len(), usize::MAX);
    assert!(many.try_get(usize::MAX).is_err());
    assert!(many.read_range(..=usize::MAX).is_err());
}

// SHM-029
#[test]
fn more_than_memory_is_an_error() {
    let _watchdog = watchdog();
    for len in [1 << 45, usize::MAX] {
        let refused = RawArray::<u64>::zeroed(len);
        assert!(matches!(refused, Err(ShmError::OutOfMemory { .. })));
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let _watchdog = watchdog();
    let numbers = RawArray::from_iter(0..3_u8).unwrap();
    let refused = AccessError::OutOfBounds { index: 3, len: 3 };
    assert_eq!(numbers.try_get(3), Err(refused));
    assert_eq!(numbers.try_set(3, 0), Err(refused));
    assert_eq!(numbers.try_set(2, 9), Ok(()));
    assert!(numbers.write_range(2, &[1, 2]).is_err());
    assert!(numbers.write_range(usize::MAX, &[1, 2]).is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "it is to be refused")]
    let backwards = numbers.read_range(2..1);
    let refused = AccessError::RangeOutOfBounds {
        start: 2,
        end: 1,
        len: 3,
    };
    assert_eq!(backwards, Err(refused));
    assert!(catch_unwind(AssertUnwindSafe(|| numbers.get(3))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| numbers.set(3, 0))).is_err());
    assert_eq!(format!("{numbers:?}"), "RawArray([0, 1, 9])");
}

fn decoded<T: serde::de::DeserializeOwned>(bytes: Sent) -> bool {
    Packet::parse(bytes, Vec::new())
        .unwrap()
        .decode::<T>()
        .is_ok()
}

#[test]
fn another_kind_is_refused() {
    let _watchdog = watchdog();
    let (value, array) = (
        RawValue::new(1).unwrap(),
        RawArray::from_slice(&[1]).unwrap(),
    );
    assert!(decoded::<RawValue<i32>>(send(&value)));
    assert!(!decoded::<RawValue<u32>>(send(&value)));
    assert!(!decoded::<Value<i32>>(send(&value)));
    assert!(!decoded::<RawArray<i32>>(send(&value)));
    assert!(!decoded::<Array<i32>>(send(&array)));
    assert!(!decoded::<RawArray<f32>>(send(&array)));
    assert!(serde_json::to_string(&array).is_err());
    assert!(serde_json::to_string(&value).is_err());
}

#[test]
fn small_elements_are_never_torn() {
    let _watchdog = watchdog();
    let numbers = RawArray::from_slice(&[[0_u8; 8]; 2]).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..20_000_u32 {
                numbers.set(1, [round as u8; 8]);
            }
        });
        while !writer.is_finished() {
            let found = numbers.get(1);
            assert_eq!(found, [found[0]; 8]);
        }
    });
}

#[test]
fn a_writer_that_is_killed_blocks_nobody() {
    let _watchdog = watchdog();
    let numbers = RawArray::from_slice(&[0_u64; 100]).unwrap();
    let mut writer = Helper::with("scribble", &numbers);
    assert_eq!(writer.hear(), "begun");
    writer.kill9();
    assert!(
        numbers
            .iter()
            .all(|number| number == 0 || number == u64::MAX)
    );
    numbers.fill(7);
    assert_eq!(numbers.to_vec(), [7; 100]);
}

fn scribble() {
    let Some(numbers) = arrive::<RawArray<u64>>() else {
        return;
    };
    numbers.fill(u64::MAX);
    say("begun");
    loop {
        numbers.fill(0);
        numbers.fill(u64::MAX);
    }
}

#[test]
fn the_last_handle_takes_the_name_away() {
    let _watchdog = watchdog();
    let array = RawArray::<u8>::zeroed(20_000).unwrap();
    let path = format!("/dev/shm{}", array.segment().name());
    let same = array.clone();
    drop(array);
    assert!(std::fs::exists(&path).unwrap());
    assert_eq!(same.len(), 20_000);
    drop(same);
    assert!(!std::fs::exists(&path).unwrap());
}

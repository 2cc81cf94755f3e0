//! Named blocks seen as elements of a type.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{
    AccessError, OutOfBlock, Plain, Pod, SharedMemory, View, ViewError, Zeroable,
};
use procession_testkit::helper::{Helper, arrive};
use procession_testkit::watchdog;
use proptest::prelude::*;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

procession_testkit::helpers!(double_all, scribble);

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C)]
struct Particle {
    at: [f32; 3],
    charge: i16,
    kind: [u8; 2],
}

fn block(size: usize) -> SharedMemory {
    SharedMemory::create_anonymous(size).unwrap()
}

fn panics<R>(call: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// Each way to write is each way's to read, and concerns no other byte.
fn comes_back<T: Plain + Debug + PartialEq>(offset: usize, values: &[T]) {
    let len = size_of_val(values);
    let block = block(offset + len + 3);
    block.write_at(0, &vec![0xA5; offset + len + 3]).unwrap();
    let view = block.view_at::<T>(offset, values.len()).unwrap();
    let bytes: Vec<u8> = values.iter().flat_map(bytemuck_bytes).copied().collect();
    let writes: [&dyn Fn(); 3] = [
        &|| view.copy_from_slice(values),
        &|| {
            for (index, &value) in values.iter().enumerate() {
                view.set(index, value);
            }
        },
        &|| {
            for (index, &value) in values.iter().enumerate() {
                view.slice(index..=index).unwrap().fill(value);
            }
        },
    ];
    for write in writes {
        write();
        let all = block.to_vec();
        assert!(all[..offset].iter().all(|&byte| byte == 0xA5));
        assert_eq!(all[offset..offset + len], bytes);
        assert_eq!(all[offset + len..], [0xA5; 3]);

        assert_eq!(view.to_vec(), values);
        assert!(view.iter().eq(values.iter().copied()));
        let mut copied: Vec<T> = values.iter().rev().copied().collect();
        view.copy_to_slice(&mut copied);
        assert_eq!(copied, values);
        let (first, rest) = (view.slice(..1).unwrap(), view.slice(1..).unwrap());
        assert_eq!(
            (first.to_vec(), rest.to_vec()),
            (values[..1].to_vec(), values[1..].to_vec())
        );
        block.write_at(offset, &vec![0; len]).unwrap();
    }
}

fn bytemuck_bytes<T: Plain>(value: &T) -> &[u8] {
    procession_shm::bytemuck::bytes_of(value)
}

// SHM-033
#[test]
fn elements_of_every_size_come_back_at_every_offset() {
    let _watchdog = watchdog();
    let particle = |charge| Particle {
        at: [1.5, -2.5, f32::MAX],
        charge,
        kind: [3, 4],
    };
    for step in 0..9 {
        comes_back(step, &[1_u8, 2, 3, 4, 5, 6, 7, 8, 9]);
        comes_back(step, &[true, false, true]);
        comes_back(step, &[[1_u8, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]);
        comes_back(step * 2, &[1_i16, -2, 3, -4, 5]);
        comes_back(step * 2, &[[1_u16, 2, 3, 4, 5], [6, 7, 8, 9, 10]]);
        comes_back(step * 4, &[1.5_f32, -2.5, 3.5]);
        comes_back(step * 4, &['a', 'ß', '🦀']);
        comes_back(step * 4, &[particle(1), particle(2), particle(3)]);
        comes_back(step * 8, &[1.5_f64, f64::MIN, f64::INFINITY]);
        comes_back(step * 16, &[u128::MAX, 1, 2]);
    }
}

proptest! {
    #[test]
    fn what_a_view_shows_is_what_the_bytes_are(
        bytes in proptest::collection::vec(any::<u8>(), 1..100),
        offset in 0_usize..120,
        len in 0_usize..40,
    ) {
        let block = block(bytes.len());
        block.write_at(0, &bytes).unwrap();
        let seen = block.view_at::<u32>(offset, len);
        let end = offset + len * 4;
        match seen {
            Ok(view) => {
                let parts = bytes[offset..end].chunks_exact(4);
                let wanted: Vec<_> = parts.map(|it| u32::from_ne_bytes(it.try_into().unwrap())).collect();
                prop_assert_eq!(view.to_vec(), wanted);
            }
            Err(ViewError::Misaligned { offset: at, align: 4 }) => {
                prop_assert!(at == offset && offset % 4 != 0);
            }
            Err(error) => {
                let wanted = OutOfBlock { offset, len: len * 4, size: bytes.len() };
                prop_assert_eq!(error, ViewError::OutOfBlock(wanted));
                prop_assert!(end > bytes.len());
            }
        }
        prop_assert_eq!(block.view::<u32>().len(), bytes.len() / 4);
    }
}

// SHM-033
#[test]
fn what_is_not_in_the_block_is_refused() {
    let _watchdog = watchdog();
    let block = block(64);
    assert!(matches!(
        block.view_at::<u64>(8, usize::MAX),
        Err(ViewError::OutOfBlock(_))
    ));
    assert!(matches!(
        block.view_at::<u64>(usize::MAX - 7, 1),
        Err(ViewError::OutOfBlock(_))
    ));
    assert!(block.view_at::<u64>(64, 0).unwrap().is_empty());
    let view = block.view_at::<u64>(32, 4).unwrap();
    let out = Err(AccessError::OutOfBounds { index: 4, len: 4 });
    assert_eq!(view.try_get(4), out);
    assert_eq!(view.try_set(4, 1), out.map(drop));
    assert!(panics(|| view.get(4)) && panics(|| view.set(usize::MAX, 1)));
    assert!(panics(|| view.copy_from_slice(&[1; 3])));
    assert!(panics(|| view.copy_to_slice(&mut [1; 5])));
    for range in [3..5, 5..5, usize::MAX..usize::MAX] {
        assert!(matches!(
            view.slice(range),
            Err(AccessError::RangeOutOfBounds { .. })
        ));
    }
    let part = view.slice(1..3).unwrap();
    assert!(
        part.try_get(2).is_err(),
        "the element is there, but not in the part"
    );
    assert_eq!(block.to_vec(), [0; 64]);
}

// SHM-033
#[test]
fn another_process_works_on_the_same_elements() {
    let _watchdog = watchdog();
    let block = block(1000);
    let numbers = block.view::<f64>();
    numbers.copy_from_slice(&(0..125_u8).map(f64::from).collect::<Vec<_>>());
    assert!(Helper::with("double_all", &block).end().success());
    assert!(
        numbers
            .iter()
            .eq((0..125_u8).map(|number| f64::from(number) * 2.0))
    );
}

fn double_all() {
    let Some(block) = arrive::<SharedMemory>() else {
        return;
    };
    let numbers = block.view::<f64>();
    for index in 0..numbers.len() {
        numbers.set(index, numbers.get(index) * 2.0);
    }
}

// SHM-030, SHM-033
#[test]
fn bytes_that_are_no_value_are_told() {
    let _watchdog = watchdog();
    let block = block(16);
    assert!(Helper::with("scribble", &block).end().success());
    let flags = block.view::<bool>();
    assert_eq!(flags.try_get(0), Err(AccessError::NoValue));
    assert_eq!(flags.try_to_vec(), Err(AccessError::NoValue));
    assert!(panics(|| flags.get(0)) && panics(|| flags.to_vec()) && panics(|| flags.iter().next()));
    assert!(panics(|| flags.copy_to_slice(&mut [true; 16])));
    assert_eq!(format!("{flags:?}"), "View(<overwritten>)");
    flags.set(3, true);
    assert_eq!(flags.slice(3..4).unwrap().to_vec(), [true]);
    flags.fill(false);
    assert_eq!(flags.to_vec(), [false; 16]);
}

fn scribble() {
    let Some(block) = arrive::<SharedMemory>() else {
        return;
    };
    block.view::<u8>().fill(0xFE);
}

/// Writes one of two values until it is told to stop, and reads nothing else meanwhile.
fn is_never_torn<T: Plain + PartialEq + Debug + Send + Sync>(view: View<'_, T>, one: T, other: T) {
    let stop = AtomicBool::new(false);
    view.fill(one);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                view.set(1, one);
                view.set(1, other);
            }
        });
        for _ in 0..10_000 {
            let seen = view.get(1);
            assert!(seen == one || seen == other, "{seen:?}");
            // A neighbour in the same word.
            view.set(0, one);
            assert!(view.get(0) == one && view.get(2) == one);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

// SHM-033
#[test]
fn small_elements_are_never_torn_and_leave_their_neighbours_alone() {
    let _watchdog = watchdog();
    let block = block(64);
    is_never_torn(block.view_at(2, 3).unwrap(), 0x0102_u16, 0xFFFE);
    is_never_torn(block.view_at(4, 3).unwrap(), 0_u32, u32::MAX);
    is_never_torn(block.view_at(8, 3).unwrap(), 1.5_f64, -2.5);
    is_never_torn(block.view_at(3, 3).unwrap(), true, false);
    is_never_torn(block.view_at(4, 3).unwrap(), 'a', '🦀');
}

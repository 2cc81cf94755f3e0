//! Shared atomics.

use procession_shm::{Shared, Value};
use procession_testkit::helper::{Helper, arrive, roundtrip, say, send};
use procession_testkit::watchdog;
use procession_wire::Packet;
use std::sync::atomic::{
    AtomicI8, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

procession_testkit::helpers!(add_a_thousand, add_for_ever);

#[test]
fn additions_of_several_processes_are_not_lost() {
    let _watchdog = watchdog();
    let counter = Shared::new(AtomicU64::new(5)).unwrap();
    let helpers = [(); 3].map(|()| Helper::with("add_a_thousand", &counter));
    for helper in helpers {
        assert!(helper.end().success());
    }
    assert_eq!(counter.load(Ordering::Relaxed), 3005);
}

fn add_a_thousand() {
    let Some(counter) = arrive::<Shared<AtomicU64>>() else {
        return;
    };
    for _ in 0..1000 {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_process_that_is_killed_leaves_a_whole_number() {
    let _watchdog = watchdog();
    let counter = Shared::new(AtomicU64::new(0)).unwrap();
    let mut helper = Helper::with("add_for_ever", &counter);
    assert_eq!(helper.hear(), "begun");
    helper.kill9();
    let seen = counter.load(Ordering::Relaxed);
    assert!(seen > 0);
    assert_eq!(counter.fetch_sub(seen, Ordering::Relaxed), seen);
}

fn add_for_ever() {
    let Some(counter) = arrive::<Shared<AtomicU64>>() else {
        return;
    };
    counter.fetch_add(1, Ordering::Relaxed);
    say("begun");
    loop {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn all_widths_and_arrays_of_them() {
    let _watchdog = watchdog();
    let byte = Shared::new(AtomicU8::new(250)).unwrap();
    assert_eq!(byte.fetch_add(10, Ordering::Relaxed), 250);
    assert_eq!(roundtrip(&byte).load(Ordering::Relaxed), 4);
    let signed = Shared::new(AtomicI8::new(-128)).unwrap();
    assert_eq!(signed.load(Ordering::Relaxed), -128);
    let short = Shared::new(AtomicU16::new(7)).unwrap();
    assert_eq!(short.swap(8, Ordering::AcqRel), 7);
    let word = Shared::new(AtomicUsize::new(usize::MAX)).unwrap();
    assert_eq!(word.load(Ordering::SeqCst), usize::MAX);
    let table = Shared::new([const { [const { AtomicI64::new(-1) }; 3] }; 2]).unwrap();
    table[1][2].store(9, Ordering::Release);
    let same = roundtrip(&table);
    assert_eq!(same[1][2].load(Ordering::Acquire), 9);
    assert_eq!(same[0][0].load(Ordering::Acquire), -1);
    let none = Shared::<[AtomicU32; 0]>::new([]).unwrap();
    assert!(roundtrip(&none).is_empty());
    assert_eq!(format!("{byte:?}"), "Shared(4)");
}

#[test]
fn another_type_is_refused() {
    let _watchdog = watchdog();
    let counter = Shared::new(AtomicU64::new(5)).unwrap();
    let decode = |bytes| Packet::parse(bytes, Vec::new()).unwrap();
    assert!(
        decode(send(&counter))
            .decode::<Shared<AtomicI64>>()
            .is_err()
    );
    assert!(
        decode(send(&counter))
            .decode::<Shared<[AtomicU64; 1]>>()
            .is_err()
    );
    assert!(decode(send(&counter)).decode::<Value<u64>>().is_err());
    assert!(serde_json::to_string(&counter).is_err());
}

#[test]
fn clones_are_of_the_same_atomic() {
    let _watchdog = watchdog();
    let counter = Shared::new(AtomicU32::new(1)).unwrap();
    let same = counter.clone();
    same.store(2, Ordering::Relaxed);
    assert_eq!(counter.load(Ordering::Relaxed), 2);
    assert_eq!(counter.segment().name(), same.segment().name());
}

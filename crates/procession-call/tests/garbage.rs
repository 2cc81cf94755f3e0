//! What names a function, and what came of it, is not trusted.

use procession_call::{Entry, Outcome, Routine, consume, produce};
use procession_testkit::watchdog;
use procession_wire::{Encoder, Kind, Packet, schema};
use proptest::prelude::*;
use std::any::Any;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

struct Seven;

impl Entry for Seven {
    fn run(_: &dyn Any, _: &mut Packet) -> Outcome {
        produce(|| Ok(7))
    }
}

/// The bytes of a routine as they arrive from another process.
fn routine(offset: u64, hash: u64) -> Routine {
    let mut bytes = vec![Kind::VALUE.0, 0, 0];
    bytes.extend(schema::<Routine>().to_le_bytes());
    bytes.extend(postcard_u64(offset));
    bytes.extend(postcard_u64(hash));
    Packet::parse(bytes, Vec::new())
        .and_then(Packet::decode)
        .expect("two numbers are a routine")
}

fn postcard_u64(value: u64) -> Vec<u8> {
    let mut encoder = Encoder::new(Kind::VALUE);
    encoder.push(&value).expect("a number can be encoded");
    encoder.finish().bytes()[11..].to_vec()
}

#[test]
fn a_routine_is_found_again() {
    let _watchdog = watchdog();
    let run = Routine::of::<Seven>().unwrap().resolve().unwrap();
    let mut nothing = Packet::parse(vec![0, 0, 0], Vec::new()).unwrap();
    let (bytes, fds) = run(&(), &mut nothing).message.deliver();
    assert_eq!(
        consume::<i32>(Packet::parse(bytes, fds).unwrap()).unwrap(),
        Ok(7)
    );
}

#[test]
fn no_other_offset_of_the_image_is_a_routine() {
    let _watchdog = watchdog();
    let hash = schema::<Seven>();
    let found = (0..1 << 22)
        .step_by(8)
        .filter(|&offset| routine(offset, hash).resolve().is_ok());
    let found: Vec<u64> = found.collect();
    assert!(found.len() <= 1, "{found:?}");
}

static FORGED: [AtomicU64; 4] = [const { AtomicU64::new(1) }; 4];

#[test]
fn a_copy_of_a_table_where_the_program_can_write_is_none() {
    let _watchdog = watchdog();
    let real = Routine::of::<Seven>().unwrap();
    let [offset, hash] = [0, 8].map(|at| {
        let bytes = real.to_bytes();
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    });
    // As safe code finds out where the executable is, and what stands there.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let base = maps.split('-').next().unwrap();
    let base = u64::from_str_radix(base, 16).unwrap();
    let memory = fs::File::open("/proc/self/mem").unwrap();
    for (at, word) in (0..).step_by(8).zip(&FORGED) {
        let mut bytes = [0; 8];
        memory
            .read_exact_at(&mut bytes, base + offset + at)
            .unwrap();
        word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
    }
    let forged = (&raw const FORGED).addr() as u64 - base;
    assert!(routine(offset, hash).resolve().is_ok());
    assert!(routine(forged, hash).resolve().is_err());
}

proptest! {
    #[test]
    fn garbage_names_no_routine(offset: u64, hash: u64) {
        prop_assert!(routine(offset, hash).resolve().is_err());
    }

    #[test]
    fn garbage_is_no_outcome(bytes in prop::collection::vec(any::<u8>(), 3..100)) {
        if let Ok(packet) = Packet::parse(bytes, Vec::new()) {
            prop_assert!(consume::<Vec<String>>(packet).is_err());
        }
    }
}

proptest! {
    // Each case is a process.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
}

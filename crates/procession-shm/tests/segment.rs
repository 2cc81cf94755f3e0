//! Segments: names, counts of holders, and what is refused on opening.

use procession_os::robust::LockError;
use procession_shm::{Array, Format, OpenError, Segment, SegmentKind, Value, family};
use procession_testkit::helper::{Helper, Sent, arrive, roundtrip, say, send, wait_for_end};
use procession_testkit::{helper, watchdog};
use procession_wire::{Kind, Message, Packet};
use proptest::prelude::*;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

procession_testkit::helpers!(keep_a_value, keep_an_array);

const KIND: SegmentKind = SegmentKind::new(0x4000_0000, "test");
/// Where the mutex begins, with the word that names its owner.
const MUTEX_AT: u64 = 64;

fn format() -> Format {
    Format::of::<u32>(KIND)
}

fn segment() -> Segment {
    Segment::create(format(), 16, |_| {}).expect("there is room for a segment")
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm{name}"))
}

#[test]
fn the_last_handle_takes_the_name_away() {
    let _watchdog = watchdog();
    let first = segment();
    let name = first.name();
    let second = first.clone();
    assert_eq!(first.holders(), 1);
    drop(first);
    assert!(path(&name).exists());
    drop(second);
    assert!(!path(&name).exists());
    assert!(matches!(
        Segment::open(&name, format()),
        Err(OpenError::Gone)
    ));
}

#[test]
fn a_process_maps_a_segment_once() {
    let _watchdog = watchdog();
    let first = segment();
    let second = Segment::open(&first.name(), format()).unwrap();
    assert_eq!(first.payload(), second.payload());
    assert_eq!(second.holders(), 1);
}

#[test]
fn what_init_writes_is_there() {
    let _watchdog = watchdog();
    let segment = Segment::create(format(), 2, |bytes| bytes[4..].fill(0xff)).unwrap();
    assert_eq!((segment.elements(), segment.payload_len()), (2, 8));
    let array = segment.payload().cast::<[u32; 2]>();
    // SAFETY: there are so many bytes, and nobody writes to them.
    assert_eq!(unsafe { array.read() }, [0, u32::MAX]);
}

// SHM-029
#[test]
fn all_of_it_is_reserved() {
    let _watchdog = watchdog();
    let array = Array::<u8>::zeroed(3_000_000).unwrap();
    let file = fs::metadata(path(&array.segment().name())).unwrap();
    assert!(file.blocks() * 512 >= 3_000_000);
}

#[test]
fn a_panic_in_init_leaves_nothing() {
    let _watchdog = watchdog();
    let family = family::current().unwrap().id();
    let size = 7_654_321;
    let panic = catch_unwind(|| Segment::create(format(), size, |_| panic!("no")).map(drop));
    assert!(panic.is_err());
    let names = procession_testkit::shared_memory(family);
    let paths = names.iter().map(|name| format!("/dev/shm/{name}"));
    let sizes = paths.filter_map(|path| Some(fs::metadata(path).ok()?.len()));
    assert_eq!(
        sizes
            .filter(|&found| found == 256 + 4 * size as u64)
            .count(),
        0
    );
}

#[test]
fn a_handle_on_its_way_holds_the_segment() {
    let _watchdog = watchdog();
    let array = Array::from_iter(0..9000).unwrap();
    let name = array.segment().name();
    let bytes = send(&array);
    assert_eq!(array.segment().holders(), 2);
    drop(array);
    assert!(path(&name).exists());
    let array: Array<i32> = helper::receive(bytes);
    assert_eq!(array.to_vec(), (0..9000).collect::<Vec<_>>());
    assert_eq!(array.segment().holders(), 1);
    drop(array);
    assert!(!path(&name).exists());
}

#[test]
fn a_message_that_is_not_sent_gives_its_claims_back() {
    let _watchdog = watchdog();
    let array = Array::from_iter(0..3).unwrap();
    let message = Message::encode(Kind::VALUE, &(array.clone(), array.clone())).unwrap();
    assert_eq!(
        array.segment().holders(),
        2,
        "messages on their way are one"
    );
    drop(message);
    assert_eq!(array.segment().holders(), 1);
    drop(roundtrip(&(array.clone(), array.clone())));
    assert_eq!(array.segment().holders(), 1);
}

#[test]
fn a_handle_of_the_wrong_type_gives_its_claim_back() {
    let _watchdog = watchdog();
    let array = Array::from_iter(0..3).unwrap();
    let floats = send(&Array::<f32>::zeroed(1).unwrap());
    let mut forged = floats[..11].to_vec();
    let Sent(bytes, parcel) = send(&array);
    forged.extend_from_slice(&bytes[11..]);
    assert_eq!(array.segment().holders(), 2);
    assert!(
        Packet::parse(forged, parcel)
            .unwrap()
            .decode::<Array<f32>>()
            .is_err()
    );
    assert_eq!(array.segment().holders(), 1);
}

#[test]
fn a_process_that_exits_is_no_holder_any_more() {
    let _watchdog = watchdog();
    let value = Value::new(1).unwrap();
    for ending in [0, 1] {
        let mut helper = Helper::with("keep_a_value", &(value.clone(), ending));
        assert_eq!(helper.hear(), "kept");
        assert_eq!(value.segment().holders(), 2);
        assert!(helper.end().success());
        assert_eq!(value.segment().holders(), 1);
    }
    let name = value.segment().name();
    drop(value);
    assert!(!path(&name).exists());
}

#[expect(clippy::exit, reason = "it is one of the ways in which a process ends")]
fn keep_a_value() {
    let Some((value, ending)) = arrive::<(Value<i32>, i32)>() else {
        return;
    };
    say("kept");
    wait_for_end();
    if ending == 1 {
        // Without dropping anything.
        std::process::exit(0);
    }
    assert_eq!(value.get(), 1);
}

fn keep_an_array() {
    let Some(array) = arrive::<Array<u8>>() else {
        return;
    };
    say("kept");
    wait_for_end();
    assert_eq!(array.get(1), 0);
}

#[test]
fn names_of_another_shape_are_refused() {
    let _watchdog = watchdog();
    let segment = segment();
    let name = segment.name();
    let id = family::current().unwrap().id();
    let bad = [
        String::new(),
        "/".into(),
        name[1..].into(),
        format!("{name}\0"),
        format!("{name}-0"),
        format!("{name}/../x"),
        name.to_uppercase(),
        format!("/procession-{id}-lease"),
        format!("/procession-{id}-+1-2"),
        format!("/procession-{id}-01-2"),
        format!("/procession-{id}-1-"),
        format!("/procession-{id}-1-11112222333344445"),
        format!("/procession-{id}-111122223-4"),
        format!("/procession-../../{id}-1-2"),
        format!("/procession-{}-1-2", &id[1..]),
        "/dev/shm/x".into(),
        "é".repeat(40),
    ];
    for name in bad {
        let refused = Segment::open(&name, format());
        assert!(
            matches!(refused, Err(OpenError::BadName(_))),
            "{name:?}: {refused:?}"
        );
    }
    let refused = Segment::open("/procession-0123456789abcdef-1-2", format());
    assert!(matches!(refused, Err(OpenError::OtherFamily)));
    let refused = Segment::open(&format!("/procession-{id}-1-2"), format());
    assert!(matches!(refused, Err(OpenError::Gone)));
}

#[test]
fn another_kind_type_size_or_alignment_is_refused() {
    let _watchdog = watchdog();
    let segment = segment();
    let refused = |format| Segment::open(&segment.name(), format).unwrap_err();
    let other = Format::of::<u32>(SegmentKind::VALUE);
    assert!(matches!(
        refused(other),
        OpenError::WrongKind { wanted: "value" }
    ));
    assert!(matches!(
        refused(Format::of::<i32>(KIND)),
        OpenError::WrongType
    ));
    assert!(matches!(
        refused(Format::of::<u64>(KIND)),
        OpenError::WrongType
    ));
    assert!(matches!(
        refused(Format::of::<[u8; 4]>(KIND)),
        OpenError::WrongType
    ));
    assert_eq!(segment.holders(), 1);
}

/// A file that looks like a segment of this family; removed when dropped.
struct Forged {
    name: String,
}

impl Forged {
    fn new(content: &[u8]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = family::current().expect("there is a family").id();
        let name = format!(
            "/procession-{id}-ffffffff-{:x}",
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        fs::write(path(&name), content).expect("the file is written");
        Self { name }
    }

    fn open(&self) -> Result<Segment, OpenError> {
        Segment::open(&self.name, format())
    }
}

impl Drop for Forged {
    fn drop(&mut self) {
        let _ = fs::remove_file(path(&self.name));
    }
}

/// The bytes of a live segment's file.
fn content() -> Vec<u8> {
    let segment = segment();
    fs::read(path(&segment.name())).expect("the file is there")
}

#[test]
fn an_unchanged_copy_opens() {
    let _watchdog = watchdog();
    let copy = Forged::new(&content());
    let segment = copy.open().unwrap();
    assert_eq!((segment.elements(), segment.holders()), (16, 1));
    assert_eq!(segment.lock().map(drop), Ok(()));
}

#[test]
fn files_of_the_wrong_length_are_refused() {
    let _watchdog = watchdog();
    let whole = content();
    for len in [0, 1, 63, 127, 128, 255, 256, 257, whole.len() - 1] {
        let refused = Forged::new(&whole[..len]).open();
        assert!(
            matches!(refused, Err(OpenError::Damaged(_))),
            "{len} bytes: {refused:?}"
        );
    }
    let mut longer = whole;
    longer.push(0);
    assert!(matches!(
        Forged::new(&longer).open(),
        Err(OpenError::Damaged(_))
    ));
}

#[test]
fn sizes_that_overflow_are_refused() {
    let _watchdog = watchdog();
    let whole = content();
    for (size, elements) in [
        (u64::MAX, 1),
        (1, u64::MAX),
        (1 << 33, 1 << 33),
        (1 << 62, 3),
    ] {
        let mut forged = whole.clone();
        forged[32..40].copy_from_slice(&size.to_le_bytes());
        forged[40..48].copy_from_slice(&elements.to_le_bytes());
        assert!(matches!(
            Forged::new(&forged).open(),
            Err(OpenError::Damaged(_))
        ));
    }
}

#[test]
fn what_is_being_made_or_gone_is_refused() {
    let _watchdog = watchdog();
    let mut being_made = content();
    being_made[12..16].fill(0);
    assert!(matches!(
        Forged::new(&being_made).open(),
        Err(OpenError::NotReady)
    ));
    let mut gone = content();
    gone[12] = 3;
    assert!(matches!(Forged::new(&gone).open(), Err(OpenError::Gone)));
}

#[test]
fn what_is_no_file_is_refused() {
    let _watchdog = watchdog();
    let forged = Forged::new(b"");
    fs::remove_file(path(&forged.name)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path(&forged.name)).unwrap();
    assert!(matches!(forged.open(), Err(OpenError::Damaged(_))));
}

proptest! {
    #[test]
    fn random_headers_are_refused(
        header in proptest::collection::vec(any::<u8>(), 128),
        keep in prop_oneof![Just(0), Just(16)],
    ) {
        let mut forged = content();
        forged[keep..128].copy_from_slice(&header[keep..]);
        prop_assert!(Forged::new(&forged).open().is_err());
    }

    #[test]
    fn one_wrong_byte_in_the_description_is_refused(
        // Between them is the state.
        at in prop_oneof![0_usize..12, 16_usize..48],
        flip in 1_u8..,
    ) {
        let mut forged = content();
        forged[at] ^= flip;
        prop_assert!(Forged::new(&forged).open().is_err());
    }

    #[test]
    fn random_handles_are_refused(family_is_ours: bool, bytes in any::<[u8; 24]>()) {
        let array = Array::from_iter(0..3).expect("there is room");
        let mut message = send(&array);
        let body = if family_is_ours { message.len() - 4 } else { 11 };
        message.truncate(body);
        message.extend_from_slice(&bytes);
        if let Ok(packet) = Packet::parse(message, Vec::new()) {
            prop_assert!(packet.decode::<Array<i32>>().is_err());
        }
    }

    #[test]
    fn a_random_mutex_never_crashes(mutex in any::<[u8; 40]>()) {
        let mut forged = content();
        forged[64..104].copy_from_slice(&mutex);
        let copy = Forged::new(&forged);
        let segment = copy.open().expect("the description is sound");
        prop_assert_eq!(segment.try_lock().map(drop), Err(LockError::Damaged));
    }
}

#[test]
fn an_overwritten_mutex_is_an_error() {
    let _watchdog = watchdog();
    let array = Array::from_iter(0..9000).unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(path(&array.segment().name()))
        .unwrap();
    file.write_all_at(&[0xa5; 40], MUTEX_AT).unwrap();
    assert_eq!(array.segment().lock().map(drop), Err(LockError::Damaged));
    assert!(array.try_get(0).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| array.get(0))).is_err());
}

#[test]
fn a_mutex_overwritten_while_held_keeps_the_memory() {
    let _watchdog = watchdog();
    let overwrite_and_go_on = || {
        // Large, so that what is mapped next does not come to lie where it began.
        let array = Array::<u8>::zeroed(1 << 20).expect("there is room");
        let file = OpenOptions::new()
            .write(true)
            .open(path(&array.segment().name()));
        let guard = array.lock().expect("it is free");
        file.expect("it opens")
            .write_all_at(&[0xa5; 4], MUTEX_AT + 16)
            .expect("it is written");
        drop(guard);
        drop(array);
        // The thread's list of held locks leads through the array still.
        Value::new(1).expect("there is room").set(2);
    };
    std::thread::spawn(overwrite_and_go_on).join().unwrap();
}

#[test]
fn another_process_keeps_the_memory_but_not_the_name() {
    let _watchdog = watchdog();
    let array = Array::<u8>::zeroed(20_000).unwrap();
    let name = array.segment().name();
    let mut helper = Helper::with("keep_an_array", &array);
    assert_eq!(helper.hear(), "kept");
    drop(array);
    assert!(path(&name).exists());
    assert!(helper.end().success());
    assert!(!path(&name).exists());
}

#[test]
fn what_a_killed_process_counted_goes_with_the_family() {
    let _watchdog = watchdog();
    let value = Value::new(1).unwrap();
    let mut helper = Helper::with("keep_a_value", &(value.clone(), 0));
    assert_eq!(helper.hear(), "kept");
    helper.kill9();
    assert_eq!(value.segment().holders(), 2);
    value.set(3);
    assert_eq!(value.get(), 3);
}

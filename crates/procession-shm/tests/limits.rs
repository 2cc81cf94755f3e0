//! Running out of descriptors, of file size, and of a standard input.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_shm::ring::Rings;
use procession_shm::{
    Array, BlockError, Format, RawArray, RawValue, Segment, SegmentKind, ShareableList, Shared,
    SharedMemory, ShmError, Value, family, fork,
};
use procession_testkit::helper::{Helper, read, say};
use procession_testkit::{helper, watchdog};
use procession_wire::Packet;
use std::error::Error;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU8;

procession_testkit::helpers!(
    map_much,
    exhaust_descriptors_everywhere,
    exceed_the_file_size,
    exceed_the_address_space,
    close_descriptor_0
);

fn run(helper: &str) {
    let mut helper = Helper::start(helper, &["go".to_owned()]);
    assert_eq!(helper.hear(), "done");
    assert!(helper.end().success());
}

// SHM-035
#[test]
fn what_is_mapped_takes_no_descriptor() {
    let _watchdog = watchdog();
    run("map_much");
}

fn map_much() {
    const MANY: usize = 300;
    if read().is_none() {
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, 20, 20).unwrap();
    let first = Array::<u8>::zeroed(20_000).unwrap();
    let block = SharedMemory::create_anonymous(1).unwrap();
    let before = descriptors();
    let arrays: Vec<_> = (0..MANY)
        .map(|_| Array::<u8>::zeroed(20_000).unwrap())
        .collect();
    let values: Vec<_> = (0..MANY).map(|_| Value::new(1).unwrap()).collect();
    let blocks: Vec<_> = (0..MANY)
        .map(|_| SharedMemory::attach(block.name()).unwrap())
        .collect();
    // What comes from others takes none either.
    let received: Vec<Array<u8>> = (arrays.iter())
        .map(|array| helper::receive(helper::send(array)))
        .collect();
    assert_eq!(descriptors(), before);
    arrays[7].set(9, 5);
    assert_eq!((received[7].get(9), first.get(9)), (5, 0));
    drop((arrays, values, blocks, received));
    assert_eq!(descriptors(), before);
    say("done");
}

#[test]
fn every_way_in_runs_out_of_descriptors_without_harm() {
    let _watchdog = watchdog();
    run("exhaust_descriptors_everywhere");
}

fn exhaust_descriptors_everywhere() {
    if read().is_none() {
        return;
    }
    let array = Array::from_iter(0..9000).unwrap();
    let block = SharedMemory::create_anonymous(8).unwrap();
    let list = ShareableList::new([1, 2]).unwrap();
    let format = Format::of::<i32>(SegmentKind::ARRAY);
    starve("Array", || Array::<u8>::zeroed(20_000));
    starve("RawArray", || RawArray::<u8>::zeroed(20_000));
    small_things_need_no_descriptor();
    starve("Rings", || Rings::create(1));
    starve("Segment::create", || Segment::create(format, 1, |_| {}));
    starve("create", || SharedMemory::create_anonymous(1));
    starve("attach", || SharedMemory::attach(block.name()));
    starve("ShareableList", || ShareableList::new([1]));
    starve("ShareableList::attach", || {
        ShareableList::attach(list.block().name())
    });
    starve("fork::before", fork::before);
    let name = array.segment().name();
    // It is mapped already.
    with_descriptors(0, || Segment::open(&name, format)).unwrap();
    drop(array);
    decoding_runs_out_of_descriptors(&block, &list);
    drop((block, list));
    say("done");
}

fn small_things_need_no_descriptor() {
    // The slab that they lie in does.
    let make = || {
        Value::new(1).unwrap().set(2);
        Array::from_iter(0..3).unwrap().set(1, 2);
        RawValue::new(1).unwrap().set(2);
        RawArray::<u8>::zeroed(1).unwrap().set(0, 2);
        drop(Shared::new(AtomicU8::new(1)).unwrap());
    };
    make();
    with_descriptors(0, make);
}

fn decoding_runs_out_of_descriptors(block: &SharedMemory, list: &ShareableList) {
    let packet = |bytes| Packet::parse(bytes, Vec::new()).unwrap();
    // Where this process has no mapping of it, decoding makes one.
    let array = || packet(helper::send(&Array::from_iter(0..9000).unwrap()));
    starve_on("an array", array, Packet::decode::<Array<i32>>);
    let block = || packet(helper::send(block));
    starve_on("a block", block, Packet::decode::<SharedMemory>);
    let list = || packet(helper::send(list));
    starve_on("a list", list, Packet::decode::<ShareableList>);
}

fn starve<R, E: Error>(what: &str, mut make: impl FnMut() -> Result<R, E>) {
    starve_on(what, || (), |()| make());
}

/// Has `make` fail with no descriptor left, one, two, and so on, until there are enough.
fn starve_on<I, R, E: Error>(
    what: &str,
    mut prepare: impl FnMut() -> I,
    mut make: impl FnMut(I) -> Result<R, E>,
) {
    drop(make(prepare()).unwrap());
    let before = descriptors();
    for spare in 0..9 {
        let prepared = prepare();
        match with_descriptors(spare, || make(prepared)) {
            Ok(done) => {
                assert_ne!(spare, 0, "{what} opens nothing");
                drop(done);
                break;
            }
            Err(error) => {
                assert!(spare < 8, "{what} never gets enough");
                let text = error.to_string();
                assert!(text.contains("open files"), "{what}: {text}");
            }
        }
        assert_eq!(descriptors(), before, "{what} keeps some open");
    }
    assert_eq!(descriptors(), before, "{what} keeps some open");
}

/// Does it with that many descriptors left.
fn with_descriptors<R>(spare: u64, work: impl FnOnce() -> R) -> R {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let mut gaps = Vec::new();
    let next = loop {
        let file = File::open("/dev/null").unwrap();
        let number = u64::from(file.as_raw_fd().cast_unsigned());
        if number + 1 == descriptors() {
            break number;
        }
        gaps.push(file);
    };
    setrlimit(Resource::RLIMIT_NOFILE, next + spare, hard).unwrap();
    let done = work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    done
}

fn descriptors() -> u64 {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    // One is what lists them.
    open.count() as u64 - 1
}

#[test]
fn a_limit_on_file_sizes_is_an_error() {
    let _watchdog = watchdog();
    run("exceed_the_file_size");
}

fn exceed_the_file_size() {
    if read().is_none() {
        return;
    }
    setrlimit(Resource::RLIMIT_FSIZE, 1 << 20, 1 << 20).unwrap();
    assert_eq!(Array::<u8>::zeroed(1 << 19).unwrap().len(), 1 << 19);
    let refused = Array::<u8>::zeroed(1 << 20);
    assert!(matches!(refused, Err(ShmError::OutOfMemory { .. })));
    let refused = SharedMemory::create_anonymous((1 << 20) + 1);
    assert!(matches!(refused, Err(BlockError::Memory(_))));
    say("done");
}

#[test]
fn descriptor_0_may_be_closed() {
    let _watchdog = watchdog();
    run("close_descriptor_0");
}

fn close_descriptor_0() {
    if read().is_none() {
        return;
    }
    let id = family::current().unwrap().id();
    nix::unistd::close(0).unwrap();
    for round in 0..3 {
        let array = Array::from_slice(&[round]).unwrap();
        assert_eq!(helper::roundtrip(&array).to_vec(), [round]);
        let bytes = helper::send(&array);
        drop(array);
        assert_eq!(helper::receive::<Array<i32>>(bytes).to_vec(), [round]);
    }
    let block = SharedMemory::create_anonymous(1).unwrap();
    drop(SharedMemory::attach(block.name()).unwrap());
    drop(block);
    assert_eq!(
        fcntl(std::io::stdin(), FcntlArg::F_GETFD),
        Err(Errno::EBADF)
    );
    // The lease and the slab.
    assert_eq!(procession_testkit::shared_memory(id).len(), 2);
    assert_eq!(family::usage().unwrap().objects().len(), 0);
    say("done");
}

// SHM-043
#[test]
fn a_limit_on_memory_is_told_as_that() {
    let _watchdog = watchdog();
    run("exceed_the_address_space");
}

fn exceed_the_address_space() {
    if read().is_none() {
        return;
    }
    let family = family::current().unwrap().id();
    let kept = Value::new(7_u32).unwrap();
    let before = procession_testkit::shared_memory(family);
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    setrlimit(Resource::RLIMIT_AS, 32 << 20, hard).unwrap();
    let refused = [
        Array::<u8>::zeroed(32 << 20).map(drop).unwrap_err(),
        RawArray::<u64>::zeroed(4 << 20).map(drop).unwrap_err(),
    ];
    let named = SharedMemory::create_anonymous(32 << 20).map(drop);
    setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
    for error in refused {
        let words = error.to_string();
        assert!(
            matches!(error, ShmError::NoMemory { wanted } if wanted >= 32 << 20),
            "{words}"
        );
        assert!(
            words.contains("ulimit -v") && !words.contains("enlarge"),
            "{words}"
        );
    }
    let words = named.unwrap_err().to_string();
    assert!(!words.contains("enlarge"), "{words}");
    assert_eq!(procession_testkit::shared_memory(family), before);
    assert_eq!(kept.get(), 7);
    say("done");
}

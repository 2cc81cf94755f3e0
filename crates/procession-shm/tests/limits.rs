//! Running out of descriptors, of file size, and of a standard input.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, setrlimit};
use procession_shm::{Array, BlockError, SharedMemory, ShmError, family};
use procession_testkit::helper::{Helper, read, say};
use procession_testkit::{helper, watchdog};

procession_testkit::helpers!(
    exhaust_descriptors,
    exceed_the_file_size,
    close_descriptor_0
);

fn run(helper: &str) {
    let mut helper = Helper::start(helper, &["go".to_owned()]);
    assert_eq!(helper.hear(), "done");
    assert!(helper.end().success());
}

#[test]
fn out_of_descriptors_is_an_error() {
    let _watchdog = watchdog();
    run("exhaust_descriptors");
}

fn exhaust_descriptors() {
    if read().is_none() {
        return;
    }
    let id = family::current().unwrap().id();
    setrlimit(Resource::RLIMIT_NOFILE, 40, 40).unwrap();
    let mut arrays = Vec::new();
    let error = loop {
        match Array::<u8>::zeroed(1) {
            Ok(array) => arrays.push(array),
            Err(error) => break error,
        }
        assert!(arrays.len() < 50, "the limit does not bite");
    };
    let ShmError::System(error) = error else {
        panic!("another error: {error}")
    };
    assert_eq!(error.raw_os_error(), Some(Errno::EMFILE as i32));
    let made = arrays.len();
    arrays.truncate(made - 2);
    // The lease is there too, and what failed is not.
    assert_eq!(procession_testkit::shared_memory(id).len(), made - 2 + 1);
    assert_eq!(Array::from_iter(0..3_u8).unwrap().to_vec(), [0, 1, 2]);
    blocks_run_out_of_descriptors();
    say("done");
}

fn blocks_run_out_of_descriptors() {
    let block = SharedMemory::create_anonymous(1).unwrap();
    let mut blocks = Vec::new();
    let error = loop {
        match SharedMemory::attach(block.name()) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
        assert!(blocks.len() < 50, "the limit does not bite");
    };
    let BlockError::System(error) = error else {
        panic!("another error: {error}")
    };
    assert_eq!(error.raw_os_error(), Some(Errno::EMFILE as i32));
    drop(blocks);
    assert_eq!(SharedMemory::attach(block.name()).unwrap().to_vec(), [0]);
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
    assert_eq!(procession_testkit::shared_memory(id).len(), 1);
    say("done");
}

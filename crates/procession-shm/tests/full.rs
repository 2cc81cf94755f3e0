//! A `/dev/shm` that is full.
//!
//! The tests give a helper process a small one of its own, in a namespace of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{
    Array, BlockError, ListError, RawArray, ShareableList, Shared, SharedMemory, ShmError, family,
};
use procession_testkit::helper::{Helper, read, say};
use procession_testkit::watchdog;
use std::env;
use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

procession_testkit::helpers!(enter_a_small_memory, fill_a_small_memory);

const SIZE: usize = 1 << 20;
const MOST: usize = SIZE * 3 / 5;

// SHM-029
#[test]
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn a_full_memory_is_an_error_and_nothing_is_lost() {
    let _watchdog = watchdog();
    let mut helper = Helper::start("enter_a_small_memory", &["go".to_owned()]);
    let said = helper.hear();
    if said == "not permitted" {
        eprintln!("there is no permission for a namespace: a full memory was not tested");
        return;
    }
    assert_eq!(said, "done");
    assert!(helper.end().success());
}

/// Becomes `fill_a_small_memory` in a namespace with a small `/dev/shm`.
fn enter_a_small_memory() {
    if read().is_none() {
        return;
    }
    let script = format!(
        "mount -t tmpfs -o size={SIZE} tmpfs /dev/shm && exec \"$0\" --helper fill_a_small_memory"
    );
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(env::current_exe().unwrap())
        .env("FILL", "1")
        .status();
    match status.ok().and_then(|status| status.code()) {
        Some(0) => {}
        Some(101) => panic!("see above"),
        _ => say("not permitted"),
    }
}

fn fill_a_small_memory() {
    if env::var_os("FILL").is_none() {
        return;
    }
    assert!(nix::sys::statvfs::statvfs("/dev/shm").unwrap().blocks() < 1000);
    let large = Array::<u8>::zeroed(MOST).unwrap();
    let before = procession_testkit::shared_memory(family::current().unwrap().id());
    everything_large_is_refused();
    assert_eq!(
        procession_testkit::shared_memory(family::current().unwrap().id()),
        before
    );
    // All of it is there: none of this is a signal.
    large.fill(1);
    assert_eq!(large.to_vec(), vec![1; MOST]);
    fill_to_the_brim();
    large.fill(2);
    drop(large);
    let block = SharedMemory::create("block", MOST).unwrap();
    block.write_at(0, &vec![3; MOST]).unwrap();
    say("done");
}

fn everything_large_is_refused() {
    let full = |error: &ShmError| matches!(error, ShmError::OutOfMemory { .. });
    assert!(full(&Array::<u8>::zeroed(MOST).unwrap_err()));
    assert!(full(&RawArray::<u64>::zeroed(MOST / 8).unwrap_err()));
    let refused = SharedMemory::create("block", MOST).unwrap_err();
    assert!(matches!(&refused, BlockError::Memory(error) if full(error)));
    let refused = ShareableList::new([vec![1; MOST]]).unwrap_err();
    assert!(matches!(&refused, ListError::Block(BlockError::Memory(error)) if full(error)));
    // What another program made and did not reserve.
    File::create("/dev/shm/sparse")
        .unwrap()
        .set_len(MOST as u64)
        .unwrap();
    let refused = SharedMemory::attach("sparse").unwrap_err();
    assert!(matches!(&refused, BlockError::Memory(error) if full(error)));
    SharedMemory::remove("sparse").unwrap();
    assert!(matches!(
        SharedMemory::attach("block"),
        Err(BlockError::NotFound(_))
    ));
}

/// Makes small things until there is no room, and uses all of them.
fn fill_to_the_brim() {
    let mut made = Vec::new();
    let refused = loop {
        match Shared::new(AtomicU8::new(7)) {
            Ok(one) => made.push(one),
            Err(error) => break error,
        }
        assert!(made.len() < 1_000_000, "it is never full");
    };
    assert!(matches!(refused, ShmError::OutOfMemory { .. }));
    assert!(made.len() > 10);
    assert!(
        made.iter()
            .all(|one| one.fetch_add(1, Ordering::Relaxed) == 7)
    );
}

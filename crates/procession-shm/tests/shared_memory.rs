//! Named blocks.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{BlockError, NameError, OutOfBlock, ShareableList, SharedMemory, family};
use procession_testkit::helper::{Helper, arrive, read, roundtrip, say, send, wait_for_end};
use procession_testkit::{eventually, watchdog};
use procession_wire::Packet;
use proptest::prelude::*;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

procession_testkit::helpers!(
    write_to_a_block,
    own_a_block,
    attach_by_name,
    exit_as_owner,
    make_and_drop_for_ever
);

/// A name that no other test uses.
fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-block-{}-{number}", process::id())
}

fn path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(name)
}

/// How many names of the family's stand for the same file.
fn links(block: &SharedMemory) -> usize {
    let inode = fs::metadata(path(block.name())).unwrap().ino();
    let names = procession_testkit::shared_memory(family::current().unwrap().id());
    let inodes = names
        .iter()
        .filter_map(|name| fs::metadata(path(name)).ok());
    inodes.filter(|found| found.ino() == inode).count()
}

// SHM-009
#[test]
fn a_block_is_made_and_found_by_its_name() {
    let _watchdog = watchdog();
    let name = fresh();
    let block = SharedMemory::create(&name, 512).unwrap();
    assert_eq!((block.name(), block.len()), (&*name, 512));
    assert_eq!(block.to_vec(), [0; 512]);
    block.write_at(0, &[42]).unwrap();
    let same = SharedMemory::attach(&name).unwrap();
    assert_eq!((same.len(), same.to_vec()[0]), (512, 42));
    same.write_at(511, &[43]).unwrap();
    assert_eq!(block.to_vec()[511], 43);
    let slashed = SharedMemory::attach(&format!("/{name}")).unwrap();
    assert_eq!((slashed.name(), slashed.to_vec()[511]), (&*name, 43));

    let again = SharedMemory::create(&name, 512);
    assert!(matches!(again, Err(BlockError::AlreadyExists(taken)) if taken == name));
    assert!(matches!(
        SharedMemory::attach(&fresh()),
        Err(BlockError::NotFound(_))
    ));
    assert!(matches!(
        SharedMemory::create(&fresh(), 0),
        Err(BlockError::ZeroSize)
    ));
    block.unlink().unwrap();
    assert!(matches!(block.unlink(), Err(BlockError::NotFound(_))));
    assert!(matches!(same.unlink(), Err(BlockError::NotFound(_))));
    assert!(matches!(
        SharedMemory::remove(&name),
        Err(BlockError::NotFound(_))
    ));
    assert_eq!(block.to_vec()[0], 42);
}

#[test]
fn the_size_is_what_was_asked_for() {
    let _watchdog = watchdog();
    for size in [1, 2, 7, 8, 9, 4095, 4096, 4097, 100_001] {
        let block = SharedMemory::create_anonymous(size).unwrap();
        assert_eq!(block.len(), size);
        assert!(!block.is_empty());
        assert_eq!(block.to_vec().len(), size);
        assert_eq!(block.atomics().len(), size / 8);
        assert_eq!(SharedMemory::attach(block.name()).unwrap().len(), size);
        block.write_at(size - 1, &[1]).unwrap();
        let refused = OutOfBlock {
            offset: size,
            len: 1,
            size,
        };
        assert_eq!(block.write_at(size, &[1]), Err(refused));
        assert!(block.read_at(usize::MAX, &mut [0; 2]).is_err());
        assert_eq!(block.read_at(size, &mut []), Ok(()));
    }
}

// SHM-023
#[test]
fn names_that_cannot_be_are_refused() {
    let _watchdog = watchdog();
    let long = "n".repeat(254);
    let cases = [
        ("", NameError::Empty),
        ("/", NameError::Empty),
        ("a/b", NameError::Path),
        ("//a", NameError::Path),
        (".", NameError::Path),
        ("..", NameError::Path),
        ("../etc", NameError::Path),
        ("a\0b", NameError::Nul),
        (&long, NameError::TooLong { len: 254 }),
        ("procession-0123456789abcdef-1-1", NameError::Reserved),
        ("/procession-", NameError::Reserved),
    ];
    for (name, wanted) in cases {
        let refused = [
            SharedMemory::create(name, 1).map(drop),
            SharedMemory::attach(name).map(drop),
            SharedMemory::remove(name),
        ];
        for result in refused {
            assert!(
                matches!(result, Err(BlockError::Name(error)) if error == wanted),
                "{name:?}"
            );
        }
    }
}

#[test]
fn the_longest_name_works() {
    let _watchdog = watchdog();
    let name = format!("{:n<253}", fresh());
    let block = SharedMemory::create(&name, 1).unwrap();
    assert_eq!(SharedMemory::attach(&name).unwrap().name(), name);
    drop(block);
    assert!(!path(&name).exists());
}

// SHM-027
#[test]
fn a_name_may_contain_anything_else() {
    let _watchdog = watchdog();
    for odd in [":", "a:b:c", " ", "-", "ä☃", "new\nline", "a.b", "\"'\\"] {
        let name = format!("{odd}{}", fresh());
        let block = SharedMemory::create(&name, 1).unwrap();
        assert_eq!(SharedMemory::attach(&name).unwrap().name(), name);
        drop(block);
        assert!(!path(&name).exists());
    }
}

// SHM-010
#[test]
fn a_random_name_that_is_taken_is_not_taken_again() {
    let _watchdog = watchdog();
    let number = |block: &SharedMemory| {
        let (_, number) = block.name().rsplit_once('_').unwrap();
        u64::from_str_radix(number, 16).unwrap()
    };
    let first = SharedMemory::create_anonymous(1).unwrap();
    let (rest, _) = first.name().rsplit_once('_').unwrap();
    // Other tests of this program may be taking some of them at this moment.
    let last = number(&first) + 64;
    let taken: Vec<_> = (number(&first) + 1..=last)
        .map(|number| SharedMemory::create(&format!("{rest}_{number:x}"), 1))
        .collect();
    assert!(taken.iter().any(Result::is_ok));
    let next = SharedMemory::create_anonymous(2).unwrap();
    assert_eq!(next.len(), 2);
    assert!(number(&next) > last);
}

// SHM-028
#[test]
fn only_the_owner_removes() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(1).unwrap();
    let name = block.name().to_owned();
    assert!(block.is_owner());
    let attached = SharedMemory::attach(&name).unwrap();
    assert!(!attached.is_owner());
    attached.keep();
    drop(attached);
    drop(roundtrip(&block));
    drop(block.clone());
    assert!(path(&name).exists());
    assert_eq!(links(&block), 1);
    drop(block);
    assert!(!path(&name).exists());
}

#[test]
fn a_block_that_is_kept_stays() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(1).unwrap();
    let name = block.name().to_owned();
    block.keep();
    block.keep();
    assert!(!block.is_owner());
    assert_eq!(links(&block), 0);
    drop(block);
    assert!(path(&name).exists());
    SharedMemory::attach(&name).unwrap().unlink().unwrap();
    assert!(!path(&name).exists());
}

#[test]
fn an_owner_does_not_remove_a_later_block_of_the_same_name() {
    let _watchdog = watchdog();
    let name = fresh();
    let old = SharedMemory::create(&name, 1).unwrap();
    SharedMemory::remove(&name).unwrap();
    let new = SharedMemory::create(&name, 2).unwrap();
    assert!(matches!(old.unlink(), Err(BlockError::NotFound(_))));
    drop(old);
    assert_eq!(SharedMemory::attach(&name).unwrap().len(), 2);
    drop(new);
}

// SHM-011, SHM-013
#[test]
fn another_process_writes_through_a_handle_and_by_name() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(10).unwrap();
    let same = roundtrip(&block);
    same.write_at(0, b"0").unwrap();
    assert!(Helper::with("write_to_a_block", &block).end().success());
    let by_name = Helper::start("attach_by_name", &[block.name().to_owned()]);
    assert!(by_name.end().success());
    assert_eq!(block.to_vec(), b"0handlname");
    assert_eq!(same.to_vec(), b"0handlname");
}

fn write_to_a_block() {
    let Some(block) = arrive::<SharedMemory>() else {
        return;
    };
    block.write_at(1, b"handle").unwrap();
}

fn attach_by_name() {
    let Some(name) = read() else { return };
    let block = SharedMemory::attach(&name).unwrap();
    block.write_at(6, b"name").unwrap();
}

// SHM-012
#[test]
fn a_handle_that_is_decoded_after_the_end_is_not_found() {
    let _watchdog = watchdog();
    let name = fresh();
    let block = SharedMemory::create(&name, 1).unwrap();
    let decode = |bytes: &[u8]| {
        let packet = Packet::parse(bytes.to_vec(), Vec::new()).unwrap();
        packet.decode::<SharedMemory>()
    };
    let bytes = send(&block);
    assert_eq!(decode(&bytes).unwrap().name(), name);
    block.unlink().unwrap();
    let gone = decode(&bytes).unwrap_err().to_string();
    assert!(gone.contains("there is no block named"), "{gone}");
    let _other = SharedMemory::create(&name, 1).unwrap();
    let gone = decode(&bytes).unwrap_err().to_string();
    assert!(gone.contains("there is no block named"), "{gone}");
}

#[test]
fn a_handle_goes_into_messages_only() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(1).unwrap();
    assert!(serde_json::to_string(&block).is_err());
    let json = format!("[{:?},1]", block.name());
    assert!(serde_json::from_str::<SharedMemory>(&json).is_err());
}

/// Sweeps until it holds: another program may just be sweeping the same, or be killed doing so.
fn swept(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || {
        family::sweep();
        holds()
    });
}

// SHM-019
#[test]
fn what_a_dead_owner_left_goes_with_its_family() {
    let _watchdog = watchdog();
    let signals = [nix::sys::signal::SIGTERM, nix::sys::signal::SIGKILL];
    for signal in signals {
        let mut owner = Helper::start("own_a_block", &["go".to_owned()]);
        let [name, kept] = [owner.hear(), owner.hear()];
        assert!(SharedMemory::attach(&name).is_ok());
        let pid = nix::unistd::Pid::from_raw(owner.pid().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
        assert!(!owner.end().success());
        swept("the owner's block", || !path(&name).exists());
        assert!(path(&kept).exists());
        SharedMemory::remove(&kept).unwrap();
    }
}

fn own_a_block() {
    if read().is_none() {
        return;
    }
    let block = SharedMemory::create_anonymous(1).unwrap();
    let kept = SharedMemory::create_anonymous(1).unwrap();
    kept.keep();
    say(block.name());
    say(kept.name());
    wait_for_end();
}

// SHM-019
#[test]
fn an_owner_that_is_killed_at_any_moment_leaves_nothing() {
    let _watchdog = watchdog();
    for round in 0..40_u32 {
        let mut owner = Helper::start("make_and_drop_for_ever", &["go".to_owned()]);
        assert_eq!(owner.hear(), "begun");
        // So that each round hits another step.
        for step in 0..round * 997 {
            std::hint::black_box(step);
        }
        owner.kill9();
        let anonymous = format!("psm_{:x}_", owner.pid());
        let own = format!("test-storm-{}", owner.pid());
        let is_left = |found: &str| found.starts_with(&anonymous) || found == own;
        swept("all that the owner made", || {
            let mut entries = fs::read_dir("/dev/shm").unwrap().flatten();
            !entries.any(|entry| entry.file_name().to_str().is_some_and(is_left))
        });
    }
}

fn make_and_drop_for_ever() {
    if read().is_none() {
        return;
    }
    let name = format!("test-storm-{}", process::id());
    say("begun");
    loop {
        let block = SharedMemory::create(&name, 100).unwrap();
        let list = ShareableList::new(["a", "b"]).unwrap();
        block.unlink().unwrap();
        drop(list);
    }
}

// SHM-016
#[test]
fn an_owner_that_exits_without_a_drop_leaves_nothing() {
    let _watchdog = watchdog();
    let mut owner = Helper::start("exit_as_owner", &["go".to_owned()]);
    let name = owner.hear();
    assert!(owner.end().success());
    assert!(!path(&name).exists());
}

fn exit_as_owner() {
    if read().is_none() {
        return;
    }
    let block = SharedMemory::create_anonymous(1).unwrap();
    say(block.name());
    std::mem::forget(block);
}

// SHM-029
#[test]
fn all_of_it_is_reserved() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(1 << 20).unwrap();
    let metadata = fs::metadata(path(block.name())).unwrap();
    assert!(metadata.blocks() * 512 >= 1 << 20);
    for size in [1 << 45, isize::MAX as usize, usize::MAX] {
        let refused = SharedMemory::create(&fresh(), size);
        assert!(matches!(refused, Err(BlockError::Memory(_))));
    }
}

/// A file of somebody else's in `/dev/shm`.
struct Foreign(String);

impl Foreign {
    fn new(len: u64) -> Self {
        let name = fresh();
        let file = fs::File::create_new(path(&name)).unwrap();
        file.set_len(len).unwrap();
        Self(name)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = fs::remove_file(path(&self.0));
    }
}

// SHM-029
#[test]
fn what_others_did_not_reserve_is_reserved_when_it_is_attached() {
    let _watchdog = watchdog();
    let foreign = Foreign::new(100_000);
    assert_eq!(fs::metadata(path(&foreign.0)).unwrap().blocks(), 0);
    let block = SharedMemory::attach(&foreign.0).unwrap();
    assert!(fs::metadata(path(&foreign.0)).unwrap().blocks() * 512 >= 100_000);
    assert_eq!(block.len(), 100_000);
    let huge = Foreign::new(1 << 45);
    let refused = SharedMemory::attach(&huge.0);
    assert!(matches!(refused, Err(BlockError::Memory(_))));
    assert_eq!(fs::metadata(path(&huge.0)).unwrap().blocks(), 0);
}

#[test]
fn what_is_no_block_is_refused() {
    let _watchdog = watchdog();
    let empty = Foreign::new(0);
    let refused = SharedMemory::attach(&empty.0);
    assert!(matches!(refused, Err(BlockError::NotReady(_))));

    let (folder, link) = (fresh(), fresh());
    fs::create_dir(path(&folder)).unwrap();
    symlink("/etc/passwd", path(&link)).unwrap();
    let refused = [&folder, &link].map(|name| SharedMemory::attach(name));
    fs::remove_dir(path(&folder)).unwrap();
    fs::remove_file(path(&link)).unwrap();
    for refused in refused {
        assert!(matches!(refused, Err(BlockError::NotMemory(_))));
    }
}

#[test]
fn who_attaches_while_blocks_come_and_go_finds_them_whole() {
    let _watchdog = watchdog();
    let name = fresh();
    thread::scope(|scope| {
        let maker = scope.spawn(|| {
            for _ in 0..500 {
                drop(SharedMemory::create(&name, 5000).unwrap());
            }
        });
        while !maker.is_finished() {
            match SharedMemory::attach(&name) {
                Ok(block) => assert_eq!(block.len(), 5000),
                // Or each attempt found another block.
                Err(BlockError::NotFound(_) | BlockError::NotReady(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert!(!path(&name).exists());
}

#[test]
fn words_are_never_torn() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(64).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..20_000_u64 {
                let word = (round % 251 + 1).wrapping_mul(0x0101_0101_0101_0101);
                block.write_at(8, &word.to_ne_bytes()).unwrap();
                // The byte before the word is somebody else's.
                block.write_at(7, &[round as u8]).unwrap();
            }
        });
        while !writer.is_finished() {
            let mut word = [0; 8];
            block.read_at(8, &mut word).unwrap();
            assert!(word.iter().all(|&byte| byte == word[0]), "{word:?}");
        }
    });
}

#[test]
fn neighbours_of_what_is_written_lose_nothing() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(8).unwrap();
    thread::scope(|scope| {
        for at in 0..8 {
            let block = &block;
            scope.spawn(move || {
                for round in 0..=255_u8 {
                    block.write_at(at, &[round]).unwrap();
                    let mut own = [0];
                    block.read_at(at, &mut own).unwrap();
                    assert_eq!(own, [round]);
                }
            });
        }
    });
    assert_eq!(block.to_vec(), [255; 8]);
}

#[test]
fn the_end_of_a_process_that_was_not_told_is_noticed_by_nobody() {
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(10).unwrap();
    let mut other = Helper::with("write_to_a_block", &block);
    other.kill9();
    eventually("it is reaped", || !procession_testkit::alive(other.pid()));
    family::sweep();
    assert!(path(block.name()).exists());
    let made = fs::File::create_new(path(block.name()));
    assert_eq!(made.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

proptest! {
    #[test]
    fn reading_and_writing_is_as_of_a_slice(
        size in 1_usize..70,
        writes in prop::collection::vec((0_usize..80, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        (at, len) in (0_usize..80, 0_usize..80),
    ) {
        let block = SharedMemory::create_anonymous(size).unwrap();
        let mut model = vec![0; size];
        for (at, bytes) in writes {
            let wanted = model.get_mut(at..at + bytes.len());
            prop_assert_eq!(block.write_at(at, &bytes).is_ok(), wanted.is_some());
            if let Some(part) = wanted {
                part.copy_from_slice(&bytes);
            }
        }
        prop_assert_eq!(block.to_vec(), model.clone());
        let mut read = vec![0; len];
        match model.get(at..at + len) {
            Some(part) => {
                block.read_at(at, &mut read).unwrap();
                prop_assert_eq!(&read, part);
            }
            None => prop_assert!(block.read_at(at, &mut read).is_err()),
        }
    }

    #[test]
    fn random_handles_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut packet = send(&"x".to_owned());
        packet.extend(bytes);
        let decoded = Packet::parse(packet, Vec::new()).map(Packet::decode::<SharedMemory>);
        prop_assert!(!matches!(decoded, Ok(Ok(_))));
    }
}

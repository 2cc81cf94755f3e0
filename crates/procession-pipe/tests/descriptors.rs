//! A process that has no room for descriptors. Alone in its program: the limit is the process's.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_pipe::{Connection, Pipe, PipeReader, RecvError};
use procession_testkit::watchdog;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

fn null() -> PipeReader {
    OwnedFd::from(File::open("/dev/null").expect("it is always there")).into()
}

/// Runs `work` while the process can open `room` more files.
fn with_room_for<R>(room: u64, work: impl FnOnce() -> R) -> R {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("it can be read");
    let next = null().as_fd().as_raw_fd().unsigned_abs();
    setrlimit(Resource::RLIMIT_NOFILE, u64::from(next) + room, hard).expect("it can be lowered");
    let result = work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("it can be raised again");
    result
}

#[test]
fn a_message_whose_descriptors_find_no_room_is_the_only_one_lost() {
    let _watchdog = watchdog();
    let (here, there): (Connection<Vec<PipeReader>, ()>, _) = Pipe::duplex().unwrap();
    here.send(&vec![null(), null(), null()]).unwrap();
    here.send(&vec![null()]).unwrap();

    for room in [0, 2] {
        let lost = with_room_for(room, || there.recv());
        assert!(
            matches!(lost, Err(RecvError::DescriptorsLost)),
            "{room}: {lost:?}"
        );
        with_room_for(2, || drop((null(), null())));
        here.send(&vec![null(), null(), null()]).unwrap();
        if room == 0 {
            assert_eq!(there.recv().unwrap().len(), 1);
        }
    }
    assert_eq!(there.recv().unwrap().len(), 3);
}

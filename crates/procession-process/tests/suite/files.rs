//! Descriptors: a child's, and those that its parent has for it.

use super::{alone, forever};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_process::{Process, StartError, StartMethod, active_children, start_method};
use procession_testkit::children;
use std::fs;
use std::os::fd::AsRawFd;

fn link(number: i32) -> Option<String> {
    let path = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    path.into_os_string().into_string().ok()
}

/// Returns what this process has open.
fn open_files() -> Vec<String> {
    (0..1024).filter_map(link).collect()
}

/// Returns the same without what tells one socket from another, in order.
fn open_kinds() -> Vec<String> {
    let kind = |file: String| {
        file.split_once(":[")
            .map_or(file.clone(), |(kind, _)| kind.to_owned())
    };
    let mut kinds: Vec<String> = open_files().into_iter().map(kind).collect();
    kinds.sort();
    kinds
}

// PRC-025
pub(crate) fn a_child_inherits_no_file_by_accident() {
    let (reader, _writer) = nix::unistd::pipe().unwrap(); // without CLOEXEC
    let ours = link(reader.as_raw_fd()).expect("the descriptor is open");
    let theirs = Process::spawn(open_files, ()).unwrap().join().unwrap();
    assert_eq!(theirs[0], "/dev/null");
    assert!(!theirs.contains(&ours), "{theirs:?}");
}

// PRC-065
/// A descriptor that a new program inherits, with a number above the limit of open files.
pub(crate) fn a_descriptor_above_a_lowered_limit_keeps_nobody_from_starting() {
    alone(|| {
        let (reader, _writer) = nix::unistd::pipe().unwrap(); // without CLOEXEC
        let high = fcntl(&reader, FcntlArg::F_DUPFD(900)).unwrap();
        let ours = link(high).expect("the descriptor is open");
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 100, hard).unwrap();
        let theirs = Process::spawn(open_files, ()).unwrap().join().unwrap();
        let copied = start_method() == StartMethod::Fork;
        assert_eq!(theirs.contains(&ours), copied, "{theirs:?}");
    });
}

// PRC-012
pub(crate) fn a_child_has_nothing_of_its_siblings() {
    alone(|| {
        let count = || open_files().len();
        let alone = Process::spawn(count, ()).unwrap().join().unwrap();
        let siblings: Vec<_> = (0..20)
            .map(|_| Process::spawn(forever, ()).unwrap())
            .collect();
        let among_many = Process::spawn(count, ()).unwrap().join().unwrap();
        assert_eq!(among_many, alone);
        for sibling in siblings {
            sibling.kill().unwrap();
            assert!(sibling.join().is_err());
        }
    });
}

// PRC-012
pub(crate) fn descriptors_of_the_parent_return() {
    alone(|| {
        start_two();
        let before = open_kinds();
        for _ in 0..20 {
            let many: Vec<_> = (0..5)
                .map(|n| Process::spawn(|n: u32| n, (n,)).unwrap())
                .collect();
            for (n, process) in many.into_iter().enumerate() {
                assert_eq!(process.join().unwrap(), n as u32);
            }
            let killed = Process::spawn(forever, ()).unwrap();
            killed.kill().unwrap();
            assert!(killed.join().is_err());
        }
        assert_eq!(open_kinds(), before);
    });
}

/// Starts what all children need, and what the second one leaves for the third.
fn start_two() {
    for _ in 0..2 {
        Process::spawn(|| (), ()).unwrap().join().unwrap();
    }
}

/// Starts a child with few descriptors; returns whether it came to that.
fn start_with(limit: u64) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
    let started = Process::spawn(|| 7, ());
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    match started {
        Ok(process) => process.join().unwrap() == 7,
        Err(StartError::System { .. } | StartError::Encode(_) | StartError::Family(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn without_descriptors_nothing_is_started_and_nothing_left() {
    alone(|| {
        // The family exists before the limit falls, and what serves all children.
        start_two();
        let before = open_files().len();
        let started: Vec<bool> = (0..40).map(start_with).collect();
        assert!(!started[5]);
        assert!(started[39]);
        // Each limit had a server of its own.
        start_two();
        assert_eq!(open_files().len(), before);
        assert!(active_children().is_empty());
        assert_eq!(children(std::process::id()), []);
    });
}

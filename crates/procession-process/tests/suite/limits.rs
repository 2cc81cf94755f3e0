//! What a child may use of the system.

use super::{alone, ended, failure, not_settled};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_process::{Cause, ExitStatus, Failure, Process, active_children};
use std::fs::File;
use std::hint::black_box;
use std::time::Duration;

const MIB: u64 = 1 << 20;

// Out of memory.
pub(crate) fn memory_beyond_the_limit_is_an_abort() {
    let takes = |bytes: usize| {
        let memory = vec![1_u8; bytes];
        black_box(&memory).len()
    };
    let limited = || Process::builder().memory_limit(2048 * MIB);
    let enough = limited().spawn(takes, (MIB as usize,)).unwrap();
    assert_eq!(enough.join().unwrap(), MIB as usize);
    let too_much = limited().spawn(takes, (4096 * MIB as usize,)).unwrap();
    assert_eq!(ended(too_much), ExitStatus::Signal(6));
}

pub(crate) fn time_beyond_the_limit_is_a_signal() {
    let busy = || -> () {
        loop {
            black_box(0);
        }
    };
    let limited = Process::builder().cpu_limit(Duration::from_millis(1));
    let process = limited.spawn(busy, ()).unwrap();
    assert_eq!(ended(process), ExitStatus::Signal(libc::SIGXCPU));
}

pub(crate) fn files_beyond_the_limit_are_refused() {
    let opens = || {
        let files: Vec<File> = (0..100)
            .map_while(|_| File::open("/dev/null").ok())
            .collect();
        files.len()
    };
    let limited = Process::builder().open_files_limit(30);
    let opened = limited.spawn(opens, ()).unwrap().join().unwrap();
    assert!(opened < 30, "{opened}");
    assert!(opened > 10, "{opened}");
    // What a child has from its start, and the way its result takes, is not limited.
    let none = Process::builder().open_files_limit(0);
    assert_eq!(none.spawn(|| 7, ()).unwrap().join().unwrap(), 7);
}

pub(crate) fn a_limit_beyond_the_systems_is_an_error_of_that_process() {
    // The kernel has a limit for all, which nobody may exceed.
    let limited = Process::builder().open_files_limit(u64::MAX);
    let words = not_settled(limited.spawn(|| (), ()).unwrap());
    assert!(words.contains("cannot limit its resources"), "{words}");
}

pub(crate) fn limits_are_the_childs_only() {
    let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let limits = || {
        let limits = [
            Resource::RLIMIT_NOFILE,
            Resource::RLIMIT_CPU,
            Resource::RLIMIT_AS,
        ];
        limits.map(|limit| getrlimit(limit).unwrap().0)
    };
    let limited = Process::builder()
        .open_files_limit(77)
        .cpu_limit(Duration::from_millis(5_001))
        .memory_limit(4096 * MIB);
    let theirs = limited.spawn(limits, ()).unwrap().join().unwrap();
    assert_eq!(theirs, [77, 6, 4096 * MIB]);
    assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), before);
    let next = Process::spawn(limits, ()).unwrap().join().unwrap();
    assert_eq!(next[0], before.0);
}

/// The size above which this process cannot make a file (`ulimit -f`).
const LARGEST: usize = 4096;

fn limit_files() {
    let limit = LARGEST as u64;
    setrlimit(Resource::RLIMIT_FSIZE, limit, limit).unwrap();
}

// PRC-061
pub(crate) fn arguments_beyond_the_file_size_limit_are_an_error() {
    alone(|| {
        let len = |bytes: Vec<u8>| bytes.len();
        // What all children need is there before the limit is.
        assert_eq!(Process::spawn(len, (vec![0],)).unwrap().join().unwrap(), 1);
        limit_files();
        let refused = Process::spawn(len, (vec![0; MIB as usize],));
        let words = refused.expect_err("a file is too large").to_string();
        assert!(words.contains("ulimit -f"), "{words}");
        assert!(active_children().is_empty());
        let small = Process::spawn(len, (vec![0; LARGEST * 2],)).unwrap();
        assert_eq!(small.join().unwrap(), LARGEST * 2);
    });
}

// PRC-061
pub(crate) fn a_result_beyond_the_file_size_limit_is_an_error_of_that_process() {
    let large = |len: usize| {
        limit_files();
        vec![0_u8; len]
    };
    let small = Process::spawn(large, (LARGEST * 2,)).unwrap();
    assert_eq!(small.join().unwrap().len(), LARGEST * 2);
    let error = failure(Process::spawn(large, (MIB as usize,)).unwrap());
    let Cause::Call(Failure::Result(words)) = error.cause() else {
        panic!("{error}")
    };
    assert!(words.contains("ulimit -f"), "{words}");
}

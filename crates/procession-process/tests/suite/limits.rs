//! What a child may use of the system.

use super::{ended, not_settled};
use nix::sys::resource::{Resource, getrlimit};
use procession_process::{ExitStatus, Process};
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

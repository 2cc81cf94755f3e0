//! Files beyond the limit of their size.

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask, raise};
use procession_os::file_size::within_limit;
use procession_testkit::watchdog;
use std::fs::File;
use std::io::{ErrorKind, Write};

fn file() -> File {
    File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).expect("there is memory"))
}

fn is_pending() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("the thread has one");
    let line = status.lines().find(|line| line.starts_with("SigPnd:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    let set = u64::from_str_radix(digits.expect("it says what is pending"), 16);
    set.expect("it is a number") & (1 << (Signal::SIGXFSZ as u32 - 1)) != 0
}

fn mask() -> SigSet {
    SigSet::thread_get_mask().expect("a thread has a mask")
}

/// One test, because the limit is the whole process's.
#[test]
fn a_write_beyond_the_limit_is_an_error_and_no_signal() {
    const LIMIT: usize = 4096;
    let _watchdog = watchdog();
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT as u64, hard).unwrap();
    let before = mask();

    // Up to the limit all is well.
    let mut exact = file();
    within_limit(|| exact.write_all(&[1; LIMIT])).unwrap();
    assert_eq!(exact.metadata().unwrap().len(), LIMIT as u64);

    // A write, one that begins below the limit, and a file that is made longer.
    let mut over = file();
    let refused = [
        within_limit(|| exact.write_all(&[1])),
        within_limit(|| over.write_all(&[1; LIMIT + 1])),
        within_limit(|| file().set_len(LIMIT as u64 + 1)),
    ];
    for refused in refused {
        let error = refused.expect_err("the limit is exceeded");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("ulimit -f"), "{error}");
        assert!(!is_pending());
        assert_eq!(mask(), before);
    }

    // A signal that the program has sent itself and blocked stays its own.
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGXFSZ);
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None).unwrap();
    raise(Signal::SIGXFSZ).unwrap();
    within_limit(|| exact.write_all(&[1])).expect_err("the limit is exceeded");
    assert!(is_pending());
    assert_eq!(mask(), blocked);
    assert_eq!(blocked.wait().unwrap(), Signal::SIGXFSZ);
    // One that only a write has sent does not.
    within_limit(|| exact.write_all(&[1])).expect_err("the limit is exceeded");
    assert!(!is_pending());
    // What the test program says next may go into a file.
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
}

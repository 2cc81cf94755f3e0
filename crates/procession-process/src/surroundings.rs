//! What a process passes on to those that it starts, apart from what they are told.

use crate::error::StartError;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::resource::{Resource, getrlimit, rlim_t};
use nix::sys::stat::Mode;
use nix::unistd::{ResGid, ResUid, getresgid, getresuid, read};
use procession_os::capabilities::Capabilities;
use procession_os::sched::{Scheduling, scheduling};
use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// What a thread had at some moment that its children inherit.
///
/// Users, capabilities, filters of system calls, processors, scheduling and namespaces are each
/// thread's own to Linux. Those of the thread that starts a child count.
///
/// Each start of a child looks at them, so the system is asked as briefly as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// What `/proc` says of it: its status, its namespaces, its groups of processes, and whether the
    /// kernel is to end it for want of memory.
    told: Vec<u8>,
    limits: [Option<(rlim_t, rlim_t)>; 16],
    scheduling: Scheduling,
    /// Device and inode of the root directory.
    root: (u64, u64),
}

/// How the lines begin that tell what is inherited.
const INHERITED: [&[u8]; 9] = [
    b"Umask:",
    b"Uid:",
    b"Gid:",
    b"Groups:",
    b"Cap",
    b"NoNewPrivs:",
    b"Seccomp",
    b"Cpus_allowed:",
    b"Mems_allowed:",
];

/// The signals 32 and 33, which the C library keeps for itself.
const THE_C_LIBRARYS: u64 = 0b11 << 31;

const LIMITS: [Resource; 16] = [
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_LOCKS,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_MSGQUEUE,
    Resource::RLIMIT_NICE,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_RSS,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_RTTIME,
    Resource::RLIMIT_SIGPENDING,
    Resource::RLIMIT_STACK,
];

/// Namespaces that only a thread with `CAP_SYS_ADMIN` can leave.
const NAMESPACES: [&str; 7] = [
    "ns/mnt",
    "ns/net",
    "ns/uts",
    "ns/ipc",
    "ns/cgroup",
    "ns/pid_for_children",
    "ns/time_for_children",
];

/// `CAP_SYS_ADMIN`.
const ADMINISTRATION: u64 = 1 << 21;

impl Surroundings {
    /// Returns those of the calling thread.
    pub(crate) fn now() -> Result<Self, StartError> {
        Self::read().map_err(StartError::system(
            "read in /proc what a child is to inherit",
        ))
    }

    fn read() -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        // The way there is longer than what follows it.
        let thread = open("/proc/thread-self", flags, Mode::empty())?;
        let (thread, root) = (thread.as_fd(), fs::metadata("/")?);
        let mut buffer = vec![0; 4096];
        let mut told = Vec::with_capacity(2048);
        keep_inherited(file(thread, "status", &mut buffer)?, &mut told)?;
        told.extend(file(thread, "oom_score_adj", &mut buffer)?);
        told.extend(file(thread, "cgroup", &mut buffer)?);
        add_namespace(thread, "ns/user", &mut told)?;
        // A namespace of users is entered first by a thread that could not leave the others.
        if Capabilities::now()?.permitted & ADMINISTRATION != 0 {
            for name in NAMESPACES {
                add_namespace(thread, name, &mut told)?;
            }
        }
        Ok(Self {
            told,
            limits: LIMITS.map(|limit| getrlimit(limit).ok()),
            scheduling: scheduling()?,
            root: (root.dev(), root.ino()),
        })
    }
}

/// Whether what was looked at once counts for all that this thread starts.
#[derive(Debug, Default)]
enum Moment {
    #[default]
    Passing,
    /// It does, and nobody has looked yet.
    Held,
    /// It does, as long as the thread has these rights.
    Seen(Box<(Surroundings, Identity)>),
}

/// Whose the thread is and what it may do, which takes a few short calls.
#[derive(Debug, PartialEq, Eq)]
struct Identity(ResUid, ResGid, Capabilities);

impl Identity {
    fn now() -> Option<Self> {
        Some(Self(
            getresuid().ok()?,
            getresgid().ok()?,
            Capabilities::now().ok()?,
        ))
    }
}

thread_local! {
    static MOMENT: RefCell<Moment> = const { RefCell::new(Moment::Passing) };
}

/// Has all that this thread starts in `work` be as the thread is when it starts the first: that is looked
/// at once, unless its rights change. A pool starts its workers so.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, at_one_moment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let [one, two] = at_one_moment(|| [1, 2].map(|n| Process::spawn(|n: u32| n * 10, (n,))));
/// assert_eq!(one?.join()? + two?.join()?, 30);
/// # Ok(())
/// # }
/// ```
#[doc(hidden)]
pub fn at_one_moment<R>(work: impl FnOnce() -> R) -> R {
    /// Ends it, also when the work panics.
    struct Over;

    impl Drop for Over {
        fn drop(&mut self) {
            MOMENT.set(Moment::Passing);
        }
    }

    MOMENT.set(Moment::Held);
    let _over = Over;
    work()
}

impl Surroundings {
    /// Returns what was looked at, if it counts for what this thread starts now.
    pub(crate) fn of_moment() -> Option<Self> {
        // While the thread ends there is no moment any more.
        let seen = MOMENT.try_with(|moment| match &*moment.borrow() {
            Moment::Seen(seen) if Identity::now().as_ref() == Some(&seen.1) => Some(seen.0.clone()),
            _ => None,
        });
        seen.ok().flatten()
    }

    /// Has this count for what the thread starts later at the same moment.
    pub(crate) fn kept_for_moment(self) -> Self {
        let _ = MOMENT.try_with(|moment| {
            let mut moment = moment.borrow_mut();
            if !matches!(*moment, Moment::Passing)
                && let Some(identity) = Identity::now()
            {
                *moment = Moment::Seen(Box::new((self.clone(), identity)));
            }
        });
        self
    }
}

/// Keeps the lines of a status that are inherited.
fn keep_inherited(status: &[u8], kept: &mut Vec<u8>) -> io::Result<()> {
    for line in status.split_inclusive(|&byte| byte == b'\n') {
        if let Some(ignored) = line.strip_prefix(b"SigIgn:") {
            let ignored = ignored.trim_ascii();
            let digits = str::from_utf8(ignored).map_err(io::Error::other)?;
            let ignored = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
            writeln!(kept, "{:x}", ignored & !THE_C_LIBRARYS)?;
        } else if INHERITED.iter().any(|start| line.starts_with(start)) {
            kept.extend(line);
        }
    }
    Ok(())
}

/// Adds the number of a namespace; nothing where the kernel has none of that kind.
fn add_namespace(thread: BorrowedFd<'_>, name: &str, told: &mut Vec<u8>) -> io::Result<()> {
    // The kernel makes no file of it as long as the link is not followed.
    match readlinkat(thread, name) {
        Ok(link) => {
            told.extend(link.as_bytes());
            Ok(())
        }
        Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads a file of the thread; one that the kernel does not have is empty.
fn file<'a>(thread: BorrowedFd<'_>, name: &str, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    let file = match openat(thread, name, OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(&[]),
        file => file?,
    };
    let mut len = 0;
    loop {
        len += read(&file, &mut buffer[len..])?;
        // The kernel writes such a file in one piece, as far as there is room.
        if len < buffer.len() {
            return Ok(&buffer[..len]);
        }
        buffer.resize(2 * len, 0);
    }
}

//! What a process passes on to those that it starts, apart from what they are told.

use crate::error::StartError;
use crate::rights::Rights;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t};
use procession_os::sched::{Scheduling, scheduling};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// What a thread had at some moment that its children inherit.
///
/// Users, capabilities, filters of system calls, processors, scheduling and namespaces are each
/// thread's own to Linux. Those of the thread that starts a child count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// Lines of `/proc/thread-self/status`.
    status: String,
    limits: Vec<Option<(rlim_t, rlim_t)>>,
    scheduling: Scheduling,
    /// Whether the kernel is to end it for want of memory.
    oom: String,
    cgroups: String,
    /// Device and inode of the root directory, and the numbers of namespaces.
    places: Vec<u64>,
}

/// How the lines begin that tell what is inherited.
const INHERITED: [&str; 9] = [
    "Umask:",
    "Uid:",
    "Gid:",
    "Groups:",
    "Cap",
    "NoNewPrivs:",
    "Seccomp",
    "Cpus_allowed:",
    "Mems_allowed:",
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
    "mnt",
    "net",
    "uts",
    "ipc",
    "cgroup",
    "pid_for_children",
    "time_for_children",
];

/// `CAP_SYS_ADMIN`.
const ADMINISTRATION: u64 = 1 << 21;

const STEP: &str = "read in /proc what a child is to inherit";

impl Surroundings {
    /// Returns those of the calling thread.
    pub(crate) fn now() -> Result<Self, StartError> {
        Self::read().map_err(StartError::system(STEP))
    }

    fn read() -> io::Result<Self> {
        let status = status()?;
        let root = fs::metadata("/")?;
        let mut places = vec![root.dev(), root.ino(), namespace("user")?];
        // A namespace of users is entered first by a thread that could not leave the others.
        let rights = Rights::of_status(&status);
        if rights.is_none_or(|rights| rights.permits(ADMINISTRATION)) {
            for name in NAMESPACES {
                places.push(namespace(name)?);
            }
        }
        Ok(Self {
            status,
            limits: LIMITS.map(|limit| getrlimit(limit).ok()).to_vec(),
            scheduling: scheduling()?,
            oom: text("/proc/thread-self/oom_score_adj")?,
            cgroups: text("/proc/thread-self/cgroup")?,
            places,
        })
    }

    /// Returns what the thread may do.
    pub(crate) fn rights(&self) -> Result<Rights, StartError> {
        rights_in(&self.status).map_err(StartError::system(STEP))
    }
}

/// Returns what the calling thread may do.
pub(crate) fn rights() -> io::Result<Rights> {
    rights_in(&status()?)
}

fn rights_in(status: &str) -> io::Result<Rights> {
    Rights::of_status(status).ok_or_else(|| io::Error::other("the thread's status is incomplete"))
}

/// Returns the lines of the status that are inherited.
fn status() -> io::Result<String> {
    let all = text("/proc/thread-self/status")?;
    let mut kept = String::with_capacity(1024);
    for line in all.split_inclusive('\n') {
        if let Some(ignored) = line.strip_prefix("SigIgn:") {
            let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap_or(0);
            kept.push_str(&(ignored & !THE_C_LIBRARYS).to_string());
            kept.push('\n');
        } else if INHERITED.iter().any(|start| line.starts_with(start)) {
            kept.push_str(line);
        }
    }
    Ok(kept)
}

/// Returns the number of a namespace; zero where the kernel has none of that kind.
fn namespace(name: &str) -> io::Result<u64> {
    match fs::metadata(format!("/proc/thread-self/ns/{name}")) {
        Ok(found) => Ok(found.ino()),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Reads a file of `/proc` at once; one that the kernel does not have is empty.
fn text(path: &str) -> io::Result<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut text = String::with_capacity(4096);
    file.read_to_string(&mut text)?;
    Ok(text)
}

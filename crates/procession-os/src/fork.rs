//! Copies of this process.
//!
//! A fork copies one thread. Whatever the others were doing, a lock they held or a structure they
//! were changing, stays as it was in the copy for ever. So both functions here refuse to copy a
//! process that has more than one thread.
//!
//! [`copy`] is the C library's `fork`. [`sibling`] makes a process whose parent is not the caller
//! but the *caller's* parent, which is what a server needs that makes processes for somebody else:
//! the kernel then reports the new process's end to the one who asked for it, whether the server
//! is still there or not.

use crate::identity;
use crate::pidfd::Pidfd;
use crate::wait::Deadline;
use nix::errno::Errno;
use nix::unistd::{ForkResult, fork};
use std::ffi::{c_int, c_long, c_void};
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::ptr::null_mut;
use std::time::Duration;
use std::{fs, io, thread};

/// In which of the two processes a call returned.
#[derive(Debug)]
pub enum Forked {
    /// In the one that called; this is the other.
    Parent(Pidfd),
    /// In the new one.
    Child,
    /// In a new one that its parent could not take charge of, or did not live to: it has to exit
    /// without having done anything.
    Abandoned,
}

/// Returns how many threads this process has.
///
/// # Errors
///
/// If `/proc` is not there.
///
/// # Examples
///
/// ```
/// assert!(procession_os::fork::threads()? >= 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn threads() -> io::Result<u64> {
    // The directory has an entry, hence a link, for each thread beside its own two.
    Ok(fs::metadata("/proc/self/task")?.nlink().saturating_sub(2))
}

/// How long a thread that was joined may take to be gone from the kernel's count.
const MOMENT: Duration = Duration::from_millis(50);

/// Returns how many threads this process has, when those that were joined are gone.
///
/// Joining a thread waits until it is done, a moment before the kernel has forgotten it. So while
/// there is more than one, this looks again for up to 50 ms.
///
/// # Errors
///
/// If `/proc` is not there.
///
/// # Examples
///
/// ```
/// std::thread::spawn(|| ()).join().unwrap();
/// assert_eq!(procession_os::fork::lasting_threads()?, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn lasting_threads() -> io::Result<u64> {
    let until = Deadline::after(MOMENT);
    loop {
        match threads()? {
            1 => return Ok(1),
            threads if until.passed() => return Ok(threads),
            _ => thread::sleep(Duration::from_micros(100)),
        }
    }
}

fn check_single_threaded() -> io::Result<()> {
    match threads()? {
        1 => Ok(()),
        _ => Err(io::Error::other(
            "a process with several threads is not forked",
        )),
    }
}

/// Makes a child that is a copy of this process.
///
/// The child goes on when this process has its pidfd. Until then it does not end by itself, so that
/// nobody who reaps all children, this process's handler of SIGCHLD or the kernel for a process
/// that ignores the signal, makes its number another's. A child for which no pidfd can be had is killed,
/// or [abandoned](Forked::Abandoned) if that cannot be.
///
/// # Errors
///
/// If this process has more than one thread, or the system has no room for a process.
pub fn copy() -> io::Result<Forked> {
    check_single_threaded()?;
    let (mut gate, mut bar) = io::pipe()?;
    // SAFETY: the only thread there is makes this call, so the child finds everything whole.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(bar);
            match gate.read_exact(&mut [0]) {
                Ok(()) => Ok(Forked::Child),
                Err(_) => Ok(Forked::Abandoned),
            }
        }
        ForkResult::Parent { child } => {
            let opened = Pidfd::open(child.as_raw().cast_unsigned());
            let opened = opened.and_then(|pidfd| bar.write_all(&[0]).map(|()| pidfd));
            // Closed first, for it is this that ends a child which cannot be killed.
            drop((gate, bar));
            opened.inspect_err(|_| abandon(child)).map(Forked::Parent)
        }
    }
}

/// Ends a child for which no pidfd could be had.
fn abandon(child: nix::unistd::Pid) {
    // One that a filter of system calls protects from the signal ends by itself.
    let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
    let _ = nix::sys::wait::waitpid(child, None);
}

/// Makes a copy of this process that is a child of this process's parent.
///
/// The C library cannot ask the kernel for such a copy, so what its `fork` does in the child is
/// done here: the thread's number, which robust mutexes compare with, and the list of the robust
/// mutexes it holds, which the kernel forgets in a copy. Functions registered with
/// `pthread_atfork` are not called.
///
/// # Errors
///
/// If this process has more than one thread, if the C library does not keep the number of its
/// thread where the kernel was told to clear it, as glibc does, or if the system has no room for
/// a process or a descriptor.
pub fn sibling() -> io::Result<Forked> {
    check_single_threaded()?;
    let (tid, robust_list) = (thread_number()?, RobustList::of_this_thread()?);
    let mut pidfd: c_int = -1;
    match clone(tid, &raw mut pidfd)? {
        0 => {
            robust_list.register();
            identity::forget();
            Ok(Forked::Child)
        }
        pid => {
            // SAFETY: the kernel put a new descriptor there, which nobody else knows.
            let fd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Parent(Pidfd::of_fd(fd, pid)))
        }
    }
}

/// Finds the C library's record of this thread's number.
fn thread_number() -> io::Result<*mut c_int> {
    let mut address: *mut c_int = null_mut();
    // SAFETY: the kernel writes one address to `address`.
    let got = unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address) };
    Errno::result(got)?;
    let unknown = || io::Error::other("the C library keeps its thread's number elsewhere");
    if address.is_null() || !address.is_aligned() {
        return Err(unknown());
    }
    // SAFETY: it was registered as the word that the kernel clears when this thread ends, so it
    // is a readable word for as long as the thread lives.
    let number = unsafe { address.read_volatile() };
    (number == nix::unistd::gettid().as_raw())
        .then_some(address)
        .ok_or_else(unknown)
}

/// What the kernel walks when the thread ends while it holds robust mutexes.
struct RobustList {
    head: *mut c_void,
    len: usize,
}

impl RobustList {
    fn of_this_thread() -> io::Result<Self> {
        let (mut head, mut len) = (null_mut(), 0_usize);
        // SAFETY: the kernel writes one address and one length; zero means this thread.
        let got =
            unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
        Errno::result(got)?;
        Ok(Self { head, len })
    }

    fn register(&self) {
        // SAFETY: the C library registered the same list for the thread that this is a copy of.
        // The call fails only if the length is not the kernel's, which it was told by the kernel.
        let _ = unsafe { libc::syscall(libc::SYS_set_robust_list, self.head, self.len) };
    }
}

/// Calls `clone` for a process with a parent, a pidfd and a thread number as they are wanted.
fn clone(tid: *mut c_int, pidfd: *mut c_int) -> io::Result<u32> {
    let flags = libc::CLONE_PARENT
        | libc::CLONE_PIDFD
        | libc::CLONE_CHILD_SETTID
        | libc::CLONE_CHILD_CLEARTID;
    let (flags, stack, tls) = (c_long::from(flags), null_mut::<c_void>(), 0_usize);
    // SAFETY: without `CLONE_VM` the child has its own copy of all memory, the stack included.
    // This is the only thread, so it finds everything whole. The kernel writes a descriptor to
    // `pidfd` here and the thread's number to `tid` there.
    #[cfg(target_arch = "x86_64")]
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, stack, pidfd, tid, tls) };
    // SAFETY: as above; the last two arguments are the other way round.
    #[cfg(not(target_arch = "x86_64"))]
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, stack, pidfd, tls, tid) };
    // A process number is never beyond 22 bits.
    Ok(Errno::result(pid)? as u32)
}

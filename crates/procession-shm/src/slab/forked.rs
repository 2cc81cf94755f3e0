//! Processes that were forked without this crate's knowledge.
//!
//! Such a child has all that its parent had mapped, and nothing says that it holds it. A segment that its
//! parent drops stays where it is in the child. A cell would become another object's. So what the parent had
//! at the fork stays held by it as long as such a child runs: the child has the end of a pipe, which the
//! kernel closes when it ends or executes something. Who closes all its descriptors takes that upon itself.

use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use std::cell::Cell;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, Once, TryLockError};

/// How often this process was forked without this crate's knowledge.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// The fork that comes next is one that this crate knows of.
static EXPECTED: AtomicBool = AtomicBool::new(false);
/// There may be a child of which no pipe tells.
static UNWATCHED: AtomicBool = AtomicBool::new(false);
/// The ends of pipes whose other ends such children have.
static WATCHED: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

const NO_PIPE: (i32, i32) = (-1, -1);

thread_local! {
    /// The pipe of the fork that this thread is in the middle of.
    static PIPE: Cell<(i32, i32)> = const { Cell::new(NO_PIPE) };
}

/// Sees to it that forks are counted.
pub(super) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // SAFETY: the functions do not unwind; in the child nothing happens but a store to a variable of
        // the thread.
        let failed =
            unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
        UNWATCHED.store(failed != 0, Relaxed);
    });
}

/// The next fork is one that this crate knows of, until it is told otherwise.
pub(crate) fn expect(fork: bool) {
    EXPECTED.store(fork, Relaxed);
}

/// Returns how often this process was forked so far.
#[inline]
pub(crate) fn forks() -> u32 {
    FORKS.load(Relaxed)
}

/// Returns whether a child may still run that was forked without this crate's knowledge.
#[cold]
pub(crate) fn is_shared() -> bool {
    let mut watched = match WATCHED.try_lock() {
        Ok(watched) => watched,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Another thread looks; or did when this process was forked.
        Err(TryLockError::WouldBlock) => return true,
    };
    watched.retain(has_another_end);
    UNWATCHED.load(Relaxed) || !watched.is_empty()
}

fn has_another_end(pipe: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    let looked = poll(&mut polled, PollTimeout::ZERO);
    let seen = polled[0].revents().unwrap_or(PollFlags::empty());
    looked.is_err() || !seen.contains(PollFlags::POLLHUP)
}

extern "C" fn prepare() {
    if EXPECTED.load(Relaxed) {
        return;
    }
    match pipe2(OFlag::O_CLOEXEC) {
        Ok((ours, childs)) => PIPE.set((ours.into_raw_fd(), childs.into_raw_fd())),
        Err(_) => UNWATCHED.store(true, Relaxed),
    }
    // Before the child is there: it counts as one that has forked.
    FORKS.fetch_add(1, Relaxed);
}

extern "C" fn in_parent() {
    let (ours, childs) = PIPE.replace(NO_PIPE);
    if ours < 0 {
        return;
    }
    // SAFETY: it was opened by `prepare` and belongs to nobody else.
    let ours = unsafe { OwnedFd::from_raw_fd(ours) };
    // SAFETY: as above.
    let childs = unsafe { OwnedFd::from_raw_fd(childs) };
    drop(childs);
    match WATCHED.lock() {
        Ok(mut watched) => {
            watched.retain(has_another_end);
            watched.push(ours);
        }
        Err(_) => UNWATCHED.store(true, Relaxed),
    }
}

extern "C" fn in_child() {
    // The descriptors stay open: they are what tells the parent of this process.
    PIPE.set(NO_PIPE);
}

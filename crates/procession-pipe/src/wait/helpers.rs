//! Threads that sleep on words for a thread that polls descriptors.

use crate::Deadline;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use procession_os::futex;
use procession_os::futexes::{self, MAX_WATCHES, Watch};
use procession_os::wait;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, Builder, Scope, ScopedJoinHandle};

/// A helper calls little, and nothing of the user's.
const STACK: usize = 64 << 10;

type Helper<'scope> = ScopedJoinHandle<'scope, io::Result<()>>;

/// Sleeps until one of the descriptors is ready or one of the words is not what is expected, or
/// until `deadline`; may also return for no reason. No helper is left when it returns.
pub(super) fn sleep(
    polled: &[PollFd<'_>],
    watches: &[Watch<'_>],
    deadline: Deadline,
) -> io::Result<()> {
    let talk = Talk::new()?;
    thread::scope(|scope| {
        let mut helpers = Vec::new();
        let slept = watches
            .chunks(MAX_WATCHES - 1)
            .try_for_each(|watches| {
                helpers.push(start(scope, &talk, watches)?);
                Ok(())
            })
            .and_then(|()| talk.poll(polled, deadline));
        talk.end();
        slept.and(join(helpers))
    })
}

fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    talk: &'env Talk,
    watches: &'env [Watch<'env>],
) -> io::Result<Helper<'scope>> {
    Builder::new()
        .name("procession-wait".to_owned())
        .stack_size(STACK)
        .spawn_scoped(scope, move || help(talk, watches))
}

/// Sleeps on the words, and rouses the caller.
fn help(talk: &Talk, watches: &[Watch<'_>]) -> io::Result<()> {
    let mut watches = watches.to_vec();
    watches.push(talk.until_the_end());
    let slept = futexes::wait(&watches, Deadline::NEVER);
    let roused = talk.rouse();
    slept.and(roused)
}

/// Joins all helpers, whatever the first of them says: a scope alone would wait for the end of
/// what they do, not for the end of the threads.
fn join(helpers: Vec<Helper<'_>>) -> io::Result<()> {
    let ended: Vec<_> = helpers.into_iter().map(Helper::join).collect();
    let panicked = |_| Err(io::Error::other("a helper thread panicked"));
    ended
        .into_iter()
        .try_for_each(|one| one.unwrap_or_else(panicked))
}

/// What the caller and its helpers tell each other.
struct Talk {
    /// Readable when a helper was woken.
    roused: EventFd,
    /// Not zero when the caller needs the helpers no more.
    ended: AtomicU32,
}

impl Talk {
    fn new() -> io::Result<Self> {
        Ok(Self {
            roused: EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?,
            ended: AtomicU32::new(0),
        })
    }

    /// Polls until a descriptor is ready, a helper rouses the caller, or the deadline passes.
    fn poll(&self, polled: &[PollFd<'_>], deadline: Deadline) -> io::Result<()> {
        let mut polled = polled.to_vec();
        polled.push(PollFd::new(self.roused.as_fd(), PollFlags::POLLIN));
        wait::poll(&mut polled, deadline).map(drop)
    }

    fn rouse(&self) -> io::Result<()> {
        self.roused.write(1)?;
        Ok(())
    }

    fn end(&self) {
        self.ended.store(1, Ordering::Relaxed);
        futex::wake(&self.ended, u32::MAX);
    }

    fn until_the_end(&self) -> Watch<'_> {
        Watch {
            word: &self.ended,
            expected: 0,
        }
    }
}

//! One thread that sees children end for those who do not wait themselves.

use crate::children::Child;
use crate::orphans::{self, MOMENT};
use crate::per_process::PerProcess;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use procession_os::pidfd::ExitStatus;
use procession_os::shield::shield;
use procession_os::wait::Deadline;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

/// What is to be done with the status of a child.
type Then = Box<dyn FnOnce(ExitStatus) + Send>;

/// A child, and all that wait for its end.
type Watched = (Arc<Child>, Vec<Then>);

/// How long it takes, in milliseconds, until those are looked at again that are about to end.
const PAUSE: u8 = 1;

struct Watcher {
    epoll: Epoll,
    /// By the number of the pidfd, which is open, and so nobody else's, while it stands here.
    watched: Mutex<HashMap<u64, Watched>>,
}

/// Reaps `child` when it has ended, and calls `then` with its status on the watching thread.
///
/// # Errors
///
/// If the thread or its descriptor cannot be had, or no more children can be watched.
pub(crate) fn when_ended(
    child: &Arc<Child>,
    then: impl FnOnce(ExitStatus) + Send + 'static,
) -> io::Result<()> {
    watcher()?.add(Arc::clone(child), Box::new(then))
}

/// Has `child` reaped when it has ended, if the thread runs already; returns whether it does.
pub(crate) fn take_over(child: &Arc<Child>) -> bool {
    let added = |watcher: Arc<Watcher>| watcher.add(Arc::clone(child), Box::new(|_| ()));
    WATCHER.get().is_some_and(|watcher| added(watcher).is_ok())
}

static WATCHER: PerProcess<Arc<Watcher>> = PerProcess::new();

fn watcher() -> io::Result<Arc<Watcher>> {
    WATCHER.get_or_make(|| {
        let watcher = Arc::new(Watcher {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            watched: Mutex::default(),
        });
        let run = Arc::clone(&watcher);
        thread::Builder::new()
            .name("procession-watch".to_owned())
            .spawn(move || run.run())?;
        Ok(watcher)
    })
}

impl Watcher {
    fn add(&self, child: Arc<Child>, then: Then) -> io::Result<()> {
        let token = child.pidfd.as_fd().as_raw_fd() as u64;
        // The thread looks a token up under this lock, so it finds what is added here.
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, thens)) = watched.get_mut(&token) {
            thens.push(then);
            return Ok(());
        }
        self.epoll
            .add(&child.pidfd, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        watched.insert(token, (child, vec![then]));
        Ok(())
    }

    fn run(&self) {
        let mut events = [EpollEvent::empty(); 64];
        // Until when those are looked for that end with a child.
        let mut orphans = Deadline::PASSED;
        let mut timeout = EpollTimeout::NONE;
        loop {
            let ready = self.epoll.wait(&mut events, timeout).unwrap_or(0);
            for event in &events[..ready] {
                self.ended(event.data());
            }
            if ready > 0 {
                orphans = Deadline::after(MOMENT);
            }
            let look_again = orphans::reap() && !orphans.passed();
            timeout = if look_again {
                EpollTimeout::from(PAUSE)
            } else {
                EpollTimeout::NONE
            };
        }
    }

    fn ended(&self, token: u64) {
        let found = self
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&token);
        let Some((child, thens)) = found else { return };
        // The descriptor may live on in the child's handle, readable for ever.
        let _ = self.epoll.delete(&child.pidfd);
        let status = child.status().ok().flatten().unwrap_or(ExitStatus::Unknown);
        for then in thens {
            shield(|| then(status));
        }
    }
}

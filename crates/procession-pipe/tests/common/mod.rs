//! Threads that are watched from outside.

use nix::unistd::{Pid, gettid};
use procession_testkit::eventually;
use std::fs;
use std::sync::mpsc::channel;
use std::thread::{Scope, ScopedJoinHandle};

/// A thread of a test.
pub(crate) struct Watched<'scope, T> {
    pub(crate) handle: ScopedJoinHandle<'scope, T>,
    tid: Pid,
}

/// Starts a thread that can be watched.
pub(crate) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Watched<'scope, T> {
    let (tell, told) = channel();
    let handle = scope.spawn(move || {
        tell.send(gettid()).expect("the test waits for this");
        work()
    });
    let tid = told.recv().expect("the thread has started");
    Watched { handle, tid }
}

impl<T> Watched<'_, T> {
    /// Waits until the thread is blocked in the kernel, as its `work` must come to be.
    pub(crate) fn blocks(&self) {
        eventually("the thread blocks", || self.state() == Some('S'));
    }

    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", self.tid)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }
}

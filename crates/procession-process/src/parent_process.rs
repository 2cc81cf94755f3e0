//! The parent, as its child knows it.

use crate::current::CurrentProcess;
use procession_os::pidfd::Pidfd;
use procession_os::wait::Deadline;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The process that started this one.
#[derive(Debug, Clone)]
pub struct ParentProcess {
    name: String,
    pid: u32,
    process: Arc<Pidfd>,
}

static PARENT: RwLock<Option<ParentProcess>> = RwLock::new(None);

/// Returns the process that started this one with this library, if one did.
///
/// A child that is not detached does not outlive its parent, so it sees a living parent always.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, parent_process};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// assert!(parent_process().is_none());
/// let child = Process::spawn(|| parent_process().map(|parent| parent.pid()), ())?;
/// assert_eq!(child.join()?, Some(std::process::id()));
/// # Ok(())
/// # }
/// ```
pub fn parent_process() -> Option<ParentProcess> {
    PARENT
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

impl ParentProcess {
    /// Opens the parent, which is known to be there; without a descriptor for it there is none.
    pub(crate) fn remember(process: &CurrentProcess) {
        let parent = process.parent_pid().and_then(|pid| {
            Some(Self {
                name: process.parent_name()?.to_owned(),
                pid,
                process: Arc::new(Pidfd::open(pid).ok()?),
            })
        });
        *PARENT.write().unwrap_or_else(PoisonError::into_inner) = parent;
    }

    /// Returns the parent's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the parent's number. After its end it may be another's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether the parent runs.
    pub fn is_alive(&self) -> bool {
        // What cannot be asked for is not known to have ended.
        !self.wait_timeout(Duration::ZERO).unwrap_or(false)
    }

    /// Waits for the parent's end; returns false if it still runs after `timeout`.
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<bool> {
        self.process.wait(Deadline::after(timeout))
    }

    /// Returns a descriptor that can be polled: it becomes readable when the parent ends.
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

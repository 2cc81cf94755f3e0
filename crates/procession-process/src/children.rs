//! The children of this process.

use crate::current::CurrentProcess;
use crate::watch;
use nix::sys::signal::Signal;
use procession_os::pidfd::{ExitStatus, Pidfd};
use procession_os::wait::Deadline;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A child, known to its handle, to the list of children, and to whoever waits for its end.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pidfd: Pidfd,
    pub(crate) described: CurrentProcess,
    /// Set once, by whoever sees the end first.
    status: Mutex<Option<ExitStatus>>,
}

impl Child {
    /// Returns how the child ended, and reaps it if this is the first to see it; `None` while it
    /// runs.
    pub(crate) fn status(&self) -> io::Result<Option<ExitStatus>> {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_none() {
            *status = self.pidfd.reap()?;
            if status.is_some() {
                children().remove(&self.pidfd.pid());
            }
        }
        Ok(*status)
    }

    /// Waits for the end; `None` if the deadline passed first.
    pub(crate) fn wait(&self, deadline: Deadline) -> io::Result<Option<ExitStatus>> {
        self.pidfd.wait(deadline)?;
        self.status()
    }

    /// Sends a signal, unless the child has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        match *status {
            Some(_) => Ok(()),
            None => self.pidfd.signal(signal),
        }
    }
}

/// A running child of this process, as [`active_children`] lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveChild {
    name: String,
    pid: u32,
}

impl ActiveChild {
    /// Returns the child's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the child's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

/// Returns the children that are running, in the order of their numbers, and reaps those that
/// have ended.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, active_children};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let child = Process::spawn(|| std::thread::park(), ())?;
/// assert_eq!(active_children()[0].pid(), child.pid());
/// child.kill()?;
/// assert!(child.join().is_err());
/// assert!(active_children().is_empty());
/// # Ok(())
/// # }
/// ```
pub fn active_children() -> Vec<ActiveChild> {
    reap_dropped();
    let known: Vec<Arc<Child>> = children().values().cloned().collect();
    let running = known
        .iter()
        .filter(|child| matches!(child.status(), Ok(None)));
    let describe = |child: &Arc<Child>| ActiveChild {
        name: child.described.name().to_owned(),
        pid: child.pidfd.pid(),
    };
    running.map(describe).collect()
}

/// Adds a child that was just started.
pub(crate) fn add(pidfd: Pidfd, described: CurrentProcess) -> Arc<Child> {
    let child = Arc::new(Child {
        pidfd,
        described,
        status: Mutex::new(None),
    });
    children().insert(child.pidfd.pid(), Arc::clone(&child));
    child
}

/// Returns whether a child with this number is in the list.
pub(crate) fn knows(pid: u32) -> bool {
    children().contains_key(&pid)
}

/// Keeps an eye on a running child whose handle was dropped.
pub(crate) fn let_go(child: &Arc<Child>) {
    if !watch::take_over(child) {
        reap_dropped();
        dropped().push(Arc::clone(child));
    }
}

/// Reaps the children without a handle that have ended.
///
/// There is no thread that waits for them, because a process with a second thread cannot be
/// copied. This is called at each start and when a handle is dropped instead, so that there are
/// never more zombies than there were running children at the last of these calls.
pub(crate) fn reap_dropped() {
    dropped().retain(|child| matches!(child.status(), Ok(None)));
}

/// Forgets the children of the process that this one is a copy of.
pub(crate) fn forget() {
    children().clear();
    dropped().clear();
}

/// The children whose handles were dropped while they ran.
fn dropped() -> MutexGuard<'static, Vec<Arc<Child>>> {
    static DROPPED: Mutex<Vec<Arc<Child>>> = Mutex::new(Vec::new());
    DROPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn children() -> MutexGuard<'static, BTreeMap<u32, Arc<Child>>> {
    static CHILDREN: Mutex<BTreeMap<u32, Arc<Child>>> = Mutex::new(BTreeMap::new());
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// At the normal exit of their parent, daemons are ended and the others waited for, unless they
/// are detached.
pub(crate) fn end() {
    let known: Vec<Arc<Child>> = children().values().cloned().collect();
    let mine = |child: &&Arc<Child>| {
        let described = &child.described;
        described.parent_pid() == Some(std::process::id()) && !described.is_detached()
    };
    for child in known.iter().filter(mine) {
        if child.described.is_daemon() {
            let _ = child.signal(Signal::SIGKILL);
        }
    }
    for child in known.iter().filter(mine) {
        // Nobody is left to be told of an error; the kernel ends what is still running.
        let _ = child.wait(Deadline::NEVER);
    }
}

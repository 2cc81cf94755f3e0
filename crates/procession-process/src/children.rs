//! The children of this process.

use crate::current::CurrentProcess;
use crate::{orphans, watch};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use procession_os::pidfd::{ExitStatus, Pidfd};
use procession_os::shield::shield;
use procession_os::wait::Deadline;
use procession_pipe::Channel;
use procession_shm::family;
use procession_shm::family::births::{self, Born};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// A child, known to its handle, to the list of children, and to whoever waits for its end.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pidfd: Pidfd,
    pub(crate) described: CurrentProcess,
    /// Stays open while the child runs, also without a handle: it ends with this socket.
    pub(crate) channel: Channel,
    /// Set once, by whoever sees the end first.
    status: Mutex<Option<ExitStatus>>,
}

impl Child {
    /// Returns how the child ended, and reaps it, and those that it leaves behind, if this is the first
    /// to see it; `None` while it runs.
    pub(crate) fn status(&self) -> io::Result<Option<ExitStatus>> {
        let (status, new) = self.look()?;
        if new {
            self.observe(status);
            orphans::reap();
        }
        Ok(status)
    }

    /// As [`status`](Self::status), and whether this is the first to see it.
    fn look(&self) -> io::Result<(Option<ExitStatus>, bool)> {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_some() {
            return Ok((*status, false));
        }
        *status = self.pidfd.reap()?;
        if let Some(status) = *status {
            let pid = self.pidfd.pid();
            children().remove(&pid);
            births::erase(pid);
            // Before anybody is told: what the child held is given back when it is known to be dead.
            family::reaped(pid, status.success());
        }
        Ok((*status, status.is_some()))
    }

    /// Tells the observer of the end.
    fn observe(&self, status: Option<ExitStatus>) {
        if let (Some(observer), Some(status)) = (OBSERVER.get(), status) {
            // It is the program's code, and the status is known and unlocked.
            shield(|| observer(&self.active(), status));
        }
    }

    fn active(&self) -> ActiveChild {
        ActiveChild {
            name: self.described.name().to_owned(),
            pid: self.pidfd.pid(),
        }
    }

    /// Returns whether the child is stopped by a signal.
    pub(crate) fn is_stopped(&self) -> bool {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a child that cannot be asked for, it is not known.
        status.is_none() && self.pidfd.is_stopped().unwrap_or(false)
    }

    /// Waits for the end; `None` if the deadline passed first.
    pub(crate) fn wait(&self, deadline: Deadline) -> io::Result<Option<ExitStatus>> {
        self.pidfd.wait(deadline)?;
        let (status, new) = self.look()?;
        if new {
            self.observe(status);
            orphans::settle(deadline);
        }
        Ok(status)
    }

    /// Ends the child. One that this process may not signal is hung up on, and given a moment.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let Err(error) = self.ask_to_end() else {
            return Ok(());
        };
        match self.wait(Deadline::after(GRACE))? {
            Some(_) => Ok(()),
            None => Err(error),
        }
    }

    /// Kills the child, or hangs up on one that this process may not signal.
    fn ask_to_end(&self) -> io::Result<()> {
        let hang_up = |_: &io::Error| drop(self.channel.shutdown());
        self.signal(Signal::SIGKILL).inspect_err(hang_up)
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
    running.map(|child| child.active()).collect()
}

/// What is told of the ends of children.
type Observer = fn(&ActiveChild, ExitStatus);

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Has `observer` called whenever a child of this process, or of a copy of it, has ended, by the thread that sees the
/// end first. There is one in a process: the first.
#[doc(hidden)]
pub fn observe_ends(observer: Observer) {
    let _ = OBSERVER.set(observer);
}

/// Adds a child that was just started, and does nothing before it gets its start message.
pub(crate) fn add(pidfd: Pidfd, described: CurrentProcess, channel: Channel) -> Arc<Child> {
    let child = Arc::new(Child {
        pidfd,
        described,
        channel,
        status: Mutex::new(None),
    });
    children().insert(child.pidfd.pid(), Arc::clone(&child));
    let born = if child.described.is_detached() {
        Born::Detached
    } else {
        Born::Child
    };
    births::note(child.pidfd.pid(), born);
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

/// How long a process that cannot be signalled may take to end by itself.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Ends a child that is known by its number only, which nobody has reaped. What it waits for, the
/// other end of its socket, must be closed by now or soon: one that cannot be killed ends by that.
pub(crate) fn abandon(pid: u32) {
    let number = Pid::from_raw(pid.cast_signed());
    match kill(number, Signal::SIGKILL) {
        Ok(()) => {
            let _ = waitpid(number, None);
            family::reaped(pid, false);
        }
        Err(_) => abandoned().push(number),
    }
}

/// Reaps the children without a handle that have ended.
///
/// There is no thread that waits for them, because a process with a second thread cannot be
/// copied. This is called at each start and when a handle is dropped instead, so that there are
/// never more zombies than there were running children at the last of these calls.
pub(crate) fn reap_dropped() {
    dropped().retain(|child| matches!(child.status(), Ok(None)));
    let runs = |pid: &Pid| {
        let runs = waitpid(*pid, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive);
        if !runs {
            family::reaped(pid.as_raw().cast_unsigned(), false);
        }
        runs
    };
    abandoned().retain(runs);
    orphans::reap();
}

/// Forgets the children of the process that this one is a copy of.
pub(crate) fn forget() {
    children().clear();
    dropped().clear();
    abandoned().clear();
}

/// The children whose handles were dropped while they ran.
fn dropped() -> MutexGuard<'static, Vec<Arc<Child>>> {
    static DROPPED: Mutex<Vec<Arc<Child>>> = Mutex::new(Vec::new());
    DROPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The children that could not be killed and have no handle: they are about to end.
fn abandoned() -> MutexGuard<'static, Vec<Pid>> {
    static ABANDONED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
    ABANDONED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn children() -> MutexGuard<'static, BTreeMap<u32, Arc<Child>>> {
    static CHILDREN: Mutex<BTreeMap<u32, Arc<Child>>> = Mutex::new(BTreeMap::new());
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// At the normal exit of their parent, daemons are ended and the others waited for, unless they
/// are detached. A daemon that cannot be signalled is not waited for without a limit.
pub(crate) fn end() {
    let known: Vec<Arc<Child>> = children().values().cloned().collect();
    let mine = |child: &&Arc<Child>| {
        let described = &child.described;
        described.parent_pid() == Some(std::process::id()) && !described.is_detached()
    };
    let (daemons, others): (Vec<_>, Vec<_>) = known
        .iter()
        .filter(mine)
        .partition(|child| child.described.is_daemon());
    let killed: Vec<io::Result<()>> = daemons.iter().map(|child| child.ask_to_end()).collect();
    for child in others {
        // Nobody is left to be told of an error; the kernel ends what is still running.
        let _ = child.wait(Deadline::NEVER);
    }
    if daemons.is_empty() {
        return;
    }
    // One limit for all that cannot be killed, however many there are.
    let grace = Deadline::after(GRACE);
    for (child, killed) in daemons.iter().zip(killed) {
        let deadline = killed.as_ref().map_or(grace, |()| Deadline::NEVER);
        if let (Ok(None), Err(error)) = (child.wait(deadline), killed) {
            let (name, pid) = (child.described.name(), child.pidfd.pid());
            shield(|| {
                log::error!(
                    "the daemon `{name}` (pid {pid}) runs on: it cannot be killed: {error}"
                );
            });
        }
    }
}

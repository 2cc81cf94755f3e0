//! Processes that this one has inherited: their parent, a process of the family, was killed.
//!
//! The kernel gives them to process 1 of the PID namespace, or to a *subreaper* among their
//! ancestors. If that is this process, nobody else can reap them. Most have been killed with their
//! parent. What else this process has for children is the program's to wait for, so only those are
//! reaped of which the family has a [note](births).

use crate::children;
use nix::sys::prctl::get_child_subreaper;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpgid};
use procession_os::wait::Deadline;
use procession_shm::family;
use procession_shm::family::births::{self, Born};
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, io, process, thread};

/// How long those that were killed with their parent may take to end.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

/// Reaps those that have ended; returns whether there are some that are about to.
pub(crate) fn reap() -> bool {
    /// One thread looks at a time: a number that another has just reaped may be anybody's.
    static LOOKING: Mutex<()> = Mutex::new(());
    if !inherits() || !births::any() {
        return false;
    }
    let Ok(_looking) = LOOKING.try_lock() else {
        return true;
    };
    loop {
        let (reaped, pending) = look();
        if !reaped {
            return pending;
        }
        // Its own children are this process's from its end on.
    }
}

/// Reaps those that have ended now; returns whether it was anybody, and whether some are about to.
fn look() -> (bool, bool) {
    let Ok(children) = own_children() else {
        return (false, false);
    };
    let known = |pid: &u32| Some((*pid, born(*pid, &children)?));
    let (servers, others): (Vec<_>, Vec<_>) = children
        .iter()
        .filter_map(known)
        .partition(|(_, born)| *born == Born::Server);
    let (mut reaped, mut pending) = (false, false);
    for (pid, born) in others {
        let taken = take(pid);
        reaped |= taken;
        pending |= !taken && born != Born::Detached;
    }
    for (server, _) in servers {
        let taken = has_ended(server) && is_last(server) && take(server);
        reaped |= taken;
        pending |= !taken;
    }
    (reaped, pending)
}

/// Returns whether a child has ended, without reaping it. A server makes no copies from then on.
fn has_ended(pid: u32) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(number(pid)), flags) != Ok(WaitStatus::StillAlive)
}

/// Returns whether nobody else is in the server's group. Until then it keeps its number, which is
/// that of the group.
fn is_last(server: u32) -> bool {
    let others = own_children().map(|children| children.into_iter().filter(|&pid| pid != server));
    others.is_ok_and(|mut others| !others.any(|pid| group(pid) == Some(server)))
}

/// Reaps a child of this process, if it has ended.
fn take(pid: u32) -> bool {
    let ended = waitpid(number(pid), Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive);
    if ended {
        births::erase_inherited(pid);
        family::reaped(pid, false);
    }
    ended
}

/// Reaps those that have ended, and waits a moment for those that are about to.
pub(crate) fn settle(deadline: Deadline) {
    /// How long it takes until they are looked at again.
    const PAUSE: Duration = Duration::from_millis(1);
    let moment = Deadline::after(MOMENT);
    while reap() && !deadline.passed() && !moment.passed() {
        thread::sleep(PAUSE);
    }
}

/// Whether the kernel gives this process the children of dead ones.
fn inherits() -> bool {
    process::id() == 1 || get_child_subreaper().unwrap_or(false)
}

/// Returns what the family knows of a child of this process that this has not started. A copy of a
/// server is known by its group, which nobody else is ever in, until there is a note of it.
fn born(pid: u32, children: &[u32]) -> Option<Born> {
    let inherited = |pid: u32| !births::is_own(pid) && !children::knows(pid);
    if !inherited(pid) {
        return None;
    }
    births::noted(pid).or_else(|| {
        let leader = group(pid).filter(|leader| children.contains(leader))?;
        let server = inherited(leader) && births::noted(leader) == Some(Born::Server);
        server.then_some(Born::Child)
    })
}

fn group(pid: u32) -> Option<u32> {
    let group = getpgid(Some(number(pid))).ok()?;
    Some(group.as_raw().cast_unsigned())
}

fn number(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

/// Returns the numbers of all children of this process, zombies included.
pub(crate) fn own_children() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        match fs::read_to_string(thread?.path().join("children")) {
            Ok(list) => {
                let numbers = list.split_whitespace();
                pids.extend(numbers.filter_map(|pid| pid.parse::<u32>().ok()));
            }
            // A thread that has ended has left its children to another.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(pids)
}

//! Finds every process that a demo started, however deep, and ends those that stayed.
//!
//! The runner is a child subreaper: a process whose parent has ended becomes a child of the
//! runner, whatever process group or session it moved to. So the descendants of the runner that
//! were not there before the demo are the demo's.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// How often the processes are looked at while waiting for them to end.
const PAUSE: Duration = Duration::from_millis(10);

/// How long killed processes may take to disappear.
const BURIAL: Duration = Duration::from_secs(5);

/// What tells a process from a later one with the same pid: the pid and the time it started.
type Identity = (i32, u64);

/// A process, as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pid: i32,
    parent: i32,
    zombie: bool,
    started: u64,
    command: String,
}

impl Process {
    /// Reads the process with this pid, if there is one.
    fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads `/proc/<pid>/stat`; the command stands in brackets and may hold brackets itself.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.split_once('(')?;
        let (command, rest) = rest.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            zombie: matches!(*fields.first()?, "Z" | "X"),
            started: fields.get(19)?.parse().ok()?,
            command: command.to_owned(),
        })
    }

    fn identity(&self) -> Identity {
        (self.pid, self.started)
    }

    /// Returns the command line, or the short name where there is none.
    fn command_line(&self) -> String {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        match line.trim() {
            "" => self.command.clone(),
            line => line.to_owned(),
        }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.pid, self.command_line())
    }
}

/// The processes that a demo has below this program.
#[derive(Debug)]
pub(super) struct Brood {
    before: BTreeSet<Identity>,
}

impl Brood {
    /// Notes what is below this program already, before the demo starts.
    pub(super) fn unborn() -> Self {
        Self {
            before: descendants().iter().map(Process::identity).collect(),
        }
    }

    /// Returns the demo's living processes.
    ///
    /// Those that have ended are reaped where they are ours; the demo itself must be waited for
    /// by whoever started it before this is called.
    fn living(&self) -> Vec<Process> {
        let mut brood = descendants();
        brood.retain(|process| !self.before.contains(&process.identity()));
        let (dead, living): (Vec<Process>, Vec<Process>) =
            brood.into_iter().partition(|process| process.zombie);
        for zombie in dead.iter().filter(|zombie| zombie.parent == own_pid()) {
            let _reaped = waitpid(Pid::from_raw(zombie.pid), Some(WaitPidFlag::WNOHANG));
        }
        living
    }

    /// Waits until no process of the demo is left, and returns those that are at the end of the
    /// grace.
    pub(super) fn settle(&self, grace: Duration) -> Vec<Process> {
        let end = Instant::now() + grace;
        loop {
            let living = self.living();
            // A process that is forked while `/proc` is read can be missed, so look again.
            if living.is_empty() && self.living().is_empty() {
                return Vec::new();
            }
            if Instant::now() >= end {
                return living;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Kills every process of the demo, and those they start meanwhile.
    ///
    /// Returns what could not be killed.
    pub(super) fn kill(&self) -> Vec<Process> {
        let end = Instant::now() + BURIAL;
        while Instant::now() < end {
            for process in self.living() {
                kill_if_same(&process);
            }
            if self.settle(PAUSE).is_empty() {
                return Vec::new();
            }
        }
        self.living()
    }
}

/// Kills the process unless its pid has passed to another since it was seen.
fn kill_if_same(process: &Process) {
    let now = Process::read(process.pid);
    if now.is_some_and(|now| now.identity() == process.identity()) {
        let _gone_already = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
}

/// Returns every process below this one, zombies included.
fn descendants() -> Vec<Process> {
    let mut others: Vec<Process> = pids().into_iter().filter_map(Process::read).collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = BTreeSet::from([own_pid()]);
    loop {
        let (children, rest) = others
            .into_iter()
            .partition(|process| parents.contains(&process.parent));
        others = rest;
        parents = children.iter().map(|child: &Process| child.pid).collect();
        if parents.is_empty() {
            return found;
        }
        found.extend(children);
    }
}

/// Returns the pid of every process on the machine that can be seen.
pub(super) fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Returns the pid of this program.
fn own_pid() -> i32 {
    Pid::this().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_hold_brackets_and_spaces() {
        let stat = "12 (a) R (b) S 7 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 9 10 11 12 4242 0";
        let process = Process::parse(12, stat).unwrap();
        assert_eq!(
            (process.parent, process.zombie, process.started),
            (7, false, 4242)
        );
        assert_eq!(process.command, "a) R (b");
        assert!(
            Process::parse(12, &stat.replace(" S ", " Z "))
                .unwrap()
                .zombie
        );
        assert_eq!(Process::parse(12, "12 (a) S 7"), None);
    }

    #[test]
    fn this_program_can_be_read() {
        let own = Process::read(own_pid()).unwrap();
        assert!(!own.zombie && own.started > 0);
        assert!(own.to_string().contains("xtask"));
        assert!(pids().contains(&own_pid()));
    }
}

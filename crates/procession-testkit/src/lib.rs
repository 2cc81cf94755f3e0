//! What procession's own tests share: a watchdog, and the search for what was left behind.
#![expect(
    clippy::missing_panics_doc,
    reason = "what tests share fails by panicking, like a test"
)]

pub mod allocation;
pub mod helper;
pub mod python;
pub mod records;
pub mod sandbox;
pub mod steps;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stderr};
use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test may take before its watchdog ends it; far beyond what any needs.
pub const LIMIT: Duration = Duration::from_mins(2);

/// Ends the test program with a message if the test hangs. Hold it for the test's duration.
#[derive(Debug)]
pub struct Watchdog {
    _done: Sender<()>,
}

/// Starts a [`Watchdog`] over the calling test.
#[must_use]
pub fn watchdog() -> Watchdog {
    let (done, wait) = channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || bark(&test, &wait));
    Watchdog { _done: done }
}

#[expect(clippy::print_stderr, reason = "the test program is ended")]
fn bark(test: &str, wait: &Receiver<()>) {
    if let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(LIMIT) {
        eprintln!("watchdog: {test} hangs; the test program is ended");
        // Not by `exit`, which would wait for the children that the test may hang on.
        std::process::abort();
    }
}

/// Waits until `holds` is true; panics with `what` after [`LIMIT`] divided by four.
///
/// # Panics
///
/// If it does not come true.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT / 4, "this never came true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Has the calling process, a child that a test made, say nothing on its standard error any more.
///
/// For tasks that panic on purpose: what the test asks for is in the error, and what a passing test
/// prints looks like a failure.
///
/// # Panics
///
/// If there is no descriptor left.
pub fn hush() {
    let nowhere = fs::File::options().write(true).open("/dev/null");
    dup2_stderr(nowhere.expect("a descriptor is left")).expect("there is a standard error");
}

/// Sends SIGKILL to a process that the test started.
///
/// # Panics
///
/// If there is no such process.
pub fn kill9(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("the process exists");
}

/// Returns whether a process with this number exists and is not a zombie.
pub fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// Returns whether a process with this number exists, as a zombie or alive.
pub fn exists(pid: u32) -> bool {
    state(pid).is_some()
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

/// Returns the processes whose parent is `pid`, zombies included, but for its fork server and the one
/// child that this has made in advance.
///
/// A child that was just started looks like that one until it begins its task: whoever counts waits
/// for that first.
pub fn children(pid: u32) -> Vec<u32> {
    let mut found: Vec<u32> = below(pid).filter(|&child| !is_fork_server(child)).collect();
    for server in fork_servers(pid) {
        let waits = |&child: &u32| alive(child) && field(child, GROUP) == Some(server);
        if let Some(place) = found.iter().position(waits) {
            found.remove(place);
        }
    }
    found
}

/// Returns the processes whose parent is `pid` that have ended and were not reaped.
pub fn zombies(pid: u32) -> Vec<u32> {
    below(pid).filter(|&child| !alive(child)).collect()
}

/// Returns the fork server of process `pid`, if it has one.
pub fn fork_server(pid: u32) -> Option<u32> {
    let servers = fork_servers(pid);
    servers.into_iter().find(|&server| alive(server))
}

/// Returns the fork servers whose parent is `pid`, zombies included.
pub fn fork_servers(pid: u32) -> Vec<u32> {
    below(pid).filter(|&child| is_fork_server(child)).collect()
}

fn below(parent: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(move |&pid| field(pid, PARENT) == Some(parent))
}

/// A child that a server has just made still has its name, but does not lead a process group.
fn is_fork_server(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end() == "fork-server" && field(pid, GROUP) == Some(pid)
}

/// Places in `/proc/PID/stat`, counted from behind the name.
const PARENT: usize = 1;
const GROUP: usize = 2;

fn field(pid: u32, place: usize) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(place)?.parse().ok()
}

/// Returns the entries of `/dev/shm` that the library made and whose names contain `family`.
pub fn shared_memory(family: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir("/dev/shm") else {
        return BTreeSet::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.starts_with("procession-") && name.contains(family))
        .collect()
}

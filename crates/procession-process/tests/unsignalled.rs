//! A process that may not signal what it started: another user by now, or behind a filter of
//! system calls. It ends all the same, and so does what it started.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use log::{LevelFilter, Log, Metadata, Record};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, geteuid, setuid};
use procession_pipe::{PipeWriter, pipe};
use procession_process::{
    Cause, ExitStatus, Process, StartError, StartMethod, Task, active_children, preload,
    set_start_method,
};
use procession_testkit::sandbox::refuse;
use procession_testkit::{alive, eventually, fork_server, kill9, watchdog};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::park;
use std::time::Duration;

procession_process::enable_in_tests!();

const NOBODY: u32 = 65534;

fn forever() {
    loop {
        park();
    }
}

/// What keeps a process from signalling its children.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Why {
    /// A sandbox in which the calls fail that send signals.
    Filter,
    /// It has dropped root, which its children have not.
    User,
}

impl Why {
    const ALL: [Self; 2] = [Self::Filter, Self::User];

    fn is_possible(self) -> bool {
        self == Self::Filter || geteuid().is_root()
    }

    fn come_about(self) {
        match self {
            Self::Filter => {
                refuse(libc::SYS_pidfd_send_signal, Errno::EPERM);
                refuse(libc::SYS_kill, Errno::EPERM);
            }
            Self::User => setuid(Uid::from_raw(NOBODY)).unwrap(),
        }
    }
}

/// Tells what is logged.
struct Telling(Mutex<PipeWriter>);

impl Log for Telling {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{}", record.args()).unwrap();
    }

    fn flush(&self) {}
}

fn tell_records(words: PipeWriter) {
    let logger = Box::leak(Box::new(Telling(Mutex::new(words))));
    log::set_logger(logger).unwrap();
    log::set_max_level(LevelFilter::Trace);
}

/// Has a program that starts children by `method` run `task` and end, and returns what it told.
fn program<M>(
    method: StartMethod,
    why: Why,
    task: impl Task<(StartMethod, Why, PipeWriter), M, Output = ()>,
) -> Vec<String> {
    let (mut ours, theirs) = pipe().unwrap();
    let alone = Process::builder().start_method(StartMethod::Spawn);
    let process = alone.spawn(task, (method, why, theirs)).unwrap();
    let mut told = String::new();
    ours.read_to_string(&mut told).unwrap();
    let status = process.wait_timeout(Duration::MAX).unwrap();
    assert_eq!(status, Some(ExitStatus::Code(0)), "{method:?} {why:?}");
    told.lines().map(str::to_owned).collect()
}

/// Does so for each reason and method.
fn programs<M>(
    task: impl Task<(StartMethod, Why, PipeWriter), M, Output = ()>,
    then: impl Fn(Why, Vec<String>),
) {
    let _watchdog = watchdog();
    for why in Why::ALL.into_iter().filter(|why| why.is_possible()) {
        for method in StartMethod::ALL {
            then(why, program(method, why, task));
        }
    }
}

/// Returns all children of this process, its fork server and what that has made in advance included.
fn everybody() -> Vec<u32> {
    let children = fs::read_to_string("/proc/thread-self/children").unwrap();
    children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// Tells their numbers.
fn tell_everybody(words: &mut PipeWriter) {
    for pid in everybody() {
        writeln!(words, "{pid}").unwrap();
    }
}

fn expect_gone(told: &[String]) {
    for pid in told.iter().filter_map(|words| words.parse().ok()) {
        eventually("it has ended", || !alive(pid));
    }
}

fn start_two() {
    for _ in 0..2 {
        assert_eq!(Process::spawn(|| 7, ()).unwrap().join().unwrap(), 7);
    }
}

// PRC-040
#[test]
fn it_ends_and_so_does_its_fork_server() {
    let task = |method: StartMethod, why: Why, mut words: PipeWriter| {
        set_start_method(method);
        start_two();
        tell_everybody(&mut words);
        why.come_about();
    };
    programs(task, |_, told| expect_gone(&told));
}

// PRC-040
#[test]
fn its_daemons_end_with_it() {
    let task = |method: StartMethod, why: Why, mut words: PipeWriter| {
        set_start_method(method);
        for _ in 0..2 {
            let daemon = Process::builder().daemon(true);
            drop(daemon.spawn(forever, ()).unwrap());
        }
        tell_everybody(&mut words);
        why.come_about();
    };
    programs(task, |_, told| expect_gone(&told));
}

/// Ends as a process that is killed does, but for its status.
fn vanish() {
    // SAFETY: nobody is left to see anything unsound.
    unsafe { libc::_exit(0) }
}

// PRC-040
#[test]
fn its_children_end_with_it_when_it_is_killed() {
    let task = |method: StartMethod, why: Why, mut words: PipeWriter| {
        set_start_method(method);
        for _ in 0..2 {
            drop(Process::spawn(forever, ()).unwrap());
        }
        tell_everybody(&mut words);
        why.come_about();
        vanish();
    };
    programs(task, |_, told| expect_gone(&told));
}

// PRC-040
#[test]
fn a_child_is_killed_all_the_same() {
    let task = |method: StartMethod, why: Why, _: PipeWriter| {
        set_start_method(method);
        let children = [(); 2].map(|()| Process::spawn(forever, ()).unwrap());
        why.come_about();
        for child in children {
            let refused = child.terminate().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(Errno::EPERM as i32));
            assert!(child.interrupt().is_err() && child.is_alive());
            child.kill().unwrap();
            let error = child.join().unwrap_err();
            let Cause::Ended(status) = error.cause() else {
                panic!("{error}")
            };
            // By its own exit if it had not begun.
            let ends = [ExitStatus::Signal(9), ExitStatus::Code(70)];
            assert!(ends.contains(status), "{error}");
        }
    };
    programs(task, |_, _| ());
}

/// Does not end with its socket, which it closes.
fn closed() {
    for fd in 3..1000 {
        // SAFETY: this process opens nothing any more, and uses nothing that was open.
        unsafe { libc::close(fd) };
    }
    forever();
}

// PRC-040
#[test]
fn a_daemon_that_cannot_be_ended_is_told_and_does_not_keep_it_from_ending() {
    let task = |method: StartMethod, why: Why, mut words: PipeWriter| {
        set_start_method(method);
        let daemons = [(); 2].map(|()| {
            let daemon = Process::builder().daemon(true);
            daemon.spawn(closed, ()).unwrap()
        });
        for daemon in &daemons {
            let files = format!("/proc/{}/fd", daemon.pid());
            eventually("it has closed its socket", || {
                fs::read_dir(&files).unwrap().count() == 3
            });
            writeln!(words, "{}", daemon.pid()).unwrap();
        }
        tell_records(words);
        why.come_about();
        assert!(daemons[0].kill().is_err());
    };
    programs(task, |why, told| {
        let left = told
            .iter()
            .filter(|words| words.contains("cannot be killed"));
        assert_eq!(left.count(), 2, "{told:?}");
        if why == Why::User {
            // The kernel's own signal is refused as well.
            let daemons = told.iter().filter_map(|words| words.parse().ok());
            daemons.for_each(kill9);
        }
        expect_gone(&told);
    });
}

#[test]
fn a_stopped_server_that_cannot_be_killed_is_told() {
    let task = |method: StartMethod, why: Why, mut words: PipeWriter| {
        set_start_method(method);
        start_two();
        let server = fork_server(std::process::id()).unwrap();
        writeln!(words, "{server}").unwrap();
        kill(Pid::from_raw(server.cast_signed()), Signal::SIGSTOP).unwrap();
        tell_records(words);
        why.come_about();
    };
    let _watchdog = watchdog();
    for why in Why::ALL.into_iter().filter(|why| why.is_possible()) {
        let told = program(StartMethod::ForkServer, why, task);
        assert!(told[1].contains("runs on"), "{told:?}");
        let server = told[0].parse().unwrap();
        if why == Why::User {
            kill9(server);
        }
        expect_gone(&told);
    }
}

#[test]
fn a_server_that_cannot_be_killed_is_replaced() {
    let task = |method: StartMethod, _: Why, mut words: PipeWriter| {
        set_start_method(method);
        start_two();
        tell_everybody(&mut words);
        Why::Filter.come_about();
        preload(|(): ()| (), ()).unwrap();
        start_two();
    };
    let _watchdog = watchdog();
    expect_gone(&program(StartMethod::ForkServer, Why::Filter, task));
}

#[test]
fn a_child_without_a_descriptor_that_cannot_be_killed_does_nothing_and_ends() {
    let task = |method: StartMethod, why: Why, _: PipeWriter| {
        set_start_method(method);
        // What is needed for the first child, the family for example.
        start_two();
        let before = everybody();
        why.come_about();
        refuse(libc::SYS_pidfd_open, Errno::EMFILE);
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark");
        let leave = |mark: PathBuf| fs::write(mark, "it ran").unwrap();
        let refused = Process::spawn(leave, (mark.clone(),)).map(Process::join);
        assert!(
            matches!(refused, Err(StartError::System { .. })),
            "{refused:?}"
        );
        eventually("nobody is left", || {
            assert!(active_children().is_empty());
            everybody() == before
        });
        assert!(!mark.exists());
    };
    let _watchdog = watchdog();
    for method in [StartMethod::Spawn, StartMethod::Fork] {
        program(method, Why::Filter, task);
    }
}

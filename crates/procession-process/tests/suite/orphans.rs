//! Nobody outlives a parent that is killed, but who was detached.

use super::{Household, alone, ended, forever, hear, tell};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpgid, getsid};
use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_process::{Builder, Cause, ExitStatus, Process};
use procession_testkit::{alive, eventually, kill9};
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

fn busy() {
    loop {
        black_box(0);
    }
}

fn start(builder: Builder, task: fn(Builder) -> Process<()>, pids: &mut PipeWriter) -> Process<()> {
    let process = task(builder);
    tell(pids, process.pid());
    process
}

/// Starts one child of each kind: idle, busy, daemons of both kinds.
fn start_all_kinds(mut pids: PipeWriter) {
    let idle = |builder: Builder| builder.spawn(forever, ()).unwrap();
    let at_work = |builder: Builder| builder.spawn(busy, ()).unwrap();
    let normal = || Process::builder().daemon(false);
    let _kept = [
        start(normal(), idle, &mut pids),
        start(normal(), at_work, &mut pids),
        start(normal().daemon(true), idle, &mut pids),
        start(normal().daemon(true), at_work, &mut pids),
    ];
    forever();
}

// PRC-037
pub(crate) fn nobody_outlives_a_parent_that_is_killed() {
    alone(|| {
        let household = Household::new();
        let (mut here, there) = pipe().unwrap();
        let parent = Process::spawn(start_all_kinds, (there,)).unwrap();
        let pids = [(); 4].map(|()| hear(&mut here));
        assert!(pids.iter().all(|&pid| alive(pid)));
        kill9(parent.pid());
        assert_eq!(ended(parent), ExitStatus::Signal(9));
        household.expect_nobody_else();
        assert!(!pids.iter().any(|&pid| alive(pid)));
    });
}

fn start_below(depth: u32, mut pids: PipeWriter) {
    if depth == 0 {
        return forever();
    }
    let below = (depth - 1, pids.try_clone().unwrap());
    let process = Process::spawn(start_below, below).unwrap();
    tell(&mut pids, process.pid());
    forever();
}

// PRC-037
pub(crate) fn no_descendant_outlives_a_parent_that_is_killed() {
    alone(|| {
        let household = Household::new();
        let (mut here, there) = pipe().unwrap();
        let parent = Process::spawn(start_below, (3, there)).unwrap();
        let pids = [(); 3].map(|()| hear(&mut here));
        kill9(parent.pid());
        assert_eq!(ended(parent), ExitStatus::Signal(9));
        household.expect_nobody_else();
        assert!(!pids.iter().any(|&pid| alive(pid)));
    });
}

fn start_one_after_the_other(mut pids: PipeWriter) {
    let mut kept = Vec::new();
    loop {
        let process = Process::spawn(forever, ()).unwrap();
        tell(&mut pids, process.pid());
        kept.push(process);
    }
}

// PRC-037
pub(crate) fn a_child_that_just_started_does_not_outlive_its_parent() {
    alone(|| {
        let household = Household::new();
        for started in [0, 0, 1, 1, 1, 2, 2, 3, 4, 7] {
            let (mut here, there) = pipe().unwrap();
            let parent = Process::spawn(start_one_after_the_other, (there,)).unwrap();
            for _ in 0..started {
                hear(&mut here);
            }
            kill9(parent.pid());
            assert_eq!(ended(parent), ExitStatus::Signal(9));
            household.expect_nobody_else();
        }
    });
}

// PRC-037
pub(crate) fn another_program_in_a_childs_place_does_not_outlive_the_parent() {
    alone(|| {
        let household = Household::new();
        let (mut here, there) = pipe().unwrap();
        let start = |mut pids: PipeWriter| {
            let sleeps = || -> () { panic!("{}", Command::new("sleep").arg("1000").exec()) };
            let child = Process::spawn(sleeps, ()).unwrap();
            tell(&mut pids, child.pid());
            forever();
        };
        let parent = Process::spawn(start, (there,)).unwrap();
        let pid = hear(&mut here);
        let is_sleep = || {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name == "sleep\n")
        };
        eventually("it is another program", is_sleep);
        kill9(parent.pid());
        assert_eq!(ended(parent), ExitStatus::Signal(9));
        household.expect_nobody_else();
    });
}

/// Starts a detached child; then returns, or waits to be killed.
fn detach(mut pids: PipeWriter, and_return: bool) {
    let detached = Process::builder().detached(true);
    let child = detached.spawn(forever, ()).unwrap();
    tell(&mut pids, child.pid());
    if !and_return {
        forever();
    }
}

fn leads_a_session(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.cast_signed());
    getsid(Some(pid)) == Ok(pid) && getpgid(Some(pid)) == Ok(pid)
}

pub(crate) fn a_detached_process_outlives_its_parent() {
    for and_return in [true, false] {
        let (mut here, there) = pipe().unwrap();
        let parent = Process::spawn(detach, (there, and_return)).unwrap();
        let pid = hear(&mut here);
        eventually("it leads a session", || leads_a_session(pid));
        if and_return {
            parent.join().unwrap();
        } else {
            kill9(parent.pid());
            assert_eq!(ended(parent), ExitStatus::Signal(9));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(alive(pid));
        kill9(pid);
        eventually("the detached process is gone", || !alive(pid));
    }
}

pub(crate) fn a_detached_process_is_joined_like_any_other() {
    let detached = Process::builder().detached(true);
    let process = detached.spawn(|x: u32| x + 1, (6,)).unwrap();
    assert_eq!(process.join().unwrap(), 7);
    let detached = Process::builder().detached(true);
    let process = detached.spawn(forever, ()).unwrap();
    process.terminate().unwrap();
    assert_eq!(ended(process), ExitStatus::Signal(15));
}

/// Forks a copy of this process, which has all its descriptors open until it is killed, and tells
/// who that is.
fn leave_a_copy(pids: &mut PipeWriter) {
    // SAFETY: the copy calls nothing but what may be called after a fork.
    match unsafe { libc::fork() } {
        0 => wait_for_a_signal(),
        copy => tell(pids, copy.cast_unsigned()),
    }
}

fn wait_for_a_signal() -> ! {
    // SAFETY: the signal ends this process, if a test that failed has left it.
    unsafe { libc::alarm(600) };
    loop {
        // SAFETY: it takes no argument.
        unsafe { libc::pause() };
    }
}

fn is_ready(process: &Process<u32>) -> bool {
    let mut sentinel = [PollFd::new(process.sentinel(), PollFlags::POLLIN)];
    poll(&mut sentinel, PollTimeout::NONE).unwrap() == 1
}

/// Hears of the copy, and checks that the child it was made by is no less ended for it.
fn heard_of_an_end(process: &Process<u32>, mut pids: PipeReader) -> u32 {
    let copy = hear(&mut pids);
    assert!(is_ready(process));
    assert!(alive(copy) && !process.is_alive());
    copy
}

// PRC-038
pub(crate) fn a_grandchild_that_holds_everything_open_delays_no_result() {
    let leaves_a_copy = |mut pids: PipeWriter| -> u32 {
        leave_a_copy(&mut pids);
        9
    };
    for stepwise in [true, false] {
        let (pids, pids_end) = pipe().unwrap();
        let mut process = Process::spawn(leaves_a_copy, (pids_end,)).unwrap();
        let copy = heard_of_an_end(&process, pids);
        let result = if stepwise {
            process.join_timeout(Duration::MAX).unwrap()
        } else {
            process.join().ok()
        };
        assert_eq!(result, Some(9));
        assert!(alive(copy));
        kill9(copy);
    }
}

// PRC-038
pub(crate) fn a_grandchild_that_holds_everything_open_delays_no_end_without_a_result() {
    let leaves_a_copy = |mut pids: PipeWriter| -> u32 {
        leave_a_copy(&mut pids);
        // SAFETY: it ends the process, and nothing of it is used any more.
        unsafe { libc::_exit(3) }
    };
    for stepwise in [true, false] {
        let (pids, pids_end) = pipe().unwrap();
        let mut process = Process::spawn(leaves_a_copy, (pids_end,)).unwrap();
        let copy = heard_of_an_end(&process, pids);
        let error = if stepwise {
            process.join_timeout(Duration::MAX).unwrap_err()
        } else {
            process.join().unwrap_err()
        };
        let three = ExitStatus::Code(3);
        assert!(matches!(error.cause(), Cause::Ended(status) if *status == three));
        assert!(alive(copy));
        kill9(copy);
    }
}

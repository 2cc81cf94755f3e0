//! Nobody outlives a parent that is killed, but who was detached.

use super::{Household, alone, ended, forever, hear, tell};
use nix::unistd::{Pid, getpgid, getsid};
use procession_pipe::{PipeWriter, pipe};
use procession_process::{Builder, ExitStatus, Process};
use procession_testkit::{alive, eventually, kill9};
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::Command;

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

// PRC-038
pub(crate) fn a_grandchild_that_holds_everything_open_delays_nobody() {
    let leaves_a_sleeper = || -> u32 {
        // Not waited for: it is to outlive this process.
        let sleeper = Command::new("sleep").arg("1000").spawn();
        sleeper.map(|sleeper| sleeper.id()).unwrap()
    };
    let process = Process::spawn(leaves_a_sleeper, ()).unwrap();
    let sleeper = process.join().unwrap();
    assert!(alive(sleeper));
    kill9(sleeper);
}

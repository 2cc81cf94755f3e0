//! What a killed process leaves behind is reaped by whoever inherits it: process 1 of a container,
//! or a subreaper.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]
#![expect(clippy::print_stderr, reason = "a test says why it is skipped")]

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_process::{Process, StartMethod, Task, active_children};
use procession_testkit::{alive, eventually, hush, kill9, watchdog, zombies};
use std::env;
use std::io::{Read, Write};
use std::process::{Command, id};
use std::thread::{park, sleep};
use std::time::Duration;

procession_process::enable_in_tests!();

fn forever() {
    loop {
        park();
    }
}

/// Starts three children, one without a handle and two that have one child each, and tells of it.
fn have_a_family(method: StartMethod, mut ready: PipeWriter) {
    let clone = || ready.try_clone().unwrap();
    let builder = || Process::builder().start_method(method);
    let _kept = builder().spawn(have_one, (method, clone())).unwrap();
    let _kept = builder().spawn(tell, (clone(),)).unwrap();
    drop(builder().spawn(have_one, (method, clone())).unwrap());
    ready.write_all(b".").unwrap();
    forever();
}

fn have_one(method: StartMethod, ready: PipeWriter) {
    let builder = Process::builder().start_method(method);
    let _child = builder.spawn(tell, (ready,)).unwrap();
    forever();
}

fn tell(mut ready: PipeWriter) {
    ready.write_all(b".").unwrap();
    forever();
}

/// How many tell of it that [`have_a_family`] starts, itself included.
const TOLD: usize = 4;

fn wait_for(mut ready: PipeReader) {
    ready.read_exact(&mut [0; TOLD]).unwrap();
}

/// Starts a process by each of the methods that has a family by each method, and kills it.
fn kill_parents_of(methods: &[StartMethod]) {
    for &method in methods {
        for below in StartMethod::ALL {
            let (ours, theirs) = pipe().unwrap();
            let builder = Process::builder().start_method(method);
            let parent = builder.spawn(have_a_family, (below, theirs)).unwrap();
            wait_for(ours);
            parent.kill().unwrap();
            parent.join().unwrap_err();
            assert_eq!(zombies(id()), [], "{method:?} {below:?}");
        }
    }
}

fn kill_parents() {
    heir();
    kill_parents_of(&StartMethod::ALL);
}

/// Calls `task` in a process of its own, which is to be a [`heir`].
fn in_heir<M>(task: impl Task<(), M, Output = ()>) {
    let _watchdog = watchdog();
    let alone = Process::builder().start_method(StartMethod::Spawn);
    alone.spawn(task, ()).unwrap().join().unwrap();
}

/// Has the children of dead descendants given to this process.
fn heir() {
    set_child_subreaper(true).unwrap();
}

// PRC-066
#[test]
fn a_subreaper_reaps_what_a_killed_child_has_started() {
    in_heir(kill_parents);
}

// PRC-066
/// Runs itself again, as process 1 of a PID namespace. It has several threads, so it is not forked.
#[test]
fn process_1_reaps_what_a_killed_child_has_started() {
    const NAME: &str = "process_1_reaps_what_a_killed_child_has_started";
    if id() == 1 {
        return kill_parents_of(&[StartMethod::Spawn, StartMethod::ForkServer]);
    }
    let _watchdog = watchdog();
    let in_namespace = |program: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--pid", "--fork", "--mount-proc"]);
        unshare.args(["--kill-child"]).args(program).output()
    };
    match in_namespace(&["true"]) {
        Ok(output) if output.status.success() => {}
        output => return eprintln!("skipped: no PID namespace can be made here: {output:?}"),
    }
    let program = env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let output = in_namespace(&[program, "--exact", NAME]).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// What the program has started by other means is the program's to wait for, and so is what that
/// has left behind.
fn keep_others() {
    heir();
    let mut own = Command::new("false").spawn().unwrap();
    let script = "sleep 0.01 & echo $!";
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let orphan: i32 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    eventually("both have ended", || zombies(id()).len() == 2);
    kill_one_parent();
    active_children();
    assert_eq!(own.wait().unwrap().code(), Some(1));
    let status = waitpid(Pid::from_raw(orphan), Some(WaitPidFlag::WNOHANG));
    assert_eq!(status, Ok(WaitStatus::Exited(Pid::from_raw(orphan), 0)));
}

fn kill_one_parent() {
    let (ours, theirs) = pipe().unwrap();
    let parent = Process::spawn(have_a_family, (StartMethod::ForkServer, theirs)).unwrap();
    wait_for(ours);
    parent.kill().unwrap();
    parent.join().unwrap_err();
}

// PRC-066
#[test]
fn what_the_program_has_started_itself_is_left_to_it() {
    in_heir(keep_others);
}

fn start_for_ever(method: StartMethod) {
    hush();
    loop {
        let builder = Process::builder().start_method(method);
        let _ = builder.spawn(forever, ());
    }
}

fn kill_at_any_moment() {
    heir();
    for round in 0..40_u64 {
        for method in StartMethod::ALL {
            let parent = Process::spawn(start_for_ever, (method,)).unwrap();
            // Not the same moment in two rounds: there are some thousand instructions in each step.
            sleep(Duration::from_micros(731 * (round % 20) + 97 * round));
            parent.kill().unwrap();
            parent.join().unwrap_err();
        }
    }
    let none = || active_children().is_empty() && zombies(id()).is_empty();
    eventually("no zombie is left", none);
}

// PRC-066
#[test]
fn a_parent_may_be_killed_at_any_moment() {
    in_heir(kill_at_any_moment);
}

fn start_detached(mut pid: PipeWriter) {
    let builder = Process::builder().detached(true);
    let child = builder.spawn(|| sleep(Duration::from_secs(1)), ()).unwrap();
    pid.write_all(&child.pid().to_ne_bytes()).unwrap();
    forever();
}

/// One that outlives its parent is not waited for, and is reaped when it has ended.
fn keep_detached() {
    heir();
    let (mut ours, theirs) = pipe().unwrap();
    let parent = Process::spawn(start_detached, (theirs,)).unwrap();
    let mut pid = [0; 4];
    ours.read_exact(&mut pid).unwrap();
    let detached = u32::from_ne_bytes(pid);
    parent.kill().unwrap();
    parent.join().unwrap_err();
    assert!(alive(detached));
    assert_eq!(zombies(id()), []);
    eventually("it ends", || !alive(detached));
    active_children();
    assert_eq!(zombies(id()), []);
}

// PRC-066
#[test]
fn a_detached_process_is_reaped_by_its_heir_when_it_ends() {
    in_heir(keep_detached);
}

/// Nobody joins: what is left is reaped by the next start, drop, or look at the children.
fn reap_without_join() {
    heir();
    let (ours, theirs) = pipe().unwrap();
    let parent = Process::spawn(have_a_family, (StartMethod::Fork, theirs)).unwrap();
    wait_for(ours);
    kill9(parent.pid());
    drop(parent);
    let none = || active_children().is_empty() && zombies(id()).is_empty();
    eventually("nobody is left", none);
}

// PRC-066
#[test]
fn a_handle_need_not_be_joined_for_it() {
    in_heir(reap_without_join);
}

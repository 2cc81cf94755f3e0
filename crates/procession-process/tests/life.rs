//! The life of a process, from its start to the report of its end.

#![expect(
    clippy::exit,
    clippy::items_after_statements,
    clippy::unwrap_used,
    reason = "tasks stand in their tests, and may end their process"
)]

use nix::sys::signal::{Signal, raise};
use procession_pipe::{PipeWriter, pipe};
use procession_process::{
    Cause, ExitStatus, Process, StartError, active_children, current_process, inherit,
};
use procession_testkit::{alive, children, eventually, exists, kill9, watchdog};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::park;
use std::time::Duration;

procession_process::enable_in_tests!();

fn forever() {
    loop {
        park();
    }
}

fn status_of(task: fn() -> Process<()>) -> ExitStatus {
    let error = task()
        .join()
        .expect_err("the process ends without a result");
    match error.cause() {
        Cause::Ended(status) => *status,
        _ => panic!("{error}"),
    }
}

// PRC-017
#[test]
fn four_ends_are_told_apart() {
    let _watchdog = watchdog();
    let exits = || Process::spawn(|| -> () { std::process::exit(8) }, ()).unwrap();
    assert_eq!(status_of(exits), ExitStatus::Code(8));
    let aborts = || Process::spawn(|| -> () { std::process::abort() }, ()).unwrap();
    assert_eq!(status_of(aborts), ExitStatus::Signal(6));
    let segfaults = || Process::spawn(|| raise(Signal::SIGSEGV).unwrap(), ()).unwrap();
    assert_eq!(status_of(segfaults), ExitStatus::Signal(11));
    let panics = Process::spawn(|| -> () { panic!("four") }, ()).unwrap();
    assert!(matches!(
        panics.join().unwrap_err().cause(),
        Cause::Panicked(_)
    ));
}

#[test]
fn exit_codes_are_those_of_a_rust_program() {
    let _watchdog = watchdog();
    let code = |process: &Process<()>| loop {
        if let Some(status) = process.wait_timeout(Duration::from_secs(1)).unwrap() {
            return status;
        }
    };
    assert_eq!(
        code(&Process::spawn(|| (), ()).unwrap()),
        ExitStatus::Code(0)
    );
    assert_eq!(
        code(&Process::spawn(|| -> () { panic!() }, ()).unwrap()),
        ExitStatus::Code(101)
    );
    let fails = Process::spawn(|| -> anyhow::Result<()> { anyhow::bail!("no") }, ()).unwrap();
    assert_eq!(code(&fails), ExitStatus::Code(1));
}

#[test]
fn an_early_exit_is_not_a_result() {
    let _watchdog = watchdog();
    let exits = || Process::spawn(|| -> () { std::process::exit(0) }, ()).unwrap();
    assert_eq!(status_of(exits), ExitStatus::Code(0));
}

#[test]
fn a_signal_that_has_no_name_is_reported_by_its_number() {
    let _watchdog = watchdog();
    let process = Process::spawn(forever, ()).unwrap();
    let real_time = libc::SIGRTMIN() + 3;
    // SAFETY: kill takes two integers; the process is this test's and has not been reaped.
    let sent = unsafe { libc::kill(process.pid().cast_signed(), real_time) };
    assert_eq!(sent, 0);
    let error = process.join().unwrap_err();
    assert!(matches!(error.cause(), Cause::Ended(ExitStatus::Signal(n)) if *n == real_time));
}

// PRC-005, PRC-008, PRC-010
#[test]
fn a_process_lives_until_it_ends() {
    let _watchdog = watchdog();
    let process = Process::spawn(forever, ()).unwrap();
    let listed = |pid| active_children().iter().any(|child| child.pid() == pid);
    assert!(process.is_alive());
    assert_eq!(process.exit_status(), None);
    assert_eq!(process.wait_timeout(Duration::ZERO).unwrap(), None);
    assert!(listed(process.pid()));

    process.terminate().unwrap();
    let pid = process.pid();
    let error = process.join().unwrap_err();
    assert_eq!(error.pid(), pid);
    assert!(
        error
            .to_string()
            .contains("was killed by SIGTERM (signal 15)"),
        "{error}"
    );
    assert!(!listed(pid));
}

#[test]
fn a_signal_to_a_process_that_has_ended_goes_nowhere() {
    let _watchdog = watchdog();
    let process = Process::spawn(|| (), ()).unwrap();
    while process.is_alive() {}
    process.kill().unwrap();
    process.terminate().unwrap();
    process.join().unwrap();
}

// PRC-039
#[test]
fn a_child_that_somebody_else_reaped_is_not_alive() {
    let _watchdog = watchdog();
    let process = Process::spawn(forever, ()).unwrap();
    let pid = nix::unistd::Pid::from_raw(process.pid().cast_signed());
    process.kill().unwrap();
    nix::sys::wait::waitpid(pid, None).unwrap();
    assert!(!process.is_alive());
    let error = process.join().unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Ended(ExitStatus::Unknown)),
        "{error}"
    );
}

// PRC-001, PRC-003
#[test]
fn a_process_knows_its_name_and_kind() {
    let _watchdog = watchdog();
    let describe = || {
        (
            current_process().name().to_owned(),
            current_process().is_daemon(),
        )
    };
    let named = Process::builder()
        .name("worker of mine")
        .daemon(true)
        .spawn(describe, ());
    assert_eq!(
        named.unwrap().join().unwrap(),
        ("worker of mine".to_owned(), true)
    );

    let inner_inherits = || {
        Process::spawn(|| current_process().is_daemon(), ())
            .unwrap()
            .join()
    };
    let inherits = Process::builder()
        .daemon(true)
        .spawn(move || inner_inherits().unwrap(), ());
    assert!(inherits.unwrap().join().unwrap());
}

// PRC-009
#[test]
fn children_have_children() {
    let _watchdog = watchdog();
    fn tree(depth: u32) -> Vec<String> {
        let mut names = vec![current_process().name().to_owned()];
        for _ in 0..if depth == 0 { 0 } else { 2 } {
            names.extend(Process::spawn(tree, (depth - 1,)).unwrap().join().unwrap());
        }
        names
    }
    let root = Process::builder().name("root").spawn(tree, (2,)).unwrap();
    let names = root.join().unwrap();
    assert_eq!(names.len(), 7);
    let below: Vec<_> = names[1..]
        .iter()
        .map(|name| name.rsplit_once(':').unwrap().1)
        .collect();
    assert_eq!(below, ["1", "1", "2", "2", "1", "2"]);
}

// PRC-011
#[test]
fn many_processes_end_and_are_reaped() {
    let _watchdog = watchdog();
    let quick: Vec<_> = (0..50_u32)
        .map(|n| Process::spawn(|n: u32| n, (n,)).unwrap())
        .collect();
    let pids: Vec<u32> = quick.iter().map(Process::pid).collect();
    let results = quick.into_iter().map(|process| process.join().unwrap());
    assert!(results.eq(0..50));
    assert!(pids.into_iter().all(|pid| !exists(pid)));

    let parked: Vec<_> = (0..20)
        .map(|_| Process::spawn(forever, ()).unwrap())
        .collect();
    for process in &parked {
        process.terminate().unwrap();
    }
    for process in parked {
        let error = process.join().unwrap_err();
        assert!(
            matches!(error.cause(), Cause::Ended(ExitStatus::Signal(15))),
            "{error}"
        );
    }
}

#[test]
fn a_handle_that_is_dropped_leaves_no_zombie() {
    let _watchdog = watchdog();
    let process = Process::spawn(forever, ()).unwrap();
    let pid = process.pid();
    drop(process);
    assert!(alive(pid));
    kill9(pid);
    eventually("the dropped child is reaped", || !exists(pid));
}

#[test]
fn an_end_is_told_to_those_who_asked() {
    let _watchdog = watchdog();
    let (tell, told) = crossbeam_channel::unbounded();
    let process = Process::spawn(forever, ()).unwrap();
    for who in 0..3 {
        let tell = tell.clone();
        process
            .when_ended(move |status| tell.send((who, status)).unwrap())
            .unwrap();
    }
    process.kill().unwrap();
    let mut heard: Vec<_> = (0..3).map(|_| told.recv().unwrap()).collect();
    heard.sort_by_key(|&(who, _)| who);
    assert_eq!(heard, [0, 1, 2].map(|who| (who, ExitStatus::Signal(9))));
}

fn tell_child_and_park(mut pids: PipeWriter) {
    let child = Process::spawn(forever, ()).unwrap();
    pids.write_all(&child.pid().to_le_bytes()).unwrap();
    forever();
}

// PRC-037
#[test]
fn nobody_outlives_a_parent_that_is_killed() {
    let _watchdog = watchdog();
    let (mut reader, writer) = pipe().unwrap();
    let parent = Process::spawn(tell_child_and_park, (writer,)).unwrap();
    let mut pid = [0; 4];
    reader.read_exact(&mut pid).unwrap();
    let grandchild = u32::from_le_bytes(pid);
    assert!(alive(grandchild));
    parent.kill().unwrap();
    assert!(parent.join().is_err());
    eventually("the grandchild is gone", || !alive(grandchild));
}

#[test]
fn a_child_of_a_thread_that_ended_lives_on() {
    let _watchdog = watchdog();
    let process = std::thread::spawn(|| Process::spawn(forever, ()).unwrap())
        .join()
        .unwrap();
    let ended = process.wait_timeout(Duration::from_millis(300)).unwrap();
    assert_eq!(ended, None);
    process.kill().unwrap();
    assert!(process.join().is_err());
}

// PRC-038
#[test]
fn a_grandchild_that_holds_everything_open_delays_nobody() {
    let _watchdog = watchdog();
    let exits_at_once = || -> u32 {
        let mut sleeper = Command::new("sleep");
        // Not waited for: it is to outlive this process.
        sleeper
            .arg("1000")
            .spawn()
            .map(|sleeper| sleeper.id())
            .unwrap()
    };
    let sleeper = Process::spawn(exits_at_once, ()).unwrap().join().unwrap();
    assert!(alive(sleeper));
    kill9(sleeper);
}

#[test]
fn at_its_exit_a_process_waits_for_its_children_and_ends_its_daemons() {
    let _watchdog = watchdog();
    fn parent(mut pids: PipeWriter, done: PipeWriter) {
        let daemon = Process::builder().daemon(true).spawn(forever, ()).unwrap();
        pids.write_all(&daemon.pid().to_le_bytes()).unwrap();
        let write = |mut done: PipeWriter| {
            std::thread::sleep(Duration::from_millis(100));
            done.write_all(b"worked").unwrap();
        };
        Process::builder()
            .daemon(false)
            .spawn(write, (done,))
            .unwrap();
    }
    let (mut pids, pids_end) = pipe().unwrap();
    let (mut work, work_end) = pipe().unwrap();
    Process::spawn(parent, (pids_end, work_end))
        .unwrap()
        .join()
        .unwrap();
    let (mut pid, mut text) = ([0; 4], String::new());
    pids.read_exact(&mut pid).unwrap();
    assert!(!alive(u32::from_le_bytes(pid)));
    work.read_to_string(&mut text).unwrap();
    assert_eq!(text, "worked");
}

// PRC-025
#[test]
fn a_child_inherits_no_file_by_accident() {
    let _watchdog = watchdog();
    let (reader, _writer) = nix::unistd::pipe().unwrap(); // without CLOEXEC
    let ours = open_file(reader.as_raw_fd());
    let open_there = || -> Vec<String> { (0..1024).filter_map(try_open_file).collect() };
    let theirs = Process::spawn(open_there, ()).unwrap().join().unwrap();
    assert_eq!(theirs[0], "/dev/null");
    assert!(!theirs.contains(&ours), "{theirs:?}");
}

fn try_open_file(fd: i32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    path.into_os_string().into_string().ok()
}

fn open_file(fd: i32) -> String {
    try_open_file(fd).expect("the descriptor is open")
}

#[test]
fn a_setup_runs_before_the_task_and_in_order() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn note(word: String) {
        SEEN.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(word);
    }
    let _watchdog = watchdog();
    let seen = || {
        inherit(note, "first".to_owned()).unwrap();
        inherit(note, "second".to_owned()).unwrap();
        Process::spawn(|| SEEN.lock().unwrap().clone(), ())
            .unwrap()
            .join()
            .unwrap()
    };
    // In a process of its own, because what is inherited is so by every later child.
    let process = Process::spawn(seen, ()).unwrap();
    assert_eq!(process.join().unwrap(), ["first", "second"]);
}

#[test]
fn without_descriptors_nothing_is_started_and_nothing_left() {
    let _watchdog = watchdog();
    fn starve() -> bool {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        // The family exists before the limit falls.
        Process::spawn(|| (), ()).unwrap().join().unwrap();
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 5, hard).unwrap();
        let refused = Process::spawn(|| (), ());
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        matches!(refused, Err(StartError::System { .. })) && children(std::process::id()).is_empty()
    }
    assert!(Process::spawn(starve, ()).unwrap().join().unwrap());
}

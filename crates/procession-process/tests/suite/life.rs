//! From the start of a process to the report of its end.

use super::{ended, forever};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procession_pipe::{Connection, Pipe, PipeWriter, pipe};
use procession_process::{
    Cause, ExitStatus, Process, ProcessError, active_children, current_process, inherit,
};
use procession_testkit::{alive, eventually, exists, kill9};
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

// PRC-005, PRC-008
pub(crate) fn a_process_lives_until_it_ends() {
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
    let words = error.to_string();
    assert!(
        words.contains("was killed by SIGTERM (signal 15)"),
        "{words}"
    );
    assert!(!listed(pid));
}

// PRC-005
pub(crate) fn a_process_is_who_its_handle_says() {
    let who = |number: u32| {
        let me = current_process();
        (number, std::process::id(), me.name().to_owned())
    };
    let named = Process::builder().name("one of many");
    let process = named.spawn(who, (7,)).unwrap();
    let pid = process.pid();
    assert_eq!(process.name(), "one of many");
    let ended = process.wait_timeout(Duration::MAX).unwrap();
    assert_eq!(ended, Some(ExitStatus::Code(0)));
    assert!(!process.is_alive());
    assert_eq!(process.exit_status(), Some(ExitStatus::Code(0)));
    let told = (7, pid, "one of many".to_owned());
    assert_eq!(process.join().unwrap(), told);
    assert!(active_children().iter().all(|child| child.pid() != pid));
}

pub(crate) fn a_signal_to_a_process_that_has_ended_goes_nowhere() {
    let process = Process::spawn(|| (), ()).unwrap();
    while process.is_alive() {}
    process.kill().unwrap();
    process.terminate().unwrap();
    process.interrupt().unwrap();
    assert_eq!(process.exit_status(), Some(ExitStatus::Code(0)));
    process.join().unwrap();
}

pub(crate) fn joining_in_steps() {
    let (here, there) = Pipe::duplex::<u32, ()>().unwrap();
    let wait = |there: Connection<(), u32>| there.recv().unwrap();
    let mut process = Process::spawn(wait, (there,)).unwrap();
    assert_eq!(process.try_join().unwrap(), None);
    assert_eq!(
        process.join_timeout(Duration::from_millis(20)).unwrap(),
        None
    );
    assert!(process.is_alive());
    here.send(&7).unwrap();
    assert_eq!(process.join_timeout(Duration::MAX).unwrap(), Some(7));
    assert!(!process.is_alive());
}

pub(crate) fn a_result_is_given_once() {
    let mut process = Process::spawn(|| 7, ()).unwrap();
    let taken: Result<Option<i32>, ProcessError> = process.join_timeout(Duration::from_mins(1));
    assert_eq!(taken.unwrap(), Some(7));
    let again = process.join_timeout(Duration::ZERO).unwrap_err();
    assert!(matches!(again.cause(), Cause::JoinedBefore), "{again}");
    assert!(matches!(
        process.try_join().unwrap_err().cause(),
        Cause::JoinedBefore
    ));
    assert!(matches!(
        process.join().unwrap_err().cause(),
        Cause::JoinedBefore
    ));
}

pub(crate) fn only_what_has_ended_is_closed() {
    let process = Process::spawn(forever, ()).unwrap();
    let process = process.close().expect_err("it runs");
    process.kill().unwrap();
    while process.is_alive() {}
    let pid = process.pid();
    process.close().unwrap();
    assert!(!exists(pid));
}

// PRC-010
pub(crate) fn a_sentinel_is_ready_when_the_process_has_ended() {
    let process = Process::spawn(forever, ()).unwrap();
    let ready = |timeout: PollTimeout| {
        let mut sentinel = [PollFd::new(process.sentinel(), PollFlags::POLLIN)];
        poll(&mut sentinel, timeout).unwrap() == 1
    };
    assert!(!ready(PollTimeout::ZERO));
    process.kill().unwrap();
    assert!(ready(PollTimeout::NONE));
    assert_eq!(ended(process), ExitStatus::Signal(9));
}

// PRC-001, PRC-003
pub(crate) fn a_process_knows_its_name_and_kind() {
    let describe = || {
        let me = current_process();
        assert_eq!(me.pid(), std::process::id());
        assert_eq!(me.start_method(), Some(procession_process::start_method()));
        (me.name().to_owned(), me.is_daemon())
    };
    let named = Process::builder().name("worker of mine").daemon(true);
    let described = named.spawn(describe, ()).unwrap().join().unwrap();
    assert_eq!(described, ("worker of mine".to_owned(), true));

    let inherits = || {
        let child = Process::spawn(|| current_process().is_daemon(), ()).unwrap();
        child.join().unwrap()
    };
    for daemon in [true, false] {
        let inherits = Process::builder().daemon(daemon).spawn(inherits, ());
        assert_eq!(inherits.unwrap().join().unwrap(), daemon);
    }
}

// PRC-011
pub(crate) fn many_processes_end_and_are_reaped() {
    let quick: Vec<_> = (0..100_u32)
        .map(|n| Process::spawn(|n: u32| n, (n,)).unwrap())
        .collect();
    let pids: Vec<u32> = quick.iter().map(Process::pid).collect();
    let results = quick.into_iter().map(|process| process.join().unwrap());
    assert!(results.eq(0..100));
    assert!(pids.into_iter().all(|pid| !exists(pid)));
}

// PRC-011
pub(crate) fn many_processes_are_terminated_at_once() {
    let start = |_| {
        let process = Process::spawn(forever, ()).unwrap();
        process.terminate().unwrap();
        process
    };
    let terminated: Vec<_> = (0..100).map(start).collect();
    for process in terminated {
        assert_eq!(ended(process), ExitStatus::Signal(15));
    }
}

// PRC-008
pub(crate) fn a_child_without_a_handle_is_active_until_it_ends() {
    super::alone(|| {
        let pid = dropped(Process::spawn(forever, ()).unwrap());
        let listed = || active_children().iter().any(|child| child.pid() == pid);
        assert!(alive(pid) && listed());
        kill9(pid);
        eventually("the dropped child has ended", || !alive(pid));
        assert!(!listed() && !exists(pid));
    });
}

pub(crate) fn a_handle_that_is_dropped_leaves_no_zombie() {
    super::alone(|| {
        let start = || Process::spawn(forever, ()).unwrap();
        let pids: Vec<u32> = (0..20).map(|_| dropped(start())).collect();
        let (started, last) = (start(), start());
        kill_and_see_end(&pids[..10]);
        let next = start();
        assert!(pids[..10].iter().all(|&pid| !exists(pid)));
        kill_and_see_end(&pids[10..]);
        drop(last);
        assert!(pids[10..].iter().all(|&pid| !exists(pid)));
        // Whoever has a handle takes the status with it.
        kill9(started.pid());
        assert_eq!(ended(started), ExitStatus::Signal(9));
        drop(next);
    });
}

pub(crate) fn a_handle_that_is_dropped_keeps_nobody_from_forking() {
    super::alone(|| {
        let pid = dropped(Process::spawn(forever, ()).unwrap());
        assert_eq!(Process::fork(|| 7).unwrap().join().unwrap(), 7);
        assert!(alive(pid));
    });
}

fn dropped(process: Process<()>) -> u32 {
    process.pid()
}

fn kill_and_see_end(pids: &[u32]) {
    pids.iter().copied().for_each(kill9);
    eventually("they have ended", || !pids.iter().any(|&pid| alive(pid)));
}

pub(crate) fn an_end_is_told_to_those_who_asked() {
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

pub(crate) fn a_child_of_a_thread_that_ended_lives_on() {
    let thread = std::thread::spawn(|| Process::spawn(forever, ()).unwrap());
    let process = thread.join().unwrap();
    let ended = process.wait_timeout(Duration::from_millis(300)).unwrap();
    assert_eq!(ended, None);
    process.kill().unwrap();
    assert!(process.join().is_err());
}

pub(crate) fn at_its_exit_a_process_waits_for_its_children_and_ends_its_daemons() {
    fn parent(mut pids: PipeWriter, done: PipeWriter) {
        let daemon = Process::builder().daemon(true).spawn(forever, ()).unwrap();
        pids.write_all(&daemon.pid().to_le_bytes()).unwrap();
        let write = |mut done: PipeWriter| {
            std::thread::sleep(Duration::from_millis(100));
            done.write_all(b"worked").unwrap();
        };
        let worker = Process::builder().daemon(false).spawn(write, (done,));
        drop(worker.unwrap());
    }
    let (mut pids, pids_end) = pipe().unwrap();
    let (mut work, work_end) = pipe().unwrap();
    let process = Process::spawn(parent, (pids_end, work_end)).unwrap();
    process.join().unwrap();
    let (mut pid, mut text) = ([0; 4], String::new());
    pids.read_exact(&mut pid).unwrap();
    assert!(!alive(u32::from_le_bytes(pid)));
    work.read_to_string(&mut text).unwrap();
    assert_eq!(text, "worked");
}

pub(crate) fn a_setup_runs_before_the_task_and_in_order() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn note(word: String) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(word);
    }
    let seen = || {
        inherit(note, "first".to_owned()).unwrap();
        inherit(note, "second".to_owned()).unwrap();
        let child = Process::spawn(|| SEEN.lock().unwrap().clone(), ()).unwrap();
        child.join().unwrap()
    };
    // In a process of its own, because what is inherited is so by every later child.
    assert_eq!(super::alone(seen), ["first", "second"]);
}

//! Ends that are not a return from the task.

use super::{ended, failure, forever};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, dup2_raw};
use procession_pipe::{Connection, Pipe};
use procession_process::{Cause, ExitStatus, Failure, Process};
use procession_testkit::{eventually, hush};
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::{Command, abort, exit};
use std::thread;
use std::time::Duration;

// PRC-017
pub(crate) fn four_ends_are_told_apart() {
    let exits = Process::spawn(|| -> () { exit(8) }, ()).unwrap();
    assert_eq!(ended(exits), ExitStatus::Code(8));
    let aborts = Process::spawn(|| -> () { abort() }, ()).unwrap();
    assert_eq!(ended(aborts), ExitStatus::Signal(6));
    let segfaults = Process::spawn(|| raise(Signal::SIGSEGV).unwrap(), ()).unwrap();
    assert_eq!(ended(segfaults), ExitStatus::Signal(11));
    let fours = || -> () {
        hush();
        panic!("four")
    };
    let panics = Process::spawn(fours, ()).unwrap();
    assert!(matches!(
        failure(panics).cause(),
        Cause::Call(Failure::Panicked(_))
    ));
}

fn status(process: &Process<()>) -> ExitStatus {
    let status = process.wait_timeout(Duration::MAX).unwrap();
    status.expect("it waits until the end")
}

// PRC-017
pub(crate) fn exit_codes_are_those_of_a_rust_program() {
    let returns = Process::spawn(|| (), ()).unwrap();
    assert_eq!(status(&returns), ExitStatus::Code(0));
    let panics = || -> () {
        hush();
        panic!()
    };
    let panics = Process::spawn(panics, ()).unwrap();
    assert_eq!(status(&panics), ExitStatus::Code(101));
    let fails = Process::spawn(|| -> anyhow::Result<()> { anyhow::bail!("no") }, ()).unwrap();
    assert_eq!(status(&fails), ExitStatus::Code(1));
}

// PRC-017
pub(crate) fn an_early_exit_is_not_a_result() {
    let exits = Process::spawn(|| -> () { exit(0) }, ()).unwrap();
    assert_eq!(ended(exits), ExitStatus::Code(0));
}

pub(crate) fn a_signal_that_has_no_name_is_reported_by_its_number() {
    let process = Process::spawn(forever, ()).unwrap();
    let real_time = libc::SIGRTMIN() + 3;
    // SAFETY: kill takes two integers; the process is this test's and has not been reaped.
    let sent = unsafe { libc::kill(process.pid().cast_signed(), real_time) };
    assert_eq!(sent, 0);
    let error = failure(process);
    assert!(matches!(error.cause(), Cause::Ended(ExitStatus::Signal(n)) if *n == real_time));
    let words = format!("was killed by signal {real_time}");
    assert!(error.to_string().contains(&words), "{error}");
}

fn deeper(depth: u64) -> u64 {
    let below = black_box([depth; 100]);
    if below[0] == u64::MAX {
        return 0;
    }
    deeper(depth + 1) + below[depth as usize % 100]
}

pub(crate) fn a_stack_that_overflows_is_reported() {
    let overflows = Process::spawn(|| deeper(black_box(0)), ()).unwrap();
    let status = ended(overflows);
    // Rust's handler of a segmentation fault, where it is installed, makes it an abort.
    let known = [Signal::SIGSEGV, Signal::SIGABRT].map(|signal| ExitStatus::Signal(signal as i32));
    assert!(known.contains(&status), "{status}");
}

pub(crate) fn a_panic_in_another_thread_of_the_child_is_that_threads_affair() {
    let panics = || {
        hush();
        thread::spawn(|| panic!("there")).join().is_err()
    };
    assert!(Process::spawn(panics, ()).unwrap().join().unwrap());
}

// PRC-013
pub(crate) fn threads_that_are_left_do_not_delay_the_end() {
    let leaves = || {
        thread::spawn(forever);
        thread::spawn(|| {
            loop {
                black_box(0);
            }
        });
        7
    };
    assert_eq!(Process::spawn(leaves, ()).unwrap().join().unwrap(), 7);
}

fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

pub(crate) fn a_stopped_child_is_alive_and_can_be_killed() {
    // In a group of its own: the kernel may tell all who are stopped in a group to go on when its
    // leader ends, as a shell does that started this test.
    let alone = Process::builder().process_group(0);
    let mut process = alone.spawn(forever, ()).unwrap();
    let pid = process.pid();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    eventually("the child is stopped", || is_stopped(pid));
    assert!(process.is_alive());
    assert_eq!(process.exit_status(), None);
    assert_eq!(
        process.join_timeout(Duration::from_millis(50)).unwrap(),
        None
    );
    // What stops it does not let it see a signal that it could handle.
    process.terminate().unwrap();
    assert!(process.is_alive());
    process.kill().unwrap();
    assert_eq!(ended(process), ExitStatus::Signal(9));
}

/// Closes everything, as a daemon of the old school does.
fn close_all() {
    for number in 0..1024 {
        let _ = nix::unistd::close(number);
    }
}

// The exit code of a child that cannot bring its result.
const REFUSED: ExitStatus = ExitStatus::Code(70);

pub(crate) fn a_child_that_closed_all_its_descriptors_is_reported() {
    let closes = Process::spawn(close_all, ()).unwrap();
    assert_eq!(ended(closes), REFUSED);
}

pub(crate) fn a_file_under_the_number_of_a_closed_socket_stays_clean() {
    let path = std::env::temp_dir().join(format!(
        "procession-clean-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    let closes = |path: String| -> u32 {
        close_all();
        let file = File::create(path).unwrap();
        for number in 0..64 {
            if std::os::fd::AsRawFd::as_raw_fd(&file) != number {
                // SAFETY: no other number below 64 is in use since all were closed.
                let copy = unsafe { dup2_raw(&file, number) };
                std::mem::forget(copy);
            }
        }
        7
    };
    let process = Process::spawn(closes, (path.to_str().unwrap().to_owned(),)).unwrap();
    assert_eq!(ended(process), REFUSED);
    assert_eq!(fs::read(&path).unwrap(), b"");
    fs::remove_file(path).unwrap();
}

fn become_a_shell(talk: Connection<(), ()>) {
    talk.recv().unwrap();
    let error = Command::new("sh").args(["-c", "exit 7"]).exec();
    panic!("{error}");
}

pub(crate) fn a_child_that_became_another_program_has_its_status() {
    let (here, there) = Pipe::duplex().unwrap();
    let process = Process::spawn(become_a_shell, (there,)).unwrap();
    assert!(process.is_alive());
    here.send(&()).unwrap();
    assert_eq!(ended(process), ExitStatus::Code(7));
}

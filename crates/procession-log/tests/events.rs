//! What becomes a record by itself: panics, and the ends of processes.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

mod common;

use common::{Log, run};
use procession_process::{Process, StartMethod};
use procession_testkit::{hush, watchdog};
use std::panic::catch_unwind;
use std::path::PathBuf;

procession_process::enable_in_tests!();

fn install(path: PathBuf) {
    let builder = procession_log::builder().file(path).panics().ends();
    let format = "%(processName)s|%(levelname)s|%(name)s|%(filename)s|%(message)s";
    builder.format(format).install().unwrap();
}

fn panic_in_all(path: PathBuf) {
    hush();
    install(path);
    assert!(catch_unwind(|| panic!("caught")).is_err());
    for method in StartMethod::ALL {
        let process = Process::builder().name(format!("{method:?}"));
        let process = process
            .start_method(method)
            .spawn(|| -> () { panic!("{}", "not caught") }, ());
        assert!(process.unwrap().join().is_err());
    }
}

// LOG-015
#[test]
fn a_panic_in_any_process_is_a_record() {
    let _watchdog = watchdog();
    let log = Log::new();
    let process = Process::builder()
        .name("root")
        .spawn(panic_in_all, (log.path.clone(),));
    process.unwrap().join().unwrap();
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    let whose = [
        "root",
        "ForkServer",
        "root",
        "Spawn",
        "root",
        "Fork",
        "root",
    ];
    let found: Vec<_> = lines
        .iter()
        .map(|line| line.split('|').next().unwrap())
        .collect();
    assert_eq!(found, whose);
    assert!(
        lines[0]
            .starts_with("root|ERROR|procession::panic|events.rs|thread 'MainThread' panicked at ")
    );
    assert!(lines[0].ends_with(": caught"));
    assert!(lines[1].ends_with(": not caught"));
    assert!(lines[2].starts_with("root|WARNING|procession::end|events.rs|`ForkServer` (pid "));
    assert!(lines[2].ends_with(") exited with code 101"));
}

fn end_in_many_ways(path: PathBuf) {
    install(path);
    let park = || std::thread::park();
    let named = |name: &str| Process::builder().name(name);
    named("well").spawn(|| (), ()).unwrap().join().unwrap();
    let killed = named("killed").spawn(park, ()).unwrap();
    killed.kill().unwrap();
    assert!(killed.join().is_err());
    let nested = || {
        let ended = Process::builder().name("ended").spawn(
            || nix::sys::signal::raise(nix::sys::signal::Signal::SIGALRM).unwrap(),
            (),
        );
        assert!(ended.unwrap().join().is_err());
    };
    named("nested").spawn(nested, ()).unwrap().join().unwrap();
    // One whose handle is dropped is seen at the next start.
    let dropped = named("dropped").spawn(park, ()).unwrap();
    dropped.terminate().unwrap();
    while dropped.is_alive() {}
    drop(dropped);
}

// LOG-016
#[test]
fn each_end_that_is_no_success_is_a_record_of_the_parent_s() {
    let _watchdog = watchdog();
    let log = Log::new();
    let process = Process::builder()
        .name("root")
        .spawn(end_in_many_ways, (log.path.clone(),));
    process.unwrap().join().unwrap();
    let text = log.text();
    let without_pid = |line: &str| {
        let (before, after) = line.split_once(" (pid ").unwrap();
        format!("{before}{}", after.split_once(')').unwrap().1)
    };
    let lines: Vec<String> = text.lines().map(without_pid).collect();
    let line = |whose, what| format!("{whose}|WARNING|procession::end|events.rs|{what}");
    assert_eq!(
        lines,
        [
            line("root", "`killed` was killed by SIGKILL (signal 9)"),
            line("nested", "`ended` was killed by SIGALRM (signal 14)"),
            line("root", "`dropped` was killed by SIGTERM (signal 15)"),
        ]
    );
}

#[test]
fn without_being_asked_for_neither_is_a_record() {
    let _watchdog = watchdog();
    let log = Log::new();
    let quiet = |path: PathBuf| {
        hush();
        procession_log::builder().file(path).install().unwrap();
        assert!(
            Process::spawn(|| -> () { panic!("oh") }, ())
                .unwrap()
                .join()
                .is_err()
        );
    };
    run(quiet, (log.path.clone(),));
    assert_eq!(log.text(), "");
}

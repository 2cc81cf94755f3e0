//! Several processes that log to one file, and what is there when they are killed.

mod common;

use common::{Log, run};
use log::LevelFilter;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use procession_process::{Cause, ExitStatus, Process, ProcessError, StartMethod};
use procession_testkit::watchdog;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

procession_process::enable_in_tests!();

const PROCESSES: usize = 4;
const RECORDS: usize = 1500;

fn install(path: PathBuf, format: &str) {
    let builder = procession_log::builder().file(path).format(format);
    builder
        .level(LevelFilter::Info)
        .install()
        .expect("the file can be opened");
}

/// The text of a record: of many lengths, some beyond what a pipe or a page holds.
fn body(record: usize) -> String {
    "x".repeat(if record.is_multiple_of(50) {
        20_000
    } else {
        record % 97
    })
}

fn log_many() {
    for record in 0..RECORDS {
        log::info!("{record}:{}", body(record));
    }
}

fn start_worker(number: usize) -> Process<()> {
    let named = Process::builder().name(format!("worker-{number}"));
    named.spawn(log_many, ()).expect("a process starts")
}

fn log_from_many_processes(path: PathBuf) {
    install(path, "%(processName)-10s|%(message)s|");
    let processes: Vec<_> = (0..PROCESSES).map(start_worker).collect();
    for process in processes {
        process.join().expect("it logs and ends");
    }
}

#[test]
fn each_record_of_each_process_is_a_whole_line() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(log_from_many_processes, (log.path.clone(),));
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.text().lines() {
        let (name, message) = line.strip_suffix('|').unwrap().split_once('|').unwrap();
        let record = next.entry(name.to_owned()).or_default();
        assert_eq!(message, format!("{record}:{}", body(*record)));
        *record += 1;
    }
    let names: Vec<_> = next.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["worker-0  ", "worker-1  ", "worker-2  ", "worker-3  "]
    );
    assert!(next.values().all(|&records| records == RECORDS));
}

fn log_and_die(words: String) {
    log::info!("{words}");
    raise(Signal::SIGKILL).expect("this process can be killed");
}

fn lose_a_child_then_die(path: PathBuf) {
    install(path, "%(message)s");
    let child = Process::spawn(log_and_die, ("the child's last words".to_owned(),));
    let error = child
        .expect("a process starts")
        .join()
        .expect_err("it dies");
    assert!(killed(&error));
    log_and_die("the parent's last words".to_owned());
}

fn killed(error: &ProcessError) -> bool {
    matches!(error.cause(), Cause::Ended(ExitStatus::Signal(9)))
}

#[test]
fn a_kill_right_after_a_record_loses_nothing() {
    let _watchdog = watchdog();
    let log = Log::new();
    let process = Process::spawn(lose_a_child_then_die, (log.path.clone(),)).unwrap();
    assert!(killed(&process.join().unwrap_err()));
    assert_eq!(
        log.text(),
        "the child's last words\nthe parent's last words\n"
    );
}

fn descend(depth: u32) {
    log::info!("{depth}");
    if depth > 0 {
        run(descend, (depth - 1,));
    }
}

fn log_down(path: PathBuf) {
    install(path, "%(message)s");
    descend(3);
}

#[test]
fn children_of_children_log_too() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(log_down, (log.path.clone(),));
    assert_eq!(log.text(), "3\n2\n1\n0\n");
}

fn change_levels(path: PathBuf) -> Vec<String> {
    install(path, "%(message)s");
    let level = || {
        let enabled = log::Level::iter().filter(|&level| log::log_enabled!(level));
        enabled.map(|level| level.to_string()).collect::<String>()
    };
    let child = || run(level, ());
    let mut levels = vec![child()];
    procession_log::set_filter("trace").expect("the filter is right");
    log::set_max_level(LevelFilter::Debug);
    levels.push(child());
    log::set_max_level(LevelFilter::Off);
    levels.push(child());
    run(|| log::set_max_level(LevelFilter::Warn), ());
    levels.push(level());
    levels
}

// LOG-002
#[test]
fn a_child_begins_with_the_level_of_its_parent() {
    let _watchdog = watchdog();
    let log = Log::new();
    let levels = run(change_levels, (log.path.clone(),));
    assert_eq!(levels, ["ERRORWARNINFO", "ERRORWARNINFODEBUG", "", ""]);
}

fn rename_file(path: PathBuf) {
    install(path.clone(), "%(message)s");
    log::info!("one");
    fs::rename(&path, path.with_extension("1")).expect("a file can be renamed");
    log::info!("two");
    run(|| log::info!("three"), ());
}

#[test]
fn a_file_that_is_renamed_goes_on() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(rename_file, (log.path.clone(),));
    let renamed = fs::read_to_string(log.path.with_extension("1")).unwrap();
    assert_eq!(renamed, "one\ntwo\nthree\n");
    assert!(!log.path.exists());
}

fn log_to_full_disk() -> u64 {
    install(PathBuf::from("/dev/full"), "%(message)s");
    log::info!("one");
    log::info!("two");
    procession_log::lost()
}

#[test]
fn what_cannot_be_written_is_counted() {
    let _watchdog = watchdog();
    assert_eq!(run(log_to_full_disk, ()), 2);
}

fn limit_file_size(bytes: u64) {
    setrlimit(Resource::RLIMIT_FSIZE, bytes, u64::MAX).expect("a limit may be set");
}

/// Logs while the disk is full for a moment; returns how many records were lost.
fn log_beyond_limit(path: PathBuf) -> u64 {
    install(path, "%(message)s");
    limit_file_size(12);
    log::info!("first");
    log::info!("cut short");
    log::info!("lost");
    limit_file_size(u64::MAX);
    log::info!("last");
    procession_log::lost()
}

// PRC-061
#[test]
fn a_record_after_one_that_was_cut_short_is_a_line_of_its_own() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        let log = Log::new();
        let in_child = |path: PathBuf, method: StartMethod| {
            let builder = Process::builder().start_method(method);
            anyhow::Ok(builder.spawn(log_beyond_limit, (path,))?.join()?)
        };
        assert_eq!(run(in_child, (log.path.clone(), method)), 2);
        assert_eq!(log.text(), "first\ncut sh\nlast\n");
    }
}

fn log_for_ever() {
    for record in 0_u64.. {
        log::info!("{record}");
    }
}

/// Stops a process that logs, again and again, and logs here meanwhile.
fn log_beside_the_stopped(path: PathBuf) -> anyhow::Result<()> {
    install(path, "%(processName)s %(message)s");
    let process = Process::builder().name("stopped").spawn(log_for_ever, ())?;
    let signal = |signal| kill(Pid::from_raw(process.pid().cast_signed()), signal);
    for round in 0..STOPS {
        signal(Signal::SIGSTOP)?;
        for record in 0..3 {
            log::info!("{round}.{record}");
        }
        signal(Signal::SIGCONT)?;
        log::info!("{round}.3");
    }
    process.kill()?;
    assert!(process.join().is_err());
    log::info!("the end");
    assert_eq!(procession_log::lost(), 0);
    Ok(())
}

const STOPS: usize = 20;

// LOG-017
#[test]
fn a_process_that_is_stopped_within_a_record_holds_up_no_other() {
    let _watchdog = watchdog();
    let log = Log::new();
    let root = Process::builder().name("root");
    let root = root.spawn(log_beside_the_stopped, (log.path.clone(),));
    root.expect("a process starts").join().expect("it logs");
    let text = log.text();
    let own: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("root "))
        .collect();
    let mut expected: Vec<String> = (0..STOPS)
        .flat_map(|round| (0..4).map(move |record| format!("{round}.{record}")))
        .collect();
    expected.push("the end".to_owned());
    assert_eq!(own, expected);
}

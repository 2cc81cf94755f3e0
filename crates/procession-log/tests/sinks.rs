//! Where records go, and what happens when they cannot.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

mod common;

use common::{Log, run};
use procession_process::{Process, Stdio};
use procession_testkit::watchdog;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

procession_process::enable_in_tests!();

fn log_to_both(path: PathBuf) {
    let builder = procession_log::builder().file(path).truncate().stderr();
    builder
        .format("%(processName)s %(message)s")
        .install()
        .unwrap();
    log::error!("one");
    run(|| log::error!("two"), ());
}

#[test]
fn records_go_to_the_file_and_to_standard_error() {
    let _watchdog = watchdog();
    let log = Log::new();
    fs::write(&log.path, "before\n").unwrap();
    let process = Process::builder().name("root").stderr(Stdio::piped());
    let mut process = process.spawn(log_to_both, (log.path.clone(),)).unwrap();
    let mut printed = String::new();
    let mut stderr = process.take_stderr().expect("it has a pipe");
    stderr.read_to_string(&mut printed).unwrap();
    process.join().unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "root one");
    assert!(lines[1].starts_with("Process-") && lines[1].ends_with(" two"));
    assert_eq!(log.text(), printed);
}

fn log_without_reader(path: PathBuf) -> u64 {
    // The parent has closed its end by now.
    let builder = procession_log::builder().file(path).stderr();
    builder.format("%(message)s").install().unwrap();
    for record in 0..3 {
        log::error!("{record}");
    }
    procession_log::lost()
}

// LOG-010
#[test]
fn a_closed_standard_error_keeps_nothing_from_the_file() {
    let _watchdog = watchdog();
    let log = Log::new();
    let process = Process::builder().stderr(Stdio::piped());
    let wait_then_log = |path: PathBuf| {
        while nix::unistd::write(std::io::stderr(), b"x").is_ok() {}
        log_without_reader(path)
    };
    let mut process = process.spawn(wait_then_log, (log.path.clone(),)).unwrap();
    drop(process.take_stderr());
    assert_eq!(process.join().unwrap(), 3);
    assert_eq!(log.text(), "0\n1\n2\n");
}

fn log_to_full_disk() -> u64 {
    procession_log::builder()
        .file("/dev/full")
        .install()
        .unwrap();
    log::error!("one");
    let child = run(
        || {
            log::error!("two");
            procession_log::lost()
        },
        (),
    );
    child + procession_log::lost()
}

// LOG-009
#[test]
fn a_full_disk_is_told_of_once() {
    let _watchdog = watchdog();
    let process = Process::builder().stderr(Stdio::piped());
    let mut process = process.spawn(log_to_full_disk, ()).unwrap();
    let mut printed = String::new();
    let mut stderr = process.take_stderr().expect("it has a pipe");
    stderr.read_to_string(&mut printed).unwrap();
    assert_eq!(process.join().unwrap(), 2);
    let told = "procession: records are lost: No space left on device (os error 28)\n";
    assert_eq!(printed, told);
}

fn log_json(path: PathBuf) {
    procession_log::builder()
        .file(path)
        .json()
        .install()
        .unwrap();
    let thread = std::thread::Builder::new().name("second".to_owned());
    let odd = "a \"quoted\"\n\u{1} text \u{2028}";
    let log = move || log::error!(target: "tar\"get", number = 7, truth = true, part = 0.5, text:? = 'x'; "{odd}");
    thread.spawn(log).unwrap().join().unwrap();
    log::logger().log(&log::Record::builder().level(log::Level::Warn).build());
}

// LOG-011
#[test]
fn json_has_one_object_in_each_line() {
    let _watchdog = watchdog();
    let log = Log::new();
    let named = Process::builder().name("khanh");
    let process = named.spawn(log_json, (log.path.clone(),)).unwrap();
    let pid = process.pid();
    process.join().unwrap();
    let text = log.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [first, second] = &*lines else {
        panic!("{text}");
    };
    assert_eq!(first["level"], "ERROR");
    assert_eq!(first["target"], "tar\"get");
    assert_eq!(first["process"], "khanh");
    assert_eq!(first["pid"], pid);
    assert_eq!(first["thread"], "second");
    assert_ne!(first["tid"], pid);
    assert_eq!(first["module"], "sinks");
    assert!(first["file"].as_str().unwrap().ends_with("tests/sinks.rs"));
    assert!(first["line"].is_u64());
    assert_eq!(first["message"], "a \"quoted\"\n\u{1} text \u{2028}");
    let fields = serde_json::json!({"number": 7, "truth": true, "part": 0.5, "text": "'x'"});
    assert_eq!(first["fields"], fields);
    let time: jiff::Timestamp = first["time"].as_str().unwrap().parse().unwrap();
    assert!(time <= jiff::Timestamp::now());
    assert_eq!(second["message"], "");
    assert!(second.get("module").is_none() && second.get("fields").is_none());
}

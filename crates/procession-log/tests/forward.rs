//! Records that come to the logger which the root has already.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

mod common;

use common::{Log, run};
use log::{Level, LevelFilter, Metadata, Record};
use nix::sys::signal::{Signal, raise};
use procession_log::{LogError, flush};
use procession_process::{Process, StartMethod};
use procession_testkit::{eventually, hush, watchdog};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const LONG: Duration = Duration::from_secs(20);

/// A logger of the program's own, which keeps what it is given.
struct Kept {
    lines: Mutex<Vec<String>>,
    /// Whether it stands still.
    stands: AtomicBool,
}

static KEPT: Kept = Kept {
    lines: Mutex::new(Vec::new()),
    stands: AtomicBool::new(false),
};

impl log::Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() != "unwanted"
    }

    fn log(&self, record: &Record<'_>) {
        while self.stands.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        let field = |name: &str| {
            let value = record.key_values().get(name.into());
            value.map_or("-".to_owned(), |value| value.to_string())
        };
        let (process, pid, number) = (field("process"), field("pid"), field("number"));
        let (level, target, text) = (record.level(), record.target(), record.args());
        assert_ne!(text.to_string(), "panic", "this logger panics");
        let line = record.line().is_some();
        let line = format!("{process}|{pid}|{level}|{target}|{line}|{number}|{text}");
        let lines = self.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn flush(&self) {}
}

fn install() -> procession_log::Builder {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(LevelFilter::Debug);
    procession_log::builder().forward().filter("info")
}

fn lines() -> Vec<String> {
    assert!(flush(LONG));
    KEPT.lines.lock().unwrap().clone()
}

fn log_down(depth: u32) -> u32 {
    log::info!(target: "app", number = depth; "depth {depth}");
    log::debug!("not wanted");
    log::error!(target: "unwanted", "");
    if depth > 0 {
        run(log_down, (depth - 1,));
    }
    std::process::id()
}

fn forward_from_all() -> Vec<String> {
    install().install().unwrap();
    let mut expected = Vec::new();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let named = Process::builder().name("first").start_method(method);
        let pid = named.spawn(log_down, (0,)).unwrap().join().unwrap();
        expected.push(format!("first|{pid}|INFO|app|true|0|depth 0"));
    }
    // The logger of this process has one order for what it is given: theirs first.
    assert_eq!(lines(), expected);
    log::info!(target: "app", "here");
    expected.push("-|-|INFO|app|true|-|here".to_owned());
    assert_eq!(lines(), expected);
    lines()
}

// LOG-012
#[test]
fn records_of_children_come_to_the_logger_with_their_process() {
    let _watchdog = watchdog();
    assert_eq!(run(forward_from_all, ()).len(), 3);
}

/// Starts copies of this process, which has one thread, and a detached process.
fn log_in_copies() {
    log::info!("one");
    let copy = Process::builder().name("copy");
    copy.fork(|| log::info!("two")).unwrap().join().unwrap();
    let detached = Process::builder().name("detached").detached(true);
    detached
        .spawn(|| log::info!("three"), ())
        .unwrap()
        .join()
        .unwrap();
}

fn forward_from_descendants() -> Vec<String> {
    install().install().unwrap();
    let inner = Process::builder().name("inner");
    inner.spawn(log_in_copies, ()).unwrap().join().unwrap();
    run(log_down, (2,));
    lines()
}

// LOG-012
#[test]
fn children_of_children_forward_too_however_they_are_started() {
    let _watchdog = watchdog();
    let lines = run(forward_from_descendants, ());
    let ends = lines.iter().map(|line| {
        let (process, rest) = line.split_once('|').unwrap();
        format!("{process} {}", rest.rsplit_once('|').unwrap().1)
    });
    let ends: Vec<String> = ends.collect();
    assert_eq!(ends[..3], ["inner one", "copy two", "detached three"]);
    assert!(
        ends[3].ends_with(" depth 2") && ends[5].ends_with(":1:1 depth 0"),
        "{ends:?}"
    );
}

fn log_and_die() {
    for record in 0..100 {
        log::info!("{record}");
    }
    raise(Signal::SIGKILL).unwrap();
}

fn forward_from_the_dead() -> Vec<String> {
    install().install().unwrap();
    assert!(Process::spawn(log_and_die, ()).unwrap().join().is_err());
    lines()
}

// LOG-013
#[test]
fn a_kill_right_after_a_record_does_not_lose_it() {
    let _watchdog = watchdog();
    let lines = run(forward_from_the_dead, ());
    assert_eq!(lines.len(), 100);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.ends_with(&format!("|{number}")), "{line}");
    }
}

fn log_too_much() -> u64 {
    for _ in 0..20_000 {
        log::info!("much");
    }
    procession_log::lost()
}

fn forward_to_one_that_stands() -> anyhow::Result<(u64, usize)> {
    hush();
    install().install()?;
    KEPT.stands.store(true, Ordering::Relaxed);
    // It ends, though nobody takes its records.
    let lost = run(log_too_much, ());
    assert!(!flush(Duration::from_millis(10)));
    KEPT.stands.store(false, Ordering::Relaxed);
    let kept = lines().len();
    // Once there is room, all is as before.
    assert_eq!(
        run(
            || {
                log::info!("again");
                procession_log::lost()
            },
            ()
        ),
        0
    );
    assert!(lines().last().unwrap().ends_with("again"));
    Ok((lost, kept))
}

// LOG-014
#[test]
fn a_logger_that_stands_still_holds_up_nobody() {
    let _watchdog = watchdog();
    let (lost, kept) = run(forward_to_one_that_stands, ());
    assert!(lost > 0 && kept > 5000);
    assert_eq!(lost + kept as u64, 20_000);
}

fn forward_to_one_that_panics() -> Vec<String> {
    hush();
    install().panics().install().unwrap();
    run(
        || {
            log::info!("panic");
            log::info!("after it");
        },
        (),
    );
    lines()
}

// LOG-014
#[test]
fn a_logger_that_panics_gets_the_next_record_all_the_same() {
    let _watchdog = watchdog();
    let lines = run(forward_to_one_that_panics, ());
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("|after it"));
}

fn forward_and_write(path: PathBuf) -> Vec<String> {
    let builder = install().file(path).format("%(processName)s %(message)s");
    builder.panics().ends().install().unwrap();
    let child = Process::builder().name("child").spawn(
        || -> () {
            hush();
            log::info!("one");
            panic!("two");
        },
        (),
    );
    assert!(child.unwrap().join().is_err());
    lines()
}

#[test]
fn a_file_beside_the_logger_has_the_records_of_children() {
    let _watchdog = watchdog();
    let log = Log::new();
    let lines = run(forward_and_write, (log.path.clone(),));
    assert!(lines[0].starts_with("child|") && lines[0].ends_with("|one"));
    assert!(lines[1].starts_with("child|") && lines[1].ends_with(": two"));
    assert!(lines[1].contains("|ERROR|procession::panic|true|"));
    assert!(lines[2].starts_with("-|-|WARN|procession::end|"));
    assert_eq!(lines.len(), 3);
    let text = log.text();
    let written: Vec<&str> = text.lines().collect();
    assert_eq!(written.len(), 2);
    assert_eq!(written[0], "child one");
    assert!(written[1].starts_with("child thread 'MainThread' panicked at "));
}

fn forward_to_nothing() -> bool {
    let refused = procession_log::builder().forward().install();
    matches!(refused, Err(LogError::NoLogger))
}

#[test]
fn without_a_logger_there_is_nothing_to_forward_to() {
    let _watchdog = watchdog();
    assert!(run(forward_to_nothing, ()));
}

/// Exits while records are on their way; the logger writes what it got at the end.
fn exit_at_once(path: PathBuf) {
    // What is registered first is called last.
    let write = move || {
        let lines = KEPT.lines.lock().unwrap().join("\n");
        fs::write(path, lines).unwrap();
    };
    procession_process::at_exit(i32::MIN, write).unwrap();
    install().install().unwrap();
    Process::spawn(|| (0..1000).for_each(|n| log::info!("{n}")), ()).unwrap();
    assert_eq!(log::max_level(), Level::Debug);
}

#[test]
fn the_exit_of_the_root_waits_for_what_its_children_log() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(exit_at_once, (log.path.clone(),));
    eventually("it has exited", || {
        fs::read_to_string(&log.path).is_ok_and(|text| !text.is_empty())
    });
    assert_eq!(log.text().lines().count(), 1000);
}

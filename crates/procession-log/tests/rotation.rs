//! A file that is changed for a new one while several processes write to it.

mod common;
#[path = "common/rotated.rs"]
mod rotated;

use common::{Log, run};
use procession_pipe::{Connection, Pipe};
use procession_process::{Process, StartMethod};
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::watchdog;
use rotated::{LIMIT, body, files, install};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

procession_process::enable_in_tests!();

const RECORDS: usize = 500;

/// Returns the path of an old file.
fn old(path: &Path, suffix: impl ToString) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix.to_string());
    name.into()
}

/// Logs a record that makes the file change, when it is told to.
fn log_one_more(go: Connection<(), ()>) {
    go.recv().expect("it is told");
    steps::begin();
    log::info!("{}", body(0));
    steps::end();
}

/// Kills a process within its change of the file, and logs from here afterwards. Returns whether the
/// process had handed its record over, and how many instructions that took.
fn cut_short(path: PathBuf, after: usize) -> anyhow::Result<Option<usize>> {
    install(path.clone(), usize::MAX);
    // The next record does not fit; nor did those before.
    for number in 1..4 {
        fs::write(old(&path, number), "")?;
    }
    let long = "y".repeat(LIMIT as usize - 20);
    log::info!("{long}");
    let (here, there) = Pipe::duplex::<(), ()>()?;
    let child = Process::builder()
        .name("killed")
        .spawn(log_one_more, (there,))?;
    let traced = Traced::new(child.pid());
    here.send(&())?;
    let reached = traced.kill_after(after);
    assert!(child.join().is_err());
    log::info!("after it");
    log::info!("and again");
    Ok(match reached {
        Reached::Inside => None,
        Reached::End(steps) => Some(steps),
    })
}

// LOG-007
#[test]
fn a_kill_at_any_instruction_of_a_change_loses_nothing() {
    let _watchdog = watchdog();
    let reached = |after: usize| {
        let log = Log::new();
        let reached = run(cut_short, (log.path.clone(), after));
        let texts = files(&log.path);
        let lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
        assert!(
            lines[0].contains("yyyy") && lines[0].ends_with('|'),
            "{after}: {lines:?}"
        );
        let rest: Vec<_> = lines[1..]
            .iter()
            .map(|line| line.split('|').nth(1))
            .collect();
        let (last, own) = (["after it", "and again"].map(Some), body(0));
        let killed = &rest[..rest.len() - 2];
        assert_eq!(rest[rest.len() - 2..], last, "{after}");
        assert!(killed.is_empty() || killed == [Some(&*own)], "{after}");
        assert!(reached.is_none() || !killed.is_empty(), "{after}");
        // What is written after the kill is in the new file.
        assert!(log.text().contains("and again"), "{after}");
        assert!(!log.text().contains("yyyy"), "{after}");
        reached
    };
    let instructions = reached(usize::MAX).expect("it is not killed before the end");
    let kills = match std::env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        None => 6,
    };
    for kill in 0..kills {
        reached(kill * instructions / kills);
    }
}

/// Logs at each message but an empty one, which is the last.
fn log_when_told(told: Connection<(), String>) {
    while let Some(text) = told.recv().ok().filter(|it| !it.is_empty()) {
        log::info!("{text}");
        told.send(&()).expect("the parent waits");
    }
}

fn leave_one_behind(path: PathBuf) -> anyhow::Result<()> {
    // The name is relative, and the children have another directory.
    std::env::set_current_dir(path.parent().expect("it is in a folder"))?;
    install("test.log".into(), usize::MAX);
    let mut running = Vec::new();
    for method in StartMethod::ALL {
        let (here, there) = Pipe::duplex::<String, ()>()?;
        let process = Process::builder().current_dir("/").start_method(method);
        running.push((here, process.spawn(log_when_told, (there,))?));
    }
    for (connection, _) in &running {
        connection.send(&"before".to_owned())?;
        connection.recv()?;
    }
    log::info!("{}", "y".repeat(LIMIT as usize));
    log::info!("new");
    for (connection, process) in running {
        connection.send(&"after".to_owned())?;
        connection.recv()?;
        connection.send(&String::new())?;
        process.join()?;
    }
    Ok(())
}

#[test]
fn each_process_goes_on_in_the_new_file_with_its_next_record() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(leave_one_behind, (log.path.clone(),));
    let texts = files(&log.path);
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[0].matches("before|").count(), 3);
    assert_eq!(texts[2].matches("after|").count(), 3);
    assert_eq!(texts[2].lines().count(), 4);
}

fn log_some(path: PathBuf, keep: usize) {
    install(path, keep);
    for record in 0..RECORDS {
        log::info!("{}", body(record));
    }
}

#[test]
fn the_oldest_files_are_removed() {
    let _watchdog = watchdog();
    for keep in [0, 1, 3] {
        let log = Log::new();
        run(log_some, (log.path.clone(), keep));
        let texts = files(&log.path);
        assert_eq!(texts.len(), keep + 1);
        let last = texts[keep].lines().last().expect("the last is there");
        assert!(last.ends_with(&format!("|{}|", body(RECORDS - 1))));
        assert_eq!(
            fs::read_dir(log.path.parent().unwrap()).unwrap().count(),
            keep + 1
        );
    }
}

fn log_daily(path: PathBuf, keep: usize, text: String) {
    let builder = procession_log::builder().file(path).format("%(message)s");
    builder
        .rotate_daily()
        .keep(keep)
        .install()
        .expect("it can be opened");
    log::error!("{text}");
    log::error!("again");
}

// LOG-008
#[test]
fn a_file_of_another_day_is_named_after_it() {
    let _watchdog = watchdog();
    let log = Log::new();
    let folder = log.path.parent().unwrap();
    let names = || {
        let names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    // Noon, so that a few hours more or less are the same day anywhere.
    let day = |number: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(number * 86400 + 43200);
    for (number, text) in [(20_000, "one"), (20_000, "two"), (20_001, "three")] {
        run(log_daily, (log.path.clone(), usize::MAX, text.to_owned()));
        let file = File::options().append(true).open(&log.path).unwrap();
        file.set_modified(day(number)).unwrap();
    }
    let two = ["test.log", "test.log.2024-10-04", "test.log.2024-10-04.1"];
    assert_eq!(names(), two);
    run(log_daily, (log.path.clone(), usize::MAX, "four".to_owned()));
    let all = [
        "test.log",
        "test.log.2024-10-04",
        "test.log.2024-10-04.1",
        "test.log.2024-10-05",
    ];
    assert_eq!(names(), all);
    assert_eq!(log.text(), "four\nagain\n");
    let first = fs::read_to_string(folder.join("test.log.2024-10-04")).unwrap();
    assert_eq!(first, "one\nagain\n");
    let file = File::options().append(true).open(&log.path).unwrap();
    file.set_modified(day(20_002)).unwrap();
    fs::write(folder.join("test.log.other"), "not ours").unwrap();
    run(log_daily, (log.path.clone(), 2, "five".to_owned()));
    let left = [
        "test.log",
        "test.log.2024-10-05",
        "test.log.2024-10-06",
        "test.log.other",
    ];
    assert_eq!(names(), left);
}

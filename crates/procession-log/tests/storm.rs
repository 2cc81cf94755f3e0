//! Processes that log, and of which some are killed, while the file is changed for a new one again and again.
//!
//! With `PROCESSION_STORM_KILLS` there are 8 processes and 100,000 records.

mod common;
#[path = "common/rotated.rs"]
mod rotated;

use common::{Log, run};
use procession_process::{Process, StartMethod};
use procession_shm::Shared;
use procession_testkit::{eventually, watchdog};
use rotated::{body, files, install};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

procession_process::enable_in_tests!();

const PROCESSES: usize = 4;
const RECORDS: usize = 500;

/// Logs, and notes what was handed over.
fn log_many(done: Shared<AtomicUsize>, records: usize) {
    for record in 0..records {
        log::info!("{}", body(record));
        done.store(record + 1, Ordering::SeqCst);
    }
}

/// Checks that each line is whole, and that those of each process are in order from the first; returns how
/// many each has. What a kill within the write has left of a record may be the last line of that process.
fn counted(texts: &[String]) -> BTreeMap<String, usize> {
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    let mut cut_short: BTreeMap<String, String> = BTreeMap::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        let (name, message) = line.split_once('|').unwrap_or((line, ""));
        assert!(!cut_short.contains_key(name), "{name} was cut short before");
        let record = next.entry(name.to_owned()).or_default();
        if message == format!("{}|", body(*record)) {
            *record += 1;
        } else {
            assert!(body(*record).starts_with(message), "not whole: {line}");
            cut_short.insert(name.to_owned(), message.to_owned());
        }
    }
    for name in cut_short.into_keys() {
        // Also of a name something may be left.
        let number = name
            .strip_prefix("worker-")
            .and_then(|it| it.parse::<usize>().ok());
        assert!(
            number.is_none_or(|number| number % 2 == 0),
            "{name} was not killed"
        );
        next.entry(name).or_default();
    }
    next
}

/// Starts processes that log, kills some of them, and returns how many records each had handed over.
fn storm(path: PathBuf) -> anyhow::Result<Vec<(String, usize)>> {
    install(path, usize::MAX);
    let (processes, records) = if std::env::var_os("PROCESSION_STORM_KILLS").is_some() {
        (8, 12_500)
    } else {
        (PROCESSES, RECORDS)
    };
    let mut running = Vec::new();
    for number in 0..processes {
        let method = StartMethod::ALL[number % 3];
        let name = format!("worker-{number}");
        let done = Shared::new(AtomicUsize::new(0))?;
        let process = Process::builder().name(&name).start_method(method);
        let process = process.spawn(log_many, (done.clone(), records))?;
        running.push((name, done, process));
    }
    // Half of them are killed, each after it has logged some more than the one before.
    for (number, (_, done, process)) in running.iter().enumerate() {
        if number % 2 == 0 {
            let some = records * (number + 1) / (processes + 1);
            eventually("it logs", || done.load(Ordering::SeqCst) >= some);
            process.kill()?;
        }
    }
    let mut counts = Vec::new();
    for (name, done, process) in running {
        let _ = process.join();
        counts.push((name, done.load(Ordering::SeqCst)));
    }
    Ok(counts)
}

// LOG-006
#[test]
fn no_record_is_lost_by_kills_and_changes_of_the_file() {
    let _watchdog = watchdog();
    let log = Log::new();
    let handed_over = run(storm, (log.path.clone(),));
    let texts = files(&log.path);
    assert!(texts.len() > 2, "it is changed often: {}", texts.len());
    assert_eq!(texts.last(), Some(&log.text()));
    let written = counted(&texts);
    for (name, count) in handed_over {
        // The record that a process was at when it was killed may be there.
        let found = written.get(&name).copied().unwrap_or(0);
        assert!(
            (count..=count + 1).contains(&found),
            "{name}: {found} of {count}"
        );
    }
}

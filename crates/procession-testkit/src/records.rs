//! The log records of a test program, or of a process that a test has made.

use log::{LevelFilter, Log, Metadata, Record};
use std::sync::{Mutex, PoisonError};

/// Keeps the records of its process.
struct Kept(Mutex<Vec<String>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(line);
    }

    fn flush(&self) {}
}

/// Has this process keep its records up to `level`.
///
/// # Panics
///
/// If it has a logger.
pub fn keep(level: LevelFilter) {
    log::set_logger(&KEPT).expect("there is no other logger");
    log::set_max_level(level);
}

/// Returns what was kept, each record with its level before it.
pub fn kept() -> Vec<String> {
    let kept = KEPT.0.lock().unwrap_or_else(PoisonError::into_inner);
    kept.clone()
}

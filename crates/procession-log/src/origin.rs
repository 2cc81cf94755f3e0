//! Where the values of a record's attributes come from.

use crate::moment::Moment;
use log::{Level, Record};
use procession_os::own_pid;
use procession_os::parent::on_main_thread;
use procession_process::current_process;
use std::borrow::Cow;
use std::thread;

/// A record, with what the `log` crate does not know of it.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) record: &'a Record<'a>,
    /// When the record was made: one moment for all that shows it.
    pub(crate) moment: Moment,
    /// When the log was set up in this process.
    pub(crate) start: Moment,
    /// The process and thread, if it is not this one's record.
    pub(crate) other: Option<&'a Other>,
}

/// Another process and its thread.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Other {
    pub(crate) process: String,
    pub(crate) pid: u32,
    pub(crate) thread: String,
    pub(crate) tid: u64,
}

impl<'a> Origin<'a> {
    /// A record of the calling thread.
    pub(crate) fn here(record: &'a Record<'a>, start: Moment) -> Self {
        Self {
            record,
            start,
            moment: Moment::now(),
            other: None,
        }
    }

    pub(crate) fn process(&self) -> &'a str {
        self.other
            .map_or_else(|| current_process().name(), |other| &other.process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.other.map_or_else(own_pid, |other| other.pid)
    }

    pub(crate) fn thread(&self) -> Cow<'a, str> {
        match self.other {
            Some(other) => Cow::Borrowed(&other.thread),
            None => thread_name(),
        }
    }

    pub(crate) fn tid(&self) -> u64 {
        self.other.map_or_else(thread_number, |other| other.tid)
    }

    /// Returns the source file, or what Python writes if there is none.
    pub(crate) fn path(&self) -> &'a str {
        self.record.file().unwrap_or("(unknown file)")
    }

    /// Returns the source file without its folder.
    pub(crate) fn filename(&self) -> &'a str {
        let path = self.path();
        path.rsplit_once('/').map_or(path, |(_, name)| name)
    }
}

/// Returns Python's name for a level.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARNING",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    }
}

/// Returns Python's number for a level; it has none for `Trace`, which is below its `DEBUG`.
pub(crate) fn level_number(level: Level) -> u64 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

/// Returns the number by which the system knows this thread.
fn thread_number() -> u64 {
    nix::unistd::gettid().as_raw().cast_unsigned().into()
}

/// Returns the name of this thread. The main thread of a child is not the one that Rust takes for
/// it, so it is told by its number.
pub(crate) fn thread_name() -> Cow<'static, str> {
    if on_main_thread() {
        return "MainThread".into();
    }
    let named = thread::current().name().map(str::to_owned);
    named
        .unwrap_or_else(|| format!("Thread-{}", thread_number()))
        .into()
}

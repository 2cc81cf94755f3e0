//! The logger of one process.
//!
//! It has no lock and no buffer: threads format their records at once, and the kernel puts them one
//! after the other into the file.

use crate::file::{LogFile, lose, write_all};
use crate::format::Format;
use crate::forward::Forward;
use crate::json;
use crate::moment::Moment;
use crate::origin::Origin;
use crate::shared::Shared;
use crate::trouble;
use log::{Log, Metadata, Record};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

/// What a line looks like.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Style {
    Format(Format),
    Json,
}

impl Style {
    fn line(&self, origin: &Origin<'_>) -> String {
        match self {
            Self::Format(format) => format.line(origin),
            Self::Json => json::line(origin),
        }
    }
}

/// Where lines go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sinks {
    pub(crate) style: Style,
    pub(crate) file: Option<LogFile>,
    pub(crate) stderr: bool,
    pub(crate) forward: Option<Forward>,
}

impl Sinks {
    /// Writes a record to all of them, or counts it as lost.
    pub(crate) fn write(&self, origin: &Origin<'_>, shared: &Shared) {
        if let Some(forward) = &self.forward {
            forward.put(origin, shared);
        }
        if self.file.is_none() && !self.stderr {
            return;
        }
        let line = self.style.line(origin);
        if let Some(file) = &self.file {
            file.append(&line, origin.moment, shared);
        }
        if self.stderr
            && let Err(error) = write_all(io::stderr(), line.as_bytes())
        {
            lose(shared, trouble::STDERR, &error);
        }
    }
}

/// What the macros of the `log` crate call.
#[derive(Debug)]
pub(crate) struct Logger {
    sinks: Sinks,
    pub(crate) shared: Shared,
    /// When it was made.
    start: Moment,
}

/// The logger of this process, if it has one of this library.
static LOGGER: OnceLock<Logger> = OnceLock::new();

impl Logger {
    /// Makes the logger of this process, which the `log` crate still has to be given; `None` if it has
    /// one.
    pub(crate) fn make(sinks: Sinks, shared: Shared) -> Option<&'static Self> {
        let start = Moment::now();
        let logger = Self {
            sinks,
            shared,
            start,
        };
        LOGGER.set(logger).ok()?;
        LOGGER.get()
    }

    /// Writes a record that did not come through the `log` crate.
    pub(crate) fn write(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let origin = Origin::here(record, self.start);
            self.sinks.write(&origin, &self.shared);
        }
    }

    /// Waits until what was put before has been given to the logger of this process.
    pub(crate) fn flush_forwarded(&self, timeout: Duration) -> bool {
        let forward = self.sinks.forward.as_ref();
        forward.is_none_or(|forward| forward.flush(timeout))
    }

    /// Returns the logger of this process.
    pub(crate) fn get() -> Option<&'static Self> {
        LOGGER.get()
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
            && self.shared.allows(metadata.level(), metadata.target())
    }

    /// Writes a record, or counts it as lost. What a value's own `Display` does is its affair: it
    /// may log, or panic, without harm to the records of others.
    fn log(&self, record: &Record<'_>) {
        self.write(record);
    }

    /// Does nothing: each record was written before its call returned.
    fn flush(&self) {}
}

//! The logger of one process.
//!
//! It has no lock and no buffer: threads format their records at once, and the kernel puts them one
//! after the other into the file.

use crate::file::LogFile;
use crate::format::Format;
use crate::moment::Moment;
use log::{Log, Metadata, Record};

/// What the macros of the `log` crate call.
#[derive(Debug)]
pub(crate) struct Logger {
    file: LogFile,
    format: Format,
    /// When it was made.
    start: Moment,
}

impl Logger {
    /// Makes a logger, which the process still has to be given.
    pub(crate) fn new(file: LogFile, format: Format) -> Self {
        Self {
            file,
            format,
            start: Moment::now(),
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    /// Writes a record, or counts it as lost. What a value's own `Display` does is its affair: it
    /// may log, or panic, without harm to the records of others.
    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.file.append(self.format.line(record, self.start));
        }
    }

    /// Does nothing: each record was written before its call returned.
    fn flush(&self) {}
}

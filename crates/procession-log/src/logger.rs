//! The logger of one process.

use crate::file::LogFile;
use crate::format::Format;
use crate::moment::Moment;
use crate::setup::Setup;
use log::{Log, Metadata, Record};

/// What the macros of the `log` crate call.
#[derive(Debug)]
pub(crate) struct Logger {
    file: LogFile,
    format: Format,
    start: Moment,
}

impl Logger {
    pub(crate) fn new(setup: &Setup) -> Self {
        let (file, format) = (setup.file.clone(), setup.format.clone());
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

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.file.append(self.format.line(record, self.start));
        }
    }

    /// Does nothing: each record was written before its call returned.
    fn flush(&self) {}
}

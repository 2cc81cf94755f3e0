//! What becomes a record by itself: panics, and the ends of processes.

use crate::forward::is_giving;
use crate::logger::Logger;
use crate::origin::thread_name;
use log::{Level, Record};
use procession_process::{ActiveChild, ExitStatus, observe_ends};
use std::panic;

/// Makes each panic of this process a record, before it is reported as it was until now.
///
/// The record goes past the program's own logger, which may be what panics.
pub(crate) fn log_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(logger) = Logger::get().filter(|_| !is_giving()) {
            let place = info.location();
            let at = place.map(ToString::to_string);
            let message = info
                .payload_as_str()
                .unwrap_or("(a payload that is not text)");
            let mut record = Record::builder();
            record.level(Level::Error).target("procession::panic");
            record.file(place.map(panic::Location::file));
            record.line(place.map(panic::Location::line));
            let (thread, at) = (thread_name(), at.as_deref().unwrap_or("an unknown place"));
            let args = format_args!("thread '{thread}' panicked at {at}: {message}");
            logger.write(&record.args(args).build());
        }
        before(info);
    }));
}

/// Makes each end of a child that is no success a record.
pub(crate) fn log_ends() {
    observe_ends(|child: &ActiveChild, status: ExitStatus| {
        if !status.success() {
            let (name, pid) = (child.name(), child.pid());
            log::warn!(target: "procession::end", "`{name}` (pid {pid}) {status}");
        }
    });
}

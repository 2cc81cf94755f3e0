//! The filter of all processes, while they run.

use crate::error::FilterError;
use crate::logger::Logger;
use std::time::Duration;

/// Changes which records are written, in all processes of the log, from any of them.
///
/// The text is as for [`Builder::filter`](crate::Builder::filter) and replaces all that was said before, with
/// `warn` for what no directive is for. Each process keeps to it from its next record on.
///
/// # Errors
///
/// - [`FilterError::Level`], [`FilterError::Directive`] or [`FilterError::TooLong`] if the text is wrong;
/// - [`FilterError::NotInstalled`] if this process has no log of this library;
/// - [`FilterError::Busy`] if a process was stopped by a signal while it changed the filter.
///
/// # When the other side is gone
///
/// A process that is killed while it changes the filter leaves the old one or the new one in force, and
/// keeps no other from changing it.
///
/// # Examples
///
/// ```
/// use procession_process::Process;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.log");
///
/// # procession_process::init();
/// procession_log::builder().file(&path).install()?;
/// assert!(!log::log_enabled!(log::Level::Debug));
/// Process::spawn(|| procession_log::set_filter("debug").unwrap(), ())?.join()?;
/// assert!(log::log_enabled!(log::Level::Debug));
/// assert_eq!(procession_log::filter().as_deref(), Some("debug"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_filter(directives: &str) -> Result<(), FilterError> {
    let filter = directives.parse()?;
    let logger = Logger::get().ok_or(FilterError::NotInstalled)?;
    logger.shared.set_filter(&filter)
}

/// Returns the filter that is in force, as [`set_filter`] takes it; `None` if this process has no log of this
/// library.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.log");
/// assert_eq!(procession_log::filter(), None);
/// procession_log::builder().file(&path).filter("[Process-1]my_app = TRACE").install()?;
/// assert_eq!(procession_log::filter().as_deref(), Some("warn,[Process-1]my_app=trace"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn filter() -> Option<String> {
    Logger::get().map(|logger| logger.shared.filter().to_string())
}

/// Waits until the logger to which this process [forwards](crate::Builder::forward) has been given all that
/// other processes had logged before; returns false if that took longer.
///
/// Without forwarding there is nothing to wait for.
///
/// # Examples
///
/// ```
/// assert!(procession_log::flush(std::time::Duration::ZERO));
/// ```
pub fn flush(timeout: Duration) -> bool {
    Logger::get().is_none_or(|logger| logger.flush_forwarded(timeout))
}

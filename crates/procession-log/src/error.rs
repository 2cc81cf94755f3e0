//! Why the log could not be set up.

use procession_call::RoutineError;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The log was not set up; this process logs as it did before.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log has no sink.
    #[error("the log has no sink: name one with `.file(path)`, `.stderr()` or `.forward()`")]
    NoSink,
    /// The file cannot be opened for appending.
    #[error("cannot open the log file {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Records are to go to the logger of this process, which has none, or one whose level is `Off`.
    #[error("this process has no logger that could be forwarded to: install one before")]
    NoLogger,
    /// A filter is wrong.
    #[error("the log's filter is wrong: {0}")]
    Filter(#[from] FilterError),
    /// What the processes of a log share cannot be had.
    #[error("cannot make what the processes of a log share: {0}")]
    Share(io::Error),
    /// The format is wrong.
    #[error("the log format is wrong: {0}")]
    Format(#[from] FormatError),
    /// This process has a logger already, from an earlier installation or of another library.
    #[error("this process has a logger already: install one, once, and before others do")]
    Installed,
    /// Children cannot be told of the log, because this crate lies in a dynamic library.
    #[error(transparent)]
    Routine(#[from] RoutineError),
}

procession_os::debug_in_words!(LogError {
    NoSink,
    Open,
    NoLogger,
    Filter,
    Share,
    Format,
    Installed,
    Routine
});

/// A format string is not one of Python's `%` style, or asks for what does not exist here.
///
/// # Examples
///
/// ```
/// use procession_log::{FormatError, LogError};
///
/// let refused = procession_log::builder().file("app.log").format("%(funcName)s").install();
/// let Err(LogError::Format(error)) = refused else { unreachable!() };
/// assert_eq!(error, FormatError::Attribute("funcName".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The format has no conversion, so that every line would be the same.
    #[error("it shows nothing of a record: add %(message)s")]
    Constant,
    /// A percent sign is followed by neither `(` nor `%`.
    #[error("a percent sign without an attribute: write %(message)s, or %% for the sign itself")]
    Unnamed,
    /// A conversion ends before it is complete.
    #[error("`%({0}` is not complete: it goes on as in %(message)s")]
    Incomplete(String),
    /// Records have no such attribute.
    #[error("records have no attribute `{0}`; the crate's documentation lists those they have")]
    Attribute(String),
    /// The conversion is none of `s`, `d` and `f`, or the flag none of `-` and `0`.
    #[error("`{conversion}` is no conversion of `{attribute}`: write s, d or f, after - or 0")]
    Conversion {
        /// The attribute that was to be converted.
        attribute: String,
        /// What stands where the conversion was expected.
        conversion: char,
    },
    /// `d` or `f` for an attribute that is text.
    #[error("`{0}` is text and has no number: write %({0})s")]
    NotANumber(String),
    /// A width or a precision is beyond 65535.
    #[error("the width or precision of `{0}` is too large")]
    TooWide(String),
}

procession_os::debug_in_words!(FormatError {
    Constant,
    Unnamed,
    Incomplete,
    Attribute,
    Conversion,
    NotANumber,
    TooWide
});

/// The filter of a log cannot be changed.
///
/// # Examples
///
/// ```
/// use procession_log::{FilterError, LogError};
///
/// let refused = procession_log::builder().file("app.log").filter("my_app=loud").install();
/// let Err(LogError::Filter(error)) = refused else { unreachable!() };
/// assert_eq!(error, FilterError::Level("my_app=loud".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A directive does not end with a level.
    #[error(
        "`{0}` has no level: write error, warn, info, debug, trace or off, after = if for some"
    )]
    Level(String),
    /// What stands before the level is neither a target nor a process.
    #[error("`{0}` is no directive: write target=level, [process]=level or [process]target=level")]
    Directive(String),
    /// The text is longer than the memory for it.
    #[error("the filter has more than 1976 bytes: give fewer directives, or use `*`")]
    TooLong,
    /// This process has no log of this library.
    #[error("no log is installed in this process")]
    NotInstalled,
    /// A process that changes the filter does not come to an end: it was stopped by a signal.
    #[error("another process is changing the filter, and is stopped")]
    Busy,
}

procession_os::debug_in_words!(FilterError {
    Level,
    Directive,
    TooLong,
    NotInstalled,
    Busy
});

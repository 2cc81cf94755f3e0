//! Log records of every process in one place.
//!
//! One call makes the [`log`] macros of this process, of every process that it starts from then
//! on, and of theirs, write to one file, in a format that is written as for Python's `logging`:
//!
//! ```
//! use procession_process::Process;
//! # use std::fs;
//!
//! fn work(n: u32) {
//!     log::info!("working on {n}");
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! procession_process::init(); // the first line of `main`
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.log");
//! procession_log::builder()
//!     .file(&path)
//!     .format("%(processName)-11s %(levelname)s: %(message)s")
//!     .level(log::LevelFilter::Info)
//!     .install()?;
//!
//! log::info!("starting");
//! Process::spawn(work, (7,))?.join()?;
//! let lines = "MainProcess INFO: starting\nProcess-1   INFO: working on 7\n";
//! assert_eq!(fs::read_to_string(&path)?, lines);
//! # Ok(())
//! # }
//! ```
//!
//! # What is lost when something is killed
//!
//! Nothing. There is no process that collects the records and no buffer that is written later. The
//! file is opened once, for appending, and its descriptor is handed from process to process. A
//! record is formatted, then written with one system call, and only then the macro returns. The
//! kernel performs such writes one after the other, so that lines of several processes do not mix,
//! and it keeps what was written when the writer, or the process that installed the log, is killed
//! in the next moment. What a process leaves of a record that is killed before the macro returns may be a part
//! of a line; the next record is on a line of its own. (If the *machine* dies, what the kernel had not written to the disk is
//! lost. On network file systems appending is not one step.)
//!
//! What cannot be written, as on a full disk, is counted by [`lost`], and told of once, on standard error.
//! It holds up nobody.
//!
//! # Sinks
//!
//! A [file](Builder::file), which is appended to or [emptied first](Builder::truncate), and
//! [standard error](Builder::stderr). Lines have the format below, or are [JSON](Builder::json).
//!
//! Or any logger that this process has already: [`forward`](Builder::forward) brings it the records of all
//! other processes.
//!
//! # What is no call of a macro
//!
//! A panic in any process is a record too with [`panics`](Builder::panics), and the end of a process that is no
//! success with [`ends`](Builder::ends).
//!
//! # A new file
//!
//! [`rotate_at`](Builder::rotate_at) and [`rotate_daily`](Builder::rotate_daily) change the file for a new
//! one, by its size and by the day; [`keep`](Builder::keep) says how many old ones stay. The process whose
//! record does not fit does it, and all others go on in the new file with their next record. If it is killed
//! meanwhile, the next process completes what it began. No record is lost, and those of one process are in
//! their order, from the oldest file to the newest.
//!
//! # The format
//!
//! A conversion is `%(attribute)`, then flags (`-` to the left, `0` zeros), a width, `.` and a
//! precision, and `s` for text, `d` for an integer or `f` for a fraction. `%%` is a percent sign.
//! The attributes are those of Python's `LogRecord`:
//!
//! | attribute | what it is here |
//! |---|---|
//! | `message` | the formatted message; its line breaks are kept |
//! | `levelname`, `levelno` | `ERROR` 40, `WARNING` 30, `INFO` 20, `DEBUG` 10, `TRACE` 5 |
//! | `name` | the target, which is the module's path if the caller named none |
//! | `asctime` | local time, as `2026-11-22 13:23:28,123` |
//! | `created`, `msecs` | seconds since 1970, and the milliseconds in that second |
//! | `relativeCreated` | milliseconds since the log was set up in this process |
//! | `process`, `processName` | the process's number, and its name: `MainProcess`, `Process-1`, ... |
//! | `thread`, `threadName` | the thread's number, as the system has it, and its name |
//! | `pathname`, `filename`, `lineno` | where the macro stands in the source |
//! | `module` | the path of the module in which it stands |
//!
//! `funcName` and `taskName` do not exist here. A format that is wrong is an error of
//! [`Builder::install`], not of the call that logs.
//!
//! # Levels and filters
//!
//! [`level`](Builder::level) and [`filter`](Builder::filter) say which records are written, by target and by
//! process. [`set_filter`] changes that in all processes, from any of them, while they run. They share it in
//! memory, so a record that is not written costs as much as the call of a function.
//!
//! [`log::set_max_level`] is for what one process, and those that it starts later, want less than that.
#![doc(html_root_url = "https://docs.rs/procession-log/latest")]
#![forbid(unsafe_code)]

mod builder;
mod change;
mod error;
mod events;
mod field;
mod file;
mod filter;
mod format;
mod forward;
mod json;
mod logger;
mod moment;
mod origin;
mod rotate;
mod setup;
mod shared;
mod trouble;
mod turn;

pub use builder::{Builder, DEFAULT_FORMAT, builder};
pub use change::{filter, flush, set_filter};
pub use error::{FilterError, FormatError, LogError};
pub use file::lost;

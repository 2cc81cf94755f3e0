//! Panics as data.

use serde::{Deserialize, Serialize};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, PanicHookInfo, UnwindSafe};

/// A panic that happened in another process.
///
/// # Examples
///
/// ```
/// use procession_process::{Cause, Process};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let process = Process::spawn(|| assert_eq!(1 + 1, 3, "arithmetic"), ())?;
/// let error = process.join().unwrap_err();
/// let Cause::Panicked(panic) = error.cause() else { unreachable!("{error}") };
/// assert!(panic.message().contains("arithmetic"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    message: String,
    location: Option<String>,
    backtrace: Option<String>,
}

impl Panic {
    /// Returns what the panic said; a payload that is no string says so.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the place in the source, as `file:line:column`.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// Returns the backtrace, which is taken only where `RUST_BACKTRACE` asks for one.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    fn from_hook(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        let taken = backtrace.status() == BacktraceStatus::Captured;
        Self {
            message: info.payload_as_str().unwrap_or(NO_TEXT).to_owned(),
            location: info.location().map(ToString::to_string),
            backtrace: taken.then(|| backtrace.to_string()),
        }
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

const NO_TEXT: &str = "(a payload that is not text)";

thread_local! {
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Makes this process remember each thread's last panic, after the hook that is there already.
pub(crate) fn remember_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        let panic = Panic::from_hook(info);
        // A panic while this thread's locals are destroyed is reported by the hook before only.
        let _ = LAST.try_with(|last| *last.borrow_mut() = Some(panic));
    }));
}

/// Runs `work`; its panic is data.
pub(crate) fn caught<R>(work: impl FnOnce() -> R + UnwindSafe) -> Result<R, Panic> {
    // One that an earlier piece of work caught itself is not what may end this one.
    LAST.set(None);
    panic::catch_unwind(work).map_err(|payload| {
        let remembered = LAST.take();
        let panic = remembered.unwrap_or_else(|| Panic {
            message: text(payload.as_ref()).to_owned(),
            location: None,
            backtrace: None,
        });
        // A payload whose destructor panics too must not take the process with it.
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(payload)));
        panic
    })
}

fn text(payload: &(dyn std::any::Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or(NO_TEXT)
}

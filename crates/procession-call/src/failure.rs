//! Why a call in another process has no value to return.

use crate::panic::Panic;
use procession_wire::DecodeError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::error::Error;
use std::fmt;

/// Why a call in another process has no value to return, as that process says.
///
/// The errors of processes, pools and managers hold it. It reads on from what was called: "the call"
/// panicked, failed, or could not decode its arguments.
///
/// # Examples
///
/// ```
/// use procession::{Cause, Failure, Process};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession::init();
/// let process = Process::spawn(|| "three".parse::<u8>().unwrap(), ())?;
/// let error = process.join().unwrap_err();
/// let Cause::Call(Failure::Panicked(panic)) = error.cause() else { unreachable!("{error}") };
/// assert!(panic.message().contains("InvalidDigit"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Failure {
    /// The function panicked.
    Panicked(Panic),
    /// The function returned an `anyhow` error.
    Failed(TaskError),
    /// The arguments could not be decoded there; the function was not called.
    Arguments(String),
    /// The function returned, and what it returned cannot be encoded, or is larger than the process may
    /// send.
    Result(String),
    /// The process could not be set up as its builder was told; the function was not called.
    Settings(String),
    /// The process could not become a child of its parent; the function was not called.
    Refused(String),
}

impl Failure {
    /// Returns the panic, if it was one.
    pub fn panic(&self) -> Option<&Panic> {
        match self {
            Self::Panicked(panic) => Some(panic),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => panic.fmt(f),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Arguments(words) => write!(f, "could not decode its arguments: {words}"),
            Self::Result(words) => write!(f, "returned what cannot be sent: {words}"),
            Self::Settings(words) => write!(f, "could not be set up: {words}"),
            Self::Refused(words) => write!(f, "could not start: {words}"),
        }
    }
}

impl Error for Failure {
    /// Returns what caused the error that the function returned: its own words stand in this one's.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}

procession_os::debug_in_words!(Failure {
    Panicked,
    Failed,
    Arguments,
    Result,
    Settings,
    Refused
});

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Arguments(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(TaskError::from(error))
    }
}

/// The error that a task returned, with the errors that caused it.
///
/// Its own [`source`](Error::source) chain is that of the original, so that an `anyhow::Error`
/// made from it prints as the original did.
///
/// A chain may be of any length: it travels as a list, and is copied, compared and dropped link by link.
#[derive(Eq)]
pub struct TaskError {
    message: String,
    source: Option<Box<Self>>,
}

procession_os::debug_in_words!(TaskError);

impl TaskError {
    /// Returns the messages, the outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self), |error| error.source.as_deref())
            .map(|error| error.message.as_str())
    }
}

impl From<anyhow::Error> for TaskError {
    fn from(error: anyhow::Error) -> Self {
        Self::of(error.chain().map(ToString::to_string).collect())
    }
}

impl TaskError {
    /// Makes a chain of messages, the outermost first.
    fn of(messages: Vec<String>) -> Self {
        let wrap = |source, message| Some(Box::new(Self { message, source }));
        let outermost = messages.into_iter().rev().fold(None, wrap);
        let silent = || Self {
            message: String::new(),
            source: None,
        };
        outermost.map_or_else(silent, |error| *error)
    }
}

impl Clone for TaskError {
    fn clone(&self) -> Self {
        Self::of(self.chain().map(str::to_owned).collect())
    }
}

impl PartialEq for TaskError {
    fn eq(&self, other: &Self) -> bool {
        self.chain().eq(other.chain())
    }
}

impl Drop for TaskError {
    fn drop(&mut self) {
        let mut source = self.source.take();
        while let Some(mut error) = source {
            source = error.source.take();
        }
    }
}

impl Serialize for TaskError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.chain().collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TaskError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::of)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

//! What came of a call in another process, as a message.

pub use crate::panic::{at_item, for_item};

use crate::panic::{Panic, caught};
use procession_os::lifetime::Original;
use procession_wire::{DecodeError, EncodeError, Encoder, Kind, Message, Packet};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;

/// Why a call in another process has no value to return.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The function panicked.
    #[error("{0}")]
    Panicked(Panic),
    /// The function returned an error.
    #[error("failed: {0}")]
    Failed(#[source] TaskError),
    /// The arguments could not be decoded there; the function was not called.
    #[error("could not decode its arguments: {0}")]
    Arguments(String),
    /// The function returned, and what it returned could not be encoded or sent.
    #[error("returned what cannot be sent: {0}")]
    Result(String),
    /// The process could not be set up as it was to be; the function was not called.
    #[error("could not be set up: {0}")]
    Settings(String),
    /// The process could not become a child of its parent; the function was not called.
    #[error("cannot start: {0}")]
    Refused(String),
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
/// A chain may be of any length: it travels as a list, and is dropped link by link.
#[derive(Clone, PartialEq, Eq)]
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

/// An encoded outcome.
#[derive(Debug)]
pub struct Outcome {
    /// What the caller is to be sent.
    pub message: Message,
    /// The failure that the message tells of, if it does.
    pub failure: Option<Failure>,
}

/// Runs `work` and encodes what came of it; a panic is an outcome too.
///
/// This returns in the process that called it, and in no copy of that: see [`run`].
pub fn produce<R: Serialize + DeserializeOwned>(
    work: impl FnOnce() -> Result<R, Failure>,
) -> Outcome {
    let encode = |value: R| returned(&value);
    match run(work, encode) {
        Ok(message) => Outcome {
            message,
            failure: None,
        },
        Err(failure) => failed(failure),
    }
}

/// Runs `work`, then `encode` with what it returned; a panic in either is a failure too.
///
/// This returns in the process that called it, and in no copy of that: where `work` forks and comes
/// to its end in both processes, the copy exits there and then, with the code that a process with
/// this outcome has. So nothing that follows, sending the outcome above all, is done twice.
///
/// # Errors
///
/// What `work` returns, the panic, or [`Failure::Result`] with what `encode` says.
#[inline]
pub fn run<R, E>(
    work: impl FnOnce() -> Result<R, Failure>,
    encode: impl FnOnce(R) -> Result<E, EncodeError>,
) -> Result<E, Failure> {
    let original = Original::here();
    let encoded = caught(AssertUnwindSafe(|| {
        let done = work();
        // Before the value is encoded, which may claim what the original has, or is dropped.
        original.or_exit(exit_code(done.as_ref().err()));
        encode(done?).map_err(|error| Failure::Result(error.to_string()))
    }));
    // The work may have panicked, or the encoding of the value have forked.
    original.or_exit(encoded.as_ref().map_or(PANICKED, |_| 0));
    encoded.unwrap_or_else(|panic| Err(Failure::Panicked(panic)))
}

/// The exit code of a Rust program that panics.
pub(crate) const PANICKED: i32 = 101;

/// Returns the exit code of a process with this outcome: those that Rust's own runtime gives to a
/// panic and to an error that `main` returns.
pub(crate) fn exit_code(failure: Option<&Failure>) -> i32 {
    match failure {
        None => 0,
        Some(Failure::Panicked(_)) => PANICKED,
        Some(_) => 1,
    }
}

/// Returns an outcome without content, of a call whose outcome has gone by another way.
pub fn told() -> Outcome {
    Outcome {
        message: Encoder::new(Kind::OUTCOME).finish(),
        failure: None,
    }
}

/// Encodes a failure that happened before there was anything to run.
pub fn failed(failure: Failure) -> Outcome {
    let mut encoder = Encoder::new(Kind::OUTCOME);
    // Strings in enums always encode; if they did not, the caller would see a truncated outcome.
    let _ = encoder.push(&Some(&failure).cloned());
    Outcome {
        message: encoder.finish(),
        failure: Some(failure),
    }
}

fn returned<R: Serialize + DeserializeOwned>(value: &R) -> Result<Message, EncodeError> {
    let mut encoder = Encoder::new(Kind::OUTCOME);
    encoder.push(&None::<Failure>)?;
    encoder.push(value)?;
    Ok(encoder.finish())
}

/// Reads an outcome.
///
/// # Errors
///
/// The outer error if the message is no outcome of this type, the inner one if it tells of a
/// failure.
pub fn consume<R: DeserializeOwned>(packet: Packet) -> Result<Result<R, Failure>, DecodeError> {
    let mut packet = packet.expect(Kind::OUTCOME)?;
    match packet.take::<Option<Failure>>()? {
        Some(failure) => packet.finish().map(|()| Err(failure)),
        None => packet.decode().map(Ok),
    }
}

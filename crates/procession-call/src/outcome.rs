//! What came of a call in another process, as a message.

use crate::failure::Failure;
use crate::panic::caught;
use procession_os::lifetime::Original;
use procession_wire::{Body, DecodeError, EncodeError, Encoder, Kind, Message, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::panic::AssertUnwindSafe;

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
    run_in(Original::here(), work, encode)
}

/// As [`run`], for one of many that are run in this process, which is `original`.
///
/// # Errors
///
/// As [`run`].
#[inline]
pub fn run_in<R, E>(
    original: Original,
    work: impl FnOnce() -> Result<R, Failure>,
    encode: impl FnOnce(R) -> Result<E, EncodeError>,
) -> Result<E, Failure> {
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
pub const PANICKED: i32 = 101;

/// Returns the exit code of a process with this outcome: those that Rust's own runtime gives to a
/// panic and to an error that `main` returns.
pub fn exit_code(failure: Option<&Failure>) -> i32 {
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
pub fn consume<R: DeserializeOwned>(
    packet: Packet<impl Body>,
) -> Result<Result<R, Failure>, DecodeError> {
    let mut packet = packet.expect(Kind::OUTCOME)?;
    match packet.take::<Option<Failure>>()? {
        Some(failure) => packet.finish().map(|()| Err(failure)),
        None => packet.decode().map(Ok),
    }
}

/// Returns whether a message is the outcome of a call that returned a value, which is not read.
pub fn has_value(packet: &Packet) -> bool {
    // The first byte of an option says whether there is something in it.
    packet.kind() == Kind::OUTCOME && packet.body().first() == Some(&0)
}

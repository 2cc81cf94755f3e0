//! Why a call of a hosted object has no value to return.

use crate::refusal::Refusal;
use procession_call::{Failure, RoutineError};
use procession_pipe::{ConnectError, RecvError, SendError};
use procession_process::{ProcessError, StartError};
use procession_wire::{DecodeError, EncodeError};
use std::io;

/// A call did not reach its object, or failed there.
///
/// # Examples
///
/// ```
/// use procession::{Failure, Manager, ManagerError};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let list = manager.list::<i64>()?;
///
/// let error = list.with(|list| list[3]).unwrap_err();
/// let ManagerError::Call(Failure::Panicked(panic)) = error else { unreachable!("{error}") };
/// assert_eq!(panic.message(), "index out of bounds: the len is 0 but the index is 3");
///
/// manager.shutdown()?;
/// assert!(matches!(list.len(), Err(ManagerError::Gone)));
/// # Ok(())
/// # }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The server has ended, or has closed the connection.
    #[error("the manager's server is gone")]
    Gone,
    /// The object has been removed from the server.
    ///
    /// An object stays as long as a process has a proxy of it, so this happens only with proxies
    /// that came to this process by way of `fork`.
    #[error("the manager has no such object")]
    NoSuchObject,
    /// The server says itself why there is no result: the object's method, or its constructor, panicked
    /// or returned an `anyhow` error, or was not called. After a panic the object is as the method
    /// left it.
    #[error("the call {0}")]
    Call(#[source] Failure),
    /// One of the built-in objects refused the operation.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The arguments cannot be encoded; nothing was sent.
    #[error("the arguments cannot be sent: {0}")]
    Encode(#[from] EncodeError),
    /// What the server sent cannot be decoded.
    #[error("the server's reply cannot be decoded: {0}")]
    Decode(#[from] DecodeError),
    /// The function is not one of the executable.
    #[error(transparent)]
    Routine(#[from] RoutineError),
    /// No object and no constructor is registered under the name.
    #[error("the manager has nothing under the name `{0}`")]
    NoSuchName(String),
    /// Something else is registered under the name.
    #[error("the manager has something else under the name `{0}`")]
    NameTaken(String),
    /// What is registered under the name is not what this program was compiled for.
    #[error(
        "what the manager has under the name `{name}` is something else than this program takes it for: {difference}"
    )]
    Interface {
        /// The name.
        name: String,
        /// Where the two differ first.
        difference: String,
    },
    /// The call was collected, by a [`Batch`](crate::Batch) or [`call_async`](crate::call_async), from which its
    /// result is had later.
    #[error("the call was collected, and has not been made yet")]
    Collected,
    /// Something else than one call of one method was to be collected.
    #[error(
        "only one call of one method can be collected at a time, and nothing can be made of its result meanwhile"
    )]
    NotCollected,
    /// The call cannot be made from a program with another executable than the server's.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The server's address cannot be connected to, or the keys differ.
    #[error("cannot connect to the manager: {0}")]
    Connect(#[from] ConnectError),
    /// The server does not admit this process: it belongs to another program or another family.
    #[error("the manager does not admit this process: {0}")]
    NotAdmitted(&'static str),
    /// The server has no thread or no file descriptor left for another connection.
    #[error("the manager cannot take another connection: it has no thread or descriptor left")]
    Busy,
    /// The server's process could not be started.
    #[error("cannot start the manager's server: {0}")]
    Start(#[from] StartError),
    /// The server's process ended otherwise than by being shut down.
    #[error("the manager's server: {0}")]
    Server(#[from] ProcessError),
    /// The system refused a step on the way.
    #[error("cannot talk to the manager's server: {0}")]
    Io(#[from] io::Error),
}

procession_os::debug_in_words!(ManagerError {
    Gone,
    NoSuchObject,
    Call,
    Refused,
    Encode,
    Decode,
    Routine,
    NoSuchName,
    NameTaken,
    Interface,
    Collected,
    NotCollected,
    Elsewhere,
    Connect,
    NotAdmitted,
    Busy,
    Start,
    Server,
    Io
});

impl From<Failure> for ManagerError {
    fn from(failure: Failure) -> Self {
        Self::Call(failure)
    }
}

impl From<SendError> for ManagerError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::Gone,
            SendError::Encode(error) => Self::Encode(error),
            SendError::Io(error) => Self::Io(error),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

impl From<RecvError> for ManagerError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Closed | RecvError::Truncated | RecvError::Reset => Self::Gone,
            RecvError::Decode(error) => Self::Decode(error),
            RecvError::Io(error) => Self::Io(error),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

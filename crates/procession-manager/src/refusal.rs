//! What the built-in objects refuse.

use serde::{Deserialize, Serialize};

/// An operation that a built-in object did not carry out.
///
/// It arrives as [`ManagerError::Refused`](crate::ManagerError::Refused).
// `remote` keeps the traits off the type itself, so that a `Result` with it is not taken for a
// value that travels as it is; see `Returns`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(remote = "Self")]
#[non_exhaustive]
pub enum Refusal {
    /// There is nothing at the index.
    #[error("the index {index} is not below the length {len}")]
    Index {
        /// The index that was asked for.
        index: usize,
        /// The length at that moment.
        len: usize,
    },
    /// The size changed while a process was iterating.
    #[error("the size changed during the iteration")]
    Resized,
    /// The queue has no room.
    #[error("the queue is full")]
    Full,
    /// The queue was closed, and, for whoever takes, is empty.
    #[error("the queue is closed")]
    Closed,
    /// `task_done` was called more often than items were taken.
    #[error("task_done was called more often than items were taken")]
    DoneTooOften,
    /// Processes have ended without calling `task_done` for items that they had taken.
    #[error("{0} items were taken by processes that ended without calling task_done")]
    Abandoned(usize),
}

procession_os::debug_in_words!(Refusal {
    Index,
    Resized,
    Full,
    Closed,
    DoneTooOften,
    Abandoned
});

/// A refusal on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sent(#[serde(with = "Refusal")] Refusal);

impl From<Refusal> for Sent {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<Sent> for Refusal {
    fn from(sent: Sent) -> Self {
        sent.0
    }
}

/// What the methods of the built-in objects return where they may refuse.
pub(crate) type Result<T> = std::result::Result<T, Refusal>;

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
    #[error("there is nothing at index {index}: the length is {len}")]
    Index {
        /// The index that was asked for; a negative one counts from the end.
        index: isize,
        /// The length at that moment.
        len: usize,
    },
    /// There are more or fewer places than items.
    #[error("{len} items for {expected} places")]
    Length {
        /// How many items there are.
        len: usize,
        /// How many places there are.
        expected: usize,
    },
    /// The size changed while a process was iterating.
    #[error("the size changed during the iteration")]
    Resized,
}

procession_os::debug_in_words!(Refusal {
    Index,
    Length,
    Resized
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

//! What can go wrong with a shareable list.

use crate::BlockError;
use std::convert::Infallible;

/// A shareable list was not made or found, or an item was not read or written.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The block was not made or found.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// There is no such item.
    #[error("index {index} is out of bounds: the list has {len} items")]
    OutOfBounds {
        /// The index that was asked for.
        index: usize,
        /// The number of items.
        len: usize,
    },
    /// The text or bytes do not fit into the item's slot, which was made for the first ones there.
    #[error("{len} bytes do not fit into a slot of {room}; make the list with a longer item there")]
    TooLong {
        /// The length in bytes.
        len: usize,
        /// The most that fits.
        room: usize,
    },
    /// The integer has more than 64 bits, the sign included.
    #[error("{0} does not fit: an int in such a list has 64 bits, the sign included")]
    IntTooLarge(String),
    /// The text or bytes end in a NUL, which is lost in the layout of these lists.
    #[error("text and bytes that end in NUL cannot be kept: their end would be lost")]
    EndsInNul,
    /// The text in the slot is not UTF-8; somebody else may be writing it.
    #[error("the text is not UTF-8")]
    NotText,
    /// The block is no list, or somebody else is changing the item's type.
    #[error("the block is not a list of CPython's layout: {0}")]
    Damaged(&'static str),
}

procession_os::debug_in_words!(ListError {
    Block,
    OutOfBounds,
    TooLong,
    IntTooLarge,
    EndsInNul,
    NotText,
    Damaged
});

/// What always fits is converted without an error.
impl From<Infallible> for ListError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

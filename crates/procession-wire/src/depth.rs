//! How deep a value may nest.
//!
//! A reader and a writer go down some calls for each level. Without a limit a few thousand bytes
//! that say "a list with a list with a list" exhaust the stack of whoever reads them, and with it
//! everything that its process holds.

use crate::problem::Problem;
use std::ptr;

/// How many levels a value may have.
///
/// Every value inside another is one level further down: an element, a field, what is in an
/// `Option` or an enum's variant. A node of a linked list is two levels, one for the `Option` and
/// one for the struct in it.
///
/// In a debug build most types take half a kilobyte to two kilobytes of the stack for a level. One
/// that takes so much that a mebibyte is not enough is refused when it is read. A thread of std has
/// two mebibytes; one that was given less than that should not read values of unknown depth.
pub const MAX_DEPTH: u32 = 500;

/// How many levels further down it may go.
///
/// It is handed down by value, so that nobody has to go up again.
#[derive(Clone, Copy)]
pub(crate) struct Depth(u32);

impl Depth {
    pub(crate) const WHOLE: Self = Self(MAX_DEPTH);

    /// Returns what is left one level further down.
    #[inline]
    pub(crate) fn deeper(self) -> Result<Self, Problem> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(Problem::too_deep()),
        }
    }
}

/// How much of the stack a reader may take.
const MAX_STACK: usize = 1 << 20;

/// Where the stack was when a reader began.
///
/// How much a level takes is the type's affair: in a debug build, a large array inside is copied
/// from frame to frame. The count of the levels alone would not save the stack from such a type.
pub(crate) struct Stack(usize);

impl Stack {
    #[inline]
    pub(crate) fn here() -> Self {
        Self(address())
    }

    /// Checks that the stack has not grown too much since.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Problem> {
        match self.0.abs_diff(address()) {
            0..=MAX_STACK => Ok(()),
            _ => Err(Problem::too_deep()),
        }
    }
}

/// Returns an address in the frame of the caller, or in one near it.
#[inline]
fn address() -> usize {
    let here = 0_u8;
    ptr::from_ref(&here).addr()
}

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
/// A value that says what it is, because its type cannot be read from postcard's bytes, may have 128.
///
/// In a debug build most types take half a kilobyte to two kilobytes of the stack for a level. One
/// that takes so much that a mebibyte is not enough is refused when it is read. A thread of std has
/// two mebibytes; one that was given less than that should not read values of unknown depth.
pub const MAX_DEPTH: u32 = 500;

/// How many levels further down it may go.
///
/// It is handed down by value, so that nobody has to go up again.
#[derive(Clone, Copy)]
pub(crate) struct Depth<const MAX: u32 = MAX_DEPTH>(u32);

impl<const MAX: u32> Depth<MAX> {
    pub(crate) const WHOLE: Self = Self(MAX);

    /// Returns what is left one level further down.
    #[inline]
    pub(crate) fn deeper(self) -> Result<Self, Problem> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(too_deep(MAX)),
        }
    }
}

#[cold]
pub(crate) fn too_deep(max: u32) -> Problem {
    Problem::new(&format!("it nests more than {max} levels deep"))
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
            _ => Err(Problem::new("its levels take too much of the stack")),
        }
    }
}

/// Returns an address in the frame of the caller, or in one near it.
#[inline]
fn address() -> usize {
    let here = 0_u8;
    ptr::from_ref(&here).addr()
}

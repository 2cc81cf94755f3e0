//! The bytes of items, in memory that is used again.

use procession_wire::buffer;
use std::mem;
use std::ops::{Deref, DerefMut};

/// A buffer that goes back to [where it was taken](buffer) when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    #[inline]
    pub(crate) fn new() -> Self {
        Self(buffer::take(0))
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        buffer::give(mem::take(&mut self.0));
    }
}

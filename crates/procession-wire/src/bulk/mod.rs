//! Sequences of numbers, as a whole.
//!
//! Serde hands a serializer one element of a sequence after the other, and its visitors push one after
//! the other. For a `Vec<u8>` or a `Vec<f64>` that takes many times as long as to copy the bytes. So
//! sequences of numbers are recognised: a slice, a `Vec` or a `VecDeque` when it is
//! [collected](serde::Serializer::collect_seq), which is also how `Box`, `Arc`, `Cow` and whatever else has one of these
//! inside gets here, and a `Vec` or a `VecDeque` by the standard library's own visitor ([`own`]) when
//! it is read. Only how long it takes depends on that, never what the bytes mean: each form is
//! written and read element by element too.
//!
//! A sequence begins with its head, the number of elements times two. Then come the elements, each in
//! postcard's form. Those of `u8`, `i8`, `f32`, `f64` and `bool` are as they lie in memory of a
//! little-endian machine. Other integers have a form that is as long as the number needs, which cannot
//! be copied. A writer that has at least [`FEW`] of them at once may choose *fixed widths* instead: one is
//! added to the head, a byte behind it says how many bytes each number has, 1, 2, 4, 8 or 16, and that is
//! the least that is enough for all of them. So a sequence never takes more than its memory and a few
//! bytes, and one of small numbers as little as before.

mod fixed;
mod number;
mod own;
mod read;
mod write;

pub(crate) use fixed::visit;
pub(crate) use read::{is_read, read};
pub(crate) use write::{is_known, write};

/// So many integers are worth a width of their own.
pub(crate) const FEW: usize = 8;

/// What a sequence begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) len: usize,
    /// Whether the width of all numbers follows.
    pub(crate) is_fixed: bool,
}

impl Head {
    /// Returns the number that is written; `None` if there are too many elements.
    #[inline]
    pub(crate) fn to_number(self) -> Option<u64> {
        let doubled = (self.len as u64).checked_mul(2)?;
        Some(doubled | u64::from(self.is_fixed))
    }

    #[inline]
    pub(crate) fn of_number(number: u64) -> Self {
        Self {
            len: (number >> 1) as usize,
            is_fixed: number & 1 == 1,
        }
    }
}

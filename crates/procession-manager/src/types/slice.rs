//! Places of a list or an array, counted from either end.

use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// An index, of any type of integer. A negative one counts from the end, as Python's does: -1 is the
/// last place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct At(isize);

macro_rules! at {
    ($($integer:ty)*) => {
        $(impl From<$integer> for At {
            fn from(index: $integer) -> Self {
                // What does not fit is beyond the end of every list.
                Self(isize::try_from(index).unwrap_or(isize::MAX))
            }
        })*
    };
}

at!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

impl At {
    /// Returns the place in a list of this length, if there is something.
    pub(super) fn place(self, len: usize) -> Option<usize> {
        let place = from_start(self.0, len);
        usize::try_from(place).ok().filter(|place| *place < len)
    }

    /// As [`place`](Self::place); says otherwise what is wrong.
    pub(super) fn check(self, len: usize) -> Result<usize, Refusal> {
        self.place(len).ok_or(Refusal::Index { index: self.0, len })
    }

    /// Returns a place to insert at, which may be the end.
    pub(super) fn gap(self, len: usize) -> Result<usize, Refusal> {
        let place = usize::try_from(from_start(self.0, len)).ok();
        let refused = Refusal::Index { index: self.0, len };
        place.filter(|place| *place <= len).ok_or(refused)
    }
}

fn from_start(index: isize, len: usize) -> isize {
    if index < 0 {
        index + len as isize
    } else {
        index
    }
}

/// Some places of a list or an array, one behind the other: what a range makes, or Python's
/// `start:end:step`. Negative bounds count from the end, and what is beyond an end is left out.
///
/// # Examples
///
/// ```
/// use procession::Manager;
/// use procession::manager::Slice;
///
/// # fn main() -> Result<(), procession::ManagerError> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let list = manager.list_from([0, 1, 2, 3, 4])?;
/// assert_eq!(list.slice(1..3)?, [1, 2]);
/// assert_eq!(list.slice(-2..)?, [3, 4]);
/// assert_eq!(list.slice(..=-2)?, [0, 1, 2, 3]);
/// assert_eq!(list.slice(Slice::from(..).step(-2))?, [4, 2, 0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    start: Option<isize>,
    end: Option<isize>,
    step: isize,
}

impl Slice {
    /// Takes each `step`th place only; a negative step goes from the end to the start, and so do the
    /// bounds, as in Python. Zero is one.
    #[must_use]
    pub fn step(mut self, step: isize) -> Self {
        self.step = if step == 0 { 1 } else { step };
        self
    }

    /// Ends before this place: `Slice::from(1..).end(-1)` is all but the first and the last, which as
    /// `1..-1` is taken for a mistake by clippy.
    #[must_use]
    pub fn end(mut self, end: impl Into<At>) -> Self {
        self.end = Some(end.into().0);
        self
    }

    fn new(start: Option<At>, end: Option<At>) -> Self {
        let [start, end] = [start, end].map(|bound| bound.map(|At(index)| index));
        Self {
            start,
            end,
            step: 1,
        }
    }

    fn through(start: Option<At>, At(last): At) -> Self {
        // Behind the last place is the end, which has no negative number.
        let end = last.checked_add(1).filter(|end| *end != 0);
        Self::new(start, end.map(At))
    }

    /// Returns the places in a list of this length.
    pub(super) fn places(self, len: usize) -> impl DoubleEndedIterator<Item = usize> + Clone {
        let forwards = self.step > 0;
        let (low, high) = if forwards {
            (0, len as isize)
        } else {
            (-1, len as isize - 1)
        };
        let clamp = |index: isize| from_start(index, len).clamp(low, high);
        let (first, behind) = if forwards { (low, high) } else { (high, low) };
        let start = self.start.map_or(first, clamp);
        let end = self.end.map_or(behind, clamp);
        let distance = if forwards { end - start } else { start - end };
        let stride = self.step.unsigned_abs();
        let count = usize::try_from(distance).unwrap_or(0).div_ceil(stride);
        let step = self.step;
        (0..count).map(move |n| (start + n as isize * step) as usize)
    }

    /// Returns the range, if the places follow each other.
    pub(super) fn range(self, len: usize) -> Option<Range<usize>> {
        let start = self.places(len).next();
        let count = self.places(len).count();
        let empty = || {
            let start = self.start.map_or(0, |start| from_start(start, len));
            start.clamp(0, len as isize) as usize
        };
        let start = start.unwrap_or_else(empty);
        (self.step == 1).then_some(start..start + count)
    }
}

impl<I: Into<At>> From<Range<I>> for Slice {
    fn from(range: Range<I>) -> Self {
        Self::new(Some(range.start.into()), Some(range.end.into()))
    }
}

impl<I: Into<At> + Clone> From<RangeInclusive<I>> for Slice {
    fn from(range: RangeInclusive<I>) -> Self {
        let (start, last) = range.into_inner();
        Self::through(Some(start.into()), last.into())
    }
}

impl<I: Into<At>> From<RangeFrom<I>> for Slice {
    fn from(range: RangeFrom<I>) -> Self {
        Self::new(Some(range.start.into()), None)
    }
}

impl<I: Into<At>> From<RangeTo<I>> for Slice {
    fn from(range: RangeTo<I>) -> Self {
        Self::new(None, Some(range.end.into()))
    }
}

impl<I: Into<At>> From<RangeToInclusive<I>> for Slice {
    fn from(range: RangeToInclusive<I>) -> Self {
        Self::through(None, range.end.into())
    }
}

impl From<RangeFull> for Slice {
    fn from(_: RangeFull) -> Self {
        Self::new(None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(slice: impl Into<Slice>, step: isize) -> Vec<usize> {
        slice.into().step(step).places(5).collect()
    }

    // The right sides are what Python 3.13 says of `list(range(5))[..]`.
    #[test]
    fn they_are_pythons() {
        assert_eq!(places(.., 1), [0, 1, 2, 3, 4]);
        assert_eq!(places(.., -1), [4, 3, 2, 1, 0]);
        assert_eq!(places(1..4, 2), [1, 3]);
        assert_eq!(places(-2.., 1), [3, 4]);
        assert_eq!(places(..-2, 1), [0, 1, 2]);
        assert_eq!(places(-100..100, 3), [0, 3]);
        assert_eq!(places(Slice::from(3..).end(1), 1), [0; 0]);
        assert_eq!(places(Slice::from(3..).end(1), -1), [3, 2]);
        assert_eq!(places(Slice::from(100..).end(-100), -2), [4, 2, 0]);
        assert_eq!(places(2.., -1), [2, 1, 0]);
        assert_eq!(places(..2, -1), [4, 3]);
        assert_eq!(places(1..=3, 1), [1, 2, 3]);
        assert_eq!(places(..=-1, 1), [0, 1, 2, 3, 4]);
        assert_eq!(places(7_usize..usize::MAX, 1), [0; 0]);
        assert_eq!(places(isize::MIN.., isize::MAX), [0]);
        assert_eq!(Slice::from(9..).range(5), Some(5..5));
    }

    #[test]
    fn an_index_counts_from_either_end() {
        assert_eq!(At::from(-1).place(5), Some(4));
        assert_eq!(At::from(-5).place(5), Some(0));
        assert_eq!(At::from(-6).place(5), None);
        assert_eq!(At::from(5_u8).place(5), None);
        assert_eq!(At::from(u64::MAX).place(5), None);
        assert_eq!(At::from(5).gap(5), Ok(5));
        assert_eq!(At::from(-1).gap(5), Ok(4));
    }
}

//! The sizes of blocks.
//!
//! An entry lies in a block that is at most a fifth larger than it needs, so that the block of an entry
//! that was replaced has room for a later one. There are four sizes from each power of two to the next.

/// How many sizes there are.
pub(crate) const CLASSES: usize = 64;

/// The words of the smallest block: an entry's head and its key.
const SMALLEST: usize = 8;

/// A size of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) number: usize,
    /// How many words such a block has.
    pub(crate) words: usize,
}

impl Class {
    /// Returns the smallest that has so many words; `None` if no block has.
    #[inline]
    pub(crate) fn of(words: usize) -> Option<Self> {
        let words = words.max(SMALLEST);
        // The power of two below, of which a quarter is the distance of the sizes. A division would take
        // longer than all the rest.
        let log = (words - 1).max(SMALLEST).ilog2();
        let shift = log - 2;
        let steps = words.checked_add((1 << shift) - 1)? >> shift;
        let rounded = steps << shift;
        let number = match words {
            SMALLEST => 0,
            _ => (log as usize - 3) * 4 + steps - 4,
        };
        (number < CLASSES).then_some(Self {
            number,
            words: rounded,
        })
    }

    /// Returns the class whose blocks have exactly so many words.
    #[inline]
    pub(crate) fn with(words: usize) -> Option<Self> {
        Self::of(words).filter(|class| class.words == words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_a_number_of_its_own_and_wastes_at_most_a_fifth() {
        let mut before = Class::of(1).expect("there is one");
        for words in SMALLEST..100_000 {
            let class = Class::of(words).expect("there is one");
            assert!(
                class.words >= words && class.words - words <= words / 4,
                "{words}"
            );
            assert_eq!(Class::with(class.words), Some(class));
            let is_next = usize::from(class.words != before.words);
            assert_eq!(class.number, before.number + is_next, "{words}");
            before = class;
        }
        assert_eq!(Class::of(usize::MAX), None);
    }
}

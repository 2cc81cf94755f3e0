//! What is known of a cell, and its state.
//!
//! The word of a cell has its state, its *generation*, which grows each time the cell becomes free, marks, and
//! a count of transitions. So a word that is as it was has had nobody in between, and a handle, which names the
//! generation, never means another object.
//!
//! | from | to | by whom |
//! |---|---|---|
//! | `FREE` | `MAKING` | a process that has set its bit in its row before |
//! | `MAKING` | `READY` | the same, when everything else is written |
//! | `READY`, `MAKING` | `FREE` | the maker that holds it no more, if nobody else ever held it |
//! | `READY`, `MAKING`, `CLOSING` | `CLOSING` | whoever gave up a hold and saw no other |
//! | `CLOSING` | `READY` | who closes, and sees a holder after all; a new holder; who marks it |
//! | `CLOSING` | `FREE` | who closes, and has seen no holder since the state is `CLOSING` |

use crate::format::{Format, Found, Measure};
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

/// What is known of a cell.
#[repr(C)]
pub(super) struct Meta {
    word: AtomicU64,
    type_hash: AtomicU64,
    kind: AtomicU32,
    elements: AtomicU32,
    size: AtomicU16,
    align: AtomicU16,
    /// Holders of which nobody knows which they are. It is never set, only changed by one: it belongs to the
    /// cell, and not to what lies in it.
    counted: AtomicU32,
}

const _: () = assert!(size_of::<Meta>() == super::layout::META);

/// The word of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

const STATE: u64 = 0xf;
const FREE: u64 = 0;
const MAKING: u64 = 1;
const READY: u64 = 2;
const CLOSING: u64 = 3;

/// Somebody beside the maker has held it.
pub(super) const SHARED: u64 = 1 << 4;
/// A message with a handle to it has been sent.
pub(super) const SENT: u64 = 1 << 5;
/// A message with a handle to it has been left in shared memory.
pub(super) const LINKED: u64 = 1 << 6;
const MARKS: u64 = 0xf0;

/// Counts the transitions.
const TURN: u64 = 1 << 8;
const TURNS: u64 = 0xff_ffff << 8;
const GENERATION: u32 = 32;

impl Word {
    pub(super) fn generation(self) -> u32 {
        (self.0 >> GENERATION) as u32
    }

    pub(super) fn is_free(self) -> bool {
        self.0 & STATE == FREE
    }

    /// Whether it can be held.
    pub(super) fn is_there(self) -> bool {
        matches!(self.0 & STATE, READY | CLOSING)
    }

    pub(super) fn is_ready(self) -> bool {
        self.0 & STATE == READY
    }

    pub(super) fn has(self, marks: u64) -> bool {
        self.0 & marks != 0
    }

    /// The next word with this state and these marks.
    fn next(self, state: u64, marks: u64) -> Self {
        let kept = self.0 & !(STATE | MARKS | TURNS);
        let turns = self.0.wrapping_add(TURN) & TURNS;
        Self(kept | turns | marks & MARKS | state)
    }

    fn into_state(self, state: u64) -> Self {
        self.next(state, self.0)
    }

    fn freed(self) -> Self {
        let freed = self.next(FREE, 0);
        Self(freed.0.wrapping_add(1 << GENERATION))
    }
}

impl Meta {
    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(SeqCst))
    }

    /// Changes the word if it is still this one; returns the new one.
    fn go(&self, from: Word, to: Word) -> Option<Word> {
        let gone = self.word.compare_exchange(from.0, to.0, SeqCst, SeqCst);
        gone.is_ok().then_some(to)
    }

    /// Takes a free cell.
    pub(super) fn take(&self, free: Word) -> Option<Word> {
        self.go(free, free.next(MAKING, 0))
    }

    /// Lets others in. Nobody else changes the word of what is being made and held.
    pub(super) fn set_ready(&self, making: Word) {
        self.word.store(making.into_state(READY).0, SeqCst);
    }

    /// Has the object be held by one more, or be marked; false if it is not what is there.
    pub(super) fn mark(&self, generation: u32, marks: u64) -> bool {
        loop {
            let word = self.word();
            if word.generation() != generation || !word.is_there() {
                return false;
            }
            let is_marked = word.0 & marks == marks && word.is_ready();
            // Who closes it goes on only if the word is as it was.
            if is_marked || self.go(word, word.next(READY, word.0 | marks)).is_some() {
                return true;
            }
        }
    }

    /// Frees the cell if nobody holds it; `is_held` is asked twice if somebody beside the maker ever held it.
    pub(super) fn close(
        &self,
        generation: u32,
        was_maker: bool,
        is_held: impl Fn() -> bool,
        is_elsewhere: impl FnOnce(Word) -> bool,
    ) -> Option<Word> {
        let word = self.word();
        if word.generation() != generation || word.is_free() {
            return None;
        }
        if was_maker && !word.has(MARKS) && word.0 & STATE != CLOSING {
            return self.go(word, word.freed());
        }
        if is_held() {
            return None;
        }
        let closing = self.go(word, word.into_state(CLOSING))?;
        // In this order, which is that in which a handle travels.
        if is_held() || is_elsewhere(closing) {
            self.go(closing, closing.into_state(READY));
            return None;
        }
        self.go(closing, closing.freed()).map(|_| closing)
    }

    pub(super) fn count(&self) {
        self.counted.fetch_add(1, SeqCst);
    }

    pub(super) fn uncount(&self) {
        let fewer = |count: u32| count.checked_sub(1);
        let _ = self.counted.fetch_update(SeqCst, SeqCst, fewer);
    }

    pub(super) fn counted(&self) -> u32 {
        self.counted.load(SeqCst)
    }

    /// Writes down what lies in the cell. The sizes are small.
    pub(super) fn describe(&self, format: &Format, elements: usize) {
        self.type_hash.store(format.type_hash, Relaxed);
        self.kind.store(format.kind_number(), Relaxed);
        self.elements.store(elements as u32, Relaxed);
        self.size.store(format.size as u16, Relaxed);
        self.align.store(format.align as u16, Relaxed);
    }

    /// Reads it, trusting nothing; `None` if it makes no sense in a cell of `room` bytes.
    pub(super) fn found(&self, room: usize) -> Option<Found> {
        let kind = self.kind.load(Acquire);
        let size = usize::from(self.size.load(Relaxed));
        let align = usize::from(self.align.load(Relaxed));
        let elements = self.elements.load(Relaxed) as usize;
        let measure = Measure::in_cell(kind, size, align, elements)?;
        (measure.total <= room).then_some(Found {
            kind,
            type_hash: self.type_hash.load(Relaxed),
            size,
            align,
            elements,
            measure,
        })
    }
}

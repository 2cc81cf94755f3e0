//! What pool and worker both see of the worker's work: a page of shared memory.
//!
//! What a worker has done must be known after it was killed at any instruction, and it must not be told
//! with a message for each item: that would cost more than a small item does. So the worker notes it
//! here, with a store or two for an item, and the pool looks when the worker is dead, or is to give
//! something back.
//!
//! | word | written by | says |
//! |---|---|---|
//! | claims | both | which requests the worker may still begin |
//! | begun | worker | the request that it is at, and how many of its calls have begun |
//! | since | worker | when the last of them did, if that is asked for |
//! | stop | both | the request whose calls that have not begun are not wanted any more |
//! | block, open | worker | of which calls the outcomes on the page are |
//! | failures | worker | how many calls have failed in it |
//! | worked, prepared | worker | how long it has worked, if that is asked for, and how long it took to be ready |
//! | dismissed | pool | whether the worker ends normally when its connection is closed |
//! | page | worker | outcomes that have not been sent yet |
//!
//! # Claims
//!
//! Requests are numbered in the order in which a worker is sent them, and it takes them in that order.
//! One word holds two numbers, `revoked` and `taken`: requests below `revoked` that are not below `taken`
//! are the pool's again. The worker [takes](Ledger::take) a request by moving `taken` behind it; the pool
//! [revokes](Ledger::revoke) by moving `revoked` behind all that it has sent. Both do so with a compare and
//! exchange of the whole word, so that each request is taken or revoked, never both: whoever comes second
//! sees the other's number. The numbers wrap; they are compared by their distance, which is never more
//! than what can be on its way to one worker.

use crate::sync::{AtomicU64, Ordering, Shared};
use procession_shm::ShmError;
use serde::{Deserialize, Serialize};

/// How many words of outcomes the page holds.
pub(crate) const PAGE: usize = if cfg!(loom) { 8 } else { 880 };

const CLAIMS: usize = 0;
const BEGUN: usize = 1;
const SINCE: usize = 2;
const BLOCK: usize = 3;
const OPEN: usize = 4;
const DISMISSED: usize = 5;
const STOP: usize = 6;
const FAILURES: usize = 7;
const WORKED: usize = 8;
const PREPARED: usize = 9;
/// The page begins on a cache line of its own.
const FIRST: usize = 16;

/// The shared page; a handle to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ledger(Shared<[AtomicU64; FIRST + PAGE]>);

/// How far a worker is: words that change when it begins or ends a call.
pub(crate) type Progress = [u64; 3];

/// What the pool has sent a worker, and taken back: it knows without the page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// The number of the next request.
    pub(crate) next: u32,
    /// The number below which it last revoked what was not begun.
    pub(crate) revoked: u32,
    /// The number behind the last request of which an outcome has come.
    pub(crate) answered: u32,
}

/// Outcomes that a worker had not sent when it died.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The request that they belong to.
    pub(crate) request: u32,
    /// The place in it of the first.
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// The outcomes as they are in a message.
    pub(crate) bytes: Vec<u8>,
}

impl Ledger {
    pub(crate) fn new() -> Result<Self, ShmError> {
        // A worker that writes where it should not reaches no other's.
        Shared::new_apart(std::array::from_fn(|_| AtomicU64::new(0))).map(Self)
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.0[at]
    }

    /// The worker is about to begin a request; false if the pool has revoked it.
    pub(crate) fn take(&self, request: u32) -> bool {
        let next = request.wrapping_add(1);
        let take = |word| {
            let (revoked, taken) = halves(word);
            let may = is_before(revoked, next) && is_before(taken, next);
            // Below what is taken nothing can be revoked. The numbers stay together, so that their distance
            // says their order however long nothing is revoked.
            may.then(|| whole(next, next))
        };
        // What was said of an earlier request with this number. The pool says nothing of this one before it is
        // taken.
        self.word(STOP).store(0, Ordering::Relaxed);
        let claims = self.word(CLAIMS);
        claims
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
            .is_ok()
    }

    /// The pool does not want what the worker has not begun of a request that it has taken.
    pub(crate) fn stop(&self, request: u32) {
        self.word(STOP).store(whole(1, request), Ordering::Release);
    }

    /// Returns whether the pool does not want the rest of a request.
    #[inline]
    pub(crate) fn is_stopped(&self, request: u32) -> bool {
        self.word(STOP).load(Ordering::Relaxed) == whole(1, request)
    }

    /// Revokes all requests below `next` that the worker has not begun; returns the number of the first
    /// of those. Where the page [cannot be believed](Self::taken_of), nothing is revoked.
    pub(crate) fn revoke(&self, sent: Sent) -> Option<u32> {
        let revoke = |word| Some(whole(sent.next, believed(word, sent)?));
        let claims = self.word(CLAIMS);
        let before = claims.fetch_update(Ordering::AcqRel, Ordering::Acquire, revoke);
        before.ok().map(|word| halves(word).1)
    }

    /// Returns the number behind the last request that the worker has begun; `None` if the word is none that
    /// pool and worker have made: the worker has written over the page, and nobody knows what it has begun.
    pub(crate) fn taken_of(&self, sent: Sent) -> Option<u32> {
        believed(self.word(CLAIMS).load(Ordering::Acquire), sent)
    }

    /// The worker begins the call in this place of a request.
    #[inline]
    pub(crate) fn begin(&self, request: u32, place: u32) {
        let begun = whole(request, place.wrapping_add(1));
        self.word(BEGUN).store(begun, Ordering::Release);
    }

    /// The worker notes when it begins a call; zero where it has ended its last one.
    pub(crate) fn begin_at(&self, nanos: u64) {
        self.word(SINCE).store(nanos, Ordering::Release);
    }

    /// The worker notes that it has worked since it began the call that it is at.
    pub(crate) fn worked_until(&self, nanos: u64) {
        let since = self.word(SINCE).load(Ordering::Relaxed);
        if since != 0 {
            self.add_to(WORKED, nanos.saturating_sub(since));
        }
    }

    /// Returns for how many nanoseconds the worker has worked, the call that it is at excepted.
    pub(crate) fn worked(&self) -> u64 {
        self.word(WORKED).load(Ordering::Relaxed)
    }

    /// The worker notes how many nanoseconds it took until it could be asked.
    pub(crate) fn prepared_for(&self, nanos: u64) {
        self.word(PREPARED).store(nanos, Ordering::Relaxed);
    }

    /// Returns how many nanoseconds the worker took for what it does before it can be asked.
    pub(crate) fn prepared(&self) -> u64 {
        self.word(PREPARED).load(Ordering::Relaxed)
    }

    /// The worker counts a call that has failed.
    #[cold]
    pub(crate) fn fail(&self) {
        self.add_to(FAILURES, 1);
    }

    /// Returns how many calls have failed in the worker.
    pub(crate) fn failures(&self) -> u64 {
        self.word(FAILURES).load(Ordering::Relaxed)
    }

    /// Adds to a word that only the worker writes.
    fn add_to(&self, at: usize, more: u64) {
        let word = self.word(at);
        let before = word.load(Ordering::Relaxed);
        word.store(before.wrapping_add(more), Ordering::Relaxed);
    }

    /// Returns how many calls of a request have begun.
    pub(crate) fn begun(&self, request: u32) -> u32 {
        match halves(self.word(BEGUN).load(Ordering::Acquire)) {
            (at, begun) if at == request => begun,
            _ => 0,
        }
    }

    /// Returns when the worker began the call that it is at; zero while it is at none.
    pub(crate) fn since(&self) -> u64 {
        self.word(SINCE).load(Ordering::Acquire)
    }

    /// Returns how far the worker is. What the pool revokes is no progress of the worker's.
    pub(crate) fn progress(&self) -> Progress {
        let [begun, open] = [BEGUN, OPEN].map(|word| self.word(word).load(Ordering::Relaxed));
        let (_, taken) = halves(self.word(CLAIMS).load(Ordering::Acquire));
        [taken.into(), begun, open]
    }

    /// The worker begins a block of outcomes, the first of which is in this place of a request.
    pub(crate) fn open(&self, request: u32, first: u32) {
        // The old outcomes are no longer counted before they are taken for others.
        self.word(OPEN).store(0, Ordering::Release);
        self.word(BLOCK)
            .store(whole(request, first), Ordering::Release);
    }

    /// The worker puts an outcome on the page, `from` bytes behind its beginning. It is whole or not
    /// there, whenever the worker is killed.
    #[inline]
    pub(crate) fn put(&self, from: usize, outcome: &[u8]) {
        let page = &self.0[FIRST + from / 8..];
        let (words, rest) = outcome.as_chunks();
        debug_assert!(rest.is_empty(), "an outcome is padded to whole words");
        for (word, bytes) in page.iter().zip(words) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        self.add(from / 8 + words.len());
    }

    /// As [`put`](Self::put), an outcome of one word.
    #[inline]
    pub(crate) fn put_word(&self, from: usize, outcome: u64) {
        self.word(FIRST + from / 8)
            .store(outcome, Ordering::Relaxed);
        self.add(from / 8 + 1);
    }

    /// Counts an outcome that ends at this word of the page.
    #[inline]
    fn add(&self, end: usize) {
        let open = self.word(OPEN);
        let (count, _) = halves(open.load(Ordering::Relaxed));
        open.store(whole(count.wrapping_add(1), end as u32), Ordering::Release);
    }

    /// The pool is about to close the connection, and lets the worker end as it likes.
    pub(crate) fn dismiss(&self) {
        self.word(DISMISSED).store(1, Ordering::Release);
    }

    /// Returns whether the worker may end as it likes; otherwise it is about to be killed, or the pool is gone.
    pub(crate) fn is_dismissed(&self) -> bool {
        self.word(DISMISSED).load(Ordering::Acquire) == 1
    }

    /// Takes the page's name away; whoever has it keeps it.
    pub(crate) fn unlink(&self) {
        self.0.segment().unlink();
    }

    /// Returns what a worker that has ended left on the page.
    pub(crate) fn left(&self) -> Left {
        let (count, words) = halves(self.word(OPEN).load(Ordering::Acquire));
        let (request, first) = halves(self.word(BLOCK).load(Ordering::Acquire));
        let page = self.0[FIRST..].iter().take(words as usize);
        let bytes = page.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        Left {
            request,
            first,
            count,
            bytes: bytes.collect(),
        }
    }
}

/// Returns what is taken, if the word can be one that pool and worker have made.
fn believed(claims: u64, sent: Sent) -> Option<u32> {
    let (revoked, taken) = halves(claims);
    let is_made = revoked == taken || revoked == sent.revoked;
    let is_of_these = !is_before(taken, sent.answered) && !is_before(sent.next, taken);
    (is_made && is_of_these).then_some(taken)
}

fn whole(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// Whether a number comes before another, which may have wrapped.
pub(crate) fn is_before(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn sent(next: u32, revoked: u32) -> Sent {
        let answered = revoked;
        Sent {
            next,
            revoked,
            answered,
        }
    }

    #[test]
    fn a_request_is_taken_or_revoked() {
        let ledger = Ledger::new().unwrap();
        assert!(ledger.take(0));
        assert_eq!(ledger.revoke(sent(3, 0)), Some(1));
        assert!(!ledger.take(1) && !ledger.take(2));
        assert!(ledger.take(3));
        assert!(!ledger.take(3), "twice");
        assert_eq!(ledger.taken_of(sent(5, 3)), Some(4));
    }

    #[test]
    fn requests_are_taken_however_long_none_is_revoked() {
        let ledger = Ledger::new().unwrap();
        let mut last = 0;
        for number in (0..=u32::MAX).step_by(1 << 29) {
            assert!(ledger.take(number), "{number}");
            last = number;
        }
        assert_eq!(ledger.revoke(sent(3, last)), Some(last + 1));
    }

    #[test]
    fn numbers_wrap() {
        let ledger = Ledger::new().unwrap();
        let mut number = 0_u32;
        for _ in 0..9 {
            let before = number;
            number = number.wrapping_add(1 << 29);
            assert!(ledger.take(number));
            let next = number.wrapping_add(5);
            assert_eq!(
                ledger.revoke(sent(next, before)),
                Some(number.wrapping_add(1))
            );
            assert!(!ledger.take(number.wrapping_add(4)));
            number = next;
            assert!(ledger.take(number));
        }
    }

    #[test]
    fn what_nobody_has_said_is_not_believed() {
        let ledger = Ledger::new().unwrap();
        let numbers = Sent {
            next: 9,
            revoked: 4,
            answered: 5,
        };
        let taken_if = |claims| {
            ledger.word(CLAIMS).store(claims, Ordering::Relaxed);
            let taken = ledger.taken_of(numbers);
            assert_eq!(ledger.revoke(numbers), taken);
            taken
        };
        assert_eq!(taken_if(whole(4, 7)), Some(7));
        assert_eq!(taken_if(whole(7, 7)), Some(7));
        assert_eq!(taken_if(whole(9, 9)), Some(9), "all of it has begun");
        for damaged in [
            0,
            u64::MAX,
            whole(4, 4),
            whole(3, 7),
            whole(10, 10),
            1 << 63,
        ] {
            assert_eq!(taken_if(damaged), None, "{damaged:x}");
        }
    }
}

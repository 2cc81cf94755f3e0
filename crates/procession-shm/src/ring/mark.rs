//! How a reader that falls asleep is not overlooked.
//!
//! The reader sleeps outside of the memory, on a *doorbell* of whoever uses the rings, such as a socket. The mark
//! says that it may be asleep:
//!
//! | reader | writer |
//! |---|---|
//! | 1. sets the mark | 1. publishes a message |
//! | 2. looks for a message | 2. looks at the mark |
//! | 3. sleeps if there was none | 3. if it is set: rings the bell, then clears the mark |
//!
//! A full fence stands between the first two steps of each, so at least one of them sees what the
//! other did. The bell is rung before the mark is cleared: a writer that is killed in between leaves
//! the mark, and the next one rings again.
//!
//! A bell that was rung stays until the reader takes it. The reader may have done so, and have set
//! the mark anew, before a slow writer gets to clear it: the word is another one then, and is not
//! cleared.
//!
//! A reader that is awake again clears the mark itself: each bell that nobody sleeps for costs two calls
//! of the kernel. One reader at a time sleeps in a receive; others may *watch* the doorbell
//! beside it, with the same mark. Where that has ever been, the reader sets the mark anew instead: the
//! bell that it took was for them too.

use super::atomic::{AtomicU32, Ordering, fence};

/// The word, in shared memory: odd while it is set.
pub(super) struct Mark {
    word: AtomicU32,
    /// Not zero if somebody has ever watched.
    watched: AtomicU32,
}

/// The mark as a writer saw it, or as a reader set it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(u32);

impl Mark {
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            watched: AtomicU32::new(0),
        }
    }

    /// Says that the caller, the one reader that receives, is going to sleep unless it finds something
    /// now.
    pub(super) fn set(&self) -> Seen {
        let relaxed = Ordering::Relaxed;
        // Always another odd number than before; it comes round after two thousand million sleeps.
        let next = |word: u32| word.wrapping_add(2) | 1;
        let before = self
            .word
            .fetch_update(relaxed, relaxed, |word| Some(next(word)));
        fence(Ordering::SeqCst);
        // It is never refused.
        Seen(next(before.unwrap_or_default()))
    }

    /// Says that the caller, which has set the mark, does not sleep any more.
    pub(super) fn unset(&self, set: Seen) {
        self.clear(set);
        // Whoever begins to watch behind this fence sets the mark then; whoever has done so is seen.
        fence(Ordering::SeqCst);
        if self.is_watched() {
            self.set();
        }
    }

    /// Says that the caller is going to watch, beside whoever receives, unless it finds something now.
    ///
    /// Whoever takes a bell must set the mark before, with [`set`](Self::set): if it is killed in
    /// between, the others who watch are not forgotten.
    pub(super) fn watch(&self) {
        if self.watched.load(Ordering::Relaxed) == 0 {
            self.watched.store(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        // A mark that is set will do: a writer that has seen it has yet to ring, or its bell is there.
        if self.load().is_none() {
            self.set();
        }
    }

    /// Whether somebody may watch.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed) != 0
    }

    /// Says that the caller, and nobody else, watches no more.
    ///
    /// A writer that has seen the mark may ring all the same.
    pub(super) fn unwatch(&self) {
        if let Some(seen) = self.load() {
            self.clear(seen);
        }
    }

    /// Returns the mark if it is set; called after a message was published.
    #[inline]
    pub(super) fn seen(&self) -> Option<Seen> {
        fence(Ordering::SeqCst);
        self.load()
    }

    #[inline]
    fn load(&self) -> Option<Seen> {
        let word = self.word.load(Ordering::Relaxed);
        (word & 1 == 1).then_some(Seen(word))
    }

    /// Clears the mark that was seen, or set, if it is still the same; called by a writer after the bell
    /// was rung for it.
    pub(super) fn clear(&self, Seen(word): Seen) {
        let relaxed = Ordering::Relaxed;
        let _ = self
            .word
            .compare_exchange(word, word.wrapping_add(1), relaxed, relaxed);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    #[derive(Clone)]
    struct Ring {
        mark: Arc<Mark>,
        written: Arc<AtomicU32>,
        bells: Arc<AtomicU32>,
    }

    impl Ring {
        fn new() -> Self {
            Self {
                mark: Arc::new(Mark::new()),
                written: Arc::new(AtomicU32::new(0)),
                bells: Arc::new(AtomicU32::new(0)),
            }
        }

        fn write(&self) {
            self.written.fetch_add(1, Ordering::Release);
            if let Some(seen) = self.mark.seen() {
                self.bells.fetch_add(1, Ordering::Release);
                self.mark.clear(seen);
            }
        }

        /// Returns whether the reader would fall asleep though it has read `read` messages only.
        fn would_sleep(&self, read: u32) -> bool {
            self.mark.set();
            self.written.load(Ordering::Acquire) == read
        }
    }

    #[test]
    fn a_reader_that_sleeps_is_rung_for() {
        loom::model(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writer = thread::spawn(move || same.write());
            let asleep = ring.would_sleep(0);
            writer.join().unwrap();
            assert!(!asleep || ring.bells.load(Ordering::Acquire) > 0);
        });
    }

    /// Receives `count` messages, and sleeps before each that is not there.
    fn receive(ring: &Ring, count: u32) {
        for read in 0..count {
            while ring.written.load(Ordering::Acquire) == read {
                let set = ring.mark.set();
                if ring.written.load(Ordering::Acquire) == read {
                    while ring.bells.swap(0, Ordering::Acquire) == 0 {
                        thread::yield_now();
                    }
                }
                ring.mark.unset(set);
            }
        }
    }

    #[test]
    fn a_reader_that_was_awake_in_between_is_rung_for_again() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writers = thread::spawn(move || {
                same.write();
                same.write();
            });
            // A bell that does not ring would never be over, which loom tells of.
            receive(&ring, 2);
            writers.join().unwrap();
        });
    }

    #[test]
    fn a_watcher_is_rung_for_beside_a_reader() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let ring = Ring::new();
            let same = ring.clone();
            // Sleeps, is woken by a bell that rang for nothing, and is awake from then on.
            let reader = thread::spawn(move || {
                let set = same.mark.set();
                same.mark.unset(set);
            });
            ring.mark.watch();
            let asleep = ring.written.load(Ordering::Acquire) == 0;
            reader.join().unwrap();
            ring.write();
            assert!(!asleep || ring.bells.load(Ordering::Acquire) > 0);
        });
    }

    #[test]
    fn a_reader_that_took_the_bell_and_sleeps_again_is_rung_for_again() {
        loom::model(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writers = thread::spawn(move || {
                same.write();
                same.write();
            });
            let mut read = 0;
            let mut asleep = ring.would_sleep(read);
            if asleep && ring.bells.swap(0, Ordering::Acquire) > 0 {
                read = ring.written.load(Ordering::Acquire);
                asleep = ring.would_sleep(read);
            }
            writers.join().unwrap();
            let unread = ring.written.load(Ordering::Acquire) > read;
            assert!(!asleep || !unread || ring.bells.load(Ordering::Acquire) > 0);
        });
    }
}

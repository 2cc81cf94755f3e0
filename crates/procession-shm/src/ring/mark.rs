//! How those that sleep at the reading end are not overlooked.
//!
//! They sleep outside of the memory, on a *doorbell* of whoever uses the rings, such as a descriptor. A mark
//! says that somebody may be asleep:
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
//! There are two marks, with a bell for each. One reader at a time sleeps in a receive, under the
//! [`Sleeper::Receiver`]'s mark: it clears the mark itself when it is awake again, for each bell that nobody
//! sleeps for costs calls of the kernel. Any number of others *watch* beside it, under the
//! [`Sleeper::Watchers`]' mark. The bell of these is for all of them: whoever takes it sets their mark anew
//! before.

use super::atomic::{AtomicU32, Ordering, fence};

/// Whom a bell is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleeper {
    /// The one that sleeps in a receive, and has the reading side to itself.
    Receiver,
    /// Those that sleep until there is something to receive, and take nothing.
    Watchers,
}

/// The marks of a ring, in shared memory.
pub(super) struct Marks {
    receiver: Mark,
    watchers: Mark,
    /// Not zero if somebody has ever watched.
    watched: AtomicU32,
}

/// The mark as a writer saw it, or as a reader set it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(u32);

impl Marks {
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Self {
            receiver: Mark(AtomicU32::new(0)),
            watchers: Mark(AtomicU32::new(0)),
            watched: AtomicU32::new(0),
        }
    }

    /// Says that the caller, the one reader that receives, is going to sleep unless it finds something
    /// now.
    pub(super) fn fall_asleep(&self) -> Seen {
        self.receiver.set()
    }

    /// Says that the caller, which has fallen asleep, does not sleep any more.
    ///
    /// A writer that has seen the mark may ring all the same.
    pub(super) fn wake_up(&self, set: Seen) {
        self.receiver.clear(set);
    }

    /// Says that the caller is going to watch, beside whoever receives, unless it finds something now.
    pub(super) fn watch(&self) {
        if !self.is_watched() {
            self.watched.store(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        // A mark that is set will do: a writer that has seen it has yet to ring, or its bell is there.
        if self.watchers.load().is_none() {
            self.watchers.set();
        }
    }

    /// Whether somebody may watch. Asked by a reader to which a bell of the watchers has come, it is not
    /// too early: the writer that rang has seen what was stored before the mark.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed) != 0
    }

    /// Whether the mark of the watchers is set.
    pub(super) fn is_watching(&self) -> bool {
        self.watchers.load().is_some()
    }

    /// Says that the caller is going to take a bell of the watchers. If it is killed in between, they are not
    /// forgotten.
    pub(super) fn begin_taking(&self) {
        self.watchers.set();
    }

    /// Says that the caller, and nobody else, watches no more.
    ///
    /// A writer that has seen the mark may ring all the same.
    pub(super) fn unwatch(&self) {
        if let Some(seen) = self.watchers.load() {
            self.watchers.clear(seen);
        }
    }

    /// Calls `ring` for each kind of sleeper there may be; called after a message was published.
    #[inline]
    pub(super) fn wake(&self, ring: impl FnMut(Sleeper)) {
        fence(Ordering::SeqCst);
        let marks = (self.receiver.load(), self.watchers.load());
        if let (None, None) = marks {
            return;
        }
        self.wake_marked(marks, ring);
    }

    fn wake_marked(
        &self,
        (receiver, watchers): (Option<Seen>, Option<Seen>),
        mut ring: impl FnMut(Sleeper),
    ) {
        // Whoever gets a bell sees what was stored before the mark.
        fence(Ordering::SeqCst);
        // First each bell: if this process is killed behind it, the mark is still there for the next.
        if let Some(seen) = receiver {
            ring(Sleeper::Receiver);
            self.receiver.clear(seen);
        }
        if let Some(seen) = watchers {
            ring(Sleeper::Watchers);
            self.watchers.clear(seen);
        }
    }
}

/// A word that is odd while it is set.
struct Mark(AtomicU32);

impl Mark {
    fn set(&self) -> Seen {
        let relaxed = Ordering::Relaxed;
        // Always another odd number than before; it comes round after two thousand million sleeps.
        let next = |word: u32| word.wrapping_add(2) | 1;
        let before = self
            .0
            .fetch_update(relaxed, relaxed, |word| Some(next(word)));
        fence(Ordering::SeqCst);
        // It is never refused.
        Seen(next(before.unwrap_or_default()))
    }

    #[inline]
    fn load(&self) -> Option<Seen> {
        let word = self.0.load(Ordering::Relaxed);
        (word & 1 == 1).then_some(Seen(word))
    }

    /// Clears the mark that was seen, or set, if it is still the same.
    fn clear(&self, Seen(word): Seen) {
        let relaxed = Ordering::Relaxed;
        let _ = self
            .0
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
        marks: Arc<Marks>,
        written: Arc<AtomicU32>,
        /// How often the bell of each was rung since it was taken.
        receiver: Arc<AtomicU32>,
        watchers: Arc<AtomicU32>,
    }

    impl Ring {
        fn new() -> Self {
            Self {
                marks: Arc::new(Marks::new()),
                written: Arc::default(),
                receiver: Arc::default(),
                watchers: Arc::default(),
            }
        }

        fn write(&self) {
            self.written.fetch_add(1, Ordering::Release);
            self.marks.wake(|sleeper| {
                let bell = match sleeper {
                    Sleeper::Receiver => &self.receiver,
                    Sleeper::Watchers => &self.watchers,
                };
                bell.fetch_add(1, Ordering::Release);
            });
        }

        fn unread(&self, read: u32) -> bool {
            self.written.load(Ordering::Acquire) > read
        }

        /// Returns whether the receiver would fall asleep though it has read `read` messages only.
        fn would_sleep(&self, read: u32) -> bool {
            self.marks.fall_asleep();
            !self.unread(read)
        }

        /// Receives `count` messages, and sleeps before each that is not there.
        fn receive(&self, count: u32) {
            for read in 0..count {
                while !self.unread(read) {
                    let set = self.marks.fall_asleep();
                    if !self.unread(read) {
                        while self.receiver.swap(0, Ordering::Acquire) == 0 {
                            thread::yield_now();
                        }
                    }
                    self.marks.wake_up(set);
                }
            }
        }
    }

    fn bounded() -> loom::model::Builder {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model
    }

    #[test]
    fn a_reader_that_sleeps_is_rung_for() {
        loom::model(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writer = thread::spawn(move || same.write());
            let asleep = ring.would_sleep(0);
            writer.join().unwrap();
            assert!(!asleep || ring.receiver.load(Ordering::Acquire) > 0);
        });
    }

    #[test]
    fn a_reader_that_was_awake_in_between_is_rung_for_again() {
        bounded().check(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writers = thread::spawn(move || {
                same.write();
                same.write();
            });
            // A bell that does not ring would never be over, which loom tells of.
            ring.receive(2);
            writers.join().unwrap();
        });
    }

    #[test]
    fn a_watcher_is_rung_for_beside_a_receiver() {
        bounded().check(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writer = thread::spawn(move || same.write());
            let same = ring.clone();
            let receiver = thread::spawn(move || same.receive(1));
            ring.marks.watch();
            let asleep = !ring.unread(0);
            receiver.join().unwrap();
            writer.join().unwrap();
            assert!(!asleep || ring.watchers.load(Ordering::Acquire) > 0);
        });
    }

    #[test]
    fn a_watcher_is_rung_for_though_another_reader_takes_a_bell() {
        bounded().check(|| {
            let ring = Ring::new();
            let same = ring.clone();
            let writers = thread::spawn(move || {
                same.write();
                same.write();
            });
            let same = ring.clone();
            // Finds a bell of the watchers, takes it, and receives what is there.
            let taker = thread::spawn(move || {
                if same.watchers.load(Ordering::Acquire) > 0 {
                    if same.marks.is_watched() {
                        same.marks.begin_taking();
                    }
                    same.watchers.fetch_sub(1, Ordering::AcqRel);
                }
                same.written.load(Ordering::Acquire)
            });
            ring.marks.watch();
            let asleep = !ring.unread(0);
            let read = taker.join().unwrap();
            writers.join().unwrap();
            assert!(!asleep || !ring.unread(read) || ring.watchers.load(Ordering::Acquire) > 0);
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
            if asleep && ring.receiver.swap(0, Ordering::Acquire) > 0 {
                read = ring.written.load(Ordering::Acquire);
                asleep = ring.would_sleep(read);
            }
            writers.join().unwrap();
            assert!(!asleep || !ring.unread(read) || ring.receiver.load(Ordering::Acquire) > 0);
        });
    }

    /// Writes, and is killed before it rings, or before it clears the mark that it rang for.
    fn write_and_die(ring: &Ring, rings: bool) {
        ring.written.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if rings && ring.marks.receiver.load().is_some() {
            ring.receiver.fetch_add(1, Ordering::Release);
        }
    }

    #[test]
    fn whoever_sleeps_is_rung_for_by_the_next_writer_after_one_was_killed() {
        for rings in [false, true] {
            bounded().check(move || {
                let ring = Ring::new();
                let same = ring.clone();
                let writers = thread::spawn(move || {
                    write_and_die(&same, rings);
                    same.write();
                });
                ring.receive(2);
                writers.join().unwrap();
            });
        }
    }
}

//! Threads and tasks that wait for a call, and how they are woken.

use crate::crew::Crew;
use crate::sync::{AtomicU8, Ordering, Thread, current, park, park_timeout};
use procession_os::futex;
use procession_os::futexes::Watch;
use procession_os::wait::Deadline;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::Waker;

/// A thread that sleeps until another one collects what it waits for, or hands it the collecting.
#[derive(Debug)]
pub(crate) struct Waiter {
    thread: Thread,
    /// One of the three below.
    state: AtomicU8,
}

const ASLEEP: u8 = 0;
const WOKEN: u8 = 1;
/// Woken with the duty to collect.
const ON_DUTY: u8 = 2;

impl Waiter {
    /// Makes one of the calling thread.
    pub(crate) fn here() -> Arc<Self> {
        Arc::new(Self {
            thread: current(),
            state: AtomicU8::new(ASLEEP),
        })
    }

    /// Sleeps until it is woken, or to the deadline.
    pub(crate) fn sleep(&self, deadline: Deadline) {
        while self.state.load(Ordering::Acquire) == ASLEEP {
            match deadline.left() {
                None => park(),
                Some(left) if left.is_zero() => return,
                Some(left) => park_timeout(left),
            }
        }
    }

    /// Returns whether it has the duty to collect.
    pub(crate) fn is_on_duty(&self) -> bool {
        self.state.load(Ordering::Acquire) == ON_DUTY
    }

    /// Has it collect. Its thread is woken by [`wake`](Self::wake).
    pub(crate) fn appoint(&self) {
        self.state.store(ON_DUTY, Ordering::Release);
    }

    /// Wakes the thread.
    pub(crate) fn wake(&self) {
        let relaxed = Ordering::Relaxed;
        let _ = self
            .state
            .compare_exchange(ASLEEP, WOKEN, Ordering::Release, relaxed);
        self.thread.unpark();
    }
}

/// What a thread waits for.
pub(crate) trait Awaited {
    fn is_ready(&self) -> bool;

    /// Has a waiter woken when it is ready; false if it is.
    fn enlist(&self, waiter: &Arc<Waiter>) -> bool;

    /// Has a waiter woken no more.
    fn dismiss(&self, waiter: &Arc<Waiter>);
}

/// A word on which threads sleep that wait for calls and other things at once.
#[derive(Debug, Default)]
pub(crate) struct News(AtomicU32);

impl News {
    /// Returns what to sleep on until the next news.
    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch {
            word: &self.0,
            expected: self.0.load(Ordering::Acquire),
        }
    }

    fn tell(&self) {
        self.0.fetch_add(1, Ordering::Release);
        futex::wake(&self.0, u32::MAX);
    }
}

/// Who is to be woken, when no lock is held any more.
pub(crate) type Wakes = Vec<Wake>;

/// Somebody who is to be woken.
pub(crate) enum Wake {
    Thread(Arc<Waiter>),
    /// A task of an asynchronous program, by the pool's thread for that: its waker may do what it likes.
    Task(Waker, Arc<Crew>),
    /// A function that passes the callback on to the thread that calls it.
    Hook(Box<dyn FnOnce() + Send>),
    /// Those who wait for calls and other things at once.
    All(Arc<Crew>),
}

impl Wake {
    pub(crate) fn run(self) {
        match self {
            Self::Thread(waiter) => waiter.wake(),
            Self::Task(waker, crew) => crew.wakers.call(Box::new(move || waker.wake())),
            Self::Hook(pass_on) => pass_on(),
            Self::All(crew) => crew.news.tell(),
        }
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}

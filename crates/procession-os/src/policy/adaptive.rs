//! Whether looking again pays, as a thread has found out.
//!
//! A wait of which the end comes within some microseconds is over sooner for who looks again than for
//! who sleeps. There are two ways in which looking does harm:
//!
//! | what was seen | what it means | what follows |
//! |---|---|---|
//! | between two looks another thread had the processor | there is more to do than processors: who looks is not preferred when it is woken, and takes the time of whoever it waits for | if the waits since the last time cost more than sleeping would have, a pause of 32 times what was lost |
//! | nothing came, several times in a row | the other one takes long, or has no other processor to run on | a pause of 3 times what the looks took, then 15 times and so on up to 1023, from the second time on |
//!
//! In a pause the thread sleeps at once, and learns what that costs. So what looking in vain costs stays a
//! small part of the whole, and that it pays again is soon found out: pauses are measured in time, not in
//! waits.

use super::{WaitPolicy, offer_processor};
use std::cell::Cell;
use std::hint;
use std::time::{Duration, Instant};

/// How a thread looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    /// How many times before the processor is first offered to others.
    pub(crate) first: u32,
    /// How many times between two such offers.
    pub(crate) next: u32,
}

/// When two looks are this far apart, another thread had the processor in between.
const GAP: Duration = Duration::from_micros(20);

/// So much longer than the processor was away is the pause.
const PAUSE: u32 = 32;

/// What a wait asleep is taken to cost before there has been one.
const ASLEEP: Duration = Duration::from_micros(10);

/// A wait asleep that lasts longer was for something that took its time.
const SHORT: Duration = Duration::from_micros(200);

/// The share of what is new in the mean of the waits asleep.
const SHARE: u32 = 8;

/// How many waits in vain, one after the other, make the longest pause.
const MOST_IN_VAIN: u32 = 6;

/// The waits that a thread is given in advance when it begins to look: what a few of them cost says
/// nothing yet.
const ADVANCE: u32 = 32;

/// After so many waits the older ones count half.
const MANY: u32 = 1 << 14;

/// What a thread knows.
struct Experience {
    /// Before this moment it sleeps at once.
    pause: Cell<Option<Instant>>,
    /// When the wait began that it is asleep in, if it did not look first.
    asleep_since: Cell<Option<Instant>>,
    /// What such a wait costs in the mean.
    asleep: Cell<Duration>,
    /// How many waits ended while it looked, since the last pause.
    found: Cell<u32>,
    /// What they cost, and those for which it lost the processor in vain.
    cost: Cell<Duration>,
    /// How many waits in a row, about, looked in vain.
    in_vain: Cell<u32>,
}

thread_local! {
    static EXPERIENCE: Experience = const {
        Experience {
            pause: Cell::new(None),
            asleep_since: Cell::new(None),
            asleep: Cell::new(ASLEEP),
            found: Cell::new(ADVANCE),
            cost: Cell::new(Duration::ZERO),
            in_vain: Cell::new(0),
        }
    };
}

/// Looks until `check` gives something, until `limit` has passed, or not at all if that is known not to
/// pay.
pub(super) fn look<R>(
    policy: WaitPolicy,
    limit: Duration,
    looks: Looks,
    mut check: impl FnMut() -> Option<R>,
) -> Option<R> {
    EXPERIENCE.with(|experience| {
        // Who asks for short answers above all has them, whatever that costs.
        let adapts = policy != WaitPolicy::Latency;
        if !(adapts && experience.may_pause()) {
            // What is there already is not worth a look at the clock.
            let found = check();
            if found.is_some() {
                return found;
            }
        }
        let start = Instant::now();
        if adapts && experience.is_pausing(start) {
            experience.asleep_since.set(Some(start));
            return None;
        }
        experience.asleep_since.set(None);
        let (found, looked) = look_from(start, limit, looks, check);
        if adapts {
            experience.note(start, &looked, found.is_some());
        }
        found
    })
}

/// Sleeps, and takes the time if this thread has not looked before.
pub(super) fn sleep<R>(sleep: impl FnOnce() -> R) -> R {
    let result = sleep();
    EXPERIENCE.with(|experience| {
        if let Some(since) = experience.asleep_since.take() {
            experience.note_slept(since.elapsed());
        }
    });
    result
}

/// What looking came to.
struct Looked {
    /// How long it took.
    time: Duration,
    /// How much of that others had the processor.
    away: Duration,
}

fn look_from<R>(
    start: Instant,
    limit: Duration,
    looks: Looks,
    mut check: impl FnMut() -> Option<R>,
) -> (Option<R>, Looked) {
    let mut last = start;
    let mut away = Duration::ZERO;
    let mut count = looks.first;
    loop {
        let found = burst(count, &mut check);
        let now = Instant::now();
        let gap = now.saturating_duration_since(last);
        if gap > GAP {
            away += gap;
        }
        let time = now.saturating_duration_since(start);
        if found.is_some() || time >= limit {
            return (found, Looked { time, away });
        }
        last = now;
        count = looks.next;
        offer_processor();
    }
}

impl Experience {
    fn may_pause(&self) -> bool {
        self.pause.get().is_some()
    }

    fn is_pausing(&self, now: Instant) -> bool {
        let pausing = self.pause.get().is_some_and(|until| now < until);
        if !pausing {
            self.pause.set(None);
        }
        pausing
    }

    fn note(&self, start: Instant, looked: &Looked, found: bool) {
        let lost = !looked.away.is_zero();
        if found || lost {
            self.cost.set(self.cost.get().saturating_add(looked.time));
        }
        if found {
            self.note_found();
        }
        if lost && self.costs_more_than_sleeping() {
            self.found.set(ADVANCE);
            self.cost.set(Duration::ZERO);
            self.pause
                .set(start.checked_add(looked.time + looked.away * PAUSE));
        } else if !found && !lost {
            self.note_in_vain(start, looked.time);
        }
    }

    fn note_found(&self) {
        self.found.set(self.found.get() + 1);
        if self.found.get() > MANY {
            self.found.set(MANY / 2);
            self.cost.set(self.cost.get() / 2);
        }
        if self.in_vain.get() > 0 {
            self.in_vain.set(self.in_vain.get() / 2);
        }
    }

    fn costs_more_than_sleeping(&self) -> bool {
        self.cost.get() > self.asleep.get().saturating_mul(self.found.get())
    }

    fn note_in_vain(&self, start: Instant, looked: Duration) {
        let before = self.in_vain.get();
        self.in_vain.set((before + 1).min(MOST_IN_VAIN));
        let times = 4_u32.pow(before.min(MOST_IN_VAIN - 1));
        self.pause.set(start.checked_add(looked * times));
    }

    fn note_slept(&self, slept: Duration) {
        if slept < SHORT {
            let before = self.asleep.get();
            self.asleep
                .set(before * (SHARE - 1) / SHARE + slept / SHARE);
        }
    }
}

/// Checks up to `checks` times, with a pause instruction before each.
pub(super) fn burst<R>(checks: u32, check: &mut impl FnMut() -> Option<R>) -> Option<R> {
    for _ in 0..checks {
        hint::spin_loop();
        if let Some(found) = check() {
            return Some(found);
        }
    }
    None
}

//! Calls that are to be done by some time though no thread waits for them: the minder ends them.

use crate::call::Call;
use crate::crew::Crew;
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// When a call is to be done, and a number that tells it from others.
type Key = (Instant, u64);

/// The calls, those first whose time comes first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    calls: BTreeMap<Key, (Weak<Call>, Duration)>,
    /// How many there have been.
    count: u64,
}

impl Timers {
    /// Adds a call; returns its key, and whether it is the first now.
    fn add(&mut self, at: Instant, call: &Arc<Call>, limit: Duration) -> (Key, bool) {
        self.count += 1;
        let key = (at, self.count);
        self.calls.insert(key, (Arc::downgrade(call), limit));
        let first = self.calls.first_key_value();
        (key, first.is_some_and(|(first, _)| *first == key))
    }

    /// Takes a call whose time has come; otherwise returns when the next one's does.
    fn take_due(&mut self, now: Instant) -> Result<(Weak<Call>, Duration), Option<Instant>> {
        match self.calls.first_entry() {
            Some(first) if first.key().0 <= now => Ok(first.remove()),
            Some(first) => Err(Some(first.key().0)),
            None => Err(None),
        }
    }
}

/// A call that is to be done in time, until this is dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    crew: Arc<Crew>,
    key: Key,
}

impl Timer {
    /// Begins to count; `None` if the time is beyond what can be counted.
    pub(crate) fn start(crew: &Arc<Crew>, call: &Arc<Call>, limit: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(limit)?;
        let (key, is_first) = crew.timers().add(at, call, limit);
        if is_first {
            crew.bells.ring();
        }
        Some(Self {
            crew: Arc::clone(crew),
            key,
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.crew.is_ours() {
            self.crew.timers().calls.remove(&self.key);
        }
    }
}

impl Crew {
    /// This lock is the last in the order of the crew's.
    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the calls whose time has come; returns when the next one's does.
    pub(crate) fn expire_due(&self, now: Instant) -> Option<Instant> {
        loop {
            let due = self.timers().take_due(now);
            match due {
                Ok((call, limit)) => {
                    if let Some(call) = call.upgrade() {
                        self.expire(&call, limit);
                    }
                }
                Err(next) => return next,
            }
        }
    }
}

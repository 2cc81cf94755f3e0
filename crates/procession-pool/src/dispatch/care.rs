//! What is done about workers that do not work: they are stopped, take too long, or have closed their socket.

use super::Dispatch;
use super::slot::{Slot, Stage};
use crate::call::Loss;
use crate::sync::lasting;
use crate::waiter::Wakes;
use crate::worker::Worker;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a worker may take to begin what it was sent while another is idle: this, and [`FOR_BYTE`] for each
/// byte that it has to receive and decode first.
const PATIENCE: Duration = lasting(Duration::from_millis(20));
const FOR_BYTE: Duration = Duration::from_nanos(20);

/// How long others are preferred to one that took longer.
const AVOIDED: Duration = Duration::from_secs(1);

/// How long a worker may go on that has closed its socket.
const GRACE: Duration = Duration::from_secs(1);

/// How often it is looked whether a worker is stopped that makes no progress.
const LOOK: Duration = lasting(Duration::from_millis(100));

impl Dispatch {
    /// Takes back what a worker does not begin though it is at nothing, for an idle one: the worker may be
    /// stopped. Returns when to look again.
    pub(crate) fn relieve(&mut self, now: Instant, wakes: &mut Wakes) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            slot.avoided = slot.avoided.filter(|&until| now < until);
            slot.check_page();
            let Some(number) = slot.not_begun() else {
                slot.waited = None;
                continue;
            };
            let since = match slot.waited {
                Some((waited, since)) if waited == number => since,
                _ => now,
            };
            slot.waited = Some((number, since));
            let front = slot.sent.front();
            let (count, bytes) = front.map_or((1, 0), |chunk| (chunk.count, chunk.len()));
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let until = since + PATIENCE + FOR_BYTE * bytes;
            let slots = self.slots.iter().enumerate();
            let idle = slots.filter(|(_, slot)| slot.is_idle() && self.may_run(slot, count));
            let Some((idle, _)) = idle.min_by_key(|(_, slot)| slot.avoided) else {
                continue;
            };
            if now < until {
                next = Some(next.map_or(until, |next| next.min(until)));
                continue;
            }
            let slot = &mut self.slots[at];
            (slot.waited, slot.avoided) = (None, Some(now + AVOIDED));
            let mut back = slot.take_back();
            // The worker may be receiving the first, and die of it.
            if let Some(first) = back.front_mut() {
                first.bounces += 1;
            }
            for chunk in back {
                self.send(idle, chunk, wakes);
            }
        }
        next
    }

    /// Looks, once in a [`LOOK`], whether workers are stopped that make no progress. What such a worker has not
    /// begun goes to others at once; the worker is killed when it was found stopped so often in a row that
    /// it has been for as long as it may. Returns when to look again, and whether it has looked.
    ///
    /// Looks are counted, and not the time between them: that of Ctrl-Z, which stops this process too, is no
    /// time in which somebody left the worker stopped.
    pub(crate) fn look(&mut self, now: Instant, wakes: &mut Wakes) -> (Option<Instant>, bool) {
        if !self.is_busy() {
            return (None, false);
        }
        let due = self.looked.map_or(now, |looked| looked + LOOK);
        if now < due {
            return (Some(due), false);
        }
        self.looked = Some(now);
        // That it is stopped is known only by the second look.
        let most = self.limits.stop.as_nanos().div_ceil(LOOK.as_nanos()) + 1;
        for slot in &mut self.slots {
            slot.look_whether_stopped();
            if slot.stopped == 0 {
                continue;
            }
            for chunk in slot.take_back().into_iter().rev() {
                self.queue.push_front(chunk);
            }
            if u128::from(slot.stopped) > most {
                slot.end_stopped();
            }
        }
        self.give(wakes);
        (Some(now + LOOK), true)
    }

    /// Returns how much memory a worker may have.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.limits.memory
    }

    /// Sees to a worker that was found to have too much memory. If it was at one call for as long as it was
    /// looked, that is killed with it; otherwise it is given nothing more.
    pub(crate) fn relieve_of_memory(
        &mut self,
        at: usize,
        worker: &Arc<Worker>,
        is_still: bool,
        limit: u64,
        wakes: &mut Wakes,
    ) {
        let slot = &mut self.slots[at];
        if !slot.is_of(worker) || slot.stage == Stage::Dismissed || slot.fault.is_some() {
            return;
        }
        for chunk in slot.take_back().into_iter().rev() {
            self.queue.push_front(chunk);
        }
        let is_at_something = !slot.sent.is_empty() || slot.is_starting();
        if is_at_something && is_still {
            worker.kill();
            let pid = worker.pid();
            slot.fault = Some(Loss::Memory { pid, limit });
        } else if is_at_something {
            slot.stage = Stage::Heavy;
        } else {
            slot.dismiss();
        }
        self.give(wakes);
    }

    /// Dismisses workers that have had nothing to do for long; returns when to look again.
    pub(crate) fn dismiss_idle(&mut self, now: Instant) -> Option<Instant> {
        let limit = self.limits.idle?;
        let mut next = None;
        for slot in self.slots.iter_mut().filter(|slot| slot.is_staffed()) {
            let number = slot.numbers.next;
            let before = slot.idle.take().filter(|_| slot.is_idle());
            let since = match before {
                Some((at, since)) if at == number => since,
                _ => now,
            };
            let until = since.checked_add(limit);
            if before.is_some() && until.is_some_and(|until| until <= now) {
                slot.dismiss();
                continue;
            }
            slot.idle = slot.is_idle().then_some((number, since));
            next = next.into_iter().chain(until).min();
        }
        next
    }

    /// Kills the workers whose call takes longer than it may; returns when to look again.
    pub(crate) fn time_out(&mut self, now: Instant) -> Option<Instant> {
        let limit = self.limits.timeout?;
        self.is_timing = self.unsettled > 0;
        let clock = crate::clock::now();
        let mut next = self.is_timing.then(|| now + limit);
        for slot in &mut self.slots {
            let Some(worker) = slot.worker.as_ref().filter(|_| slot.fault.is_none()) else {
                continue;
            };
            let since = worker.ledger().since();
            if since == 0 || slot.sent.is_empty() {
                continue;
            }
            let taken = Duration::from_nanos(clock.saturating_sub(since));
            let left = limit.saturating_sub(taken);
            if left.is_zero() {
                worker.kill();
                slot.fault = Some(Loss::TimedOut(limit));
            } else {
                next = next.map(|next| next.min(now + left));
            }
        }
        next
    }

    /// Returns the workers that have closed their socket and go on all the same, and when the next one
    /// is to be asked about.
    pub(crate) fn overstaying(&self, now: Instant) -> (Vec<Arc<Worker>>, Option<Instant>) {
        // One that was told to end is hung up on, and may be in its hook.
        let in_hook = |slot: &&Slot| self.limits.has_hook && slot.stage == Stage::Dismissed;
        let slots = self.slots.iter().filter(|slot| !in_hook(slot));
        let hung = slots.filter_map(|slot| {
            let until = slot.hung? + GRACE;
            Some((until, Arc::clone(slot.worker.as_ref()?)))
        });
        let (over, waiting): (Vec<_>, Vec<_>) = hung.partition(|(until, _)| *until <= now);
        let next = waiting.into_iter().map(|(until, _)| until).min();
        (over.into_iter().map(|(_, worker)| worker).collect(), next)
    }
}

impl Slot {
    /// Counts how often in a row the worker was found stopped, if it has something to do.
    fn look_whether_stopped(&mut self) {
        // One that was told to end keeps its place until it has.
        let is_leaving = self.stage == Stage::Dismissed;
        let is_at_something = !self.sent.is_empty() || self.is_starting();
        let is_concerned = is_at_something || is_leaving || self.stopped > 0;
        let worker = self.worker.as_ref().filter(|_| self.fault.is_none());
        let Some(worker) = worker.filter(|_| is_concerned) else {
            return;
        };
        let progress = worker.ledger().progress();
        let is_still = self.progress.replace(progress) == Some(progress);
        // One that has got on since the last look was not stopped all the time.
        let is_stopped = is_still && worker.process().is_stopped();
        self.stopped = if is_stopped {
            self.stopped.saturating_add(1)
        } else {
            0
        };
    }

    fn end_stopped(&mut self) {
        if let Some(worker) = &self.worker {
            worker.kill();
            self.fault = Some(Loss::Stopped { pid: worker.pid() });
        }
    }
}

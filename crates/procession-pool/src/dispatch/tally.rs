//! What is counted of workers, and what the counts say of the pool.

use std::time::Duration;

#[cfg(not(loom))]
use super::slot::{Slot, Stage};
#[cfg(not(loom))]
use crate::clock;
#[cfg(not(loom))]
use crate::ledger::{Ledger, is_before};
#[cfg(not(loom))]
use crate::stats::{PoolStats, RunningTask, WorkerState, WorkerStats};

/// What is counted in the place of one worker.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many workers have had the place.
    pub(super) started: u64,
    /// How many outcomes have come from this worker.
    pub(super) answered: u64,
    /// How many came from those before it, and how many of them were failures.
    before: u64,
    failed_before: u64,
    /// How many calls were given to another worker after one had died in them.
    pub(super) retried: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// How long it took until this worker could be asked.
    pub(super) ready: Option<Duration>,
}

impl Tally {
    pub(super) fn begin_worker(&mut self) {
        self.started += 1;
        self.ready = None;
    }

    /// Adds what this worker did to what others did, so many failures among it.
    pub(super) fn end_worker(&mut self, failures: u64) {
        self.failed_before += self.failed(failures);
        self.before += std::mem::take(&mut self.answered);
        self.ready = None;
    }

    /// A worker counts a failure before it has told of it, and perhaps anything.
    fn failed(&self, failures: u64) -> u64 {
        failures.min(self.answered)
    }
}

#[cfg(not(loom))]
impl super::Dispatch {
    /// Returns what there is now, the workers' memory excepted.
    pub(crate) fn stats(&self) -> PoolStats {
        let queued: usize = self.queue.iter().map(|it| it.count - it.settled).sum();
        let mut stats = PoolStats {
            queued,
            ..PoolStats::default()
        };
        let is_timed = self.limits.insights || self.limits.timeout.is_some();
        for slot in &self.slots {
            let tally = &slot.tally;
            stats.done += tally.before + tally.answered;
            stats.failed += tally.failed_before;
            stats.retried += tally.retried;
            stats.restarted += tally.started.saturating_sub(1);
            stats.bytes_sent += tally.bytes_sent;
            stats.bytes_received += tally.bytes_received;
            if let Some(mut worker) = slot.stats(is_timed) {
                if self.loss().is_some() {
                    worker.state = WorkerState::Ending;
                }
                stats.failed += worker.failed;
                stats.queued += worker.waiting;
                stats.workers.push(worker);
            }
        }
        stats.lost = self.settled.saturating_sub(stats.done);
        stats
    }
}

#[cfg(not(loom))]
impl Slot {
    fn stats(&self, is_timed: bool) -> Option<WorkerStats> {
        let worker = self.worker.as_ref()?;
        let ledger = worker.ledger();
        let running = self.running();
        let begun = running.as_ref().map_or(0, |(_, begun)| *begun);
        let sent: usize = self.sent.iter().map(|chunk| chunk.count).sum();
        let prepared = ledger.prepared();
        let initializer = (prepared > 0).then(|| Duration::from_nanos(prepared));
        // It has not ended its last call before the outcome is on its way.
        let current = age(ledger).unwrap_or_default();
        let working =
            is_timed.then(|| current.saturating_add(Duration::from_nanos(ledger.worked())));
        let ready = self.tally.ready;
        let since_ready = ready.map(|ready| worker.age().saturating_sub(ready));
        Some(WorkerStats {
            pid: worker.pid(),
            name: worker.process().name().to_owned(),
            state: self.state(running.is_some()),
            waiting: sent - begun,
            done: self.tally.answered,
            failed: self.tally.failed(ledger.failures()),
            task: running.map(|(task, _)| task),
            memory: None,
            starting: ready.map(|ready| ready.saturating_sub(initializer.unwrap_or_default())),
            initializer,
            idle: working.and_then(|working| Some(since_ready?.saturating_sub(working))),
            working,
        })
    }

    /// Returns what the worker is at, and how many calls of its chunk have begun.
    fn running(&self) -> Option<(RunningTask, usize)> {
        let chunk = self.sent.front()?;
        let ledger = self.worker.as_ref()?.ledger();
        let taken = ledger.taken_of(self.numbers)?;
        if !is_before(chunk.number, taken) {
            return None;
        }
        let begun = (ledger.begun(chunk.number) as usize).min(chunk.count);
        let task = RunningTask {
            task: chunk.call.task,
            item: chunk
                .call
                .for_items
                .then(|| chunk.first + begun.saturating_sub(1)),
            age: age(ledger),
        };
        Some((task, begun))
    }

    fn state(&self, is_running: bool) -> WorkerState {
        match self.stage {
            _ if self.fault.is_some() || self.hung.is_some() => WorkerState::Ending,
            Stage::Dismissed => WorkerState::Ending,
            _ if self.stopped > 0 => WorkerState::Stopped,
            Stage::Starting => WorkerState::Starting,
            Stage::Ready | Stage::Heavy if is_running => WorkerState::Working,
            Stage::Ready | Stage::Heavy => WorkerState::Idle,
        }
    }
}

/// Returns how long ago a worker began the call that it is at, if it notes that.
#[cfg(not(loom))]
fn age(ledger: &Ledger) -> Option<Duration> {
    let since = ledger.since();
    (since > 0).then(|| Duration::from_nanos(clock::now().saturating_sub(since)))
}

//! Which worker gets what, what is outstanding, and what becomes of it when a worker is lost.
//!
//! # Where a call is
//!
//! | a call is | in | leaves it when |
//! |---|---|---|
//! | queued | [`Dispatch::queue`], in a [`Chunk`] | a ready worker has room |
//! | sent | its slot's chunks | the worker begins it, or it is taken back for another |
//! | begun | the same | the worker's outcome arrives, or the worker ends |
//! | settled | its [`Call`](crate::call::Call) | the caller takes it |
//!
//! A few chunks are sent ahead, so that a worker finds the next one in its ring. What a worker has not begun
//! is not its own: it is [taken back](Dispatch::rebalance) when others are idle, or when the worker ends. The
//! [`ledger`](crate::ledger) says, at any instruction, what it has begun and done.
//!
//! # Phases
//!
//! | phase | becomes | new calls | queued calls |
//! |---|---|---|---|
//! | open | closed, terminated, broken | accepted | run |
//! | closed | terminated, broken, over | refused | run |
//! | terminated | | refused | settled with an error |
//! | broken | | refused | settled with an error |
//! | over | | refused | there are none |
//!
//! Nothing in here waits, and nothing of the user's runs: sending takes what has room at once.

mod care;
mod slot;
mod tally;

#[cfg(not(loom))]
pub(crate) use slot::AHEAD;

use crate::call::{Answer, Call, Loss};
use crate::chunk::Chunk;
use crate::error::PoolError;
use crate::ledger::is_before;
use crate::waiter::Wakes;
use crate::worker::{Received, Worker};
use procession_pipe::SendError;
use procession_process::ExitStatus;
use procession_shm::ring::RingError;
use slot::{Slot, Stage};
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many workers may die of a request that they have not begun, beside one for each slot.
///
/// One that is too large for a worker kills each that receives it.
const HANDOVERS: usize = 3;

/// The state of a pool.
#[derive(Debug)]
pub(crate) struct Dispatch {
    phase: Phase,
    queue: VecDeque<Chunk>,
    slots: Vec<Slot>,
    /// How many calls were accepted and are not settled.
    unsettled: usize,
    /// How many were accepted, and are.
    settled: u64,
    /// Whether there is something for the minder to see to.
    alarm: bool,
    limits: Limits,
    /// Whether the minder watches how long calls take.
    is_timing: bool,
    /// When it was last looked whether workers are stopped.
    looked: Option<Instant>,
}

/// What workers may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a call may take.
    pub(crate) timeout: Option<Duration>,
    /// How many calls a worker runs before another takes its place.
    pub(crate) calls: Option<usize>,
    /// How long a worker may be stopped.
    pub(crate) stop: Duration,
    /// How many bytes of memory a worker may have for itself.
    pub(crate) memory: Option<u64>,
    /// How long a worker may have nothing to do.
    pub(crate) idle: Option<Duration>,
    /// How many calls may be accepted and not done before others have to wait.
    pub(crate) queued: Option<usize>,
    /// How often a call is run again in which a worker dies.
    pub(crate) retries: u32,
    /// Whether workers run something when they end.
    pub(crate) has_hook: bool,
    /// Whether workers note when they begin and end what they run.
    pub(crate) insights: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: None,
            calls: None,
            stop: Duration::from_millis(500),
            memory: None,
            idle: None,
            queued: None,
            retries: 0,
            has_hook: false,
            insights: false,
        }
    }
}

/// See the table above.
#[derive(Debug, Clone)]
enum Phase {
    Open,
    Closed,
    Terminated,
    /// Closed, and nobody is there to run anything.
    Over,
    /// Why the last worker could not be started.
    Broken(Arc<str>),
}

impl Dispatch {
    pub(crate) fn new(size: usize, limits: Limits) -> Self {
        Self {
            limits,
            is_timing: false,
            looked: None,
            phase: Phase::Open,
            queue: VecDeque::new(),
            slots: std::iter::repeat_with(Slot::default).take(size).collect(),
            unsettled: 0,
            settled: 0,
            alarm: false,
        }
    }

    /// Returns whether the minder is to look, once.
    pub(crate) fn take_alarm(&mut self) -> bool {
        std::mem::take(&mut self.alarm)
    }

    /// Counts calls out.
    fn settled(&mut self, calls: usize) {
        self.unsettled -= calls;
        self.settled += calls as u64;
        self.alarm |= calls > 0 && self.is_over();
    }

    /// Returns the error that a new call gets, if it gets one.
    pub(crate) fn check(&self) -> Result<(), PoolError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Closed | Phase::Over => Err(PoolError::Closed),
            Phase::Terminated => Err(PoolError::Terminated),
            Phase::Broken(reason) => Err(PoolError::Broken {
                reason: reason.as_ref().into(),
            }),
        }
    }

    /// Returns what calls that are not done come to, if the pool has ended.
    pub(crate) fn loss(&self) -> Option<Loss> {
        match &self.phase {
            Phase::Open | Phase::Closed => None,
            Phase::Over => Some(Loss::Closed),
            Phase::Terminated => Some(Loss::Terminated),
            Phase::Broken(reason) => Some(Loss::Broken(Arc::clone(reason))),
        }
    }

    /// Queues a chunk, and gives it to a worker if one has room.
    pub(crate) fn submit(&mut self, mut chunk: Chunk, wakes: &mut Wakes) {
        let ended = chunk.call.accept(chunk.count);
        if let Some(loss) = self.loss().or(ended) {
            chunk.lose(loss, wakes);
            return;
        }
        self.unsettled += chunk.count;
        self.alarm |= self.limits.timeout.is_some() && !self.is_timing;
        self.queue.push_back(chunk);
        self.alarm |= self.limits.idle.is_some() && self.lacks_workers();
        self.give(wakes);
    }

    /// Returns whether workers run something when they end.
    pub(crate) fn has_hook(&self) -> bool {
        self.limits.has_hook
    }

    /// Returns whether calls may be queued by those that do not wait for them.
    pub(crate) fn has_room(&self) -> bool {
        self.limits.queued.is_none_or(|most| self.unsettled < most)
    }

    /// Returns how many calls are not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Returns whether anything is to be expected from the workers.
    pub(crate) fn is_busy(&self) -> bool {
        self.unsettled > 0 || self.slots.iter().any(Slot::is_starting)
    }

    /// Gives queued chunks to workers that have room, idle ones first.
    pub(crate) fn give(&mut self, wakes: &mut Wakes) {
        while !self.queue.is_empty() {
            let Some(at) = self.roomiest() else {
                // Idle workers may be so near to their end that none may run what is next.
                for at in 0..self.slots.len() {
                    self.retire(at);
                }
                return;
            };
            let Some(chunk) = self.queue.pop_front() else {
                return;
            };
            self.send(at, chunk, wakes);
        }
    }

    /// Returns the slot with the fewest chunks on their way that has room for one more.
    fn roomiest(&self) -> Option<usize> {
        let front = self.queue.front()?;
        let (next, count) = (front.len(), front.count);
        let slots = self.slots.iter().enumerate();
        let with_room =
            slots.filter(|(_, slot)| self.may_run(slot, count) && slot.has_room_for(next));
        with_room
            .min_by_key(|(_, slot)| (slot.avoided.is_some(), slot.sent.len()))
            .map(|(at, _)| at)
    }

    /// Returns whether a worker may run so many calls more before another takes its place.
    fn may_run(&self, slot: &Slot, calls: usize) -> bool {
        let most = self.limits.calls.unwrap_or(usize::MAX);
        slot.calls == 0 || slot.calls.saturating_add(calls) <= most
    }

    fn send(&mut self, at: usize, mut chunk: Chunk, wakes: &mut Wakes) {
        let slot = &mut self.slots[at];
        let Some(worker) = &slot.worker else {
            self.queue.push_front(chunk);
            return;
        };
        let sent = chunk.send(worker.channel(), slot.numbers.next);
        match sent {
            Ok(()) | Err(SendError::Unfinished(_)) => {
                slot.is_blocked = sent.is_err();
                slot.numbers.next = slot.numbers.next.wrapping_add(1);
                slot.calls += chunk.count;
                slot.sent_bytes += chunk.len();
                slot.tally.bytes_sent += chunk.len() as u64;
                slot.sent.push_back(chunk);
            }
            Err(SendError::TimedOut) => {
                slot.is_blocked = true;
                self.queue.push_front(chunk);
            }
            Err(SendError::Closed) => {
                slot.hung.get_or_insert_with(Instant::now);
                self.alarm = true;
                self.queue.push_front(chunk);
            }
            Err(SendError::Io(error)) if is_of_memory(&error) => {
                // The worker has written over it. None of that is the call's.
                slot.astray(error.to_string());
                self.queue.push_front(chunk);
            }
            Err(error) => {
                let left = chunk.count - chunk.settled;
                self.settled(left);
                chunk.lose(Loss::Exchange(error.to_string()), wakes);
            }
        }
    }

    /// Sends what waited for room in a worker's socket; returns whether some still does.
    pub(crate) fn unblock(&mut self, at: usize, wakes: &mut Wakes) -> bool {
        let slot = &mut self.slots[at];
        if let Some(worker) = slot.worker.as_ref().filter(|_| slot.is_blocked) {
            let now = procession_os::wait::Deadline::PASSED;
            let flushed = worker.channel().flush_by(now);
            slot.is_blocked = matches!(flushed, Err(SendError::TimedOut));
        }
        self.give(wakes);
        self.slots[at].is_blocked
    }

    /// Takes back what busy workers have not begun, for idle ones. Called when nothing has come for a
    /// while: a worker that answers soon begins what it was sent soon.
    pub(crate) fn rebalance(&mut self, wakes: &mut Wakes) {
        // Each round makes an idle worker busy, if it can.
        for _ in 0..self.slots.len() {
            let Some(busiest) = self.busiest().filter(|_| self.queue.is_empty()) else {
                break;
            };
            let next = self.slots[busiest]
                .sent
                .get(1)
                .map_or(1, |chunk| chunk.count);
            let may =
                |slot: &Slot| slot.is_idle() && slot.avoided.is_none() && self.may_run(slot, next);
            if !self.slots.iter().any(may) {
                break;
            }
            // Those with the fewest chunks get the next one.
            self.queue = self.slots[busiest].take_back();
            self.give(wakes);
        }
        self.give(wakes);
    }

    /// Returns the slot with the most chunks behind the one that its worker may be at.
    fn busiest(&self) -> Option<usize> {
        let slots = self.slots.iter().enumerate();
        let some = slots.filter(|(_, slot)| slot.sent.len() > 1 && !slot.is_blocked);
        some.max_by_key(|(_, slot)| slot.sent.len())
            .map(|(at, _)| at)
    }

    /// Takes what came from a slot's worker.
    pub(crate) fn received(
        &mut self,
        at: usize,
        worker: &Arc<Worker>,
        received: Received,
        wakes: &mut Wakes,
    ) {
        let slot = &mut self.slots[at];
        if !slot.is_of(worker) || slot.is_astray() {
            return;
        }
        let before = slot.unsettled();
        let taken = match received {
            Received::Nothing => Ok(()),
            Received::Closed => {
                slot.hung.get_or_insert_with(Instant::now);
                self.alarm = true;
                Ok(())
            }
            Received::Lost(words) => {
                slot.settle(1, Answer::Lost(Loss::Exchange(words)), wakes);
                Ok(())
            }
            Received::Garbage(words) => Err(words),
            Received::Packet(packet) => {
                slot.avoided = None;
                slot.take(packet, wakes)
            }
        };
        if let Err(words) = taken {
            slot.astray(words);
        }
        let left = self.slots[at].unsettled();
        self.settled(before - left);
        self.retire(at);
        self.give(wakes);
    }

    /// Notes that a slot's worker has ended, and all that it had sent was received; what it was running
    /// fails, and what it had not begun is queued again.
    pub(crate) fn ended(
        &mut self,
        at: usize,
        worker: &Arc<Worker>,
        status: ExitStatus,
        wakes: &mut Wakes,
    ) {
        let handovers = self.slots.len() + HANDOVERS;
        let retries = self.limits.retries;
        let slot = &mut self.slots[at];
        if !slot.is_of(worker) {
            return;
        }
        let before = slot.unsettled();
        let loss = slot.fault.take().unwrap_or(Loss::Died {
            pid: worker.pid(),
            status,
        });
        slot.salvage(worker.ledger().left(), wakes);
        slot.lose_running(worker, &loss, handovers, retries, wakes);
        let left = slot.unsettled();
        let sent = std::mem::take(&mut slot.sent);
        let failed = slot.vacate();
        self.settled(before - left);
        for mut chunk in sent.into_iter().rev() {
            match chunk.stop.take() {
                Some(unwanted) => {
                    self.settled(chunk.count - chunk.settled);
                    chunk.lose(unwanted, wakes);
                }
                None => self.queue.push_front(chunk),
            }
        }
        if failed {
            let why = match loss {
                Loss::Memory { limit, .. } => {
                    format!(
                        "a worker exceeded its memory limit of {limit} bytes before it had started"
                    )
                }
                Loss::Stopped { .. } => "a worker was stopped before it had started".to_owned(),
                _ => worker.why_not_ready(status),
            };
            self.failed(at, &why, wakes);
        }
        self.give(wakes);
    }

    /// Tells a worker to end that has run as many calls as it may, or has taken too much memory.
    fn retire(&mut self, at: usize) {
        if self.slots[at].stage == Stage::Heavy && self.slots[at].sent.is_empty() {
            self.slots[at].dismiss();
        }
        if let Some(most) = self.limits.calls {
            let next = self.queue.front().map_or(1, |chunk| chunk.count);
            self.slots[at].retire_after(most, next);
        }
    }

    /// Notes that a worker ended before it was ready, or was not started at all.
    ///
    /// If this goes on in every slot, the pool is broken.
    pub(crate) fn failed(&mut self, at: usize, reason: &str, wakes: &mut Wakes) {
        let slot = &mut self.slots[at];
        slot.failures += 1;
        slot.barren += 1;
        slot.rest();
        if self.slots.iter().all(Slot::is_hopeless) {
            self.end(Phase::Broken(reason.into()), wakes);
        }
    }

    /// Puts a new worker into a slot; false if the pool wants none.
    pub(crate) fn employ(&mut self, at: usize, worker: &Arc<Worker>) -> bool {
        if !self.wants_workers() {
            return false;
        }
        self.slots[at].employ(worker);
        true
    }

    /// Returns a slot in which a worker is to be started now; otherwise when the next one is due.
    pub(crate) fn vacancy(&self, now: Instant) -> Result<usize, Option<Instant>> {
        if !self.wants_workers() || !self.lacks_workers() {
            return Err(None);
        }
        let vacant = self.slots.iter().enumerate();
        let vacant = vacant.filter(|(_, slot)| slot.worker.is_none());
        let due = |slot: &Slot| slot.due.unwrap_or(now);
        match vacant.min_by_key(|(_, slot)| due(slot)) {
            None => Err(None),
            Some((at, slot)) if due(slot) <= now => Ok(at),
            Some((_, slot)) => Err(slot.due),
        }
    }

    /// Whether there are fewer workers than are wanted: all, or one for each chunk if idle ones end.
    fn lacks_workers(&self) -> bool {
        if self.limits.idle.is_none() {
            return true;
        }
        let there = self.slots.iter().filter(|slot| slot.is_staffed()).count();
        let sent: usize = self.slots.iter().map(|slot| slot.sent.len()).sum();
        there < self.slots.len().min(self.queue.len() + sent)
    }

    /// Whether workers that end are replaced.
    fn wants_workers(&self) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Closed => self.unsettled > 0,
            Phase::Terminated | Phase::Over | Phase::Broken(_) => false,
        }
    }

    /// Refuses new calls.
    pub(crate) fn close(&mut self) {
        if let Phase::Open = self.phase {
            self.phase = Phase::Closed;
        }
        self.alarm = true;
    }

    /// Ends the pool if it wants no workers; returns whether it has ended.
    pub(crate) fn conclude(&mut self, wakes: &mut Wakes) -> bool {
        let is_over = self.is_over();
        if is_over {
            self.end(Phase::Over, wakes);
        }
        is_over
    }

    /// Settles all calls that are left.
    pub(crate) fn terminate(&mut self, wakes: &mut Wakes) {
        self.end(Phase::Terminated, wakes);
    }

    /// Ends the pool, unless it has ended.
    fn end(&mut self, phase: Phase, wakes: &mut Wakes) {
        if self.loss().is_none() {
            self.phase = phase;
        }
        let Some(loss) = self.loss() else { return };
        let sent = self.slots.iter_mut().flat_map(|slot| slot.sent.drain(..));
        for mut chunk in sent.chain(self.queue.drain(..)) {
            chunk.lose(loss.clone(), wakes);
        }
        self.settled += self.unsettled as u64;
        self.unsettled = 0;
        self.alarm = true;
    }

    /// Settles what no worker has begun of some calls; a worker that is in the middle of a chunk does not run the rest
    /// of it.
    ///
    /// Returns whether there was anything.
    pub(crate) fn cancel(
        &mut self,
        is_meant: impl Fn(&Arc<Call>) -> bool,
        loss: &Loss,
        wakes: &mut Wakes,
    ) -> bool {
        let is_of = |chunk: &Chunk| is_meant(&chunk.call);
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if slot.sent.iter().any(is_of) {
                for chunk in slot.take_back().into_iter().rev() {
                    self.queue.push_front(chunk);
                }
                slot.stop(&is_meant, loss);
            }
        }
        let mut found = false;
        for mut chunk in std::mem::take(&mut self.queue) {
            if is_of(&chunk) {
                found = true;
                self.settled(chunk.count - chunk.settled);
                chunk.lose(loss.clone(), wakes);
            } else {
                self.queue.push_back(chunk);
            }
        }
        self.give(wakes);
        found
    }

    /// Returns the process numbers of the workers that have begun something of a call, and not ended it.
    pub(crate) fn workers_at(&self, call: &Arc<Call>) -> Vec<u32> {
        let slots = self.slots.iter();
        let at_it = slots.filter_map(|slot| {
            let worker = slot.worker.as_ref()?;
            let chunk = slot.sent.front()?;
            let taken = worker.ledger().taken_of(slot.numbers);
            let has_begun = taken.is_none_or(|taken| is_before(chunk.number, taken));
            (has_begun && Arc::ptr_eq(&chunk.call, call)).then(|| worker.pid())
        });
        at_it.collect()
    }

    /// Returns whether the workers are to go: the pool has ended, or is closed and has nothing to do.
    pub(crate) fn is_over(&self) -> bool {
        !self.wants_workers()
    }

    /// Returns the workers that there are, with their slots.
    pub(crate) fn workers(&self) -> Vec<(usize, Arc<Worker>)> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(at, slot)| Some((at, Arc::clone(slot.worker.as_ref()?))))
            .collect()
    }

    /// Returns the workers that wait for room in their sockets, with their slots.
    pub(crate) fn blocked(&self) -> impl Iterator<Item = (usize, &Arc<Worker>)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(at, slot)| Some((at, slot.worker.as_ref().filter(|_| slot.is_blocked)?)))
    }

    /// Returns whether nothing more is to be received from the worker in a slot.
    pub(crate) fn is_hung(&self, at: usize, worker: &Arc<Worker>) -> bool {
        let slot = &self.slots[at];
        !slot.is_of(worker) || slot.hung.is_some() || slot.is_astray()
    }
}

/// Returns whether what is wrong is the memory that a worker shares with the pool.
fn is_of_memory(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn Error + Send + Sync>::is::<RingError>)
}

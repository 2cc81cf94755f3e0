//! What is outstanding, who works, and how it ends.
//!
//! # Where a call is
//!
//! | a call is | held by | leaves it when |
//! |---|---|---|
//! | queued | the queue, in its [`Batch`] | a handler with a ready worker takes the batch |
//! | on worker W | W's handler, in its batch | W answers or dies, or never saw the request |
//! | settled | its caller's channel of results | the caller takes it |
//!
//! A worker that dies settles the call that it was running; the batch goes back to the queue with
//! those that it had not begun. The receivers of the queue belong to the handlers alone: with the
//! last of them the queue discards its batches, and a batch that is dropped settles what it holds.
//!
//! # Phases
//!
//! | phase | becomes | new calls | queued calls |
//! |---|---|---|---|
//! | open | closed, terminated, broken | accepted | run |
//! | closed | terminated, broken | refused | run |
//! | terminated | | refused | settled with an error |
//! | broken | | refused | settled with an error |
//!
//! The handlers stop when the pool is terminated or broken, and when it is closed and nothing is
//! outstanding. They are told by the loss of [`State::stop`]. A handler that waits for its worker
//! does not look there; its worker is killed, which wakes it. Of a closed pool only those workers
//! are killed that have not started yet; the idle ones are dismissed by their handlers.
//!
//! # The one lock
//!
//! All of this is under one mutex, which is held for a few instructions, never while something is
//! sent, received, started, killed or dropped that could come back here. So it cannot be part of a
//! deadlock, and there is no order of locks to keep.
//!
//! A handler registers a process with [`Dispatch::employ`] before it waits for it. Under the lock,
//! that comes before or after the end of the pool: a process is either seen by the one who ends
//! the pool, or refused here and killed by its handler.
//!
//! # Who holds whom
//!
//! The pool and the handlers hold the dispatch, and so does each batch. The dispatch holds the
//! queue, which may hold batches: a circle, which the last handler opens when it drops the last
//! receiver. Results hold nothing, so that they outlive the pool.
//!
//! # In a forked copy of the process
//!
//! There, none of the threads exist, and the lock and the channels are as they were at the fork,
//! perhaps in the middle of a change. So a copy touches none of them: it compares
//! [`Dispatch::maker`] first, which never changes, and what it inherited is left where it lies.

use crate::batch::{Batch, Loss, Settled, split};
use crate::call::Calls;
use crate::error::PoolError;
use crate::worker::WorkerProcess;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many workers of each slot end in a row without having started, before the pool is broken.
const FAILURES: u32 = 5;

/// How many workers may die of a request that they have not read.
///
/// One that is too large for a worker kills each that receives it.
const HANDOVERS: usize = 3;

/// The state that a pool and its handlers share.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// Where batches wait for a worker. Only handlers have the other end.
    queue: Sender<Batch>,
    /// How many slots there are to be.
    size: usize,
    /// The number of the process that made the pool.
    maker: u32,
    /// How many calls were accepted and not settled.
    unsettled: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How many batches were accepted and not retired.
    outstanding: usize,
    /// Nothing is sent here. Taken away to stop the handlers.
    stop: Option<Sender<Infallible>>,
    /// In the order of their numbers; grows while the pool is made.
    slots: Vec<Slot>,
}

/// See the table above.
#[derive(Debug, Clone)]
enum Phase {
    Open,
    Closed,
    Terminated,
    /// Why the last worker could not be started.
    Broken(Arc<str>),
}

/// The place of one worker.
#[derive(Debug)]
struct Slot {
    /// The worker, to be killed by whoever ends the pool; the handler alone talks to it.
    process: Option<Arc<WorkerProcess>>,
    /// Whether the worker has said that it can be asked.
    ready: bool,
    /// How many in a row ended without having been ready.
    failures: u32,
}

/// What a handler receives from.
#[derive(Debug, Clone)]
pub(crate) struct Inlets {
    pub(crate) queue: Receiver<Batch>,
    /// Disconnected when the handler is to stop.
    pub(crate) stop: Receiver<Infallible>,
}

impl Dispatch {
    /// Makes the state of a pool that will have `size` slots.
    pub(crate) fn new(size: usize) -> (Arc<Self>, Inlets) {
        let (queue, queued) = unbounded();
        let (stop, stopped) = unbounded();
        let state = State {
            phase: Phase::Open,
            outstanding: 0,
            stop: Some(stop),
            slots: Vec::new(),
        };
        let dispatch = Self {
            queue,
            size,
            maker: std::process::id(),
            unsettled: AtomicUsize::new(0),
            state: Mutex::new(state),
        };
        let inlets = Inlets {
            queue: queued,
            stop: stopped,
        };
        (Arc::new(dispatch), inlets)
    }

    /// Queues calls, at most `chunk` in a batch, and returns where they will be settled.
    ///
    /// The channel ends when all of them are.
    pub(crate) fn submit(
        self: &Arc<Self>,
        calls: Calls,
        chunk: usize,
    ) -> Result<Receiver<Settled>, PoolError> {
        let Calls {
            routine,
            for_items,
            arguments,
        } = calls;
        let len = arguments.len();
        let parts: Vec<_> = split(arguments, chunk).collect();
        let (results, settled) = unbounded();
        self.accept(parts.len())?;
        self.unsettled.fetch_add(len, Ordering::Relaxed);
        let mut first = 0;
        for part in parts {
            let next = first + part.len();
            let batch = Batch::new(routine, first, part, results.clone(), Arc::clone(self));
            let batch = if for_items { batch.of_items() } else { batch };
            self.enqueue(batch);
            first = next;
        }
        Ok(settled)
    }

    /// Returns whether this process made the pool, and is no copy of the one that did.
    pub(crate) fn is_ours(&self) -> bool {
        self.maker == std::process::id()
    }

    /// Returns the error that a new call gets, if it gets one.
    pub(crate) fn check(&self) -> Result<(), PoolError> {
        self.open().map(drop)
    }

    /// Returns the state of a pool that takes calls.
    fn open(&self) -> Result<MutexGuard<'_, State>, PoolError> {
        if !self.is_ours() {
            return Err(PoolError::Copied);
        }
        let state = self.state();
        state.check()?;
        Ok(state)
    }

    /// Counts all the batches of a call in, or none.
    fn accept(&self, batches: usize) -> Result<(), PoolError> {
        self.open()?.outstanding += batches;
        Ok(())
    }

    /// Queues a batch. Without a handler that could take it, its calls are settled at once.
    pub(crate) fn enqueue(&self, batch: Batch) {
        drop(self.queue.send(batch));
    }

    /// Counts a call out.
    pub(crate) fn settled(&self) {
        self.unsettled.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns how many calls a pool has left to do that has not ended.
    pub(crate) fn unfinished(&self) -> usize {
        match self.loss() {
            None => self.unsettled.load(Ordering::Relaxed),
            Some(_) => 0,
        }
    }

    /// Counts a batch out; returns why those of its calls that are left have no outcome.
    ///
    /// Of a pool that goes on, only a handler that panicked leaves any.
    pub(crate) fn retire(&self) -> Loss {
        let mut state = self.state();
        state.outstanding -= 1;
        let idle = state.finish();
        let loss = state.loss();
        drop(state);
        kill(&idle);
        loss.unwrap_or_else(|| Loss::Exchange("a thread of the pool has failed".to_owned()))
    }

    /// Returns how many workers may die in turn before they have read a batch, until it is given
    /// up: if all are killed at once, each handler may try once before it learns of it.
    pub(crate) fn handovers(&self) -> usize {
        self.size.saturating_add(HANDOVERS)
    }

    /// Returns why the pool has ended, if it was terminated or is broken.
    pub(crate) fn loss(&self) -> Option<Loss> {
        self.state().loss()
    }

    /// Refuses new calls; the handlers stop when the accepted ones are settled.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if let Phase::Open = state.phase {
            state.phase = Phase::Closed;
        }
        let idle = state.finish();
        drop(state);
        kill(&idle);
    }

    /// Stops the handlers, and kills the workers.
    pub(crate) fn terminate(&self) {
        self.end(Phase::Terminated);
    }

    fn end(&self, phase: Phase) {
        let processes = self.state().end(phase);
        kill(&processes);
    }

    /// Adds a slot with its first process.
    pub(crate) fn add_slot(&self, process: &Arc<WorkerProcess>) -> usize {
        let mut state = self.state();
        state.slots.push(Slot {
            process: Some(Arc::clone(process)),
            ready: false,
            failures: 0,
        });
        state.slots.len() - 1
    }

    /// Registers a process that was just started; false if the handlers are to stop.
    pub(crate) fn employ(&self, slot: usize, process: &Arc<WorkerProcess>) -> bool {
        let mut state = self.state();
        if state.stop.is_none() {
            return false;
        }
        let slot = &mut state.slots[slot];
        slot.process = Some(Arc::clone(process));
        slot.ready = false;
        true
    }

    /// Notes that the slot's worker has started.
    pub(crate) fn ready(&self, slot: usize) {
        let mut state = self.state();
        let slot = &mut state.slots[slot];
        slot.ready = true;
        slot.failures = 0;
    }

    /// Notes that the slot's worker has ended.
    pub(crate) fn dismiss(&self, slot: usize) {
        let left = self.state().slots[slot].process.take();
        drop(left);
    }

    /// Notes that a worker ended before it was ready, or was not started at all.
    ///
    /// If this goes on in every slot, the pool is broken.
    pub(crate) fn failed(&self, slot: usize, reason: &str) {
        let mut state = self.state();
        state.slots[slot].failures += 1;
        let hopeless = state.slots.iter().filter(|slot| slot.is_hopeless());
        let hopeless = hopeless.count();
        drop(state);
        if hopeless == self.size {
            self.end(Phase::Broken(reason.into()));
        }
    }

    /// Returns the numbers of the processes that live.
    ///
    /// The caller of a worker that died may be here before the worker's handler has seen to the
    /// slot.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let processes = self.state().processes();
        let living = processes.iter().filter(|process| process.is_alive());
        living.map(|process| process.pid()).collect()
    }

    /// Nothing that can panic runs under this lock, so it is never poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn is_hopeless(&self) -> bool {
        self.failures >= FAILURES
    }
}

impl State {
    /// Returns the error that a new call gets, if it gets one.
    fn check(&self) -> Result<(), PoolError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Closed => Err(PoolError::Closed),
            Phase::Terminated => Err(PoolError::Terminated),
            Phase::Broken(reason) => Err(PoolError::Broken {
                reason: reason.as_ref().into(),
            }),
        }
    }

    /// Returns what calls that are not done come to, if the pool has ended.
    fn loss(&self) -> Option<Loss> {
        match &self.phase {
            Phase::Open | Phase::Closed => None,
            Phase::Terminated => Some(Loss::Terminated),
            Phase::Broken(reason) => Some(Loss::Broken(Arc::clone(reason))),
        }
    }

    fn processes(&self) -> Vec<Arc<WorkerProcess>> {
        let processes = self.slots.iter().map(|slot| slot.process.clone());
        processes.flatten().collect()
    }

    /// Stops the handlers of a closed pool that has nothing outstanding; returns the processes
    /// that still start, for which nobody should have to wait.
    fn finish(&mut self) -> Vec<Arc<WorkerProcess>> {
        if !matches!(self.phase, Phase::Closed) || self.outstanding > 0 {
            return Vec::new();
        }
        self.stop = None;
        let starting = self.slots.iter().filter(|slot| !slot.ready);
        starting.filter_map(|slot| slot.process.clone()).collect()
    }

    /// Ends the pool, unless it has ended; stops the handlers, and returns the processes that are
    /// to be killed.
    fn end(&mut self, phase: Phase) -> Vec<Arc<WorkerProcess>> {
        if self.loss().is_none() {
            self.phase = phase;
        }
        self.stop = None;
        self.processes()
    }
}

/// Kills processes, which wakes the handlers that wait for them. Called without the lock.
fn kill(processes: &[Arc<WorkerProcess>]) {
    for process in processes {
        process.kill();
    }
}

//! The thread of one slot: it keeps a worker, and hands it batches.
//!
//! | the slot is | the handler waits for | and goes on with |
//! |---|---|---|
//! | empty | a pause, or the stop | starting, or its end |
//! | starting | the worker's word that it is ready, or its end | idle, or empty |
//! | idle | the stop, the worker's end, or a batch | its end, empty, or working |
//! | working | the worker's answers, or its end | idle, or empty |
//!
//! A handler takes a batch only when its worker is ready, so that a worker that cannot start keeps
//! nothing from those that can. No handler waits for another.

use crate::batch::{Batch, Loss};
use crate::dispatch::{Dispatch, Inlets};
use crate::exit::is_exiting;
use crate::link::{NotSent, Received};
use crate::protocol::REFUSED;
use crate::worker::{End, Worker};
use crossbeam_channel::{RecvTimeoutError, select_biased};
use procession_wire::{Kind, Packet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// How long a slot stays empty after so many of its workers ended without having been asked for
/// anything; the last holds for more.
///
/// The first successor is started at once: an idle worker was killed. What fails again and again
/// must not keep the machine busy. A worker that ends in a task is no failure, however many do.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// What a worker that was ready, and ended before it was asked for anything, counts for at most:
/// it is replaced after a pause that nobody notices.
const IDLE_ENDS: usize = 2;

/// Keeps one slot staffed.
#[derive(Debug)]
pub(crate) struct Handler {
    slot: usize,
    dispatch: Arc<Dispatch>,
    inlets: Inlets,
    /// How many workers in a row ended without having been asked for anything.
    barren: usize,
}

/// What became of a worker that was handed a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It can be handed the next one.
    Kept,
    /// It has ended.
    Lost,
}

impl Handler {
    pub(crate) fn new(slot: usize, dispatch: Arc<Dispatch>, inlets: Inlets) -> Self {
        Self {
            slot,
            dispatch,
            inlets,
            barren: 0,
        }
    }

    /// Works until the pool stops, beginning with the slot's first worker.
    pub(crate) fn run(mut self, first: Worker) {
        let mut ready = self.settle_in(first);
        while let Some(worker) = ready.or_else(|| self.hire()) {
            if self.work(&worker).is_break() {
                return;
            }
            ready = None;
        }
    }

    /// Starts workers until one is ready; `None` if the pool stops.
    fn hire(&mut self) -> Option<Worker> {
        while !self.is_stopped() {
            match Worker::start() {
                Err(error) => self.failed(&error.to_string()),
                Ok(worker) if !self.dispatch.employ(self.slot, worker.process()) => {
                    // Whoever waits for the pool's end need not know how this one ended.
                    let _ = worker.kill();
                }
                Ok(worker) => match self.settle_in(worker) {
                    None => {}
                    ready => return ready,
                },
            }
        }
        None
    }

    /// Waits until a worker is ready; `None` if it ends first.
    fn settle_in(&mut self, worker: Worker) -> Option<Worker> {
        if worker.is_ready() {
            self.dispatch.ready(self.slot);
            return Some(worker);
        }
        let end = worker.end();
        self.dispatch.dismiss(self.slot);
        self.failed(&worker.why_not_ready(end));
        None
    }

    /// Notes that a worker was never ready.
    fn failed(&mut self, reason: &str) {
        self.barren += 1;
        self.dispatch.failed(self.slot, reason);
    }

    /// Makes the pause that is due before another worker is started; returns whether the pool
    /// stops instead.
    fn is_stopped(&self) -> bool {
        let pause = PAUSES[self.barren.min(PAUSES.len() - 1)];
        is_exiting() || self.inlets.stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
    }

    /// Hands a worker batches until it ends; breaks when the pool stops.
    fn work(&mut self, worker: &Worker) -> ControlFlow<()> {
        let mut asked = false;
        let flow = loop {
            let batch = select_biased! {
                recv(self.inlets.stop) -> _ => {
                    worker.dismiss();
                    break ControlFlow::Break(());
                }
                recv(worker.ended()) -> _ => break ControlFlow::Continue(()),
                recv(self.inlets.queue) -> batch => batch,
            };
            asked = true;
            // The queue does not end while this handler has the dispatch.
            let fate = batch.map_or(Fate::Lost, |batch| self.exchange(worker, batch));
            if fate == Fate::Lost {
                break ControlFlow::Continue(());
            }
        };
        self.dispatch.dismiss(self.slot);
        self.barren = if asked {
            0
        } else {
            (self.barren + 1).min(IDLE_ENDS)
        };
        flow
    }

    /// Has a worker run a batch; when this returns, every call of it is settled or queued again.
    fn exchange(&mut self, worker: &Worker, mut batch: Batch) -> Fate {
        let read = match worker.send(&batch) {
            Ok(()) => true,
            // It may have said why it read no further.
            Err(NotSent::Gone) => false,
            Err(NotSent::Refused(words)) => {
                batch.lose_all(&Loss::Exchange(words));
                return Fate::Kept;
            }
        };
        while !batch.is_done() {
            match worker.receive() {
                Received::Packet(mut packet) if packet.kind() == Kind::OUTCOME => {
                    if packet.take_number().ok() != Some(batch.number()) {
                        return astray(worker, batch, STRAY);
                    }
                    batch.settle_next(Ok(packet));
                }
                Received::Packet(packet) if packet.kind() == REFUSED => {
                    batch.lose_all(&Loss::Exchange(words(packet)));
                }
                Received::Lost(words) => batch.settle_next(Err(Loss::Exchange(words))),
                Received::Closed if read => return self.died(worker, batch),
                Received::Closed | Received::Unread => return self.unread(worker, batch),
                Received::Packet(_) => return astray(worker, batch, UNKNOWN),
                Received::Garbage(words) => return astray(worker, batch, &words),
            }
        }
        Fate::Kept
    }

    /// The worker died while it ran the first call that is not settled.
    fn died(&self, worker: &Worker, mut batch: Batch) -> Fate {
        let loss = self.loss(worker, worker.end());
        batch.settle_next(Err(loss));
        self.pass_on(batch);
        Fate::Lost
    }

    /// The worker died before it had read the request.
    fn unread(&self, worker: &Worker, mut batch: Batch) -> Fate {
        let loss = self.loss(worker, worker.end());
        batch.bounce(&loss);
        self.pass_on(batch);
        Fate::Lost
    }

    /// Gives other workers what is left.
    fn pass_on(&self, batch: Batch) {
        if !batch.is_done() {
            self.dispatch.enqueue(batch);
        }
    }

    /// Says why a call has no outcome: the pool has ended and killed the worker, or the worker
    /// ended by itself.
    fn loss(&self, worker: &Worker, end: End) -> Loss {
        let pid = worker.process().pid();
        let died = |status| Loss::Died { pid, status };
        let loss = end.map_or_else(Loss::Exchange, died);
        self.dispatch.loss().unwrap_or(loss)
    }
}

/// What came from the worker cannot be told apart: any of the calls may have been run.
fn astray(worker: &Worker, mut batch: Batch, words: &str) -> Fate {
    // Whatever became of it, the slot goes to another.
    let _ = worker.kill();
    while !batch.is_done() {
        batch.settle_next(Err(Loss::Exchange(words.to_owned())));
    }
    Fate::Lost
}

/// Returns what a worker says.
fn words(packet: Packet) -> String {
    packet.decode().unwrap_or_else(|error| error.to_string())
}

const STRAY: &str = "the worker sent the outcome of another call";
const UNKNOWN: &str = "the worker sent a message of an unknown kind";

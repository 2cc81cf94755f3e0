//! Calls on their way to a worker.
//!
//! A [`Batch`] is in one place at any time: in the queue, or with the handler whose worker has it.
//! Each of its calls is settled once: by what the worker answers, by how the worker died, or, when
//! the batch is dropped for whatever reason, by why the pool has ended. So no caller waits for
//! what nobody has.

use crate::dispatch::Dispatch;
use crossbeam_channel::Sender;
use procession_process::ExitStatus;
use procession_process::routine::Routine;
use procession_wire::{EncodeError, Message, Packet, handle};
use std::collections::VecDeque;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What came of one call.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The call's place in its sequence.
    pub(crate) item: usize,
    /// The outcome as it came from the worker, or why there is none.
    pub(crate) outcome: Result<Packet, Loss>,
}

/// Why a call has no outcome.
#[derive(Debug, Clone)]
pub(crate) enum Loss {
    /// The worker ended while it ran the call.
    Died { pid: u32, status: ExitStatus },
    /// Arguments or outcome could not be passed on.
    Exchange(String),
    /// The pool was terminated.
    Terminated,
    /// The pool cannot start workers.
    Broken(Arc<str>),
}

/// The number of the next call of any pool of this process.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Calls that one worker is to run, in their order.
pub(crate) struct Batch {
    routine: Routine,
    /// The arguments of the calls that are not settled.
    ///
    /// A message is kept until its call is: it is sent as a copy, and its claims go to the worker
    /// that has begun it, or are taken back if none has.
    waiting: VecDeque<Message>,
    /// The place of the first that is not settled.
    first: usize,
    /// Whether the places are those of a sequence's items.
    for_items: bool,
    /// The number of that call, by which its outcome is known.
    number: u64,
    /// How many workers died before they had read it.
    handovers: usize,
    results: Sender<Settled>,
    dispatch: Arc<Dispatch>,
}

impl Batch {
    /// Makes a batch, which the dispatch counts from now on.
    pub(crate) fn new(
        routine: Routine,
        first: usize,
        arguments: VecDeque<Message>,
        results: Sender<Settled>,
        dispatch: Arc<Dispatch>,
    ) -> Self {
        let calls = arguments.len() as u64;
        Self {
            routine,
            waiting: arguments,
            first,
            for_items: false,
            number: NUMBERS.fetch_add(calls, Ordering::Relaxed),
            handovers: 0,
            results,
            dispatch,
        }
    }

    /// Has a panic of a call reported as that of the item in its place.
    pub(crate) fn of_items(mut self) -> Self {
        self.for_items = true;
        self
    }

    /// Encodes what is not settled.
    pub(crate) fn request(&self) -> Result<Message, EncodeError> {
        let item = self.for_items.then_some(self.first);
        crate::protocol::request(self.routine, self.number, item, self.waiting.iter())
    }

    /// Returns the number of the call whose outcome comes next.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether every call is settled.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Settles the call that the worker was running.
    pub(crate) fn settle_next(&mut self, outcome: Result<Packet, Loss>) {
        if let Some(arguments) = self.waiting.pop_front() {
            // Whatever became of the worker, it may have taken what the arguments claim.
            arguments.deliver();
            self.settle(outcome);
        }
    }

    /// Settles every call that is left; no worker has begun them.
    pub(crate) fn lose_all(&mut self, loss: &Loss) {
        while self.waiting.pop_front().is_some() {
            self.settle(Err(loss.clone()));
        }
    }

    /// Notes that a worker died before it had read the batch; gives up after some.
    pub(crate) fn bounce(&mut self, loss: &Loss) {
        self.handovers += 1;
        if self.handovers >= self.dispatch.handovers() {
            self.lose_all(loss);
        }
    }

    fn settle(&mut self, outcome: Result<Packet, Loss>) {
        // A caller that has given up does not listen.
        let _ = self.results.send(Settled {
            item: self.first,
            outcome,
        });
        self.dispatch.settled();
        self.first += 1;
        self.number += 1;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let loss = self.dispatch.retire();
        self.lose_all(&loss);
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("first", &self.first)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// Splits messages into batches of at most `chunk`, each with no more descriptors than one request
/// carries.
pub(crate) fn split(
    messages: Vec<Message>,
    chunk: usize,
) -> impl Iterator<Item = VecDeque<Message>> {
    let mut left = messages.into_iter().peekable();
    std::iter::from_fn(move || Some(next(&mut left, chunk)).filter(|batch| !batch.is_empty()))
}

fn next(left: &mut Peekable<impl Iterator<Item = Message>>, chunk: usize) -> VecDeque<Message> {
    let mut batch = VecDeque::new();
    let mut fds = 0;
    while batch.len() < chunk {
        let fits = |message: &Message| fds + message.fds().len() <= handle::MAX_FDS;
        let Some(message) = left.next_if(fits) else {
            break;
        };
        fds += message.fds().len();
        batch.push_back(message);
    }
    batch
}

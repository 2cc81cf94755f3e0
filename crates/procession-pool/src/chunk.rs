//! Calls on their way to a worker and back.

use crate::call::{Answer, Call, Loss, Settled};
use crate::protocol::request;
use crate::row::{NO_ITEM, Row};
use crate::sync::Channel;
use crate::waiter::Wakes;
use procession_call::Routine;
use procession_os::wait::Deadline;
use procession_pipe::SendError;
use procession_wire::Message;
use std::sync::Arc;

/// Some calls that one worker is to run, in their order.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) call: Arc<Call>,
    /// The place of the first.
    pub(crate) first: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// How many of the first of them are settled.
    pub(crate) settled: usize,
    /// The number of the request to the worker that has it.
    pub(crate) number: u32,
    /// How many workers died before they had begun it.
    pub(crate) bounces: usize,
    /// How many workers died while they ran the next call.
    pub(crate) deaths: u32,
    /// Why the calls that no worker has begun are not wanted any more.
    pub(crate) stop: Option<Loss>,
    load: Load,
}

/// What a worker is sent.
#[derive(Debug)]
enum Load {
    Row(Row),
    /// A call whose arguments have a message of their own. It is kept until the call is settled: it is sent
    /// as a copy, and its claims go to the worker that has begun it, or are taken back if none has.
    Alone {
        routine: Routine,
        is_timed: bool,
        arguments: Option<Message>,
    },
}

impl Load {
    fn take_message(&mut self) -> Option<Message> {
        match self {
            Self::Row(_) => None,
            Self::Alone { arguments, .. } => arguments.take(),
        }
    }
}

impl Chunk {
    /// Makes a chunk of a row's calls.
    pub(crate) fn of_row(call: Arc<Call>, first: usize, row: Row) -> Self {
        let count = row.count();
        Self::new(call, first, count, Load::Row(row))
    }

    /// Makes a chunk of one call.
    pub(crate) fn alone(
        call: Arc<Call>,
        first: usize,
        routine: Routine,
        is_timed: bool,
        arguments: Message,
    ) -> Self {
        let load = Load::Alone {
            routine,
            is_timed,
            arguments: Some(arguments),
        };
        Self::new(call, first, 1, load)
    }

    fn new(call: Arc<Call>, first: usize, count: usize, load: Load) -> Self {
        Self {
            call,
            first,
            count,
            settled: 0,
            number: 0,
            bounces: 0,
            deaths: 0,
            stop: None,
            load,
        }
    }

    /// Returns about how many bytes a worker is sent.
    pub(crate) fn len(&self) -> usize {
        match &self.load {
            Load::Row(row) => row.len(),
            Load::Alone { arguments, .. } => arguments.as_ref().map_or(0, |it| it.bytes().len()),
        }
    }

    /// Sends the calls to a worker, as far as it takes them at once, under this number.
    pub(crate) fn send(&mut self, channel: &Channel, number: u32) -> Result<(), SendError> {
        self.number = number;
        let now = Deadline::PASSED;
        let item = self.call.for_items.then_some(self.first);
        match &mut self.load {
            Load::Row(row) => {
                let item = item.map_or(NO_ITEM, |item| item as u64);
                channel.send_bytes_by(row.message(number, item), now)
            }
            Load::Alone {
                arguments: None, ..
            } => Ok(()),
            Load::Alone {
                routine,
                is_timed,
                arguments: Some(arguments),
            } => {
                let request = request(*routine, number, item, *is_timed, arguments)?;
                channel.send_by(request, now)
            }
        }
    }

    /// Returns whether all calls are settled.
    pub(crate) fn is_done(&self) -> bool {
        self.settled == self.count
    }

    /// Has the next call, which a worker has begun that died, be run again; false if that cannot be.
    pub(crate) fn repeat(&mut self) -> bool {
        if let Load::Alone { arguments, .. } = &mut self.load {
            let Some(again) = arguments.as_ref().and_then(Message::again) else {
                return false;
            };
            // The worker may have taken what the first claims.
            if let Some(first) = arguments.replace(again) {
                first.deliver();
            }
        }
        self.deaths += 1;
        true
    }

    /// Settles the next `count` calls, which a worker has begun.
    pub(crate) fn settle(&mut self, count: usize, answer: Answer, wakes: &mut Wakes) {
        if let Some(arguments) = self.load.take_message() {
            // Whatever became of the worker, it may have taken what the arguments claim.
            arguments.deliver();
        }
        self.settle_as(count, answer, wakes);
    }

    /// Settles all calls that are left, none of which a worker has begun.
    pub(crate) fn lose(&mut self, loss: Loss, wakes: &mut Wakes) {
        let left = self.count - self.settled;
        drop(self.load.take_message());
        if left > 0 {
            self.settle_as(left, Answer::Lost(loss), wakes);
        }
    }

    fn settle_as(&mut self, count: usize, answer: Answer, wakes: &mut Wakes) {
        let first = self.first + self.settled;
        self.settled += count;
        self.deaths = 0;
        let settled = Settled {
            first,
            count,
            answer,
        };
        self.call.settle(settled, self.is_done(), wakes);
    }

    /// Leaves out the calls that are settled, so that the others can be sent to another worker.
    pub(crate) fn cut(&mut self) {
        if let Load::Row(row) = &mut self.load {
            row.cut(self.settled);
        }
        self.first += self.settled;
        self.count -= self.settled;
        self.settled = 0;
    }
}

//! What was settled, as the caller's results.

use crate::call::{Answer, Call, Loss, Settled};
use crate::error::PoolError;
use crate::row::{BLOCK_HEAD, Outcomes};
use procession_call::{Failure, consume, has_value};
use procession_wire::bare::{self, Reading};
use procession_wire::{DecodeError, Packet};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Settled {
    /// Returns whether all calls returned a value, which is not read.
    pub(crate) fn is_success(&self) -> bool {
        match &self.answer {
            Answer::Block(packet) => {
                let outcomes = packet.rest().get(BLOCK_HEAD..).unwrap_or(&[]);
                Outcomes(outcomes).are_values(self.count)
            }
            Answer::Message(packet) => has_value(packet),
            Answer::NotSent(_) | Answer::Lost(_) => false,
        }
    }

    /// Decodes the results, which are those of items of `call`, and gives them on in the items' order.
    ///
    /// One whose decoding panics is an error of its own: the others are decoded all the same.
    pub(crate) fn decode<R: DeserializeOwned>(self, call: &Call, results: &mut impl Results<R>) {
        let Self {
            first,
            count,
            answer,
        } = self;
        let item = call.for_items.then_some(first);
        let mut given = Given { call, results };
        match answer {
            Answer::Block(packet) => given.block(&packet, first..first + count),
            Answer::Message(packet) => match of_message(packet, item) {
                Ok(value) => given.value(first, value),
                Err(error) => given.error(first, error),
            },
            Answer::NotSent(error) => given.error(first, PoolError::Encode { item, error }),
            Answer::Lost(loss) => {
                for place in first..first + count {
                    given.error(place, loss.clone().into_error(given.item(place)));
                }
            }
        }
    }
}

/// What results are given to, one after the other.
pub(crate) trait Results<R> {
    fn value(&mut self, value: R);

    fn error(&mut self, error: PoolError);
}

/// Results on their way to whoever wants them.
struct Given<'a, S> {
    call: &'a Call,
    results: &'a mut S,
}

impl<S> Given<'_, S> {
    /// Gives on the outcomes in a block.
    fn block<R>(&mut self, packet: &Packet, places: Range<usize>)
    where
        R: DeserializeOwned,
        S: Results<R>,
    {
        let mut outcomes = Outcomes(packet.rest().get(BLOCK_HEAD..).unwrap_or(&[]));
        let mut next = places.start;
        while next < places.end {
            let read_all = |reading: &Reading| {
                while next < places.end {
                    let place = next;
                    // The one that is being decoded is done, should it panic.
                    next += 1;
                    match outcomes.next(reading) {
                        Ok(Ok(value)) => self.value(place, value),
                        Ok(Err(failure)) => self.failure(place, failure),
                        Err(error) => self.not_decoded(place, error),
                    }
                }
                Ok(())
            };
            if let Err(error) = caught(|| bare::reading(read_all)) {
                self.not_decoded(next - 1, error);
            }
        }
    }

    #[inline]
    fn value<R>(&mut self, place: usize, value: R)
    where
        S: Results<R>,
    {
        self.call.has_value(place);
        self.results.value(value);
    }

    #[cold]
    fn failure<R>(&mut self, place: usize, failure: Failure)
    where
        S: Results<R>,
    {
        let item = self.item(place);
        self.error(place, PoolError::Call { item, failure });
    }

    #[cold]
    fn not_decoded<R>(&mut self, place: usize, error: DecodeError)
    where
        S: Results<R>,
    {
        self.error(place, not_decoded(error, self.item(place)));
    }

    fn error<R>(&mut self, place: usize, error: PoolError)
    where
        S: Results<R>,
    {
        self.results.error(self.call.label(place, error));
    }

    fn item(&self, place: usize) -> Option<usize> {
        self.call.for_items.then_some(place)
    }
}

/// Decodes by a type's `Deserialize`, which may panic.
fn caught<R>(decode: impl FnOnce() -> Result<R, DecodeError>) -> Result<R, DecodeError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|payload| {
        let words = match payload.downcast_ref::<String>() {
            Some(words) => words.as_str(),
            None => payload.downcast_ref().copied().unwrap_or("no message"),
        };
        let error = DecodeError::Value(format!("its `Deserialize` panicked: {words}"));
        // Its drop may panic too.
        std::mem::forget(payload);
        Err(error)
    })
}

fn not_decoded(error: DecodeError, item: Option<usize>) -> PoolError {
    PoolError::ResultNotDecoded { item, error }
}

/// Puts what comes in any order into the order of the items.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    /// The place behind the last item that is in order.
    end: usize,
    /// What is in order and was not taken.
    next: VecDeque<Settled>,
    /// What comes later, by the place of its first item.
    later: BTreeMap<usize, Settled>,
}

impl InOrder {
    pub(crate) fn add(&mut self, settled: Vec<Settled>) {
        for settled in settled {
            if settled.first == self.end {
                self.append(settled);
                while let Some(settled) = self.later.remove(&self.end) {
                    self.append(settled);
                }
            } else {
                self.later.insert(settled.first, settled);
            }
        }
    }

    fn append(&mut self, settled: Settled) {
        self.end += settled.count;
        self.next.push_back(settled);
    }

    /// Has what has not come, of so many items, be lost.
    pub(crate) fn lose_rest(&mut self, items: usize, loss: &Loss) {
        while self.end < items {
            let later = self.later.first_entry();
            let until = later.map_or(items, |later| *later.key());
            let gap = Settled {
                first: self.end,
                count: until.min(items) - self.end,
                answer: Answer::Lost(loss.clone()),
            };
            self.add(vec![gap]);
        }
    }

    /// Returns what comes next, if it is there.
    pub(crate) fn next(&mut self) -> Option<Settled> {
        self.next.pop_front()
    }
}

/// Decodes what came in a message of its own.
pub(crate) fn of_message<R: DeserializeOwned>(
    packet: Packet,
    item: Option<usize>,
) -> Result<R, PoolError> {
    match caught(|| consume(packet)) {
        Ok(outcome) => outcome.map_err(|failure| PoolError::Call { item, failure }),
        Err(error) => Err(not_decoded(error, item)),
    }
}

impl Loss {
    /// Tells the caller why the call has no outcome.
    pub(crate) fn into_error(self, item: Option<usize>) -> PoolError {
        match self {
            Self::Died { pid, status } => PoolError::WorkerDied { item, pid, status },
            Self::Exchange(reason) => PoolError::Exchange { item, reason },
            Self::TimedOut(limit) => PoolError::TimedOut { item, limit },
            Self::Stopped { pid } => PoolError::WorkerStopped { item, pid },
            Self::Memory { pid, limit } => PoolError::MemoryLimit { item, pid, limit },
            Self::Terminated => PoolError::Terminated,
            Self::Closed => PoolError::Closed,
            Self::Broken(reason) => PoolError::Broken {
                reason: reason.as_ref().into(),
            },
            Self::Cancelled => PoolError::Cancelled,
            Self::NotInTime(limit) => PoolError::NotInTime { item, limit },
        }
    }
}

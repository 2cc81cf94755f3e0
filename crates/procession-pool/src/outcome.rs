//! What was settled, as the caller's results.

use crate::call::{Answer, Loss, Settled};
use crate::error::PoolError;
use crate::row::{BLOCK_HEAD, Outcomes};
use procession_call::{consume, has_value};
use procession_wire::{DecodeError, Packet};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
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

    /// Decodes the results, and gives each with the place of its item.
    ///
    /// One whose decoding panics is an error of its own: the others are decoded all the same.
    pub(crate) fn decode<R: DeserializeOwned>(
        self,
        for_items: bool,
        mut each: impl FnMut(usize, Result<R, PoolError>),
    ) {
        let name = |place| for_items.then_some(place);
        let (first, end) = (self.first, self.first + self.count);
        match self.answer {
            Answer::Block(packet) => {
                let outcomes = packet.rest().get(BLOCK_HEAD..).unwrap_or(&[]);
                let mut outcomes = Outcomes(outcomes);
                let mut next = first;
                while next < end {
                    let decoded = caught(|| {
                        while next < end {
                            let place = next;
                            // The one that is being decoded is done, should it panic.
                            next += 1;
                            match outcomes.next() {
                                Ok(Ok(value)) => each(place, Ok(value)),
                                Ok(Err(failure)) => each(
                                    place,
                                    Err(PoolError::Call {
                                        item: name(place),
                                        failure,
                                    }),
                                ),
                                Err(error) => each(place, Err(not_decoded(error, name(place)))),
                            }
                        }
                        Ok(())
                    });
                    if let Err(error) = decoded {
                        each(next - 1, Err(not_decoded(error, name(next - 1))));
                    }
                }
            }
            Answer::Message(packet) => each(first, of_message(packet, name(first))),
            Answer::NotSent(error) => {
                let item = name(first);
                each(first, Err(PoolError::Encode { item, error }));
            }
            Answer::Lost(loss) => {
                for place in first..end {
                    each(place, Err(loss.clone().into_error(name(place))));
                }
            }
        }
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

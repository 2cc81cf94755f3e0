//! What was settled, as the caller's results.

use crate::call::{Answer, Loss, Settled};
use crate::error::PoolError;
use crate::row::{BLOCK_HEAD, Outcomes};
use procession_call::{Failure, consume};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};

impl Settled {
    /// Decodes the results, and gives each with the place of its item.
    pub(crate) fn decode<R: DeserializeOwned>(
        self,
        for_items: bool,
        mut each: impl FnMut(usize, Result<R, PoolError>),
    ) {
        let name = |place| for_items.then_some(place);
        let (first, item) = (self.first, name(self.first));
        match self.answer {
            Answer::Block(packet) => {
                let outcomes = packet.rest().get(BLOCK_HEAD..).unwrap_or(&[]);
                let mut outcomes = Outcomes(outcomes);
                for place in first..first + self.count {
                    match outcomes.next() {
                        Ok(Ok(value)) => each(place, Ok(value)),
                        Ok(Err(failure)) => each(place, Err(failed(failure, name(place)))),
                        Err(error) => {
                            let item = name(place);
                            each(place, Err(PoolError::ResultNotDecoded { item, error }));
                        }
                    }
                }
            }
            Answer::Message(packet) => each(
                first,
                match consume(packet) {
                    Ok(outcome) => outcome.map_err(|failure| failed(failure, item)),
                    Err(error) => Err(PoolError::ResultNotDecoded { item, error }),
                },
            ),
            Answer::NotSent(error) => each(first, Err(PoolError::Encode { item, error })),
            Answer::Lost(loss) => {
                for place in first..first + self.count {
                    each(place, Err(loss.clone().into_error(name(place))));
                }
            }
        }
    }
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

    /// Returns what comes next, if it is there.
    pub(crate) fn next(&mut self) -> Option<Settled> {
        self.next.pop_front()
    }
}

/// Names the failure of a task that ran, or could not, in a worker that lives on.
fn failed(failure: Failure, item: Option<usize>) -> PoolError {
    match failure {
        Failure::Panicked(panic) => PoolError::Panicked { item, panic },
        Failure::Failed(error) => PoolError::Failed { item, error },
        Failure::Arguments(reason) => PoolError::Arguments { item, reason },
        Failure::Result(reason) => PoolError::ResultNotEncoded { item, reason },
        failure => PoolError::Exchange {
            item,
            reason: failure.to_string(),
        },
    }
}

impl Loss {
    /// Tells the caller why the call has no outcome.
    fn into_error(self, item: Option<usize>) -> PoolError {
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
        }
    }
}

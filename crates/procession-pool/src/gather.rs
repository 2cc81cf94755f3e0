//! Results of a sequence that come together.

use crate::call::Call;
use crate::error::PoolError;
use crate::outcome::{InOrder, Results};
use serde::de::DeserializeOwned;

/// What the results of a sequence are put into, in the items' order.
pub(crate) trait Sink<R>: Results<R> {
    /// Begins with room for so many.
    fn with_room(room: usize) -> Self;
}

/// The results, or the error of the first item that failed.
impl<R> Sink<R> for Result<Vec<R>, PoolError> {
    fn with_room(room: usize) -> Self {
        Ok(Vec::with_capacity(room))
    }
}

impl<R> Results<R> for Result<Vec<R>, PoolError> {
    #[inline]
    fn value(&mut self, value: R) {
        if let Ok(values) = self {
            values.push(value);
        }
    }

    fn error(&mut self, error: PoolError) {
        if self.is_ok() {
            *self = Err(error);
        }
    }
}

/// The result or the error of each item.
impl<R> Sink<R> for Vec<Result<R, PoolError>> {
    fn with_room(room: usize) -> Self {
        Self::with_capacity(room)
    }
}

impl<R> Results<R> for Vec<Result<R, PoolError>> {
    #[inline]
    fn value(&mut self, value: R) {
        self.push(Ok(value));
    }

    fn error(&mut self, error: PoolError) {
        self.push(Err(error));
    }
}

/// Results of a sequence, put into their order.
#[derive(Debug)]
pub(crate) struct Gathered<S> {
    in_order: InOrder,
    results: S,
}

impl<S> Gathered<S> {
    /// Begins with room for so many.
    pub(crate) fn new<R>(room: usize) -> Self
    where
        S: Sink<R>,
    {
        Self {
            in_order: InOrder::default(),
            results: S::with_room(room),
        }
    }

    /// Adds what was settled.
    pub(crate) fn add<R>(&mut self, call: &Call)
    where
        R: DeserializeOwned,
        S: Sink<R>,
    {
        self.in_order.add(call.take());
        self.decode(call);
    }

    fn decode<R>(&mut self, call: &Call)
    where
        R: DeserializeOwned,
        S: Sink<R>,
    {
        while let Some(settled) = self.in_order.next() {
            settled.decode(call, &mut self.results);
        }
    }

    /// Returns the results; those that have not come are lost if the waiting for the call was ended.
    pub(crate) fn finish<R>(mut self, call: &Call) -> S
    where
        R: DeserializeOwned,
        S: Sink<R>,
    {
        if let Some((items, loss)) = call.loss() {
            self.in_order.lose_rest(items, &loss);
            self.decode(call);
        }
        self.results
    }
}

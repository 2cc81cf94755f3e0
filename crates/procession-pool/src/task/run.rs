//! How the calls of a task are begun, fed and waited for.

use super::PoolTask;
use crate::bound::NoRoom;
use crate::call::{Call, Want};
use crate::crew::Crew;
use crate::dispatch::AHEAD;
use crate::error::PoolError;
use crate::feed::{Feed, Room, counted};
use crate::gather::{Gathered, Sink};
use crate::map::MapResults;
use crate::result::{AsyncResult, Finish, one};
use crate::shape::{Item, Shape};
use procession_os::wait::Deadline;
use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

/// How many chunks each worker gets unless the caller says otherwise.
const CHUNKS_PER_WORKER: usize = 4;

/// How many chunks of a call are on their way or queued, for each worker.
const WINDOW: usize = 2 * AHEAD;

/// The most results for which there is room before they come: an iterator may say too much.
const MOST_ROOM: usize = 1 << 20;

/// The result of a single call.
type Started<F, S, A, M> = AsyncResult<<A as Item<F, <S as Shape>::Whole, M>>::Output>;

/// What the calls have in common.
impl<F: Copy + Send + 'static, S: Shape> PoolTask<'_, F, S> {
    /// Begins a call for items that are counted, if they are, or a single one.
    pub(super) fn begin<T, M>(self, len: Option<usize>) -> Result<(Arc<Call>, Feed), PoolError>
    where
        T: Item<F, S, M>,
    {
        self.pool.crew.check()?;
        let chunk = match (self.chunk, len) {
            (Some(0), _) => return Err(PoolError::NoChunk),
            (Some(chunk), _) => chunk,
            (None, Some(len)) => default_chunk(len, self.pool.size),
            (None, None) => 1,
        };
        let call = Call::new(type_name::<F>(), true);
        call.expect(len.unwrap_or(0));
        let feed = Feed::new(
            Arc::clone(&call),
            T::routine(self.task)?,
            chunk,
            self.pool.limits,
        );
        Ok((call, feed))
    }

    /// Queues a single call.
    pub(super) fn start<A, M>(
        self,
        args: A,
        timeout: Option<Duration>,
        will_wait: bool,
    ) -> Result<Started<F, S, A, M>, PoolError>
    where
        A: Item<F, S::Whole, M>,
    {
        let crew = &self.pool.crew;
        crew.check()?;
        let call = Call::new(type_name::<F>(), false);
        let routine = A::routine(self.task)?;
        let mut feed = Feed::new(Arc::clone(&call), routine, 1, self.pool.limits);
        push(&mut feed, args);
        let result = self.result(
            &call,
            timeout,
            (one::<A::Output>, |call| one::<A::Output>(call).map(drop)),
        );
        let Some(chunk) = feed.take().next() else {
            // The arguments could not be encoded.
            return result.get().and(Err(PoolError::Taken));
        };
        if will_wait {
            // It has one call at a time.
            crew.submit(chunk, true);
            return Ok(result);
        }
        let whole = Deadline::after_opt(self.timeout);
        let queued = crew.queue(chunk, self.patience().min(whole));
        queued.map_err(|NoRoom| self.no_room(whole))?;
        Ok(result)
    }

    /// Makes the result of a call; a scope waits for it too.
    pub(super) fn result<R>(
        self,
        call: &Arc<Call>,
        timeout: Option<Duration>,
        finish: (Finish<R>, Finish<()>),
    ) -> AsyncResult<R> {
        let (finish, check) = finish;
        if let Some(scope) = self.scope {
            scope.add(call, check);
        }
        AsyncResult::new(&self.pool.crew, call, timeout, finish)
    }

    /// Calls the task with each item, and waits for all.
    pub(super) fn gather<T, M, I, C>(self, items: I) -> Result<C, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
        C: Sink<T::Output>,
    {
        let crew = &self.pool.crew;
        let deadline = Deadline::after_opt(self.timeout);
        let (items, len) = counted(items.into_iter());
        let (call, mut feed) = self.begin::<T, M>(Some(len))?;
        let mut items = items.fuse();
        let mut results = Gathered::<C>::new(len.min(MOST_ROOM));
        // An iterator that panics ends this call only.
        let _whatever_comes = Abandon(crew, &call);
        let room = self.room(usize::MAX, deadline);
        loop {
            crew.feed(&mut feed, &mut items, push::<F, S, T, M>, room);
            if !crew.wait(&call, Want::News, deadline) {
                crew.expire(&call, self.timeout.unwrap_or_default());
            }
            let is_done = call.is_ready(Want::End);
            results.add(&call);
            if is_done {
                return Ok(results.finish(&call));
            }
        }
    }

    /// Queues calls for all items.
    pub(super) fn queue<T, M, I, R>(
        self,
        items: I,
        finish: Finish<R>,
        check: Finish<()>,
    ) -> Result<AsyncResult<R>, PoolError>
    where
        T: Item<F, S, M>,
        I: IntoIterator<Item = T>,
    {
        let crew = &self.pool.crew;
        let (mut items, len) = counted(items.into_iter());
        let (call, mut feed) = self.begin::<T, M>(Some(len))?;
        let result = self.result(&call, self.timeout, (finish, check));
        // Dropped by an iterator that panics, it does not stop what was queued.
        let abandon = Abandon(crew, &call);
        let whole = Deadline::after_opt(self.timeout);
        let patience = || self.patience().min(whole);
        let queued = crew.feed_all(&mut feed, &mut items, push::<F, S, T, M>, patience);
        queued.map_err(|NoRoom| self.no_room(whole))?;
        std::mem::forget(abandon);
        Ok(result)
    }

    /// Begins to call the task with items as the results are asked for.
    pub(super) fn iterate<T, M, I>(
        self,
        items: I,
        is_ordered: bool,
    ) -> Result<MapResults<I, T::Output>, PoolError>
    where
        T: Item<F, S, M>,
        I: Iterator<Item = T>,
    {
        let (call, feed) = self.begin::<T, M>(None)?;
        let ahead = (self.pool.size * WINDOW).saturating_mul(self.chunk.unwrap_or(1));
        let room = self.room(ahead, Deadline::after_opt(self.timeout));
        let items = (items, push::<F, S, T, M> as fn(&mut Feed, T));
        let limits = (room, self.timeout);
        let crew = &self.pool.crew;
        Ok(MapResults::new(crew, call, feed, items, limits, is_ordered))
    }

    /// Returns until when a call waits for room.
    fn patience(self) -> Deadline {
        Deadline::after_opt(self.queue_timeout)
    }

    /// Says why a call was not queued whose whole time is over at `whole`.
    fn no_room(self, whole: Deadline) -> PoolError {
        match self.timeout {
            Some(limit) if whole.passed() => PoolError::NotInTime { item: None, limit },
            _ => PoolError::Full,
        }
    }

    fn room(self, most: usize, deadline: Deadline) -> Room {
        Room {
            window: self.pool.size * WINDOW,
            most,
            deadline,
        }
    }
}

/// Puts an item into a chunk.
#[inline]
fn push<F, S: Shape, T: Item<F, S, M>, M>(feed: &mut Feed, item: T) {
    if let Some(text) = item.shown() {
        feed.show(text);
    }
    feed.push(&item.into_args());
}

/// Cancels, when it is dropped, what is left of a call.
struct Abandon<'a>(&'a Crew, &'a Arc<Call>);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if !self.1.is_ready(Want::End) {
            self.1.complete();
            self.0.cancel(self.1);
        }
    }
}

/// Returns what Python's pool takes: the least size that gives each worker four chunks or fewer.
fn default_chunk(len: usize, workers: usize) -> usize {
    len.div_ceil(workers.saturating_mul(CHUNKS_PER_WORKER))
}

#[cfg(test)]
mod tests {
    use super::default_chunk;

    // POL-002
    #[test]
    fn the_default_chunks_are_python_s() {
        let sizes = [
            (0, 4),
            (1, 4),
            (16, 4),
            (17, 4),
            (100, 3),
            (1000, 4),
            (7, usize::MAX),
        ];
        let chunks = sizes.map(|(len, workers)| default_chunk(len, workers));
        assert_eq!(chunks, [0, 1, 1, 2, 9, 63, 1]);
    }
}

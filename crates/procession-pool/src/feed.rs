//! Items on their way into chunks. Everything of the user's that encodes runs here, on the thread of the
//! caller.

use crate::bound::NoRoom;
use crate::call::{Answer, Call, Settled};
use crate::chunk::Chunk;
use crate::crew::Crew;
use crate::dispatch::Limits;
use crate::row::{Placed, Row};
use crate::waiter::{Wake, Wakes};
use crate::worker::LONGEST;
use procession_call::Routine;
use procession_os::wait::Deadline;
use procession_wire::{EncodeError, Kind, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// How long a caller may take items while nobody collects.
const FEEDING: Duration = Duration::from_micros(100);

/// Makes chunks of calls to one function.
#[derive(Debug)]
pub(crate) struct Feed {
    call: Arc<Call>,
    routine: Routine,
    is_timed: bool,
    /// How many items were put in.
    fed: usize,
    /// The most items of a chunk.
    chunk: usize,
    row: Row,
    /// Chunks that are whole.
    whole: Vec<Chunk>,
}

impl Feed {
    /// Begins with calls to a function, of which at most `chunk` go into a chunk.
    pub(crate) fn new(call: Arc<Call>, routine: Routine, chunk: usize, limits: Limits) -> Self {
        let is_timed = limits.timeout.is_some() || limits.insights;
        let chunk = limits.calls.map_or(chunk, |most| chunk.min(most));
        Self {
            call,
            routine,
            is_timed,
            fed: 0,
            chunk,
            row: Row::new(routine, is_timed),
            whole: Vec::new(),
        }
    }

    /// Has the next item shown in its error.
    pub(crate) fn show(&self, text: Box<str>) {
        self.call.show(self.fed, text);
    }

    /// Adds a call.
    ///
    /// One whose arguments cannot be encoded is settled at once.
    pub(crate) fn push<A>(&mut self, arguments: &A)
    where
        A: Serialize + DeserializeOwned,
    {
        let pushed = self.row.push(arguments);
        if let Ok(Placed::Here) = pushed {
            self.fed += 1;
            if self.row.count() == self.chunk || self.row.filled() >= LONGEST - LONGEST / 8 {
                self.end_row();
            }
            return;
        }
        self.push_apart(arguments, pushed.map(|_| ()));
    }

    /// Adds a call whose arguments cannot stand in a row.
    #[cold]
    fn push_apart<A>(&mut self, arguments: &A, pushed: Result<(), EncodeError>)
    where
        A: Serialize + DeserializeOwned,
    {
        self.end_row();
        let place = self.fed;
        self.fed += 1;
        let message = pushed.and_then(|()| Message::encode(Kind::REQUEST, arguments));
        match message {
            Ok(message) => {
                let call = Arc::clone(&self.call);
                let chunk = Chunk::alone(call, place, self.routine, self.is_timed, message);
                self.whole.push(chunk);
            }
            Err(error) => {
                let settled = Settled {
                    first: place,
                    count: 1,
                    answer: Answer::NotSent(error),
                };
                let mut wakes = Wakes::new();
                self.call.accept(1);
                self.call.settle(settled, true, &mut wakes);
                wakes.into_iter().for_each(Wake::run);
            }
        }
    }

    /// Ends the row that has not as many items as it may have.
    pub(crate) fn end_row(&mut self) {
        let count = self.row.count();
        if count > 0 {
            let row = std::mem::replace(&mut self.row, Row::new(self.routine, self.is_timed));
            let call = Arc::clone(&self.call);
            self.whole.push(Chunk::of_row(call, self.fed - count, row));
        }
    }

    /// Returns whether a chunk is whole.
    pub(crate) fn is_ready(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Takes the chunks that are whole.
    pub(crate) fn take(&mut self) -> std::vec::Drain<'_, Chunk> {
        self.whole.drain(..)
    }
}

/// Items of which it is known how many there are.
#[derive(Debug)]
pub(crate) enum Counted<I: Iterator> {
    /// The iterator says so. It is asked for the next item when there is room for it.
    Asked(I),
    Held(std::vec::IntoIter<I::Item>),
}

/// Counts items, and holds them if the iterator cannot say how many there are.
pub(crate) fn counted<I: Iterator>(items: I) -> (Counted<I>, usize) {
    match items.size_hint() {
        (least, Some(most)) if least == most => (Counted::Asked(items), least),
        _ => {
            let held: Vec<_> = items.collect();
            let len = held.len();
            (Counted::Held(held.into_iter()), len)
        }
    }
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        match self {
            Self::Asked(items) => items.next(),
            Self::Held(items) => items.next(),
        }
    }
}

impl Crew {
    /// Submits calls for as many items as there is room for, in all at most `most`; completes the call with the
    /// last of them. It ends with `deadline` too, if the items take that long.
    ///
    /// The caller is going to wait; until then the minder collects if the items take their time.
    pub(crate) fn feed<I: Iterator>(
        &self,
        feed: &mut Feed,
        items: &mut I,
        push: impl Fn(&mut Feed, I::Item),
        room: Room,
    ) {
        let soon = Deadline::after(FEEDING);
        while feed.call.chunks() < room.window {
            while !feed.is_ready() {
                if feed.fed >= room.most || room.deadline.passed() {
                    return;
                }
                let Some(item) = items.next() else {
                    feed.end_row();
                    self.submit_all(feed, !soon.passed());
                    feed.call.complete();
                    return;
                };
                push(feed, item);
            }
            // With what says that there are no more, the call is whole though nobody asks again.
            let is_last = items.size_hint() == (0, Some(0));
            self.submit_all(feed, !soon.passed());
            if is_last {
                feed.call.complete();
                return;
            }
        }
    }

    /// Submits calls for all items as there is room, and completes the call.
    pub(crate) fn feed_all<I: Iterator>(
        &self,
        feed: &mut Feed,
        items: &mut I,
        push: impl Fn(&mut Feed, I::Item),
        patience: impl Fn() -> Deadline,
    ) -> Result<(), NoRoom> {
        for item in items {
            push(feed, item);
            if feed.is_ready() {
                self.queue_all(feed, patience())?;
                if feed.call.has_ended() {
                    return Ok(());
                }
            }
        }
        feed.end_row();
        self.queue_all(feed, patience())?;
        feed.call.complete();
        Ok(())
    }

    fn queue_all(&self, feed: &mut Feed, patience: Deadline) -> Result<(), NoRoom> {
        feed.take()
            .try_for_each(|chunk| self.queue(chunk, patience))
    }

    fn submit_all(&self, feed: &mut Feed, will_wait: bool) {
        for chunk in feed.take() {
            self.submit(chunk, will_wait);
        }
    }
}

/// How far items are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// How many chunks may be on their way.
    pub(crate) window: usize,
    /// How many items may be taken in all.
    pub(crate) most: usize,
    pub(crate) deadline: Deadline,
}

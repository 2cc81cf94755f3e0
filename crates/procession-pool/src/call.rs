//! A call to the pool, as who waits for it and who collects for it see it: the calls of one `apply`, or of
//! one `map` with all its items.
//!
//! Every item that was accepted is settled once: by what a worker sent, by how the worker ended, or by why
//! the pool has. What arrives is kept as the bytes that it came in. Whoever asked decodes it, on a thread of
//! its own, so that a result that cannot be decoded, or whose decoding panics, is that caller's affair.

use crate::completed::Completed;
use crate::crew::Crew;
use crate::error::PoolError;
use crate::sync::{Mutex, MutexGuard};
use crate::timers::Timer;
use crate::waiter::{Awaited, Waiter, Wake, Wakes};
use procession_os::futexes::Watch;
use procession_process::ExitStatus;
use procession_wire::{EncodeError, Packet};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// What came of some items, the first of which is in this place.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) answer: Answer,
}

/// How items are settled.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A message of kind `OUTCOMES`.
    Block(Packet),
    /// A message of kind `OUTCOME`.
    Message(Packet),
    /// There is no outcome.
    Lost(Loss),
    /// The arguments could not be encoded.
    NotSent(EncodeError),
}

/// Why a call has no outcome.
#[derive(Debug, Clone)]
pub(crate) enum Loss {
    /// The worker ended while it ran the call.
    Died { pid: u32, status: ExitStatus },
    /// Arguments or outcome could not be passed on.
    Exchange(String),
    /// It took longer than it may; the worker was killed.
    TimedOut(Duration),
    /// The worker was stopped by a signal while it ran the call, and was killed.
    Stopped { pid: u32 },
    /// The worker had more memory than it may have while it ran the call, and was killed.
    Memory { pid: u32, limit: u64 },
    /// The pool was terminated.
    Terminated,
    /// The pool was closed, and its workers have ended.
    Closed,
    /// The pool cannot start workers.
    Broken(Arc<str>),
    /// Whoever asked does not want it any more.
    Cancelled,
    /// Whoever asked has waited for so long.
    NotInTime(Duration),
}

impl Loss {
    /// Returns whether the worker died in the call, and another may do better.
    pub(crate) fn is_death(&self) -> bool {
        matches!(
            self,
            Self::Died { .. } | Self::Stopped { .. } | Self::Memory { .. }
        )
    }
}

/// What a waiter waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Anything that is settled.
    News,
    /// That all is settled.
    End,
}

/// A call, shared by who asked, who collects, and the chunks on their way.
#[derive(Debug, Default)]
pub(crate) struct Call {
    state: Mutex<State>,
    /// Whether the items are those of a sequence.
    pub(crate) for_items: bool,
    /// The name of the function.
    pub(crate) task: &'static str,
    /// The items in words, by their places, if they are to be shown in their errors.
    texts: OnceLock<std::sync::Mutex<BTreeMap<usize, Box<str>>>>,
}

/// Who takes what is settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Owner {
    #[default]
    Caller,
    /// The caller, or the scope if the caller does not want it.
    CallerInScope,
    /// The caller has dropped it.
    Scope,
    Nobody,
}

#[derive(Default)]
struct State {
    /// What has been settled and not taken.
    settled: Vec<Settled>,
    /// How many items were accepted.
    accepted: usize,
    /// How many of them are not settled.
    open: usize,
    /// How many chunks they are in.
    chunks: usize,
    /// Whether no more items will be accepted.
    is_whole: bool,
    /// How many items there are, as far as that is known before all are accepted.
    expected: usize,
    /// Why nothing more is waited for, though items are open: those are lost for this reason.
    ended: Option<Loss>,
    owner: Owner,
    /// Ends the call when it takes too long.
    timer: Option<Timer>,
    /// Several threads may wait for one result.
    waiters: Vec<(Want, Arc<Waiter>)>,
    waker: Option<(Waker, Arc<Crew>)>,
    /// Those who are told when all is settled, and what of.
    followers: Vec<(Arc<Completed>, usize)>,
    /// The pool, if somebody waits for this and other things at once.
    watched: Option<Arc<Crew>>,
    /// Called when all is settled.
    hook: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("settled", &self.settled.len())
            .field("open", &self.open)
            .field("is_whole", &self.is_whole)
            .finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(task: &'static str, for_items: bool) -> Arc<Self> {
        Arc::new(Self {
            for_items,
            task,
            ..Self::default()
        })
    }

    /// Notes that the items of a chunk are going to be settled; returns why they need not be run, if the waiting
    /// has been ended.
    pub(crate) fn accept(&self, items: usize) -> Option<Loss> {
        let mut state = self.state();
        state.open += items;
        state.accepted += items;
        // A single call is whole with its one chunk, and cannot be done before.
        state.is_whole |= !self.for_items;
        state.chunks += 1;
        state.ended.clone()
    }

    /// Notes that all items are accepted.
    pub(crate) fn complete(&self) {
        self.state().is_whole = true;
    }

    /// Settles items, perhaps the last of their chunk; adds to `wakes` whoever waits for that.
    pub(crate) fn settle(&self, settled: Settled, is_last: bool, wakes: &mut Wakes) {
        let mut state = self.state();
        state.open -= settled.count;
        state.chunks -= usize::from(is_last);
        if state.ended.is_some() {
            return;
        }
        if state.owner != Owner::Nobody {
            state.settled.push(settled);
        }
        state.tell(wakes);
    }

    /// Has an item shown in its error.
    pub(crate) fn show(&self, place: usize, text: Box<str>) {
        let texts = self.texts.get_or_init(std::sync::Mutex::default);
        let texts = texts.lock();
        texts
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place, text);
    }

    /// Shows the item in its error, if that is wanted.
    pub(crate) fn label(&self, place: usize, error: PoolError) -> PoolError {
        match self.text(place) {
            Some(item) => PoolError::OfItem {
                item,
                error: Box::new(error),
            },
            None => error,
        }
    }

    /// The item has no error to be shown in.
    #[inline]
    pub(crate) fn has_value(&self, place: usize) {
        if self.texts.get().is_some() {
            drop(self.text(place));
        }
    }

    /// Takes the item in words.
    #[cold]
    fn text(&self, place: usize) -> Option<Box<str>> {
        let texts = self.texts.get()?.lock();
        texts.unwrap_or_else(PoisonError::into_inner).remove(&place)
    }

    /// Notes how many items there will be.
    pub(crate) fn expect(&self, items: usize) {
        self.state().expected = items;
    }

    /// Ends the waiting for what is not settled: it is lost. What comes of it later is dropped.
    pub(crate) fn end(&self, loss: Loss, wakes: &mut Wakes) {
        let mut state = self.state();
        if !state.is_done() {
            state.ended = Some(loss);
            state.tell(wakes);
        }
    }

    /// Returns whether all items that were not taken have a value.
    pub(crate) fn is_success(&self) -> bool {
        let state = self.state();
        state.ended.is_none() && state.settled.iter().all(Settled::is_success)
    }

    /// Returns whether the waiting has been ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended.is_some()
    }

    /// Returns of how many items those that are not settled are lost, and why, if the waiting has been ended.
    pub(crate) fn loss(&self) -> Option<(usize, Loss)> {
        let state = self.state();
        let items = state.expected.max(state.accepted);
        Some((items, state.ended.clone()?))
    }

    /// Drops what is settled from now on, and whoever is to be woken.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        let (owner, settled) = match state.owner {
            Owner::CallerInScope => (Owner::Scope, Vec::new()),
            _ => (Owner::Nobody, std::mem::take(&mut state.settled)),
        };
        state.owner = owner;
        let dropped = (settled, state.waker.take());
        drop(state);
        // The user's code may run here.
        drop(dropped);
    }

    /// Keeps what is settled for a scope if the caller drops it.
    pub(crate) fn keep(&self) {
        self.state().owner = Owner::CallerInScope;
    }

    /// Returns whether the caller has dropped what a scope is to look at.
    pub(crate) fn is_left_to_scope(&self) -> bool {
        self.state().owner == Owner::Scope
    }

    /// Ends the call when it takes too long.
    pub(crate) fn time(&self, timer: Option<Timer>) {
        let mut state = self.state();
        if !state.is_done() {
            state.timer = timer;
        }
    }

    /// Has a function called when all is settled; gives it back if it is.
    pub(crate) fn hook(&self, hook: Box<dyn FnOnce() + Send>) -> Option<Box<dyn FnOnce() + Send>> {
        let mut state = self.state();
        if state.is_done() {
            return Some(hook);
        }
        state.hook = Some(hook);
        None
    }

    /// Returns whether what is wanted is there.
    pub(crate) fn is_ready(&self, want: Want) -> bool {
        self.state().is_ready(want)
    }

    /// Returns whether all is settled and was taken.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state();
        state.is_done() && state.settled.is_empty()
    }

    /// Returns how many chunks are not settled.
    pub(crate) fn chunks(&self) -> usize {
        self.state().chunks
    }

    /// Takes what has been settled.
    pub(crate) fn take(&self) -> Vec<Settled> {
        std::mem::take(&mut self.state().settled)
    }

    /// Has someone told when all is settled; false if it is.
    pub(crate) fn follow(&self, completed: &Arc<Completed>, which: usize) -> bool {
        let mut state = self.state();
        let is_open = !state.is_done();
        if is_open {
            state.followers.push((Arc::clone(completed), which));
        }
        is_open
    }

    /// Has someone told no more.
    pub(crate) fn unfollow(&self, completed: &Arc<Completed>) {
        let others = |(other, _): &(Arc<Completed>, _)| !Arc::ptr_eq(other, completed);
        self.state().followers.retain(others);
    }

    /// Returns what to sleep on until all is settled, and the pool tells all who do; `None` if it is.
    pub(crate) fn watch<'a>(&self, crew: &'a Arc<Crew>) -> Option<Watch<'a>> {
        let mut state = self.state();
        if state.is_done() {
            return None;
        }
        state.watched = Some(Arc::clone(crew));
        // Before this lock is free, nobody settles the call and changes the word.
        Some(crew.news.watch())
    }

    /// Has a task woken when all is settled; false if it is.
    pub(crate) fn enlist_task(&self, waker: &Waker, crew: &Arc<Crew>) -> bool {
        // Cloning it and dropping the one before are the user's code.
        let waker = waker.clone();
        let mut state = self.state();
        if state.is_ready(Want::End) {
            return false;
        }
        let before = state.waker.replace((waker, Arc::clone(crew)));
        drop(state);
        drop(before);
        true
    }

    /// Nothing that can panic runs under this lock, so it is never poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited for (&Call, Want) {
    fn is_ready(&self) -> bool {
        self.0.is_ready(self.1)
    }

    fn enlist(&self, waiter: &Arc<Waiter>) -> bool {
        let mut state = self.0.state();
        if state.is_ready(self.1) {
            return false;
        }
        state.waiters.push((self.1, Arc::clone(waiter)));
        true
    }

    fn dismiss(&self, waiter: &Arc<Waiter>) {
        let others = |(_, other): &(Want, _)| !Arc::ptr_eq(other, waiter);
        self.0.state().waiters.retain(others);
    }
}

impl State {
    fn is_done(&self) -> bool {
        self.ended.is_some() || (self.is_whole && self.open == 0)
    }

    /// Adds whoever waits for what is there now.
    fn tell(&mut self, wakes: &mut Wakes) {
        let is_done = self.is_done();
        let wanted = |(want, _): &mut (Want, _)| *want == Want::News || is_done;
        let woken = self.waiters.extract_if(.., wanted);
        wakes.extend(woken.map(|(_, waiter)| Wake::Thread(waiter)));
        if is_done {
            self.timer = None;
            let task = self.waker.take();
            wakes.extend(task.map(|(waker, crew)| Wake::Task(waker, crew)));
            wakes.extend(self.hook.take().map(Wake::Hook));
            wakes.extend(self.watched.take().map(Wake::All));
            let followers = self.followers.drain(..);
            let woken = followers.filter_map(|(completed, which)| completed.add(which));
            wakes.extend(woken.map(Wake::Thread));
        }
    }

    fn is_ready(&self, want: Want) -> bool {
        match want {
            Want::News => !self.settled.is_empty() || self.is_done(),
            Want::End => self.is_done(),
        }
    }
}

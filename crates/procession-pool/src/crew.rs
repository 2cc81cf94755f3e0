//! What the threads of a pool share: the state, and who collects what the workers send.
//!
//! # The one lock
//!
//! The [`Dispatch`] is under one mutex, which is held for a moment, while nothing is waited for, started,
//! killed or woken: whoever is to be woken is noted, and woken when the lock is free. Order of locks: a
//! worker's inlet, then this one, then a call's.
//!
//! # Who collects
//!
//! One thread at a time has the *duty*: it looks into the rings of all workers, settles what came, and gives
//! out what is queued. A caller that waits takes the duty if nobody or the minder has it, so that an answer
//! wakes the thread that wants it and no other; the other callers sleep until their calls are settled, or one
//! of them is handed the duty by a caller that leaves. The [`minder`](crate::minder), a thread of the pool,
//! has it when something is outstanding and no caller waits. With nothing outstanding, nobody has it.
//!
//! A caller that leaves while something is outstanding is often back at once, for the next of its results. So
//! the duty stays free for a moment ([`TICK`]) before the minder takes it.
//!
//! Whoever has the duty sleeps on [`Watch`], in which all workers' sockets are, having asked all workers to
//! ring. The minder sleeps on more, [`Bells`], in which the watch is while it has the duty. So the duty passes
//! between it and a caller with a call to the kernel for the one that runs, and no wake-up of the other.
//!
//! # In a forked copy of the process
//!
//! There, none of the threads exist, and the locks are as they were at the fork, perhaps in the middle of a
//! change. So a copy touches none of them: it compares [`Crew::is_ours`] first.

use crate::call::{Call, Loss};
use crate::callbacks::Callbacks;
use crate::chunk::Chunk;
use crate::dispatch::{Dispatch, Limits};
use crate::error::PoolError;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::timers::Timers;
use crate::waiter::{News, Waiter, Wake, Wakes};
use crate::watch::{Bells, Watch};
use crate::worker::Worker;
use procession_os::wait::Deadline;
use procession_process::ExitStatus;
use procession_wire::Packet;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What the threads of a pool share.
#[derive(Debug)]
pub(crate) struct Crew {
    /// The number of the process that made the pool.
    maker: u32,
    state: Mutex<State>,
    pub(crate) watch: Watch,
    pub(crate) bells: Bells,
    pub(crate) callbacks: Callbacks,
    /// Calls the wakers of asynchronous programs, which are the user's code as the callbacks are.
    pub(crate) wakers: Callbacks,
    pub(crate) timers: std::sync::Mutex<Timers>,
    /// Changes when a call is settled that is waited for beside other things.
    pub(crate) news: News,
    minder_has_ended: Mutex<bool>,
    minder_ended: Condvar,
    /// What exit hooks came to, until somebody asks for it.
    farewells: Mutex<Vec<Packet>>,
    /// Workers that have ended, until the minder sees to their slots.
    ended: Mutex<Vec<(usize, Arc<Worker>, ExitStatus)>>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dispatch: Dispatch,
    duty: Duty,
    /// How often a caller has left the duty to nobody.
    leaves: u64,
    /// Whether the minder looks every moment.
    is_minder_looking: bool,
    /// Threads that wait for somebody else to collect.
    asleep: Vec<Arc<Waiter>>,
    /// Threads that wait for room to queue something.
    pub(crate) for_room: Vec<Arc<Waiter>>,
    /// The workers to collect from, with their slots.
    pub(crate) workers: Arc<[(usize, Arc<Worker>)]>,
    pub(crate) wakes: Wakes,
}

/// Who collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Nothing is outstanding.
    Nobody,
    Minder,
    Caller,
    /// A caller has left that may be back at once. The minder looks in a moment.
    Absent,
}

/// The state, locked.
pub(crate) struct Locked<'a> {
    state: Option<MutexGuard<'a, State>>,
    bells: &'a Bells,
}

/// What the minder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MinderTurn {
    Collect,
    /// Sleep for no more than a [`TICK`].
    LookAgain,
    Sleep,
}

/// How long the duty may be free while something is outstanding; twice, if the minder has just looked.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// What a caller finds that would wait.
pub(crate) enum Turn {
    /// It has the duty.
    Collect,
    /// What it wants is there.
    Ready,
    /// Another has the duty, and wakes this one.
    Sleep(Arc<Waiter>),
}

impl Crew {
    /// Makes what a pool of `size` workers shares.
    pub(crate) fn new(size: usize, limits: Limits) -> io::Result<Arc<Self>> {
        let state = State {
            dispatch: Dispatch::new(size, limits),
            duty: Duty::Nobody,
            leaves: 0,
            is_minder_looking: false,
            asleep: Vec::new(),
            for_room: Vec::new(),
            workers: Arc::new([]),
            wakes: Wakes::new(),
        };
        let watch = Watch::new()?;
        let bells = Bells::new(&watch)?;
        Ok(Arc::new(Self {
            maker: std::process::id(),
            state: Mutex::new(state),
            watch,
            bells,
            callbacks: Callbacks::new("procession-call"),
            wakers: Callbacks::new("procession-wake"),
            news: News::default(),
            timers: std::sync::Mutex::default(),
            minder_has_ended: Mutex::new(true),
            minder_ended: Condvar::new(),
            farewells: Mutex::default(),
            ended: Mutex::default(),
        }))
    }

    /// Returns whether this process made the pool, and is no copy of the one that did.
    pub(crate) fn is_ours(&self) -> bool {
        self.maker == procession_os::own_pid()
    }

    /// Locks the state. Nothing that can panic runs under this lock, so it is never poisoned.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked {
            state: Some(self.state.lock().unwrap_or_else(PoisonError::into_inner)),
            bells: &self.bells,
        }
    }

    /// Returns the error that a new call gets, if it gets one.
    pub(crate) fn check(&self) -> Result<(), PoolError> {
        if !self.is_ours() {
            return Err(PoolError::Copied);
        }
        self.lock().dispatch.check()
    }

    /// Queues a chunk, and sees to it that somebody will collect what comes of it; not the caller, if it
    /// is going to wait.
    pub(crate) fn submit(&self, chunk: Chunk, will_wait: bool) {
        self.submit_to(&mut self.lock(), chunk, will_wait);
    }

    /// As [`submit`](Self::submit), under the lock.
    pub(crate) fn submit_to(&self, state: &mut State, chunk: Chunk, will_wait: bool) {
        let count = chunk.count;
        let state_ref = &mut *state;
        let before = state_ref.dispatch.unsettled();
        state_ref.dispatch.submit(chunk, &mut state_ref.wakes);
        if state_ref.dispatch.unsettled() < before + count {
            self.kick(state_ref);
        }
        // Whoever collects may be asleep, and sends the rest of what has no room.
        self.watch_blocked(&state_ref.dispatch);
        // Whoever collects and is asleep has asked every worker to ring, those too that were idle then.
        if state.duty == Duty::Nobody && !will_wait {
            self.appoint_minder(state);
            // It may sleep without a limit, and is to look after a worker that does not begin.
            self.bells.ring();
        }
    }

    /// Changes the state without the duty to collect.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Dispatch, &mut Wakes) -> R) -> R {
        let mut state = self.lock();
        let state_ref = &mut *state;
        let changed = change(&mut state_ref.dispatch, &mut state_ref.wakes);
        state_ref.workers = state_ref.dispatch.workers().into();
        self.kick(state_ref);
        self.watch_blocked(&state_ref.dispatch);
        self.see_to_collecting(&mut state);
        changed
    }

    /// Has the minder collect if something is outstanding and nobody does.
    pub(crate) fn see_to_collecting(&self, state: &mut State) {
        if state.duty == Duty::Nobody && state.dispatch.is_busy() {
            self.appoint_minder(state);
            self.bells.ring();
        }
    }

    /// Has a caller that collects look whether its own call was settled by another.
    fn kick(&self, state: &State) {
        if state.duty == Duty::Caller {
            self.watch.kick();
        }
    }

    /// Has all workers ring for whoever sleeps.
    fn arm(&self, state: &State) {
        let arm = |there: bool, (_, worker): &(usize, Arc<Worker>)| worker.arm() || there;
        if state.workers.iter().fold(false, arm) {
            self.watch.kick();
        }
    }

    /// The minder has collected, perhaps while a caller took the duty, who may be asleep by now: the minder
    /// has disarmed the workers, has taken a kick, or has settled what that caller waits for.
    pub(crate) fn has_collected(&self) {
        let state = self.lock();
        self.kick(&state);
    }

    /// Decides what a caller does that waits for a call.
    pub(crate) fn turn(&self, enlist: impl FnOnce(&Arc<Waiter>) -> bool) -> Turn {
        let mut state = self.lock();
        if state.duty != Duty::Caller {
            if state.duty == Duty::Minder {
                self.bells.leave(&self.watch);
            }
            state.duty = Duty::Caller;
            return Turn::Collect;
        }
        let waiter = Waiter::here();
        if !enlist(&waiter) {
            return Turn::Ready;
        }
        state.asleep.push(Arc::clone(&waiter));
        Turn::Sleep(waiter)
    }

    /// A caller has slept; returns whether it was handed the duty.
    pub(crate) fn woken(&self, waiter: &Arc<Waiter>) -> bool {
        let mut state = self.lock();
        state.asleep.retain(|asleep| !Arc::ptr_eq(asleep, waiter));
        waiter.is_on_duty()
    }

    /// Hands the duty on.
    pub(crate) fn pass_on(&self) {
        let mut state = self.lock();
        if let Some(next) = state.asleep.pop() {
            next.appoint();
            state.wakes.push(Wake::Thread(next));
        } else if state.dispatch.is_busy() {
            state.duty = Duty::Absent;
            state.leaves += 1;
            if !state.is_minder_looking {
                state.is_minder_looking = true;
                self.bells.ring();
            }
        } else {
            state.duty = Duty::Nobody;
        }
    }

    /// Has the minder collect.
    fn appoint_minder(&self, state: &mut State) {
        state.duty = Duty::Minder;
        // What is there when it begins to watch wakes it at once.
        self.arm(state);
        self.bells.watch(&self.watch);
    }

    /// Says what the minder does: collect, look again in a moment, or neither. It takes the duty if nobody
    /// has come for it since it last looked, and drops it when nothing is outstanding.
    pub(crate) fn minder_turn(&self, looked: &mut u64) -> MinderTurn {
        let mut state = self.lock();
        let is_busy = state.dispatch.is_busy();
        let last = std::mem::replace(looked, state.leaves);
        match state.duty {
            Duty::Minder if !is_busy => {
                state.duty = Duty::Nobody;
                self.bells.leave(&self.watch);
            }
            Duty::Absent if !is_busy => state.duty = Duty::Nobody,
            Duty::Absent if last == state.leaves => self.appoint_minder(&mut state),
            _ => {}
        }
        // A caller that has stayed since the last look waits for something that lasts, and rings when it leaves.
        let has_stayed = state.duty == Duty::Caller && last == state.leaves;
        let may_look = is_busy && !has_stayed && state.duty != Duty::Minder;
        state.is_minder_looking &= may_look;
        match state.duty {
            Duty::Minder => MinderTurn::Collect,
            _ if state.is_minder_looking => MinderTurn::LookAgain,
            _ => MinderTurn::Sleep,
        }
    }

    /// Has somebody collect who is there, if workers are expected to say something.
    pub(crate) fn expect_workers(&self) {
        let mut state = self.lock();
        self.see_to_collecting(&mut state);
        self.arm(&state);
    }

    /// Returns the workers to collect from, with their slots.
    pub(crate) fn workers(&self) -> Arc<[(usize, Arc<Worker>)]> {
        Arc::clone(&self.lock().workers)
    }

    /// Puts a new worker into a slot; false if none is wanted any more.
    pub(crate) fn employ(self: &Arc<Self>, at: usize, worker: &Arc<Worker>) -> io::Result<bool> {
        self.watch.add(worker, at)?;
        // First, for it may fail. The end is seen to by the thread that employs, so behind this.
        self.report_end(at, worker)
            .inspect_err(|_| self.watch.remove(worker))?;
        let mut state = self.lock();
        if !state.dispatch.employ(at, worker) {
            self.watch.remove(worker);
            return Ok(false);
        }
        state.workers = state.dispatch.workers().into();
        drop(state);
        self.expect_workers();
        Ok(true)
    }

    /// Has the minder told when a worker ends.
    fn report_end(self: &Arc<Self>, at: usize, worker: &Arc<Worker>) -> io::Result<()> {
        let crew = Arc::downgrade(self);
        let (slot, same) = (at, Arc::downgrade(worker));
        worker.process().when_ended(move |status| {
            if let (Some(crew), Some(worker)) = (crew.upgrade(), same.upgrade()) {
                crew.ended().push((slot, worker, status));
                crew.bells.ring();
            }
        })
    }

    /// Takes a worker that has ended out of its slot.
    pub(crate) fn bury(&self, at: usize, worker: &Arc<Worker>, status: ExitStatus) {
        self.watch.remove(worker);
        let has_hook = self.change(|dispatch, wakes| {
            dispatch.ended(at, worker, status, wakes);
            dispatch.has_hook()
        });
        if has_hook && status.success() {
            self.farewells().extend(worker.farewell());
        }
    }

    /// Takes what exit hooks came to.
    pub(crate) fn take_farewells(&self) -> Vec<Packet> {
        std::mem::take(&mut self.farewells())
    }

    fn farewells(&self) -> MutexGuard<'_, Vec<Packet>> {
        self.farewells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses new calls; the workers end when the accepted ones are done.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.dispatch.close();
        // Results may be outstanding that nobody has asked for yet.
        self.see_to_collecting(&mut state);
    }

    /// Ends the pool if it wants no workers any more: nothing runs what is submitted from now on.
    pub(crate) fn conclude(&self) -> bool {
        let mut state = self.lock();
        let state_ref = &mut *state;
        state_ref.dispatch.conclude(&mut state_ref.wakes)
    }

    /// Ends the workers, and settles all calls that are left.
    pub(crate) fn terminate(&self) {
        let workers = self.workers();
        self.change(Dispatch::terminate);
        workers.iter().for_each(|(_, worker)| worker.kill());
    }

    /// Takes back what no worker has begun of a call; returns whether that was all that was left of it.
    pub(crate) fn cancel(&self, call: &Arc<Call>) -> bool {
        let found = self.cancel_all(|other| Arc::ptr_eq(other, call));
        found && call.is_ready(crate::call::Want::End)
    }

    /// Takes back what no worker has begun of the calls that are meant; returns whether there was anything.
    pub(crate) fn cancel_all(&self, is_meant: impl Fn(&Arc<Call>) -> bool) -> bool {
        let loss = Loss::Cancelled;
        self.change(|dispatch, wakes| dispatch.cancel(is_meant, &loss, wakes))
    }

    /// Returns the process numbers of the workers that are at a call.
    pub(crate) fn workers_at(&self, call: &Arc<Call>) -> Vec<u32> {
        self.lock().dispatch.workers_at(call)
    }

    /// Ends a call that is not done in time: takes back what no worker has begun of it, and waits for the rest
    /// no more.
    pub(crate) fn expire(&self, call: &Arc<Call>, limit: Duration) {
        self.change(|dispatch, wakes| {
            let loss = Loss::NotInTime(limit);
            dispatch.cancel(|other| Arc::ptr_eq(other, call), &loss, wakes);
            call.end(loss, wakes);
        });
    }

    /// Says that the minder is there until what this returns is dropped.
    pub(crate) fn minder_is_here(self: &Arc<Self>) -> MinderIsHere {
        self.tell_of_minder(false);
        MinderIsHere(Arc::clone(self))
    }

    fn tell_of_minder(&self, has_ended: bool) {
        let told = self.minder_has_ended.lock();
        *told.unwrap_or_else(PoisonError::into_inner) = has_ended;
        self.minder_ended.notify_all();
    }

    /// Waits until the minder has ended; false if it has not by the deadline.
    pub(crate) fn wait_for_minder(&self, deadline: Deadline) -> bool {
        let has_ended = self.minder_has_ended.lock();
        let mut has_ended = has_ended.unwrap_or_else(PoisonError::into_inner);
        while !*has_ended && !deadline.passed() {
            let left = deadline.left().unwrap_or(Duration::MAX);
            let waited = self.minder_ended.wait_timeout(has_ended, left);
            has_ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *has_ended
    }

    /// Takes the workers that have ended.
    pub(crate) fn take_ended(&self) -> Vec<(usize, Arc<Worker>, ExitStatus)> {
        std::mem::take(&mut self.ended())
    }

    fn ended(&self) -> MutexGuard<'_, Vec<(usize, Arc<Worker>, ExitStatus)>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The minder is there.
#[derive(Debug)]
pub(crate) struct MinderIsHere(Arc<Crew>);

impl Drop for MinderIsHere {
    fn drop(&mut self) {
        self.0.tell_of_minder(true);
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect("it is there until the drop")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("it is there until the drop")
    }
}

impl Drop for Locked<'_> {
    /// Unlocks, then wakes whoever is to be woken.
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        let mut wakes = std::mem::take(&mut state.wakes);
        if !state.for_room.is_empty() && state.dispatch.has_room() {
            wakes.extend(state.for_room.drain(..).map(Wake::Thread));
        }
        let minder_is_wanted = state.dispatch.take_alarm();
        drop(state);
        wakes.into_iter().for_each(Wake::run);
        if minder_is_wanted {
            self.bells.ring();
        }
    }
}

//! Waiting for a call, and collecting for all while one waits.

use crate::call::{Call, Want};
use crate::crew::{Crew, Turn};
use crate::sync::spin;
use crate::waiter::Awaited;
use crate::watch::Rung;
use crate::worker::{Received, Worker};
use procession_os::wait::Deadline;
use std::sync::Arc;
use std::time::Instant;

/// How often a caller takes what is in the rings before it looks at the sockets too.
const SWEEPS: u32 = 256;

impl Crew {
    /// Waits until what is wanted of a call is there; false if the deadline passed first.
    pub(crate) fn wait(&self, call: &Call, want: Want, deadline: Deadline) -> bool {
        self.wait_for(&(call, want), deadline)
    }

    /// Waits until something is ready that calls to this pool make so; false if the deadline passed first.
    pub(crate) fn wait_for(&self, awaited: &impl Awaited, deadline: Deadline) -> bool {
        loop {
            if awaited.is_ready() {
                return true;
            }
            if deadline.passed() {
                return false;
            }
            match self.turn(|waiter| awaited.enlist(waiter)) {
                Turn::Ready => return true,
                Turn::Collect => OnDuty(self).collect(awaited, deadline),
                Turn::Sleep(waiter) => {
                    let look = || (waiter.is_on_duty() || awaited.is_ready()).then_some(());
                    if spin(deadline, look).is_none() {
                        waiter.sleep(deadline);
                    }
                    awaited.dismiss(&waiter);
                    if self.woken(&waiter) {
                        OnDuty(self).collect(awaited, deadline);
                    }
                }
            }
        }
    }

    /// Looks once at all workers; returns whether anything had come.
    pub(crate) fn sweep(&self) -> bool {
        let mut found = false;
        for (at, worker) in self.workers().iter() {
            if worker.is_written() {
                found |= self.receive(*at, worker);
            }
        }
        found
    }

    /// Takes what has come from a worker; returns whether anything had.
    fn receive(&self, at: usize, worker: &Arc<Worker>) -> bool {
        let _inlet = worker.inlet();
        let mut found = false;
        loop {
            let received = worker.receive();
            let is_last = matches!(received, Received::Closed | Received::Garbage(_));
            if is_last {
                // Otherwise it would wake whoever sleeps again and again.
                self.watch.remove(worker);
            }
            if matches!(received, Received::Nothing) {
                return found;
            }
            found = true;
            let mut state = self.lock();
            let state_ref = &mut *state;
            state_ref
                .dispatch
                .received(at, worker, received, &mut state_ref.wakes);
            self.watch_blocked(&state_ref.dispatch);
            drop(state);
            // What is not in the ring would cost a call of the kernel to find out.
            if is_last || !worker.is_written() {
                return found;
            }
        }
    }

    /// Receives what a worker had sent that has ended.
    pub(crate) fn drain(&self, at: usize, worker: &Arc<Worker>) {
        while self.receive(at, worker) {
            let closed = self.lock().dispatch.is_hung(at, worker);
            if closed {
                return;
            }
        }
    }

    /// Looks again for as long as that pays; returns whether anything had come.
    pub(crate) fn look_again(&self, deadline: Deadline, is_ready: impl Fn() -> bool) -> bool {
        let state = self.lock();
        if state.dispatch.blocked().next().is_some() {
            // Room in a socket is seen by the kernel only.
            return false;
        }
        let workers = Arc::clone(&state.workers);
        drop(state);
        let look = || {
            let written = workers.iter().any(|(_, worker)| worker.is_written());
            (written || is_ready()).then_some(())
        };
        spin(deadline, look).is_some()
    }

    /// Has every worker ring; returns for how long one may sleep, `None` if one has written something meanwhile.
    pub(crate) fn prepare_to_sleep(&self, deadline: Deadline) -> Option<Deadline> {
        let mut state = self.lock();
        let state_ref = &mut *state;
        state_ref.dispatch.rebalance(&mut state_ref.wakes);
        let now = Instant::now();
        let relieved = state_ref.dispatch.relieve(now, &mut state_ref.wakes);
        self.watch_blocked(&state_ref.dispatch);
        drop(state);
        let looked = self.look(now);
        let next = relieved.into_iter().chain(looked).min();
        let workers = self.workers();
        let arm = |there: bool, (_, worker): &(usize, Arc<Worker>)| worker.arm() || there;
        let look_again = next.map(|next| Deadline::after(next.saturating_duration_since(now)));
        let until = look_again.map_or(deadline, |again| deadline.min(again));
        (!workers.iter().fold(false, arm)).then_some(until)
    }

    /// Looks, if it is time, whether workers are stopped or have too much memory; returns when to look again.
    fn look(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let state_ref = &mut *state;
        let (next, has_looked) = state_ref.dispatch.look(now, &mut state_ref.wakes);
        let limit = state_ref.dispatch.memory_limit().filter(|_| has_looked);
        self.watch_blocked(&state_ref.dispatch);
        drop(state);
        if let Some(limit) = limit {
            self.weigh(limit);
        }
        next
    }

    /// Looks which workers have too much memory. What the kernel says about it takes it some time to write,
    /// so that is done without the lock.
    fn weigh(&self, limit: u64) {
        for (at, worker) in self.workers().iter() {
            let before = worker.ledger().progress();
            if worker.memory().is_none_or(|memory| memory <= limit) {
                continue;
            }
            let is_still = worker.ledger().progress() == before;
            let mut state = self.lock();
            let state_ref = &mut *state;
            let wakes = &mut state_ref.wakes;
            state_ref
                .dispatch
                .relieve_of_memory(*at, worker, is_still, limit, wakes);
            self.watch_blocked(&state_ref.dispatch);
        }
    }

    /// Takes what has rung.
    pub(crate) fn answer_all(&self) {
        self.answer_by(Deadline::PASSED);
    }

    /// Waits until a worker rings, and takes what has come.
    fn answer_by(&self, deadline: Deadline) {
        // What the kernel cannot tell is looked at again.
        let rung = self.watch.sleep(deadline).unwrap_or_default();
        for (_, worker) in self.workers().iter() {
            worker.disarm();
        }
        for rung in rung {
            self.answer(rung);
        }
    }

    /// Takes what a socket is ready for.
    fn answer(&self, rung: Rung) {
        let workers = self.workers();
        let Some((at, worker)) = workers.iter().find(|(at, _)| *at == rung.slot) else {
            return;
        };
        if rung.has_room {
            let mut state = self.lock();
            let state_ref = &mut *state;
            let blocked = state_ref.dispatch.unblock(*at, &mut state_ref.wakes);
            self.watch.watch_room(worker, *at, blocked);
        }
        let inlet = worker.inlet();
        let is_message = worker.answer();
        drop(inlet);
        if is_message {
            self.receive(*at, worker);
        }
    }

    /// Watches for room in the sockets that requests wait for.
    pub(crate) fn watch_blocked(&self, dispatch: &crate::dispatch::Dispatch) {
        for (at, worker) in dispatch.blocked() {
            self.watch.watch_room(worker, at, true);
        }
    }
}

/// A caller's duty to collect, which it hands on when it leaves.
struct OnDuty<'a>(&'a Crew);

impl OnDuty<'_> {
    fn collect(self, awaited: &impl Awaited, deadline: Deadline) {
        let crew = self.0;
        let is_ready = || awaited.is_ready();
        let mut sweeps = 0_u32;
        while !is_ready() && !deadline.passed() {
            if crew.sweep() {
                // What does not go through the rings has its turn, however busy they are.
                sweeps += 1;
                if sweeps.is_multiple_of(SWEEPS) {
                    crew.answer_all();
                    let _ = crew.look(Instant::now());
                }
                continue;
            }
            if crew.look_again(deadline, is_ready) {
                continue;
            }
            let until = crew.prepare_to_sleep(deadline);
            // The preparation may have settled it.
            if let Some(until) = until.filter(|_| !is_ready()) {
                crew.answer_by(until);
            }
        }
    }
}

impl Drop for OnDuty<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

//! The barrier: rounds, each of which ends by tripping or by breaking.
//!
//! | field | meaning | written |
//! |---|---|---|
//! | `phase` | bit 0: [`BROKEN`]; above it the number of the round; the futex | see below |
//! | `arrived` | parties that came in this round | under the mutex |
//! | `tripped` | one bit for each of the last 64 rounds: whether it tripped | under the mutex, before the phase moves on |
//! | `parties`, `timeout` | as it was made | once |
//!
//! The phase is what decides, by single atomic operations:
//!
//! | from | to | by |
//! |---|---|---|
//! | round *n* | round *n* + 1 | the last party, under the mutex, by compare and exchange |
//! | round *n* | round *n*, broken | anybody, without the mutex: a timeout, `abort`, a panic in the action |
//! | round *n*, broken or not | round *n* + 1 | `reset`, under the mutex |
//!
//! Whether a round trips or breaks is therefore settled at one moment for everybody, and breaking
//! never waits for anybody, not even for an action that runs for long under the mutex.
//!
//! A party that finds the phase changed looks whether its own round is broken or over, and if it
//! is over, at the round's bit. Bits are read without the mutex: a bit that may have been
//! written for a later round by then is not believed. A party that is 64 rounds late, which takes
//! more threads than parties, is told that the barrier broke.
//!
//! # Deaths
//!
//! A party that dies after it arrived has arrived. Who dies under the mutex leaves the round
//! broken by recovery; `reset` makes it usable again.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, wake};
use crate::place::{Place, Recover};
use crate::sleeper::{Awake, Sleeper};
use procession_os::robust::LockError;
use procession_os::wait::Deadline;
use std::mem;
use std::time::Duration;

const BROKEN: u32 = 1;
const NEXT_ROUND: u32 = 2;
const REMEMBERED: u32 = u64::BITS;
/// What `timeout` holds for none.
const NEVER: u64 = u64::MAX;

/// The shared state of a barrier.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct BarrierState {
    phase: AtomicU32,
    arrived: AtomicU32,
    tripped: AtomicU64,
    timeout: AtomicU64,
    parties: AtomicU32,
    _reserved: AtomicU32,
}

/// Why the parties of a barrier did not come together.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError {
    /// The barrier is broken, or was reset while this party waited.
    #[error("the barrier is broken; reset it to use it again")]
    Broken,
    /// The other parties did not come before this party's timeout. If this party had arrived, that
    /// broke the barrier; it had not if the action of the round before ran for so long.
    #[error("the other parties did not come before the timeout; reset the barrier to use it again")]
    TimedOut,
    /// The barrier's memory cannot be used, or its action used the barrier.
    #[error("cannot use the barrier: {0}")]
    Lock(#[from] LockError),
}

procession_os::debug_in_words!(BarrierError {
    Broken,
    TimedOut,
    Lock
});

impl BarrierState {
    /// A barrier for loom.
    #[cfg(loom)]
    pub(crate) fn new(parties: u32) -> Self {
        Self {
            phase: AtomicU32::new(0),
            arrived: AtomicU32::new(0),
            tripped: AtomicU64::new(0),
            timeout: AtomicU64::new(NEVER),
            parties: AtomicU32::new(parties),
            _reserved: AtomicU32::new(0),
        }
    }

    /// Sets it up, before anybody else sees it.
    pub(crate) fn set_up(&self, parties: u32, timeout: Option<Duration>) {
        let nanos = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(NEVER));
        self.parties.store(parties, Ordering::Relaxed);
        self.timeout
            .store(nanos.unwrap_or(NEVER), Ordering::Relaxed);
    }

    pub(crate) fn parties(&self) -> u32 {
        self.parties.load(Ordering::Relaxed)
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        let nanos = self.timeout.load(Ordering::Relaxed);
        (nanos != NEVER).then(|| Duration::from_nanos(nanos))
    }

    pub(crate) fn waiting(&self) -> u32 {
        if self.broken() {
            0
        } else {
            self.arrived.load(Ordering::Relaxed)
        }
    }

    pub(crate) fn broken(&self) -> bool {
        self.phase() & BROKEN != 0
    }

    /// Breaks the round that is under way.
    pub(crate) fn abort(&self) {
        self.phase.fetch_or(BROKEN, Ordering::AcqRel);
        wake(&self.phase, u32::MAX);
    }

    fn phase(&self) -> u32 {
        self.phase.load(Ordering::Acquire)
    }

    /// Breaks this round if it is not over; false if it is.
    fn break_round(&self, round: u32) -> bool {
        let broke = self.change(round, round | BROKEN);
        if broke {
            wake(&self.phase, u32::MAX);
        }
        broke
    }

    /// Ends this round well if it is not broken; false if it is. Under the mutex.
    fn trip(&self, round: u32) -> bool {
        self.write_bit(round, true);
        let tripped = self.change(round, round.wrapping_add(NEXT_ROUND));
        if tripped {
            self.arrived.store(0, Ordering::Relaxed);
            wake(&self.phase, u32::MAX);
        }
        tripped
    }

    fn change(&self, from: u32, to: u32) -> bool {
        // Release: what the parties did before, and the round's bit, are seen by who sees the new
        // phase. Acquire: the last party sees what the others did, who came by the mutex.
        self.phase
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Under the mutex, before the phase moves on.
    fn write_bit(&self, round: u32, tripped: bool) {
        let bit = bit_of(round);
        let others = self.tripped.load(Ordering::Relaxed) & !bit;
        let bits = if tripped { others | bit } else { others };
        self.tripped.store(bits, Ordering::Release);
    }

    /// Returns how this round ended; `None` if it has not.
    fn verdict(&self, round: u32) -> Option<Result<(), BarrierError>> {
        let phase = self.phase();
        if phase == round {
            return None;
        }
        if phase == round | BROKEN || !self.tripped(round) {
            return Some(Err(BarrierError::Broken));
        }
        Some(Ok(()))
    }

    /// Returns what is known of a round that is over.
    fn tripped(&self, round: u32) -> bool {
        let bits = self.tripped.load(Ordering::Acquire);
        // Read after the bits: who saw a bit of a later round sees that round here.
        let later = (self.phase() & !BROKEN).wrapping_sub(round) / NEXT_ROUND;
        later < REMEMBERED && bits & bit_of(round) != 0
    }
}

impl Recover for BarrierState {
    fn recover(&self) {
        self.abort();
    }
}

/// Waits for the other parties and returns how many came before; the last one runs `action`
/// before any may go on.
pub(crate) fn wait<P>(
    place: &P,
    deadline: Deadline,
    action: impl FnOnce(),
) -> Result<u32, BarrierError>
where
    P: Place<State = BarrierState>,
{
    let state = place.state();
    let pass = place.enter(deadline).map_err(not_even_arrived)?;
    let round = state.phase();
    if round & BROKEN != 0 {
        return Err(BarrierError::Broken);
    }
    let index = state.arrived.load(Ordering::Relaxed);
    // No more parties come in a round than there are, unless the memory was overwritten.
    let arrived = index
        .checked_add(1)
        .filter(|&n| n <= state.parties().max(1));
    let arrived = arrived.ok_or(LockError::Damaged)?;
    state.arrived.store(arrived, Ordering::Relaxed);
    if arrived < state.parties() {
        drop(pass);
        return wait_for_end(place, round, deadline).map(|()| index);
    }
    finish(state, round, action).map(|()| index)
}

/// Makes it usable again; who waits is told that it broke.
pub(crate) fn reset<P>(place: &P) -> Result<(), LockError>
where
    P: Place<State = BarrierState>,
{
    let state = place.state();
    let _pass = place.enter(Deadline::NEVER)?;
    if state.broken() || state.arrived.load(Ordering::Relaxed) > 0 {
        let round = state.phase() & !BROKEN;
        state.write_bit(round, false);
        state.arrived.store(0, Ordering::Relaxed);
        let next = round.wrapping_add(NEXT_ROUND);
        // Who breaks the round between these lines does so before the reset.
        state.phase.swap(next, Ordering::AcqRel);
        wake(&state.phase, u32::MAX);
    }
    Ok(())
}

fn not_even_arrived(error: LockError) -> BarrierError {
    match error {
        LockError::TimedOut => BarrierError::TimedOut,
        error => BarrierError::Lock(error),
    }
}

fn finish(state: &BarrierState, round: u32, action: impl FnOnce()) -> Result<(), BarrierError> {
    let panicked = BreakOnDrop { state, round };
    action();
    mem::forget(panicked);
    if state.trip(round) {
        Ok(())
    } else {
        Err(BarrierError::Broken)
    }
}

fn wait_for_end<P>(place: &P, round: u32, deadline: Deadline) -> Result<(), BarrierError>
where
    P: Place<State = BarrierState>,
{
    let state = place.state();
    let mut sleeper = Sleeper::new(deadline);
    loop {
        if let Some(verdict) = state.verdict(round) {
            return verdict;
        }
        match sleeper.sleep_while(&state.phase, round) {
            // Entering is enough to notice that somebody died inside. Who is alive inside may be
            // there for long, and is not waited for.
            Awake::Nap(_) => drop(place.enter(Deadline::PASSED)),
            Awake::TimedOut if state.break_round(round) => return Err(BarrierError::TimedOut),
            Awake::Changed | Awake::TimedOut => {}
        }
    }
}

/// Breaks the round if the action panics, before the mutex is released.
struct BreakOnDrop<'a> {
    state: &'a BarrierState,
    round: u32,
}

impl Drop for BreakOnDrop<'_> {
    fn drop(&mut self) {
        self.state.break_round(self.round);
    }
}

fn bit_of(round: u32) -> u64 {
    1 << (round / NEXT_ROUND % REMEMBERED)
}

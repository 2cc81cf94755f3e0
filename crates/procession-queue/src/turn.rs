//! Whose turn it is to take what there is: items, or room for them.

use crate::Fault;
use procession_os::eldest::{Eldest, Since};
use procession_os::turns::{OVERDUE, YIELDS};
use procession_os::wait::Deadline;
use std::cell::Cell;
use std::time::Duration;

/// The longest that a waiter sleeps without looking whether it was forgotten.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// One call that takes items, or room.
///
/// What there is goes to whoever comes first, but one of it is left to the caller that has waited
/// longest, once that has slept for a millisecond.
pub(crate) struct Turn<'a> {
    eldest: &'a Eldest,
    /// When it fell asleep first, and when that has lasted for [`OVERDUE`].
    since: Cell<Option<(Since, Deadline)>>,
    /// Whether something was left to others in vain since it slept last.
    in_vain: Cell<bool>,
    nap: Cell<Duration>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(eldest: &'a Eldest) -> Self {
        Self {
            eldest,
            since: Cell::new(None),
            in_vain: Cell::new(false),
            nap: Cell::new(OVERDUE),
        }
    }

    /// Returns how many it may take.
    pub(crate) fn share(&self, available: impl FnOnce() -> u64) -> u64 {
        if self.in_vain.get()
            || !self
                .eldest
                .goes_before(self.since.get().map(|(since, _)| since))
        {
            return u64::MAX;
        }
        available().saturating_sub(1)
    }

    /// Whether there is something, and it is another's turn.
    fn is_left(&self, available: impl Fn() -> u64) -> bool {
        self.share(&available) == 0 && available() != 0
    }

    /// Takes something, or waits for a millisecond if it is another's turn, and takes it then.
    pub(crate) fn take_or_let_pass<R>(
        &self,
        available: impl Fn() -> u64,
        mut take: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        take().or_else(|| {
            if !self.is_left(&available) {
                return None;
            }
            self.let_pass(1, Deadline::NEVER, available);
            take()
        })
    }

    /// Waits until the others have had their turn, `times` in vain at the most.
    fn let_pass(&self, times: u32, deadline: Deadline, available: impl Fn() -> u64) {
        let is_left = || self.is_left(&available);
        let in_vain = self.eldest.let_pass(times, deadline, is_left);
        self.in_vain.set(in_vain);
    }

    /// Waits until it may be this one's turn, or sleeps, as `sleep` does until a deadline; returns
    /// false if the deadline has passed.
    pub(crate) fn wait(
        &self,
        deadline: Deadline,
        available: impl Fn() -> u64,
        sleep: impl FnOnce(Deadline) -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        if self.is_left(&available) {
            self.let_pass(YIELDS, deadline, available);
            return Ok(!deadline.passed());
        }
        self.in_vain.set(false);
        let begin = || (Since::now(), Deadline::after(OVERDUE));
        let (since, overdue) = self.since.get().unwrap_or_else(begin);
        self.since.set(Some((since, overdue)));
        if overdue.passed() {
            self.eldest.ask(since);
        }
        let nap = self.nap.get();
        let left = deadline.left();
        let woken = sleep(Deadline::after(left.map_or(nap, |left| left.min(nap))))?;
        if woken || deadline.passed() {
            return Ok(woken);
        }
        self.nap.set(LONGEST_NAP.min(nap * 2));
        Ok(true)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some((since, _)) = self.since.get() {
            self.eldest.leave(since);
        }
    }
}

//! How to wait for another process: look again for a moment, then sleep.
//!
//! Falling asleep and being woken costs tens of microseconds, most of it for a processor that has
//! gone idle; what one waits for in shared memory often takes less than one. But who only spins
//! takes the processor from the one he waits for. So a waiter
//!
//! 1. looks a few dozen times, with a pause instruction in between (a *burst*);
//! 2. offers the processor to others with `sched_yield` between such bursts;
//! 3. sleeps when that has gone on for some microseconds.
//!
//! How long steps 1 and 2 last is the [`WaitPolicy`]. A process that may run on one processor only
//! never spins: nothing can change meanwhile.

mod adaptive;

pub(crate) use adaptive::Looks;

use crate::wait::Deadline;
use adaptive::burst;
use nix::sched::{CpuSet, sched_getaffinity, sched_yield};
use nix::unistd::Pid;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How long a waiter looks again before it sleeps.
///
/// Between two bursts of looking the processor is offered to other threads. A process that may run
/// on one processor only sleeps at once, whatever the policy.
///
/// | policy | checks in a burst | bursts go on for | for whom |
/// |---|---|---|---|
/// | `Latency` | 256 | 1 ms | short answers count more than other programs |
/// | `Balanced` | 32 | 50 µs | everybody else |
/// | `Park` | none | | power counts more than answers |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WaitPolicy {
    /// Spins for long, and keeps the processor for long.
    Latency,
    /// Spins for as long as falling asleep and waking would cost, and shares the processor.
    #[default]
    Balanced,
    /// Sleeps at once.
    Park,
}

impl WaitPolicy {
    /// Waits until `check` gives something; `None` if the deadline passed first.
    ///
    /// `park` sleeps until there may be something new for `check`, or until the deadline, and
    /// returns false if the deadline passed. Nothing may get lost between the two: what happens
    /// after a `check` that gave nothing must end, or prevent, the `park` that follows.
    ///
    /// # Errors
    ///
    /// What `park` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::{futex, policy::WaitPolicy, wait::Deadline};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let word = AtomicU32::new(0);
    /// let answer = std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         word.store(42, Ordering::Release);
    ///         futex::wake(&word, 1);
    ///     });
    ///     let check = || Some(word.load(Ordering::Acquire)).filter(|&value| value != 0);
    ///     let park = |deadline| futex::wait(&word, 0, deadline);
    ///     WaitPolicy::Balanced.wait(Deadline::NEVER, check, park)
    /// });
    /// assert_eq!(answer?, Some(42));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait<R, E>(
        self,
        deadline: Deadline,
        mut check: impl FnMut() -> Option<R>,
        mut park: impl FnMut(Deadline) -> Result<bool, E>,
    ) -> Result<Option<R>, E> {
        loop {
            if let Some(found) = self.spin_while_it_pays(deadline, &mut check) {
                return Ok(Some(found));
            }
            if !self.sleep(|| park(deadline))? {
                return Ok(check());
            }
        }
    }

    /// Does the first part of [`wait`](Self::wait) only: calls `check` at least once, and again
    /// until it gives something, the policy says to sleep, or the deadline has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::{policy::WaitPolicy, wait::Deadline};
    ///
    /// let mut checks = 0;
    /// let found: Option<()> = WaitPolicy::Park.spin(Deadline::NEVER, || {
    ///     checks += 1;
    ///     None
    /// });
    /// assert_eq!((found, checks), (None, 1));
    /// ```
    #[inline]
    pub fn spin<R>(self, deadline: Deadline, mut check: impl FnMut() -> Option<R>) -> Option<R> {
        match check() {
            None => self.spin_on(deadline, check),
            found => found,
        }
    }

    #[cold]
    fn spin_on<R>(self, deadline: Deadline, mut check: impl FnMut() -> Option<R>) -> Option<R> {
        let (checks, limit) = self.burst()?;
        let limit = deadline.left().map_or(limit, |left| left.min(limit));
        if limit.is_zero() {
            return None;
        }
        let start = Instant::now();
        loop {
            if let Some(found) = burst(checks, &mut check) {
                return Some(found);
            }
            if start.elapsed() >= limit {
                return None;
            }
            offer_processor();
        }
    }

    /// Does as [`spin`](Self::spin), for as long as looking pays in this thread: where others want the
    /// processor, or what is waited for takes longer than sleeping, it checks once only for a while.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::{policy::WaitPolicy, wait::Deadline};
    ///
    /// let mut checks = 0;
    /// let check = || {
    ///     checks += 1;
    ///     (checks == 1).then_some("found")
    /// };
    /// assert_eq!(WaitPolicy::Balanced.spin_while_it_pays(Deadline::NEVER, check), Some("found"));
    /// ```
    #[inline]
    pub fn spin_while_it_pays<R>(
        self,
        deadline: Deadline,
        mut check: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        match check() {
            None => self.look_while_it_pays(
                deadline,
                |checks| Looks {
                    first: checks,
                    next: checks,
                },
                check,
            ),
            found => found,
        }
    }

    /// Does as [`spin_while_it_pays`](Self::spin_while_it_pays) with a `check` that looks at so many things.
    #[inline]
    pub fn spin_over<R>(
        self,
        many: usize,
        deadline: Deadline,
        mut check: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let looks = |checks: u32| {
            // The pause before each check takes as long as to look at a few things. One check between two
            // offers of the processor would take less time than the offer.
            let checks = u64::from(checks) * PER_PAUSE / (PER_PAUSE + many as u64);
            let checks = (checks as u32).max(LEAST_CHECKS);
            Looks {
                first: checks,
                next: checks,
            }
        };
        match check() {
            None => self.look_while_it_pays(deadline, looks, check),
            found => found,
        }
    }

    /// Calls what sleeps, after [`spin_while_it_pays`](Self::spin_while_it_pays) was in vain, and learns
    /// what sleeping costs.
    #[inline]
    pub fn sleep<R>(self, sleep: impl FnOnce() -> R) -> R {
        match self {
            Self::Balanced => adaptive::sleep(sleep),
            Self::Latency | Self::Park => sleep(),
        }
    }

    /// Checks again as long as that pays, as often as `looks` makes of the checks in a burst.
    pub(crate) fn look_while_it_pays<R>(
        self,
        deadline: Deadline,
        looks: impl FnOnce(u32) -> Looks,
        check: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let (checks, limit) = self.burst()?;
        let limit = deadline.left().map_or(limit, |left| left.min(limit));
        if limit.is_zero() {
            return None;
        }
        adaptive::look(self, limit, looks(checks), check)
    }

    /// How many checks a burst has and how long the bursts go on; `None` if there are none.
    fn burst(self) -> Option<(u32, Duration)> {
        match self {
            _ if on_one_processor() => None,
            Self::Latency => Some((256, Duration::from_millis(1))),
            Self::Balanced => Some((32, Duration::from_micros(50))),
            Self::Park => None,
        }
    }
}

/// Returns how this process waits.
pub fn wait_policy() -> WaitPolicy {
    match POLICY.load(Ordering::Relaxed) {
        LATENCY => WaitPolicy::Latency,
        PARK => WaitPolicy::Park,
        _ => WaitPolicy::Balanced,
    }
}

/// Says how this process waits from now on. Waiting that has begun goes on as it began.
///
/// # Examples
///
/// ```
/// use procession_os::policy::{WaitPolicy, set_wait_policy, wait_policy};
///
/// assert_eq!(wait_policy(), WaitPolicy::Balanced);
/// set_wait_policy(WaitPolicy::Park);
/// assert_eq!(wait_policy(), WaitPolicy::Park);
/// ```
pub fn set_wait_policy(policy: WaitPolicy) {
    let number = match policy {
        WaitPolicy::Balanced => BALANCED,
        WaitPolicy::Latency => LATENCY,
        WaitPolicy::Park => PARK,
    };
    POLICY.store(number, Ordering::Relaxed);
}

/// So many things can be looked at while a thread pauses between two checks.
const PER_PAUSE: u64 = 8;

/// How many checks over many things there are in a burst at the least.
const LEAST_CHECKS: u32 = 2;

const BALANCED: u8 = 0;
const LATENCY: u8 = 1;
const PARK: u8 = 2;

static POLICY: AtomicU8 = AtomicU8::new(BALANCED);

/// Offers the processor to other threads.
fn offer_processor() {
    // It cannot fail on Linux.
    let _ = sched_yield();
}

/// Returns whether this process could run on one processor only when this was first asked.
///
/// # Examples
///
/// ```
/// use procession_os::policy::on_one_processor;
///
/// assert_eq!(on_one_processor(), on_one_processor());
/// ```
pub fn on_one_processor() -> bool {
    static ONE: OnceLock<bool> = OnceLock::new();
    *ONE.get_or_init(|| sched_getaffinity(Pid::this()).is_ok_and(|set| count(&set) == 1))
}

fn count(set: &CpuSet) -> usize {
    let set_there = |&processor: &usize| set.is_set(processor).unwrap_or(false);
    (0..CpuSet::count()).filter(set_there).count()
}

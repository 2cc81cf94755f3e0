//! Waiting for many things at once.
//!
//! What has a descriptor is polled. What lies in shared memory, a queue, has a word that changes
//! before it becomes ready; the kernel lets a thread sleep on 128 words at once, but not on words
//! and descriptors. So there are three ways to sleep:
//!
//! | descriptors | words | the caller | helper threads |
//! |---|---|---|---|
//! | any | none | polls | none |
//! | none | up to 128 | sleeps on the words | none |
//! | any | any others | polls the descriptors and an eventfd | one for 127 words, which sleeps on them and writes to the eventfd |
//!
//! A helper sleeps on one word more, the caller's, who changes and wakes it to be rid of the
//! helpers, and joins them before it returns.
//!
//! # Why nobody oversleeps
//!
//! A wait with words goes round in this loop until something is ready or the deadline has passed:
//!
//! | step | what | by whom |
//! |---|---|---|
//! | look | ask all whether they are ready, poll all descriptors without waiting | the caller |
//! | arm | get each word's value from its [`Bell`](procession_os::waitable::Bell), which says that it is not ready | the caller |
//! | sleep | while each word is what it was, and no descriptor is ready | the caller, and the helpers |
//!
//! - *It becomes ready before it is armed.* Arming says so, and there is no sleep.
//! - *It becomes ready after that.* The word changes first, and who changes it then wakes its
//!   sleepers: either the kernel finds the word changed when somebody wants to sleep on it, or
//!   there is a sleeper to be woken. Between arming and sleeping nothing needs to be held.
//! - *A helper is woken before the caller polls.* The eventfd stays readable.
//! - *A word is changed by somebody who is killed before it is ready.* The loop goes round, and
//!   arming it again takes the lock that the dead one had, and looks under it. That is what a
//!   `get` would do: a wait depends on no more than it does.
//! - *A descriptor becomes ready* at any time: it stays so, and the next poll finds it.
//! - *The caller is done while a helper is on its way to sleep.* The caller's word has changed, so
//!   that the kernel does not let it.
//!
//! A lock that is not to be had within [`PATIENCE`], because a process was stopped that has it,
//! does not keep the others waiting: they are slept on for [`LOOK`], then it is tried again.

mod helpers;
mod impls;
mod set;

use crate::Deadline;
use procession_os::policy::{WaitPolicy, wait_policy};
use procession_os::waitable::{Source, Waitable};
use set::Set;
use std::cell::Cell;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long a queue's lock is waited for before the others are looked at.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long is slept before a lock that was not to be had is tried again, and before a queue whose
/// producers are counted is asked whether one is left.
const LOOK: Duration = Duration::from_millis(100);

/// How many descriptors at the most are polled again and again before sleeping: asking for so many
/// takes about a microsecond.
const FEW: usize = 8;

/// Waits until at least one of `objects` is ready, for ever if `timeout` is `None`; returns the
/// indices of all that are, in order, or none if the time ran out first.
///
/// The objects are any mix of what is [`Waitable`]: connections, ends of pipes, processes, queues,
/// listeners, sockets, descriptors, thousands of them if need be. References will do, and
/// `&dyn Waitable` for those of several types. With a timeout of zero it only looks.
///
/// One is ready when the call that would wait for it, `recv`, `read`, `accept`, `get`, `join`,
/// would not wait: something is there, or the other side is gone, or the call is an error. It is
/// ready at this moment; another thread or process may be the first to take what is there, and who
/// shares an object takes it with a call that does not wait, as `try_recv` and `try_get`.
///
/// Any number of threads and processes can wait for the same objects; all of them are told. A
/// signal does not end the wait.
///
/// A mix of queues and other things, and more than 128 queues, are waited for with the help of a
/// thread for every 127 queues, which costs some tens of microseconds whenever the call has to
/// sleep. Before that it looks again for as long as the process's [`WaitPolicy`] says, if there are
/// not more than eight descriptors.
///
/// Connections over rings are looked at in memory, any number of them, and the kernel is asked if none has
/// a message, and now and then: so one whose other side was killed may be left out of the answer for some calls while
/// others have messages.
///
/// # Errors
///
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if there are no objects and no timeout, since
///   nothing would ever end the wait;
/// - [`Unsupported`](io::ErrorKind::Unsupported) before Linux 5.16, or in a sandbox that forbids
///   `futex_waitv`, if it has to sleep and a queue is not the only object;
/// - what `poll` reports, other than an interruption by a signal: `EINVAL` if there are more
///   descriptors than the process may open;
/// - if a mix with queues has to sleep and the system has no thread, or no descriptor, for it.
///
/// # When the other side is gone
///
/// A connection, a pipe or a socket whose other side is gone is ready, and so is a process that has
/// ended, however it did. A queue is ready when it was closed, and when its producers were counted
/// and all of them have ended; other producers it does not know.
///
/// # Examples
///
/// ```
/// use procession_pipe::{Pipe, wait};
/// use std::time::{Duration, Instant};
///
/// let (first, _first) = Pipe::duplex::<u8, u8>()?;
/// let (second, other) = Pipe::duplex::<u8, u8>()?;
/// let connections = [first, second];
/// assert_eq!(wait(&connections, Duration::ZERO)?, []);
///
/// other.send(&7)?;
/// assert_eq!(wait(&connections, None)?, [1]);
/// assert_eq!(connections[1].recv()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Of several types:
///
/// ```
/// use procession_pipe::{Pipe, Waitable, wait};
/// use std::os::unix::net::UnixStream;
///
/// let (connection, _other) = Pipe::duplex::<(), ()>()?;
/// let (socket, closed) = UnixStream::pair()?;
/// drop(closed);
/// assert_eq!(wait(&[&connection as &dyn Waitable, &socket], None)?, [1]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "select")]
pub fn wait<W: Waitable>(
    objects: &[W],
    timeout: impl Into<Option<Duration>>,
) -> io::Result<Vec<usize>> {
    let timeout = timeout.into();
    if objects.is_empty() {
        return wait_for_nothing(timeout);
    }
    let deadline = Deadline::after_opt(timeout);
    if objects.iter().all(is_over_rings)
        && let Some(ready) = look_at_rings(objects, deadline)
        && !is_kernel_due(objects.len())
    {
        return Ok(ready);
    }
    let mut set = Set::of(objects);
    if set.bells.is_empty() {
        return wait_policy().sleep(|| set.look(deadline));
    }
    wait_with_bells(&mut set, deadline)
}

fn wait_for_nothing(timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    let Some(timeout) = timeout else {
        let what = "there is nothing to wait for; check that the list is not empty";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    };
    thread::sleep(timeout);
    Ok(Vec::new())
}

fn is_over_rings<W: Waitable>(object: &W) -> bool {
    matches!(object.source(), Source::Doorbell(..))
}

/// Looks for messages in memory as often as the process waits before it sleeps.
fn look_at_rings<W: Waitable>(objects: &[W], deadline: Deadline) -> Option<Vec<usize>> {
    let look = || Some(set::ready(objects)).filter(|ready| !ready.is_empty());
    wait_policy().spin_over(objects.len(), deadline, look)
}

/// For how long, and how much longer for each connection, the waits of a thread may find something without asking
/// the kernel, which alone knows of one whose other side was killed: so asking takes a small part of the time.
const WITHOUT_KERNEL: (Duration, Duration) = (Duration::from_micros(50), Duration::from_micros(4));

/// After how many waits a thread looks at the clock for that: it costs as much as some looks at memory.
const WITHOUT_CLOCK: u32 = 16;

/// Returns whether the kernel was not asked for long enough.
fn is_kernel_due(connections: usize) -> bool {
    thread_local! {
        static WAITS: Cell<u32> = const { Cell::new(0) };
        static ASKED: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let waits = WAITS.get() + 1;
    WAITS.set(waits % WITHOUT_CLOCK);
    if waits < WITHOUT_CLOCK {
        return false;
    }
    let now = Instant::now();
    let (least, for_each) = WITHOUT_KERNEL;
    let connections = u32::try_from(connections).unwrap_or(u32::MAX);
    let limit = least.saturating_add(for_each.saturating_mul(connections));
    let asked = ASKED.get();
    let is_due = asked.is_none_or(|asked| now.saturating_duration_since(asked) >= limit);
    if is_due {
        ASKED.set(Some(now));
    }
    is_due
}

/// The loop of the module's documentation.
fn wait_with_bells<W: Waitable>(
    set: &mut Set<'_, W>,
    deadline: Deadline,
) -> io::Result<Vec<usize>> {
    loop {
        let passed = deadline.passed();
        let ready = look_again(set, deadline)?;
        if passed || !ready.is_empty() {
            return Ok(ready);
        }
        let armed = set.arm(deadline);
        if !armed.ready.is_empty() {
            return set.look_beside(armed.ready);
        }
        let until = if armed.again {
            earlier(deadline, LOOK)
        } else {
            deadline
        };
        set.sleep(&armed.watches, until)?;
    }
}

/// Looks as often as the process waits before it sleeps.
fn look_again<W: Waitable>(set: &mut Set<'_, W>, deadline: Deadline) -> io::Result<Vec<usize>> {
    let policy = if set.polled.len() > FEW || deadline.passed() {
        WaitPolicy::Park
    } else {
        wait_policy()
    };
    let look = || {
        Some(set.look(Deadline::PASSED))
            .filter(|ready| !matches!(ready, Ok(none) if none.is_empty()))
    };
    policy.spin(deadline, look).unwrap_or(Ok(Vec::new()))
}

/// The deadline, or `limit` from now if that is before it.
fn earlier(deadline: Deadline, limit: Duration) -> Deadline {
    Deadline::after(deadline.left().map_or(limit, |left| left.min(limit)))
}

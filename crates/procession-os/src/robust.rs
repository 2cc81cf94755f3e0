//! A mutex in shared memory that tells the next locker when its owner died.
//!
//! It is a process-shared, robust, error-checking pthread mutex. The kernel knows, through the
//! list that each thread keeps of the robust mutexes it holds, which ones to pass on when the
//! thread ends for whatever reason, `kill -9` included. So:
//!
//! - nobody waits for a dead thread: one waiter gets the mutex with [`Acquired::OwnerDied`], and
//!   from then on it is an ordinary locked mutex (it is made consistent before the call returns);
//! - that somebody died is told once. A caller whose data may be half changed keeps a flag of its
//!   own beside the data, set before the mutex is unlocked. If it dies first, the next locker is
//!   told again;
//! - locking twice from one thread is an error, not a deadlock.
//!
//! Who finds it locked looks again for a while before sleeping, as the process's
//! [`WaitPolicy`](crate::policy::WaitPolicy) says: it is usually held for less time than falling
//! asleep takes.
//!
//! # Fairness
//!
//! A lock that is free is taken by whoever comes first, and those who sleep are woken in the order
//! in which they fell asleep. A waiter that has slept for a millisecond is not overtaken without
//! end: one that comes later leaves the free lock to those who sleep, for some milliseconds if
//! they do not take it, unless one of them has had it within the last millisecond. That holds for
//! every way to lock it; [`try_lock`](RobustMutex::try_lock) may wait for a millisecond then. So a
//! waiter is overtaken by no more than those who fell asleep before it, and by those who had the
//! lock for less than a millisecond. Waiters that were killed or stopped delay the others by some
//! milliseconds, together and once; [`turns`](crate::turns) says how.
//!
//! The list of held mutexes runs through the mutexes themselves: memory that holds a locked mutex
//! must not be unmapped before it is unlocked or the thread has ended. The kernel follows the list
//! of a dead thread for 2,048 mutexes, and would leave those beyond held for ever. So a thread that holds [`MOST`]
//! of them gets no more: [`LockError::TooManyHeld`].
//!
//! # What a damaged mutex does
//!
//! Before each use the word that says what kind of mutex it is must be as [`init_at`] wrote it;
//! if not, the answer is [`LockError::Damaged`]. The word that names the owner cannot be checked:
//! where garbage names a thread, locking waits, and only a deadline ends that. Nor can the list be
//! checked: a process that scribbles over a mutex *while* a thread of another process holds it can
//! crash that process.
//!
//! [`init_at`]: RobustMutex::init_at

use crate::futex;
use crate::policy::wait_policy;
use crate::turns::{Line, OVERDUE, YIELDS};
use crate::wait::Deadline;
use libc::{c_int, clockid_t, pthread_mutex_t, pthread_mutexattr_t, timespec};
use nix::errno::Errno;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

unsafe extern "C" {
    // Since glibc 2.30; the libc crate does not declare it.
    fn pthread_mutex_clocklock(
        mutex: *mut pthread_mutex_t,
        clock: clockid_t,
        until: *const timespec,
    ) -> c_int;
}

/// Where glibc keeps the owner's thread number in a `pthread_mutex_t` (a futex word).
const LOCK_WORD: usize = 0;
/// Where glibc keeps the kind of a `pthread_mutex_t`, on every 64-bit architecture.
const KIND_WORD: usize = 16;
/// The part of the lock word that is a thread number, as the kernel defines it.
const THREAD_MASK: u32 = 0x3fff_ffff;

/// How many of these mutexes a thread may hold: the kernel follows the list of a dead thread for 2,048, some of
/// which may be the program's own.
pub const MOST: u32 = 2000;

thread_local! {
    /// How many this thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// How a lock was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the data behind the lock may be half changed if its owner died"]
pub enum Acquired {
    /// The last holder unlocked it.
    Clean,
    /// The last holder ended while holding it. The lock is held now, and is an ordinary one again.
    OwnerDied,
}

/// Why a lock was not obtained. It is not held.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it, and the call was not to wait.
    #[error("the lock is held by somebody else")]
    WouldBlock,
    /// Somebody else held it until the deadline.
    #[error("the lock was held by somebody else until the timeout")]
    TimedOut,
    /// The calling thread holds it already: waiting would never end.
    #[error("this thread holds the lock already; drop its guard first")]
    HeldByThisThread,
    /// A holder gave it up without repairing it. Only a new mutex helps.
    #[error("the lock cannot be recovered; make a new one")]
    NotRecoverable,
    /// The memory was overwritten: it is no mutex any more, or what it guards is no value of its type.
    #[error("the memory of the lock, or of what it guards, was overwritten; make a new one")]
    Damaged,
    /// More processes wait for it, or hold it, than it can keep account of.
    #[error("too many processes use the lock at one time")]
    TooManyProcesses,
    /// It was held for a moment; a holder before died or panicked, and what it was changing may be
    /// half changed. This is for whoever does not want to repair that: a call that can give the
    /// guard does.
    #[error(
        "poisoned: a process died or panicked while it held this lock; \
         repair the data and clear the poison"
    )]
    Poisoned,
    /// The thread holds as many locks as the kernel takes care of if it dies; those beyond would never be free again.
    #[error(
        "this thread holds {MOST} locks, and the system frees no more if it dies; drop some guards first"
    )]
    TooManyHeld,
    /// The kernel has no room for another waiter or holder.
    #[error("the system has no resources for another lock: {0}")]
    Exhausted(Errno),
    /// The lock is in a manager's server, which has ended.
    #[error("the server that has the lock is gone")]
    Gone,
    /// The lock is in a manager's server, which could not be asked.
    #[error("the server that has the lock cannot be asked: {0}")]
    Unreachable(Errno),
}

crate::debug_in_words!(LockError {
    WouldBlock,
    TimedOut,
    HeldByThisThread,
    NotRecoverable,
    Damaged,
    TooManyProcesses,
    Poisoned,
    TooManyHeld,
    Exhausted,
    Gone,
    Unreachable
});

/// A mutex between the threads of all processes that map its memory; see the
/// [module documentation](self).
///
/// It guards nothing by itself; whoever wraps it says what may be touched while it is held.
///
/// # Examples
///
/// ```
/// use procession_os::robust::{Acquired, LockError, RobustMutex};
/// use std::mem::MaybeUninit;
///
/// let mut memory = Box::new(MaybeUninit::uninit());
/// // SAFETY: the memory is valid, aligned, and nobody else's.
/// unsafe { RobustMutex::init_at(memory.as_mut_ptr()) }?;
/// // SAFETY: it was initialised on the line before.
/// let mutex = unsafe { memory.assume_init_ref() };
///
/// assert_eq!(mutex.lock()?, Acquired::Clean);
/// assert_eq!(mutex.try_lock(), Err(LockError::HeldByThisThread));
/// // SAFETY: this thread locked it above.
/// unsafe { mutex.unlock() }?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct RobustMutex {
    mutex: UnsafeCell<pthread_mutex_t>,
    line: Line,
}

// SAFETY: a process-shared mutex may be used from any thread of any process.
unsafe impl Send for RobustMutex {}
// SAFETY: as above; all access goes through atomics and the pthread functions.
unsafe impl Sync for RobustMutex {}

impl RobustMutex {
    /// Makes an unlocked mutex at `at`.
    ///
    /// # Errors
    ///
    /// What the C library reports; none is known for memory that meets the conditions below.
    ///
    /// # Safety
    ///
    /// `at` must be valid for writes and aligned, and nobody may use what is there before this
    /// returns. A mutex that somebody holds or waits for must not be made anew.
    pub unsafe fn init_at(at: *mut Self) -> io::Result<()> {
        let attributes = Attributes::new()?;
        // SAFETY: the caller vouches for `at`.
        unsafe { at.write_bytes(0, 1) };
        // SAFETY: the caller vouches for `at`; the attributes were initialised.
        check(unsafe { libc::pthread_mutex_init(at.cast(), &raw const attributes.0) })
    }

    /// Locks it, waiting for as long as a living thread holds it.
    ///
    /// # Errors
    ///
    /// [`LockError::HeldByThisThread`], [`LockError::NotRecoverable`], [`LockError::Damaged`],
    /// [`LockError::TooManyHeld`] or [`LockError::Exhausted`].
    ///
    /// # When the other side is gone
    ///
    /// If the holder has died, or dies while this waits, the lock is obtained as
    /// [`Acquired::OwnerDied`].
    #[inline]
    pub fn lock(&self) -> Result<Acquired, LockError> {
        self.lock_or_wait(|| Deadline::NEVER)
    }

    /// Locks it if nobody else holds it at this moment.
    ///
    /// It waits for a millisecond at the longest, if it is free and a waiter has a right to it; see
    /// the [module documentation](self#fairness).
    ///
    /// # Errors
    ///
    /// [`LockError::WouldBlock`], and those of [`lock`](Self::lock).
    ///
    /// # When the other side is gone
    ///
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<Acquired, LockError> {
        if self.line.any() {
            self.let_pass(1, Deadline::NEVER);
        }
        self.lock_at_once()
    }

    /// Locks it, waiting until `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], and those of [`lock`](Self::lock).
    ///
    /// # When the other side is gone
    ///
    /// As [`lock`](Self::lock).
    pub fn lock_until(&self, deadline: Deadline) -> Result<Acquired, LockError> {
        self.lock_or_wait(|| deadline)
    }

    /// Locks it, waiting until the deadline that is asked for only if it is to wait.
    ///
    /// # Errors
    ///
    /// As [`lock_until`](Self::lock_until).
    ///
    /// # When the other side is gone
    ///
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_or_wait(&self, deadline: impl FnOnce() -> Deadline) -> Result<Acquired, LockError> {
        if !self.line.any() {
            match self.lock_at_once() {
                Err(LockError::WouldBlock) => {}
                result => return result,
            }
        }
        self.lock_contended(deadline())
    }

    /// Unlocks it.
    ///
    /// In a process that was forked while this was locked it does nothing: the lock is the
    /// parent's.
    ///
    /// # Errors
    ///
    /// [`LockError::Damaged`]: the mutex stays locked, and in the thread's list, until the thread
    /// ends.
    ///
    /// # Safety
    ///
    /// The calling thread must have locked it, and must not touch what it guards any more.
    #[inline]
    pub unsafe fn unlock(&self) -> Result<(), LockError> {
        self.checked()?;
        // SAFETY: the word that steers the call is as `init_at` wrote it.
        if unsafe { libc::pthread_mutex_unlock(self.mutex.get()) } == 0 {
            HELD.set(HELD.get().saturating_sub(1));
        }
        Ok(())
    }

    /// Returns the number of the thread that holds it at this moment, without waiting.
    ///
    /// A dead holder is nobody.
    pub fn holder(&self) -> Option<u32> {
        let word = self.lock_word().load(Ordering::Relaxed);
        Some(word & THREAD_MASK).filter(|&thread| thread != 0)
    }

    /// Returns how many waiters must not be overtaken any more; see the
    /// [module documentation](self#fairness). One that died is counted until that was noticed.
    pub fn overdue(&self) -> u32 {
        self.line.overdue()
    }

    #[inline]
    fn lock_at_once(&self) -> Result<Acquired, LockError> {
        self.checked()?;
        check_held()?;
        // SAFETY: the word that steers the call is as `init_at` wrote it.
        let code = unsafe { libc::pthread_mutex_trylock(self.mutex.get()) };
        self.settle(code)
    }

    #[cold]
    fn lock_contended(&self, deadline: Deadline) -> Result<Acquired, LockError> {
        let spun = wait_policy().spin(deadline, || self.lock_if_free());
        if let Some(result) = spun {
            return result;
        }
        self.let_pass(YIELDS, deadline);
        match self.lock_at_once() {
            Err(LockError::WouldBlock) => self.lock_asleep(deadline),
            result => result,
        }
    }

    /// Only reads for as long as somebody holds it, so that the holder keeps the cache line.
    fn lock_if_free(&self) -> Option<Result<Acquired, LockError>> {
        if self.holder().is_some() || self.line.owed() != 0 {
            return None;
        }
        Some(self.lock_at_once()).filter(|&result| result != Err(LockError::WouldBlock))
    }

    fn lock_asleep(&self, deadline: Deadline) -> Result<Acquired, LockError> {
        let mut waiter = self.line.waiter();
        let mut nap = OVERDUE;
        loop {
            let end = Deadline::after(deadline.left().map_or(nap, |left| left.min(nap)));
            match self.lock_in_kernel(end) {
                Err(LockError::TimedOut) if !deadline.passed() => waiter.is_overdue(),
                Ok(acquired) => {
                    waiter.served();
                    return Ok(acquired);
                }
                refused => return refused,
            }
            // The longer it has waited, the longer it keeps its place among those that sleep.
            nap = LONGEST_NAP.min(nap * 2);
        }
    }

    fn lock_in_kernel(&self, deadline: Deadline) -> Result<Acquired, LockError> {
        let until = futex::absolute(deadline).map_err(LockError::Exhausted)?;
        self.checked()?;
        check_held()?;
        let mutex = self.mutex.get();
        let code = match &until {
            // SAFETY: the word that steers the call is as `init_at` wrote it.
            None => unsafe { libc::pthread_mutex_lock(mutex) },
            // SAFETY: as above; `until` lives until the call returns.
            Some(until) => unsafe { pthread_mutex_clocklock(mutex, libc::CLOCK_MONOTONIC, until) },
        };
        self.settle(code)
    }

    /// Leaves the lock, while it is free, to waiters that must not be overtaken.
    #[cold]
    fn let_pass(&self, times: u32, deadline: Deadline) {
        let is_left = || self.holder().is_none() && self.line.owed() != 0;
        let wake_next = || _ = futex::wake(self.lock_word(), 1);
        self.line.let_pass(times, deadline, is_left, wake_next);
    }

    #[inline]
    fn checked(&self) -> Result<(), LockError> {
        if self.kind() == KIND.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.checked_slowly()
        }
    }

    #[cold]
    fn checked_slowly(&self) -> Result<(), LockError> {
        let kind = kind_of_a_new_one().map_err(|_| LockError::Exhausted(Errno::ENOMEM))?;
        KIND.store(kind, Ordering::Relaxed);
        if self.kind() == kind {
            Ok(())
        } else {
            Err(LockError::Damaged)
        }
    }

    #[inline]
    fn kind(&self) -> i32 {
        // SAFETY: the word lies inside the mutex; nobody but a scribbler writes it after `init_at`.
        let word = unsafe { AtomicI32::from_ptr(self.word(KIND_WORD)) };
        word.load(Ordering::Relaxed)
    }

    fn lock_word(&self) -> &AtomicU32 {
        // SAFETY: the word lies inside the mutex and is only ever changed by atomic operations.
        unsafe { AtomicU32::from_ptr(self.word(LOCK_WORD).cast()) }
    }

    fn word(&self, offset: usize) -> *mut i32 {
        const { assert!(KIND_WORD + 4 <= size_of::<pthread_mutex_t>()) };
        self.mutex.get().cast::<i32>().wrapping_byte_add(offset)
    }

    #[inline]
    fn settle(&self, code: c_int) -> Result<Acquired, LockError> {
        if code == 0 {
            HELD.set(HELD.get() + 1);
            Ok(Acquired::Clean)
        } else {
            self.settle_slowly(Errno::from_raw(code))
        }
    }

    #[cold]
    fn settle_slowly(&self, errno: Errno) -> Result<Acquired, LockError> {
        match errno {
            Errno::EOWNERDEAD => self.recover(),
            Errno::EBUSY => Err(LockError::WouldBlock),
            Errno::ETIMEDOUT => Err(LockError::TimedOut),
            Errno::EDEADLK => Err(LockError::HeldByThisThread),
            Errno::ENOTRECOVERABLE => Err(LockError::NotRecoverable),
            Errno::EINVAL => Err(LockError::Damaged),
            errno => Err(LockError::Exhausted(errno)),
        }
    }

    fn recover(&self) -> Result<Acquired, LockError> {
        // SAFETY: the call before reported the owner's death, so this thread holds the mutex.
        match unsafe { libc::pthread_mutex_consistent(self.mutex.get()) } {
            0 => {
                HELD.set(HELD.get() + 1);
                Ok(Acquired::OwnerDied)
            }
            _ => Err(LockError::Damaged),
        }
    }
}

#[inline]
fn check_held() -> Result<(), LockError> {
    if HELD.get() < MOST {
        Ok(())
    } else {
        Err(LockError::TooManyHeld)
    }
}

impl fmt::Debug for RobustMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RobustMutex")
            .field("holder", &self.holder())
            .finish()
    }
}

/// The longest that a waiter sleeps without looking whether it was forgotten.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// What `init_at` writes into the kind word: found out when first asked for, so that nothing of
/// glibc's has to be copied here but where the word is. Before, it is what no kind is.
static KIND: AtomicI32 = AtomicI32::new(-1);

fn kind_of_a_new_one() -> io::Result<i32> {
    let mut memory = MaybeUninit::<RobustMutex>::uninit();
    // SAFETY: the memory is this function's own.
    unsafe { RobustMutex::init_at(memory.as_mut_ptr()) }?;
    // SAFETY: it was just initialised.
    Ok(unsafe { memory.assume_init_ref() }.kind())
}

struct Attributes(pthread_mutexattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut memory = MaybeUninit::uninit();
        // SAFETY: the memory is this function's own.
        check(unsafe { libc::pthread_mutexattr_init(memory.as_mut_ptr()) })?;
        // SAFETY: it was just initialised.
        let mut attributes = Self(unsafe { memory.assume_init() });
        let at = &raw mut attributes.0;
        // SAFETY: the attributes are initialised.
        check(unsafe { libc::pthread_mutexattr_setpshared(at, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(at, libc::PTHREAD_MUTEX_ROBUST) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_settype(at, libc::PTHREAD_MUTEX_ERRORCHECK) })?;
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the attributes were initialised and are not used again.
        unsafe { libc::pthread_mutexattr_destroy(&raw mut self.0) };
    }
}

fn check(code: c_int) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}

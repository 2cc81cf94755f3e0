//! What a condition can be bound to.

use crate::hold::Hold;
use crate::{Lock, LockGuard, RLock, RLockGuard};
use procession_shm::{LockResult, Repair};
use std::rc::Rc;

/// A lock that a [`Condition`](crate::Condition) can be bound to: a [`Lock`] or an [`RLock`].
///
/// Nothing else implements it.
pub trait ConditionLock: Clone + Sealed {
    /// The proof that a thread holds the lock.
    type Guard<'a>: Repair
    where
        Self: 'a;

    /// How often a thread that waits had acquired the lock.
    #[doc(hidden)]
    type Levels;

    #[doc(hidden)]
    fn acquire(&self) -> LockResult<Self::Guard<'_>>;

    #[doc(hidden)]
    fn locked(&self) -> bool;

    #[doc(hidden)]
    fn is_of(&self, guard: &Self::Guard<'_>) -> bool;

    /// Releases the lock, however often the thread has acquired it.
    #[doc(hidden)]
    fn release(&self, guard: Self::Guard<'_>) -> Self::Levels;

    /// Acquires the lock as often as it was released.
    #[doc(hidden)]
    fn acquire_again<'a, G>(
        &'a self,
        levels: Self::Levels,
        wrap: impl FnOnce(Self::Guard<'a>) -> G,
    ) -> LockResult<G>;
}

/// The guards that a thread has of an [`RLock`] besides the one that it waits with.
#[derive(Debug)]
pub struct Levels(Rc<Hold>);

/// What keeps other types from being taken for such locks.
pub trait Sealed {}

impl Sealed for Lock {}
impl Sealed for RLock {}

impl ConditionLock for Lock {
    type Guard<'a> = LockGuard<'a>;
    type Levels = ();

    fn acquire(&self) -> LockResult<LockGuard<'_>> {
        self.acquire()
    }

    fn locked(&self) -> bool {
        self.locked()
    }

    fn is_of(&self, guard: &LockGuard<'_>) -> bool {
        guard.is_of(self)
    }

    fn release(&self, guard: LockGuard<'_>) {
        drop(guard);
    }

    fn acquire_again<'a, G>(
        &'a self,
        (): (),
        wrap: impl FnOnce(LockGuard<'a>) -> G,
    ) -> LockResult<G> {
        self.acquire_as(wrap)
    }
}

impl ConditionLock for RLock {
    type Guard<'a> = RLockGuard<'a>;
    type Levels = Levels;

    fn acquire(&self) -> LockResult<RLockGuard<'_>> {
        self.acquire()
    }

    fn locked(&self) -> bool {
        self.locked()
    }

    fn is_of(&self, guard: &RLockGuard<'_>) -> bool {
        guard.is_of(self)
    }

    fn release(&self, guard: RLockGuard<'_>) -> Levels {
        Levels(guard.release_all())
    }

    fn acquire_again<'a, G>(
        &'a self,
        levels: Levels,
        wrap: impl FnOnce(RLockGuard<'a>) -> G,
    ) -> LockResult<G> {
        self.acquire_all_again(levels.0, wrap)
    }
}

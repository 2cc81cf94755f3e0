//! What a condition can be bound to.

use super::lock::{Lock, LockGuard};
use super::rlock::{RLock, RLockGuard};
use crate::error::ManagerError;
use procession_sync::{LockResult, Repair};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::hash::Hash;

/// A lock that a [`Condition`](crate::Condition) can be bound to: a [`Lock`] or an [`RLock`].
///
/// Nothing else implements it.
pub trait ConditionLock:
    Clone + Eq + Hash + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + Sealed + 'static
{
    /// The proof that a thread holds the lock.
    type Guard<'a>: Repair
    where
        Self: 'a;

    #[doc(hidden)]
    fn acquire(&self) -> LockResult<Self::Guard<'_>>;

    #[doc(hidden)]
    fn locked(&self) -> Result<bool, ManagerError>;

    #[doc(hidden)]
    fn is_of(&self, guard: &Self::Guard<'_>) -> bool;

    /// Makes a guard for what the server has taken for this thread.
    #[doc(hidden)]
    fn guard(&self) -> Self::Guard<'_>;
}

/// What a condition in the server does with its lock; and what keeps other types from being taken
/// for such locks.
pub trait Sealed {
    /// Releases the lock, however often the caller has acquired it, which is returned.
    fn suspend(&self) -> Result<u32, ManagerError>;

    /// Acquires the lock for the caller as often as it was released, and returns whether it is
    /// poisoned; `None` if the client has ended.
    fn resume(&self, depth: u32) -> Result<Option<bool>, ManagerError>;
}

macro_rules! condition_lock {
    ($lock:ident $guard:ident) => {
        impl Sealed for $lock {
            fn suspend(&self) -> Result<u32, ManagerError> {
                // A guard is the proof that its thread holds the lock.
                Self::suspend(self)?.ok_or(ManagerError::Gone)
            }

            fn resume(&self, depth: u32) -> Result<Option<bool>, ManagerError> {
                Self::resume(self, depth)
            }
        }

        impl ConditionLock for $lock {
            type Guard<'a> = $guard<'a>;

            fn acquire(&self) -> LockResult<$guard<'_>> {
                self.acquire()
            }

            fn locked(&self) -> Result<bool, ManagerError> {
                self.locked()
            }

            fn is_of(&self, guard: &$guard<'_>) -> bool {
                guard.lock == self
            }

            fn guard(&self) -> $guard<'_> {
                $guard::new(self)
            }
        }
    };
}

condition_lock!(Lock LockGuard);
condition_lock!(RLock RLockGuard);

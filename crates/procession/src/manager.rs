//! What a [`Manager`] hosts and hands out: proxies with the names of Python's types.
//!
//! [`ManagerHandle`] makes them. `Queue` here is a proxy, [`procession::Queue`](crate::Queue) is the
//! one in shared memory, and so for each name that both have.

#[doc(hidden)]
pub use procession_manager::__private;
#[doc(no_inline)]
pub use procession_manager::IndexMap;
pub use procession_manager::{
    Access, Address, Array, ArrayIter, Barrier, Batch, BoundedSemaphore, CallFuture, ClientStats,
    Concurrent, Condition, ConditionLock, Constructor, Dict, DictIter, Event, Exported, Item,
    Later, List, ListIter, Lock, LockGuard, Locked, Makes, Manager, ManagerBuilder, ManagerError,
    ManagerHandle, Namespace, Object, ObjectStats, Permit, Proxy, Queue, RLock, RLockGuard,
    Refusal, Returns, Semaphore, Shared, Stats, UnexpectedKind, Value, call_async, shared,
};

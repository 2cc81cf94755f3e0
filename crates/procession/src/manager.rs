//! What a [`Manager`] hosts and hands out: proxies with the names of Python's types.
//!
//! [`ManagerHandle`] makes them. `Queue` here is a proxy, [`procession::Queue`](crate::Queue) is the
//! one in shared memory, and so for each name that both have.

#[doc(hidden)]
pub use procession_manager::__private;
#[doc(no_inline)]
pub use procession_manager::IndexMap;
pub use procession_manager::{
    Access, Address, Array, ArrayIter, At, Barrier, Batch, BoundedSemaphore, CallFuture,
    ClientStats, Concurrent, Condition, ConditionLock, Constructor, Dict, DictIter, Each, Event,
    Exported, Fetched, Held, Item, Items, JoinableQueue, Later, List, ListIter, Lock, LockGuard,
    Locked, Makes, Manager, ManagerBuilder, ManagerError, ManagerHandle, Namespace, New, Object,
    ObjectStats, Permit, Pool, PoolResult, PoolResults, Producer, Proxy, Queue, RLock, RLockGuard,
    Refusal, Returns, Semaphore, Set, Shared, Slice, Stats, UnexpectedKind, Value, call_async,
    shared,
};

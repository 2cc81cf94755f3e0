//! Calls to a [`Pool`] and their results. What there is under which of Python's names, and what workers can be
//! told, stands at [its crate](procession_pool).

pub use procession_pool::{
    AsCompleted, Item, PoolStats, PoolTask, RunningTask, Scope, Shape, Shown, Single, Star,
    WithState, WorkerState, WorkerStats, as_completed, wait_all, wait_any, worker_place,
};
#[doc(no_inline)]
pub use procession_pool::{AsyncResult, MapResults, Pool, PoolBuilder, PoolError};

//! The built-in objects.
//!
//! Each file has the object that the server hosts, with the closed set of its operations in one
//! `impl` block, and what the generated proxy has beside them: guards, iterators, conversions.
//!
//! - collections: `list`, `dict`, `set`, `namespace`, `value`, `array`, and `slice` for places in them;
//! - locks: `lock`, `rlock`, `semaphore`, `condition`;
//! - meeting points: `event`, `barrier`, `queue`;
//! - workers: `pool`, and `pool_result` for what comes of its calls;
//! - what they have in common: [`item`], `indexed`, `ownership` and [`room`].

mod array;
mod barrier;
mod condition;
mod condition_lock;
mod create;
mod dict;
mod event;
mod indexed;
pub(crate) mod item;
mod items;
mod joinable;
mod list;
mod lock;
mod namespace;
mod ownership;
mod pool;
mod pool_result;
mod producer;
mod queue;
mod rlock;
mod room;
mod semaphore;
mod set;
mod slice;
mod value;

pub use array::{Array, ArrayIter};
pub use barrier::Barrier;
pub use condition::Condition;
pub use condition_lock::ConditionLock;
pub use dict::{Dict, DictIter};
pub use event::Event;
pub use item::Item;
pub use items::Items;
pub use joinable::JoinableQueue;
pub use list::{List, ListIter};
pub use lock::{Lock, LockGuard};
pub use namespace::Namespace;
pub use pool::Pool;
pub use pool_result::{PoolResult, PoolResults};
pub use producer::Producer;
pub use queue::Queue;
pub use rlock::{RLock, RLockGuard};
pub use semaphore::{BoundedSemaphore, Permit, Semaphore};
pub use set::Set;
pub use slice::{At, Slice};
pub use value::Value;

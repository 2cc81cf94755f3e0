//! The manager: objects that live in a server process and are called through typed proxies.
#![forbid(unsafe_code)]

mod address;
mod call;
mod client;
mod construct;
mod error;
mod handle;
mod hosting;
mod manager;
mod object;
mod protocol;
mod proxy;
mod refusal;
mod remote;
mod reply;
mod returns;
mod route;
mod server;
mod shared;
mod threads;
mod transport;
mod types;

pub use address::Address;
pub use construct::{Constructor, Makes};
pub use error::ManagerError;
pub use handle::ManagerHandle;
pub use hosting::{Access, Concurrent, Locked};
pub use manager::Manager;
pub use object::{Object, UnexpectedKind};
pub use procession_macros::shared;
pub use proxy::Proxy;
pub use refusal::Refusal;
pub use returns::Returns;
pub use shared::Shared;
pub use types::{
    Array, ArrayIter, Barrier, BarrierWaitResult, BoundedSemaphore, Condition, ConditionGuard, Dict,
    DictIter, Event, Item, List, ListIter, Lock, LockGuard, Namespace, Permit, Queue, RLock,
    RLockGuard, Semaphore, Value,
};

/// What the code that `shared` generates may name.
#[doc(hidden)]
pub mod __private {
    pub use crate::{Concurrent, Locked, ManagerError, Proxy, Shared};
    pub use serde;
}

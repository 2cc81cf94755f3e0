//! The atomics, the futex and the mutex of this crate, in one place so that loom can stand in for
//! them.

#[cfg(not(loom))]
pub(crate) use procession_os::futex::{wait, wake};
#[cfg(not(loom))]
pub(crate) use procession_os::robust::RobustMutex;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use crate::model::life::{AtomicU32, AtomicU64};
#[cfg(loom)]
pub(crate) use crate::model::mutex::{RobustMutex, wait, wake};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};

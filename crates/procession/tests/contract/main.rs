//! One contract for each type, in shared memory and in a manager: the same source runs over both,
//! and over a manager's sockets and rings. What a program changes to move is the constructor, and
//! a `?` where memory cannot fail and a server can.

#![expect(
    clippy::duplicate_mod,
    reason = "the same tests run over several places"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]
#![expect(
    clippy::unit_arg,
    clippy::unused_self,
    reason = "in memory there is no answer where a server has one, and no manager"
)]

use procession::ManagerError;

procession::enable_in_tests!();

/// What a call answers, which cannot fail in memory.
trait Told {
    type Answer;

    fn told(self) -> Self::Answer;
}

macro_rules! told {
    ($($answer:ty)*) => {
        $(impl Told for $answer {
            type Answer = Self;

            fn told(self) -> Self {
                self
            }
        })*
    };
}

told!(() bool u32 usize);

impl<T> Told for Option<T> {
    type Answer = Self;

    fn told(self) -> Self {
        self
    }
}

impl<T> Told for Result<T, ManagerError> {
    type Answer = T;

    fn told(self) -> T {
        self.unwrap()
    }
}

/// Makes everything in a manager.
macro_rules! manager {
    ($builder:expr) => {
        pub(crate) mod types {
            use procession::Manager;
            use procession::manager::Item;
            pub(crate) use procession::manager::{
                Barrier, BoundedSemaphore, Condition, Dict, Event, JoinableQueue, Lock, Producer,
                Queue, RLock, Semaphore, Set, Value,
            };
            use std::hash::Hash;
            use std::time::Duration;

            /// A manager, which makes everything.
            pub(crate) struct Place(Manager);

            impl Place {
                pub(crate) fn new() -> Self {
                    Self($builder.start().unwrap())
                }

                pub(crate) fn lock(&self) -> Lock {
                    self.0.lock().unwrap()
                }

                pub(crate) fn rlock(&self) -> RLock {
                    self.0.rlock().unwrap()
                }

                pub(crate) fn semaphore(&self, permits: u32) -> Semaphore {
                    self.0.semaphore(permits).unwrap()
                }

                pub(crate) fn bounded_semaphore(&self, permits: u32) -> BoundedSemaphore {
                    self.0.bounded_semaphore(permits).unwrap()
                }

                pub(crate) fn condition(&self, lock: &Lock) -> Condition {
                    self.0.condition(lock).unwrap()
                }

                pub(crate) fn condition_of_rlock(&self, lock: &RLock) -> Condition<RLock> {
                    self.0.condition(lock).unwrap()
                }

                pub(crate) fn event(&self) -> Event {
                    self.0.event().unwrap()
                }

                pub(crate) fn barrier(&self, parties: u32) -> Barrier {
                    self.0.barrier(parties).unwrap()
                }

                pub(crate) fn barrier_with_timeout(
                    &self,
                    parties: u32,
                    timeout: Duration,
                ) -> Barrier {
                    self.0.barrier_with_timeout(parties, timeout).unwrap()
                }

                pub(crate) fn queue(&self, capacity: usize) -> Queue<u32> {
                    self.0.bounded_queue(capacity).unwrap()
                }

                pub(crate) fn queue_of<T: Item>(&self) -> Queue<T> {
                    self.0.queue().unwrap()
                }

                pub(crate) fn joinable_queue(&self, capacity: usize) -> JoinableQueue<u32> {
                    self.0.bounded_joinable_queue(capacity).unwrap()
                }

                pub(crate) fn value(&self, value: u32) -> Value<u32> {
                    self.0.value(value).unwrap()
                }

                pub(crate) fn dict<K: Item + Clone + Eq + Hash, V: Item>(
                    &self,
                    items: impl IntoIterator<Item = (K, V)>,
                ) -> Dict<K, V> {
                    self.0.dict_from(items).unwrap()
                }

                pub(crate) fn dict_from_keys<K: Item + Clone + Eq + Hash, V: Item + Clone>(
                    &self,
                    keys: impl IntoIterator<Item = K>,
                    value: V,
                ) -> Dict<K, V> {
                    self.0.dict_from_keys(keys, value).unwrap()
                }

                pub(crate) fn set<T: Item + Clone + Eq + Hash>(
                    &self,
                    items: impl IntoIterator<Item = T>,
                ) -> Set<T> {
                    self.0.set_from(items).unwrap()
                }
            }
        }
    };
}

mod memory;
mod rings;
mod sockets;

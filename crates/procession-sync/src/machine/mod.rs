//! The state machines behind the primitives, apart from where their states lie.
//!
//! - [`event`]: one word, changed by single atomic operations;
//! - [`barrier`]: a phase word that ends each round, and what the rounds came to;
//! - [`permits`]: the semaphores' permits, counted by the process that holds them;
//! - [`notice`]: the condition's notifications, counted so that each wakes one waiter.
//!
//! The [`roster`] and the rest of what they are made of is in [`procession_shm::machine`].
//!
//! # Why nothing is lost when a process is killed at any instruction
//!
//! A change is either one atomic operation, or is made under the robust mutex of the
//! [`Place`](crate::place::Place). In the second case, whoever enters next is told that somebody
//! died inside, and the state [recovers](crate::place::Recover): each module says to what.
//!
//! A sleeper holds nothing. It is counted in a roster where that matters, and taken out of it
//! again once it is found dead. The wakes that a dead process owes are made up for by the
//! [`Sleeper`](crate::sleeper::Sleeper), which looks again by itself.

pub(crate) mod barrier;
pub(crate) mod event;
pub(crate) mod notice;
pub(crate) mod permits;

pub(crate) use procession_shm::machine::roster;

//! What the state machines of shared memory are made of, for the crates that have some.
//!
//! - [`place`]: where a state lies, and the mutex that its several words are changed under;
//! - [`roster`]: how many of something each living process has;
//! - [`readers`]: readers side by side, or one writer;
//! - [`sleeper`]: waiting for a word to change, without depending on anybody's survival;
//! - [`atomic`]: the words themselves, and sleeping on them.
//!
//! Under `cfg(loom)` all of it runs on loom's atomics, and a place is a model of shared memory.

pub mod atomic;
pub mod place;
pub mod readers;
pub mod roster;
pub mod sleeper;

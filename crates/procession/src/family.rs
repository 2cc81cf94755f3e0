//! What the processes of a program have in shared memory, who holds it, and what was left behind.
//!
//! A program and all that it starts are a *family*. Each object that they share is held by the processes that
//! have a handle to it, and by messages with a handle in them; [`usage`] tells who they are. What
//! does not go away when it should is found with it:
//!
//! ```
//! use procession::{Lock, Process, Value, family};
//!
//! #[procession::main]
//! fn main() -> anyhow::Result<()> {
//!     let (lock, total) = (Lock::new()?, Value::new(0_u64)?);
//!     let usage = family::usage()?;
//!     assert_eq!(usage.by_kind()["lock"].0, 1);
//!     assert_eq!(usage.by_process()[&std::process::id()].0, 2);
//!     println!("{usage}");
//!
//!     drop((lock, total));
//!     assert!(family::usage()?.objects().is_empty());
//!     Ok(())
//! }
//! ```

#[doc(inline)]
pub use procession_shm::family::{
    FamilyError, HeldBy, Object, Usage, give_back, leftovers, sweep, usage,
};

//! Collections in shared memory, which need no server: [`Dict`] and [`Set`].
//!
//! A manager's collections are in a process of its own, where functions can run on them, and are reached from
//! other programs and other machines. These are for the processes of one program, which read and change
//! the memory themselves, in a fraction of a microsecond. The methods of both have the same names and
//! do the same, so that a program moves from one to the other by the constructor's name.
//!
//! ```
//! use procession::Process;
//! use procession::shm::Dict;
//!
//! fn count(words: Vec<String>, counts: Dict<String, u64>) -> anyhow::Result<()> {
//!     for word in words {
//!         counts.alter(word, |count| *count.get_or_insert(0) += 1)?;
//!     }
//!     Ok(())
//! }
//!
//! #[procession::main]
//! fn main() -> anyhow::Result<()> {
//!     let counts = Dict::new()?;
//!     let texts = [["so", "it", "is"], ["it", "is", "so"], ["is", "it", "so"]];
//!     let counters = texts.map(|text| {
//!         let words = text.map(str::to_owned).to_vec();
//!         Process::spawn(count, (words, counts.clone()))
//!     });
//!     for counter in counters {
//!         counter?.join()?;
//!     }
//!     assert_eq!(counts.get("so")?, Some(3));
//!     Ok(())
//! }
//! ```

pub use procession_dict::{Dict, DictBuilder, DictError, Keys, Set};

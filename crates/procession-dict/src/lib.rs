//! Dicts and sets in shared memory: no server, and a step costs a fraction of a microsecond.
//!
//! ```
//! use procession_dict::Dict;
//!
//! let ages = Dict::<String, u32>::new()?;
//! ages.insert("Ada", 36_u32)?;
//! ages.update_with("Ada", |age, by| *age += by, 1)?;
//! assert_eq!(ages.get("Ada")?, Some(37));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Dict`] maps keys to values, [`Set`] has keys alone. Both are handles: a clone, or what arrives when
//! one is encoded into a message to another process, is the same dict.
//!
//! # How it works
//!
//! The keys are divided by their hash into *stripes*, each with a robust mutex of its own, so that
//! processes which use different keys do not meet. The hash is SipHash-1-3 of the encoded key, with a
//! random seed that is kept in the dict, so that nobody can choose keys which meet.
//!
//! A stripe has an *area*: a table of slots, and blocks behind it, in which entries (a key and its value)
//! lie. Those of all stripes are in the dict's own segment at first. A stripe that has outgrown its area
//! makes another one, in a segment of its own and twice as large as what is in it, copies the entries
//! there, and gives the former one up; so does one that has only a few left. The block of an entry
//! that was replaced or removed is free for others of about the same size.
//!
//! Reading is done under the stripe's lock too, which costs less than to find out afterwards
//! whether what was read was there all the time: only bytes are copied under it. Encoding, decoding, and
//! the functions that the user gives run without a lock, but for the `Deserialize` of values that have
//! handles in them. A change that depends on what was there before (`update_with`, `pop_if`) is made
//! anew if the entry has another version by then.
//!
//! A copy of the whole dict is made with the locks of all stripes, and so is of one moment.
//!
//! # Why no death does harm
//!
//! - *There is nothing but the old state and the new one.* An entry is written into a block where
//!   nobody looks, and one store of a slot makes it part of the dict. An area is filled where nobody looks,
//!   and one store of its number makes it the current one. What is replaced is used again after that.
//! - *What else is known of a stripe follows from its slots*: how many entries there are, which blocks are
//!   free, which segments belong to it. A mark says that this is being brought up to date. Whoever takes
//!   the lock next and finds the mark works it out anew, and may be killed in that, too.
//! - *Nobody waits for the dead.* The locks are robust mutexes, which the kernel passes on.
//! - *Nobody sleeps on.* Whoever inserts a key wakes those that wait for one before the key is there,
//!   under the lock; and so does whoever finds that a lock's holder has died.
//! - *What is left.* What handles in a value stand for stays in memory until the dict is gone if the process
//!   that takes the value out is killed in that. A process that is killed in [`extend`](Dict::extend) or
//!   [`clear`](Dict::clear) has done a part.
//!
//! # Bytes that others write
//!
//! Every offset and length is checked before it is used, and all access to the memory is atomic. A process
//! that writes over the memory can make values wrong or lose them, and makes calls fail with
//! [`DictError::Damaged`] or [`DictError::Decode`]; it cannot make reading them undefined. (What
//! the C library keeps in a mutex is an exception: see `procession_os::robust`.)
#![doc(html_root_url = "https://docs.rs/procession-dict/latest")]

mod algebra;
mod area;
mod builder;
mod class;
mod codec;
mod compound;
mod core;
mod debug;
mod dict;
mod entry;
mod error;
mod event;
mod former;
mod handles;
mod home;
mod iter;
mod locked;
mod many;
mod memory;
mod name;
mod patience;
mod set;
mod settle;
mod snapshot;
mod store;
mod stripe;
mod turn;
mod whole;

pub use builder::DictBuilder;
pub use dict::Dict;
pub use error::DictError;
pub use iter::Keys;
pub use procession_shm::ShmError;
pub use set::Set;

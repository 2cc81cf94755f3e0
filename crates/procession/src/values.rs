//! What can be an argument, a result, a message or an item: everything that serde can carry. This
//! page has no items; it says what that means.
//!
//! A value is one of any type that implements [`Serialize`] and [`DeserializeOwned`], and is owned:
//! a `String`, no `&str`. It travels as [postcard]'s bytes, which have no names in them and are
//! small. A type that cannot be read from such bytes is found out before it is first sent, and
//! travels in a form that says what each value is, at some cost in time and size. Nothing has to be
//! done for that:
//!
//! | representation or attribute | |
//! |---|---|
//! | structs, tuples, enums, `Option`, collections, `Box` | as postcard's bytes |
//! | `tag`, `tag` with `content`, `untagged` | work |
//! | `flatten`, also of a map that takes the rest | works |
//! | `skip_serializing_if`, `skip_serializing`, `skip_deserializing`, `skip` | work with a default |
//! | `alias`, `default`, `other`, `transparent`, `from`, `try_from`, `into`, `with`, `bound` | work |
//! | `rename`, `rename_all` | work; see below for one name to write and another to read |
//! | `serde_json::Value`, and types of one's own that read whatever they find | work |
//! | sequences and maps that do not say how long they are | work |
//! | integers of 128 bits | work; in what is untagged, tagged or flattened, those of 64 bits |
//! | [handles](crate#sharing) | work wherever a value can stand |
//!
//! # Numbers
//!
//! A sequence of numbers is copied as a whole, at the speed of memory, wherever it stands: a slice, a
//! `Vec` or a `VecDeque` of `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `f32`, `f64` or `bool`, also in an
//! `Option`, a `Box`, a `Cow`, or a field of one's own types. Integers take as many bytes each as the
//! largest of them needs. What has to [say what it is](self#what-is-refused) goes element by element, and so does what is
//! written or read by a `Serialize` or `Deserialize` of one's own; there, [`ByteBuf`](crate::ByteBuf) is
//! copied as a whole.
//!
//! # What is refused
//!
//! Whoever was to send it gets an error that says why, and nothing is sent:
//!
//! - a value of which a field is left out that has no `#[serde(default)]`;
//! - a struct with fields that have one name for writing and another for reading, unless all of them
//!   have;
//! - a path that is not UTF-8: send an `OsString`;
//! - a value that nests more than 500 levels deep. Each value inside another is a level, so a list
//!   of nodes ends at about 250. A value that has to say what it is ends at 128 levels;
//! - what its own `Serialize` refuses, in its own words.
//!
//! An `Rc` or `Arc` is refused by the compiler, for what would arrive is a copy:
//!
//! ```compile_fail,E0277
//! use procession::Process;
//! use std::sync::{Arc, Mutex};
//!
//! let count = Arc::new(Mutex::new(0));
//! Process::spawn(|count: Arc<Mutex<u32>>| *count.lock().unwrap() += 1, (count,)).unwrap();
//! ```
//!
//! A [`Value`](crate::Value) is what two processes share. A program whose own dependencies turn on
//! serde's feature `rc` sends copies all the same.
//!
//! # When `Deserialize` runs
//!
//! Where a type is first sent, its `Deserialize` is asked what it wants to read. It gets an error
//! for an answer before any value of the type is made. Where a field of a value is left out for the
//! first time, the value is read once before it is sent, so as to see that it can be. `Serialize`
//! may run more than once for the first values of a type.
//!
//! [`Serialize`]: https://docs.rs/serde/latest/serde/trait.Serialize.html
//! [`DeserializeOwned`]: https://docs.rs/serde/latest/serde/de/trait.DeserializeOwned.html
//! [postcard]: https://docs.rs/postcard

/// The programs in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

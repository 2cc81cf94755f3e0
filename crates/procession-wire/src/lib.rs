//! Frames, the [postcard] codec, and how handles ride inside any serde value.
//!
//! This crate turns values into bytes and back; it does no input or output. A *message* is built
//! with an [`Encoder`] and read with a [`Packet`]:
//!
//! ```
//! use procession_wire::{Encoder, Kind, Packet};
//!
//! let mut encoder = Encoder::new(Kind::VALUE);
//! encoder.push(&(7_u32, [1_u8, 2]))?;
//! let message = encoder.finish();
//!
//! let packet = Packet::parse(message.bytes().to_vec(), Vec::new())?;
//! assert_eq!(packet.decode::<(u32, String)>().unwrap_err().to_string(),
//!     "the message holds another type than (u32, alloc::string::String)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example fails on purpose: what was sent is a `(u32, [u8; 2])`, what was asked for is a
//! `(u32, String)`. Postcard alone decodes a wrong type silently; here every value carries a hash
//! of its type's name, left-over bytes are an error, and a message that was cut short is an error.
//!
//! # Layout
//!
//! On a stream a message follows a length in the framing of Python's `multiprocessing.connection`
//! (see [`frame`]). Its bytes are:
//!
//! | field | size | content |
//! |---|---|---|
//! | kind | 1 | what the receiver should do with it ([`Kind`]) |
//! | descriptors | 2, little endian | how many file descriptors travel beside the bytes |
//! | values | rest | for each value the 8-byte [`schema`] hash, then its postcard encoding |
//!
//! A value of a type that postcard's bytes are not enough for has the complement of the hash in front
//! of it, and says what it is.
//!
//! Of postcard's encoding, one thing is different: a sequence begins with twice the number of its
//! elements, and if it has one more, it is one of integers that have all the same width. A byte that
//! says which, 1, 2, 4, 8 or 16, comes next, and then the numbers, little endian and with a sign if
//! their type has one. Writers give this form to a slice, `Vec` or `VecDeque` of at least eight integers
//! that are wider than a byte, with the least width that is enough for all of them. Sequences of bytes, `bool`, `f32` and `f64` have one
//! width anyway. All of these are copied as a whole.
//!
//! A value nests at most [`MAX_DEPTH`] levels deep: an encoder refuses one that is deeper, and so does
//! a decoder, whatever the bytes say.
//!
//! # Handles
//!
//! A handle to something that several processes share implements `Serialize` and `Deserialize`
//! with the functions of [`handle`]. It may then stand anywhere inside a user's own type. Encoding
//! it outside of a message, to JSON or to a file, is an error that says so.
#![doc(html_root_url = "https://docs.rs/procession-wire/latest")]
#![forbid(unsafe_code)]

pub mod bare;
pub mod buffer;
mod bulk;
mod context;
mod depth;
mod described;
mod error;
mod familiar;
mod fd;
mod form;
pub mod frame;
pub mod handle;
mod kind;
mod message;
mod packet;
mod probe;
mod problem;
mod reader;
mod schema;
mod varint;
mod writer;

pub use depth::MAX_DEPTH;
pub use error::{DecodeError, EncodeError};
pub use fd::Fd;
pub use form::prepare;
pub use kind::Kind;
pub use message::{Encoder, Message};
pub use packet::{Body, Packet};
pub use probe::fingerprint;
pub use schema::{schema, schema_of_name};

//! A call in another process: which function it is of, and what comes of it.
//!
//! Processes, pools and managers stand on this crate; a program does not need it by itself.
//!
//! - A [`Task`] is a function that its type alone says how to call.
//! - A [`Routine`] is the name of an [`Entry`], which is code made for the types of one function: it
//!   decodes the arguments, calls, and encodes what came of it. One that is made with a function's value
//!   is an [`EntryOf`] it.
//! - An [`Outcome`] is the encoded result, or the [`Failure`] that there is instead of one: a
//!   [`Panic`], a [`TaskError`], or what could not be encoded or decoded.
//!
//! The crate does no input or output, except that a panic is printed where std would print it.
//!
//! # Examples
//!
//! What a caller sends, what the process does that is called, and what the caller makes of the answer:
//!
//! ```
//! use procession_call::{Entry, Outcome, Routine, consume, produce};
//! use procession_wire::{Encoder, Kind, Packet};
//! use std::any::Any;
//!
//! struct Double;
//!
//! impl Entry for Double {
//!     fn run(_: &dyn Any, packet: &mut Packet) -> Outcome {
//!         produce(|| Ok(packet.take::<u32>()? * 2))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut request = Encoder::new(Kind::REQUEST);
//! request.push(&Routine::of::<Double>()?)?;
//! request.push(&21_u32)?;
//! let (bytes, fds) = request.finish().deliver();
//!
//! let mut request = Packet::parse(bytes, fds)?;
//! let double = request.take::<Routine>()?.resolve()?;
//! let (bytes, fds) = double(&(), &mut request).message.deliver();
//!
//! assert_eq!(consume::<u32>(Packet::parse(bytes, fds)?)?, Ok(42));
//! # Ok(())
//! # }
//! ```
#![doc(html_root_url = "https://docs.rs/procession-call/latest")]

mod failure;
mod outcome;
pub mod panic;
mod routine;
mod task;

pub use failure::{Failure, TaskError};
pub use outcome::{
    Outcome, PANICKED, consume, exit_code, failed, has_value, produce, run, run_in, told,
};
pub use panic::Panic;
pub use routine::{Entry, EntryOf, Routine, RoutineError, Run, run_of_function};
#[doc(hidden)]
pub use task::captures_nothing;
pub use task::{Fallible, Plain, Task, TaskOnce};

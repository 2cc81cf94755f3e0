//! Functions that other processes may name.
//!
//! A function cannot be sent as an address: the loader puts the executable elsewhere in each
//! process, and a wrong address would be called all the same. What is sent is a [`Routine`]: the
//! offset, from the image's base, of a constant table that the compiler made for one [`Entry`],
//! and the hash of the entry's type name.
//!
//! The receiver calls nothing before it has checked that the offset is aligned and lies, whole, in
//! the executable's own constants, where nobody can write, that the table begins with 128 bits that stand nowhere else in the
//! image, and that the table's hash is the one that was sent. Whatever bytes arrive, only the
//! `run` function of such a table can be called. Every `run` has the same signature and decodes
//! its arguments with their types checked, so naming the wrong entry is an error and no more.

use crate::failure::Failure;
use crate::outcome::{Outcome, failed};
use crate::task::captures_nothing;
use procession_os::image::image;
use procession_wire::{Packet, schema};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::hint::black_box;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// What a routine does in the process that was asked for it.
///
/// Implemented by empty types; the type is what tells entries apart.
pub trait Entry {
    /// Takes the arguments out of `packet`, works, and encodes what came of it.
    ///
    /// `context` is what the receiver works on: a hosted object in a server, `()` elsewhere.
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome;
}

/// What a routine does that calls a function of the type `F`, which captures nothing.
///
/// The process that is asked knows the type only, and makes the function's value of that. So a routine of it
/// is made with a value ([`Routine::of_function`]): a function that exists nowhere, since it has captured a
/// value that cannot exist, or that its maker gives to nobody, is called nowhere.
///
/// # Examples
///
/// ```
/// use procession_call::{EntryOf, Outcome, Routine, consume, produce};
/// use procession_wire::{Encoder, Kind, Packet};
/// use std::any::Any;
///
/// struct OnSeven;
///
/// impl<F: Fn(u32) -> u32> EntryOf<F> for OnSeven {
///     fn run(function: F, _: &dyn Any, _: &mut Packet) -> Outcome {
///         produce(|| Ok(function(7)))
///     }
/// }
///
/// let routine = Routine::of_function::<OnSeven, _>(|x: u32| x + 1)?;
/// let (bytes, fds) = Encoder::new(Kind::REQUEST).finish().deliver();
/// let (bytes, fds) = routine.call(&mut Packet::parse(bytes, fds)?).message.deliver();
/// assert_eq!(consume::<u32>(Packet::parse(bytes, fds)?)?, Ok(8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait EntryOf<F> {
    /// Takes the arguments out of `packet`, calls `function`, and encodes what came of it; `context` is what
    /// [`Entry::run`] gets.
    fn run(function: F, context: &dyn Any, packet: &mut Packet) -> Outcome;
}

/// The entry that makes a function's value and has `E` call it.
///
/// Private, and named only where there is a value: by [`Routine::of_function`] and [`run_of_function`].
struct Calling<E, F>(PhantomData<fn() -> (E, F)>);

impl<E: EntryOf<F>, F: Copy + Send + 'static> Entry for Calling<E, F> {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        const { captures_nothing::<F>() }
        // SAFETY: `F` has no bytes to read, and a value of this type, which is `Copy` and may go to other threads,
        // existed where this entry was named, so a copy of it is what this makes.
        let function = unsafe { NonNull::<F>::dangling().read() };
        E::run(function, context, packet)
    }
}

/// Returns what runs in the process that is asked for `E` of this function.
pub fn run_of_function<E, F>(_: F) -> Run
where
    E: EntryOf<F>,
    F: Copy + Send + 'static,
{
    Calling::<E, F>::run
}

/// The signature of [`Entry::run`].
pub type Run = fn(&dyn Any, &mut Packet) -> Outcome;

/// The name of an [`Entry`], valid in every process of this executable.
///
/// # Examples
///
/// ```
/// use procession_call::{Entry, Outcome, Routine, produce};
/// use procession_wire::Packet;
/// use std::any::Any;
///
/// struct Answer;
/// impl Entry for Answer {
///     fn run(_: &dyn Any, _: &mut Packet) -> Outcome {
///         produce(|| Ok(42))
///     }
/// }
///
/// let routine = Routine::of::<Answer>()?;
/// assert!(routine.resolve().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::unsafe_derive_deserialize,
    reason = "`resolve` trusts neither field"
)]
pub struct Routine {
    offset: u64,
    schema: u64,
}

/// A function cannot be named, or a name is not that of a function.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutineError {
    /// The function was compiled into a dynamic library, or the executable was linked so that what names its
    /// functions can be written to (`-C relro-level=off`).
    #[error("the function lies in a dynamic library; only functions of the executable can be sent")]
    OutsideExecutable,
    /// No function has this name in this executable.
    #[error("the message names no function of this executable")]
    Unknown,
}

procession_os::debug_in_words!(RoutineError {
    OutsideExecutable,
    Unknown
});

#[repr(C)]
struct Table {
    magic: [u64; 2],
    schema: fn() -> u64,
    run: Run,
}

const MAGIC: [u64; 2] = [0x9d41_c6b2_7f03_e85a, 0x36fa_0d97_b1c4_528e];

trait HasTable: Entry + Sized {
    const TABLE: &'static Table = &Table {
        magic: MAGIC,
        schema: schema::<Self>,
        run: Self::run,
    };
}

impl<E: Entry> HasTable for E {}

impl Routine {
    /// Names the entry `E`.
    ///
    /// # Errors
    ///
    /// [`RoutineError::OutsideExecutable`] if `E` was compiled into a dynamic library.
    pub fn of<E: Entry>() -> Result<Self, RoutineError> {
        let offset = image()
            .offset(E::TABLE)
            .ok_or(RoutineError::OutsideExecutable)?;
        Ok(Self {
            offset,
            schema: schema::<E>(),
        })
    }

    /// Names the entry `E` of a function.
    ///
    /// # Errors
    ///
    /// [`RoutineError::OutsideExecutable`] if they were compiled into a dynamic library.
    pub fn of_function<E, F>(_: F) -> Result<Self, RoutineError>
    where
        E: EntryOf<F>,
        F: Copy + Send + 'static,
    {
        Self::of::<Calling<E, F>>()
    }

    /// Returns the routine as bytes, for a message that is not encoded by serde.
    #[inline]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.schema.to_le_bytes());
        bytes
    }

    /// Makes a routine of bytes, which may be any.
    #[inline]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_le_bytes(bytes);
        Self {
            offset: number as u64,
            schema: (number >> 64) as u64,
        }
    }

    /// Calls the function with what it takes out of `packet`; a name that is no function's is an
    /// outcome too.
    pub fn call(self, packet: &mut Packet) -> Outcome {
        match self.resolve() {
            Ok(run) => run(&(), packet),
            Err(error) => failed(Failure::Arguments(error.to_string())),
        }
    }

    /// Finds the function that has this name.
    ///
    /// # Errors
    ///
    /// [`RoutineError::Unknown`] if there is none, as when the name came from another build or is
    /// garbage.
    pub fn resolve(self) -> Result<Run, RoutineError> {
        let table = image()
            .constant::<Table>(self.offset)
            .ok_or(RoutineError::Unknown)?;
        // SAFETY: `constant` found room for a whole, aligned table in the mapped, initialised constants of
        // the executable, and any bytes are valid integers.
        let magic = unsafe { table.cast::<[u64; 2]>().read() };
        if !is_magic(magic) {
            return Err(RoutineError::Unknown);
        }
        // SAFETY: among the constants nothing but a `HasTable::TABLE` begins with these 128 bits, and nobody can
        // have written there.
        let table = unsafe { &*table };
        if (table.schema)() != self.schema {
            return Err(RoutineError::Unknown);
        }
        Ok(table.run)
    }
}

/// Compares with [`MAGIC`] without holding it in one piece: a copy that the compiler put into the
/// image's data for this comparison would itself look like the beginning of a table.
fn is_magic(words: [u64; 2]) -> bool {
    const HALVES: [u64; 2] = [
        MAGIC[0] ^ 0x5555_5555_5555_5555,
        MAGIC[1] ^ 0x5555_5555_5555_5555,
    ];
    let mask = black_box(0x5555_5555_5555_5555_u64);
    black_box(words[0] ^ mask) == HALVES[0] && black_box(words[1] ^ mask) == HALVES[1]
}

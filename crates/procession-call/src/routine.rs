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
use procession_os::image::image;
use procession_wire::{Packet, schema};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::hint::black_box;

/// What a routine does in the process that was asked for it.
///
/// Implemented by empty types; the type is what tells entries apart.
pub trait Entry {
    /// Takes the arguments out of `packet`, works, and encodes what came of it.
    ///
    /// `context` is what the receiver works on: a hosted object in a server, `()` elsewhere.
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome;
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

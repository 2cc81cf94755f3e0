//! The length that goes before each message on a stream.
//!
//! It is the framing of Python's `multiprocessing.connection`: a signed 32-bit big-endian length,
//! or, for what does not fit, -1 followed by an unsigned 64-bit big-endian length. A receiver
//! accepts the long form for any length and refuses every other negative number.

/// The largest length that is written in the short form.
pub const SHORT_MAX: usize = 0x7fff_ffff;

/// The bytes that announce a message of `len` bytes.
///
/// # Examples
///
/// ```
/// use procession_wire::frame::Head;
///
/// assert_eq!(Head::new(3).as_bytes(), [0, 0, 0, 3]);
/// assert_eq!(Head::new(0x8000_0000).as_bytes().len(), 12);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Head {
    bytes: [u8; 12],
    used: usize,
}

impl Head {
    /// Announces `len` bytes.
    pub fn new(len: usize) -> Self {
        let mut bytes = [0xff; 12];
        if len <= SHORT_MAX {
            bytes[..4].copy_from_slice(&(len as u32).to_be_bytes());
            return Self { bytes, used: 4 };
        }
        bytes[4..].copy_from_slice(&(len as u64).to_be_bytes());
        Self { bytes, used: 12 }
    }

    /// Returns the bytes to write, 4 or 12 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

/// What the first four bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// A message of this many bytes follows.
    Len(u64),
    /// Eight more bytes hold the length; read them with [`u64::from_be_bytes`].
    Long,
}

/// A length that no sender writes.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the frame announces the negative length {0}")]
pub struct BadLength(pub i32);

procession_os::debug_in_words!(BadLength);

/// Reads the first four bytes of a frame.
///
/// # Errors
///
/// [`BadLength`] if the length is negative and not -1.
///
/// # Examples
///
/// ```
/// use procession_wire::frame::{Announced, announced};
///
/// assert_eq!(announced([0, 0, 1, 0]), Ok(Announced::Len(256)));
/// assert_eq!(announced([0xff; 4]), Ok(Announced::Long));
/// assert!(announced([0x80, 0, 0, 0]).is_err());
/// ```
pub fn announced(first: [u8; 4]) -> Result<Announced, BadLength> {
    match i32::from_be_bytes(first) {
        -1 => Ok(Announced::Long),
        len @ 0.. => Ok(Announced::Len(len.unsigned_abs().into())),
        len => Err(BadLength(len)),
    }
}

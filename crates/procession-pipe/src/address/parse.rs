//! Addresses as text.

use super::Address;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The text is no [`Address`].
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address: write a path with a `/` in it, `@name`, or a numeric address and port \
     (`Address::lookup` takes names)"
)]
pub struct ParseAddressError(String);

procession_os::debug_in_words!(ParseAddressError);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let parsed = if let Some(name) = text.strip_prefix('@') {
            unescaped(name).map(Self::Abstract)
        } else if text.contains('/') {
            Some(Self::Path(PathBuf::from(text)))
        } else {
            text.parse().ok().map(Self::Tcp)
        };
        parsed.ok_or_else(|| ParseAddressError(text.to_owned()))
    }
}

impl fmt::Display for Address {
    /// Writes what can be parsed again, as long as a path is valid Unicode and has a `/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// Returns the bytes that [`u8::escape_ascii`] was applied to.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match first {
            b'\\' => escape(after)?,
            byte => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

/// Returns the byte that an escape stands for, given what follows the backslash, and the rest.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&kind, rest) = text.split_first()?;
    Some(match kind {
        b't' => (b'\t', rest),
        b'r' => (b'\r', rest),
        b'n' => (b'\n', rest),
        b'\\' | b'\'' | b'"' => (kind, rest),
        b'x' => {
            let (digits, rest) = rest.split_at_checked(2)?;
            let digits = str::from_utf8(digits).ok()?;
            (u8::from_str_radix(digits, 16).ok()?, rest)
        }
        _ => return None,
    })
}

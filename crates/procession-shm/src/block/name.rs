//! The names of blocks, as every program on the machine knows them.

use std::fmt;

/// A name that no block can have.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing in it.
    #[error("the name of a block is empty")]
    Empty,
    /// It contains a slash that is not at its beginning, or is `.` or `..`.
    #[error("the name of a block has no slash inside and is neither \".\" nor \"..\"")]
    Path,
    /// It contains a NUL, where other programs would see its end.
    #[error("the name of a block contains a NUL")]
    Nul,
    /// It has more bytes than `shm_open` takes.
    #[error("the name of a block has {len} bytes; at most {MAX_LEN} are possible")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It begins as the names that this library gives and sweeps.
    #[error("names that begin with \"{RESERVED}\" are the library's own; choose another")]
    Reserved,
}

procession_os::debug_in_words!(NameError {
    Empty,
    Path,
    Nul,
    TooLong,
    Reserved
});

/// The most bytes of a name: what the C library's `shm_open` takes, slash and NUL not counted.
pub(super) const MAX_LEN: usize = 253;
const RESERVED: &str = "procession-";

/// The checked name of a block, without the slash that `shm_open` wants before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockName(String);

impl BlockName {
    /// Checks a name, with or without the slash.
    pub(super) fn parse(text: &str) -> Result<Self, NameError> {
        let name = text.strip_prefix('/').unwrap_or(text);
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains('/') || matches!(name, "." | "..") {
            return Err(NameError::Path);
        }
        if name.contains('\0') {
            return Err(NameError::Nul);
        }
        if name.len() > MAX_LEN {
            return Err(NameError::TooLong { len: name.len() });
        }
        if name.starts_with(RESERVED) {
            return Err(NameError::Reserved);
        }
        Ok(Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As `shm_open` wants it.
    pub(super) fn os_id(&self) -> String {
        format!("/{}", self.0)
    }
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

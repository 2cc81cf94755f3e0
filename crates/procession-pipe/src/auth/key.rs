//! A secret that does not show.

use std::fmt;
use std::sync::Arc;

/// The key of a handshake.
#[derive(Clone)]
pub(crate) struct Key {
    bytes: Arc<[u8]>,
    /// Whether it was asked for to be empty.
    is_empty: bool,
}

impl Key {
    /// The key that everybody has.
    pub(crate) fn empty() -> Self {
        Self {
            bytes: Arc::new([]),
            is_empty: true,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether it is empty and nobody has said that it should be.
    pub(crate) fn is_missing(&self) -> bool {
        self.bytes.is_empty() && !self.is_empty
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            is_empty: false,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

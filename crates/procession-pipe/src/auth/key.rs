//! A secret that does not show.

use std::fmt;
use std::sync::Arc;

/// The key of a handshake.
#[derive(Clone)]
pub(crate) struct Key(Arc<[u8]>);

impl Key {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

//! The bytes of a value, with a limit to its depth.
//!
//! A reader goes down one call for each level. Without a limit a few thousand bytes that say "a
//! list with a list with a list" would exhaust its stack.

use super::Object;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;

/// How many levels a value may have.
const MAX_DEPTH: usize = 100;

const TOO_DEEP: &str = "an object nests more than 100 levels deep";

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One level further down, until it is dropped.
struct Level;

impl Level {
    fn enter() -> Option<Self> {
        (DEPTH.get() < MAX_DEPTH).then(|| {
            DEPTH.set(DEPTH.get() + 1);
            Self
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let _level = Level::enter().ok_or_else(|| serde::ser::Error::custom(TOO_DEEP))?;
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let _level = Level::enter().ok_or_else(|| serde::de::Error::custom(TOO_DEEP))?;
        Self::deserialize(deserializer)
    }
}

/// Bytes in one piece, not one by one.
pub(super) mod bytes {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}

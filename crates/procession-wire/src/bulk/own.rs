//! Which visitor is the standard library's own.
//!
//! A visitor that makes a `Vec<u8>` of a sequence may be one of the user's, which refuses some
//! numbers or changes them, and has to see each. Serde's own is known by what a `Vec<u8>` asks for.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use std::any::TypeId;
use std::fmt::{self, Display, Formatter};

/// Returns whether `V` is the visitor with which a `T` is read from a sequence.
#[inline]
pub(super) fn is_own_visitor<T: Deserialize<'static>, V>() -> bool {
    let mut seen = None;
    let _ = T::deserialize(Look(&mut seen));
    seen == Some(typeid::of::<V>())
}

/// Looks at the visitor, and has nothing to read.
struct Look<'a>(&'a mut Option<TypeId>);

impl<'de> Deserializer<'de> for Look<'_> {
    type Error = Nothing;

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        *self.0 = Some(typeid::of::<V>());
        Err(Nothing)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        Err(Nothing)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[derive(Debug)]
struct Nothing;

impl Display for Nothing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("there is nothing to read")
    }
}

impl std::error::Error for Nothing {}

impl Error for Nothing {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

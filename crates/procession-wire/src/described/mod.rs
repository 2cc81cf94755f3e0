//! Values that say what they are.
//!
//! Postcard's bytes mean nothing to a reader that does not know what to expect, as that of an
//! untagged enum. Such values are written in this form instead: each one has a [`Tag`] before it,
//! and what follows the tag is postcard's again. The names of fields stand once, in front:
//!
//! | field | content |
//! |---|---|
//! | shapes | how many there are, and for each how many names it has, and these |
//! | value | see below |
//!
//! | tag | then |
//! |---|---|
//! | of a leaf | what postcard makes of it |
//! | `Run` | two bytes with the number of bytes that follow; each is a `u8` of its own |
//! | `Some` | the value inside |
//! | `Sequence`, `Map` | elements, or keys and values in turn, and [`Tag::End`] |
//! | `Struct` | two bytes with the number of its shape, then a value for each name |
//! | `UnitVariant`, `Variant` | the index, the name, and the value inside if it has one |
//!
//! To the values this form is a human-readable one, because serde's own buffers, through which
//! values of untagged enums and flattened fields are read, say that they are.

mod reader;
mod writer;

pub(crate) use reader::read;
pub(crate) use writer::{Container, describe};

/// How many levels a described value may have.
///
/// Serde's buffers take a reader that goes through them several times as far down as the bytes do.
const MAX_DESCRIBED: u32 = 128;

/// Defines the tags, and how a byte is turned back into one.
macro_rules! tags {
    ($($tag:ident)*) => {
        /// What a value is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Tag {
            $($tag,)*
        }

        impl Tag {
            fn of(byte: u8) -> Option<Self> {
                const ALL: &[Tag] = &[$(Tag::$tag),*];
                ALL.get(usize::from(byte)).copied()
            }
        }
    };
}

tags! {
    Unit Bool I8 I16 I32 I64 I128 U8 U16 U32 U64 U128 F32 F64 Char Str Bytes Run
    None Some Sequence Map Struct UnitVariant Variant End
}

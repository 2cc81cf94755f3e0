//! Values out of postcard's bytes.

use crate::bulk::{self, Head};
use crate::depth::{Depth, Stack};
use crate::problem::Problem;
use postcard::Deserializer as Postcard;
use postcard::de_flavors::Slice;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, Deserializer};
use std::mem;

/// Reads a value with postcard; what is behind it is left over.
#[inline]
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<(T, &'de [u8]), Problem> {
    let mut input = Input {
        postcard: Postcard::from_bytes(bytes),
        len: bytes.len(),
        stack: Stack::here(),
    };
    let value = T::deserialize(Reader {
        input: &mut input,
        depth: Depth::WHOLE,
        width: 0,
    })?;
    Ok((value, input.postcard.finalize()?))
}

/// What all levels of a value are read from.
struct Input<'de> {
    postcard: Postcard<'de, Slice<'de>>,
    /// How many bytes there are, those that were read included.
    len: usize,
    stack: Stack,
}

impl<'de> Input<'de> {
    /// Has something read that is not postcard's, off the bytes that are left.
    #[inline]
    fn aside<R>(
        &mut self,
        read: impl FnOnce(&mut &'de [u8]) -> Result<R, Problem>,
    ) -> Result<R, Problem> {
        let postcard = mem::replace(&mut self.postcard, Postcard::from_bytes(&[]));
        let mut rest = postcard.finalize()?;
        let read = read(&mut rest);
        self.postcard = Postcard::from_bytes(rest);
        read
    }

    /// Reads the width of so many numbers.
    #[cold]
    fn width(&mut self, len: usize) -> Result<u8, Problem> {
        self.aside(|rest| Ok(bulk::width(len, rest)? as u8))
    }

    /// Reads a number of so many bytes, which have been counted.
    fn fixed(&mut self, width: u8) -> Result<[u8; 16], Problem> {
        let mut number = [0; 16];
        self.aside(|rest| {
            let end = postcard::Error::DeserializeUnexpectedEnd;
            let (bytes, behind) = rest.split_at_checked(width.into()).ok_or(end)?;
            number[..bytes.len()].copy_from_slice(bytes);
            *rest = behind;
            Ok(number)
        })
    }

    /// Returns how many bytes are left.
    fn left(&mut self) -> Result<usize, Problem> {
        self.aside(|rest| Ok(rest.len()))
    }
}

/// Has postcard read, keeps the words of the values' errors, and counts their levels.
struct Reader<'a, 'de> {
    input: &'a mut Input<'de>,
    depth: Depth,
    /// How many bytes a number has, if it is one of a sequence that says so; otherwise zero.
    width: u8,
}

impl<'a, 'de> Reader<'a, 'de> {
    /// Reads something that has no value of the user's inside.
    #[inline]
    fn leaf<T: Deserialize<'de>>(&mut self) -> Result<T, Problem> {
        Ok(T::deserialize(&mut self.input.postcard)?)
    }

    /// Reads a number of the sequence's width.
    #[cold]
    fn unsigned<T: TryFrom<u128>>(self) -> Result<T, Problem> {
        let bytes = self.input.fixed(self.width)?;
        T::try_from(u128::from_le_bytes(bytes)).map_err(|_| too_large())
    }

    /// Reads a number of the sequence's width that has a sign.
    #[cold]
    fn signed<T: TryFrom<i128>>(self) -> Result<T, Problem> {
        let bytes = self.input.fixed(self.width)?;
        let unused = 128 - 8 * u32::from(self.width);
        let number = i128::from_le_bytes(bytes) << unused >> unused;
        T::try_from(number).map_err(|_| too_large())
    }

    /// Goes one level further down.
    #[inline]
    fn deeper(self) -> Result<Self, Problem> {
        let depth = self.depth.deeper()?;
        Ok(Self { depth, ..self })
    }

    /// Goes one level further down because the bytes say so.
    ///
    /// A type that contains itself does so in an `Option`, a variant, a sequence or a map, or it
    /// would have no end. So the stack is looked at there, and nowhere else.
    #[inline]
    fn deeper_if_room(self) -> Result<Self, Problem> {
        self.input.stack.check()?;
        self.deeper()
    }

    /// Reads `left` values, or pairs of them.
    #[inline]
    fn elements(self, left: usize) -> Elements<'a, 'de> {
        let reader = Self { width: 0, ..self };
        Elements { reader, left }
    }
}

#[cold]
fn too_large() -> Problem {
    Problem::new("a number is larger than it may be")
}

/// Postcard's form of these is its own affair.
macro_rules! leaves {
    ($($method:ident $visit:ident)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
            let leaf = self.leaf()?;
            visitor.$visit(leaf)
        })*
    };
}

/// In a sequence these may have a width that it says.
macro_rules! integers {
    ($($method:ident $visit:ident $fixed:ident)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
            if self.width != 0 {
                return visitor.$visit(self.$fixed()?);
            }
            let leaf = self.leaf()?;
            visitor.$visit(leaf)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Problem;

    integers! {
        deserialize_i16 visit_i16 signed
        deserialize_i32 visit_i32 signed
        deserialize_i64 visit_i64 signed
        deserialize_i128 visit_i128 signed
        deserialize_u16 visit_u16 unsigned
        deserialize_u32 visit_u32 unsigned
        deserialize_u64 visit_u64 unsigned
        deserialize_u128 visit_u128 unsigned
    }

    leaves! {
        deserialize_bool visit_bool
        deserialize_char visit_char
        deserialize_i8 visit_i8
        deserialize_u8 visit_u8
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
        deserialize_str visit_borrowed_str
        deserialize_string visit_borrowed_str
        deserialize_bytes visit_borrowed_bytes
        deserialize_byte_buf visit_borrowed_bytes
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Problem> {
        Err(Problem::from(postcard::Error::WontImplement))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Problem> {
        Err(Problem::from(postcard::Error::WontImplement))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Problem> {
        Err(Problem::from(postcard::Error::WontImplement))
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        match self.leaf::<Option<()>>()? {
            None => visitor.visit_none(),
            Some(()) => visitor.visit_some(self.deeper_if_room()?),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        let head = Head::of_number(self.leaf()?);
        let inside = self.deeper_if_room()?;
        if bulk::is_read::<V>() {
            return inside.input.aside(|rest| bulk::read::<V>(head, rest));
        }
        let mut elements = inside.elements(head.len);
        if head.is_fixed {
            elements.reader.width = elements.reader.input.width(head.len)?;
        }
        visitor.visit_seq(elements)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(self.deeper()?.elements(len))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(self.deeper()?.elements(len))
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        let len = self.leaf()?;
        visitor.visit_map(self.deeper_if_room()?.elements(len))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(self.deeper()?.elements(fields.len()))
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_enum(self)
    }
}

/// The elements of a sequence or the entries of a map.
struct Elements<'a, 'de> {
    reader: Reader<'a, 'de>,
    left: usize,
}

impl<'de> Elements<'_, 'de> {
    /// Reads the next one, if there is one.
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if self.reader.width != 0 {
            return self.fixed(seed).map(Some);
        }
        self.one(seed).map(Some)
    }

    #[inline]
    fn one<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        seed.deserialize(Reader {
            input: self.reader.input,
            depth: self.reader.depth,
            width: self.reader.width,
        })
    }

    /// Reads an element of a sequence that says how wide each is.
    #[cold]
    fn fixed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        let before = self.reader.input.left()?;
        let value = self.one(seed)?;
        match before - self.reader.input.left()? {
            read if read == usize::from(self.reader.width) => Ok(value),
            _ => Err(Problem::new("its elements are no numbers")),
        }
    }

    /// Returns how many are left, unless there cannot be so many.
    #[inline]
    fn hint(&self) -> Option<usize> {
        (self.left <= self.reader.input.len).then_some(self.left)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Problem;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        self.next(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Problem;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        self.one(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> EnumAccess<'de> for Reader<'_, 'de> {
    type Error = Problem;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<(S::Value, Self), Problem> {
        let index: U32Deserializer<Problem> = self.leaf::<u32>()?.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_, 'de> {
    type Error = Problem;

    #[inline]
    fn unit_variant(self) -> Result<(), Problem> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Problem> {
        seed.deserialize(self.deeper_if_room()?)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_seq(self.deeper_if_room()?.elements(len))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(self.deeper_if_room()?.elements(fields.len()))
    }
}

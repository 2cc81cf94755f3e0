//! Values out of postcard's bytes.

use crate::bulk::{self, Head};
use crate::depth::{Depth, Stack};
use crate::problem::Problem;
use crate::varint;
use postcard::Error::{DeserializeBadUtf8 as NOT_UTF_8, DeserializeUnexpectedEnd as END};
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, Deserializer};

/// Reads a value of postcard's form, and takes it off `bytes`.
#[inline]
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &mut &'de [u8]) -> Result<T, Problem> {
    let mut input = Input {
        rest: bytes,
        len: bytes.len(),
        stack: Stack::here(),
    };
    let value = T::deserialize(Reader {
        input: &mut input,
        depth: Depth::WHOLE,
    });
    *bytes = input.rest;
    value
}

/// What all levels of a value are read from.
struct Input<'de> {
    rest: &'de [u8],
    /// How many bytes there are, those that were read included.
    len: usize,
    stack: Stack,
}

/// Reads what is seldom with postcard and the rest as postcard would, keeps the words of the values'
/// errors, and counts their levels.
struct Reader<'a, 'de> {
    input: &'a mut Input<'de>,
    depth: Depth,
}

impl<'a, 'de> Reader<'a, 'de> {
    /// Has postcard read something that has no value of the user's inside.
    #[inline]
    fn leaf<T: Deserialize<'de>>(&mut self) -> Result<T, Problem> {
        let (leaf, rest) = postcard::take_from_bytes(self.input.rest)?;
        self.input.rest = rest;
        Ok(leaf)
    }

    #[inline]
    fn unsigned<T: TryFrom<u64>>(&mut self) -> Result<T, Problem> {
        Ok(varint::take(&mut self.input.rest)?)
    }

    #[inline]
    fn signed<T: TryFrom<i64>>(&mut self) -> Result<T, Problem> {
        Ok(varint::take_signed(&mut self.input.rest)?)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (array, behind) = self.input.rest.split_first_chunk().ok_or(END)?;
        self.input.rest = behind;
        Ok(*array)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    #[inline]
    fn signed_byte(&mut self) -> Result<i8, Problem> {
        Ok(i8::from_le_bytes(self.array()?))
    }

    #[inline]
    fn float(&mut self) -> Result<f32, Problem> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    #[inline]
    fn double(&mut self) -> Result<f64, Problem> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Reads one of two things; anything else is `neither`.
    #[inline]
    fn flag(&mut self, neither: postcard::Error) -> Result<bool, Problem> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(neither.into()),
        }
    }

    #[inline]
    fn bool(&mut self) -> Result<bool, Problem> {
        self.flag(postcard::Error::DeserializeBadBool)
    }

    /// Reads a length, and as many bytes.
    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], Problem> {
        let len = self.unsigned()?;
        let (bytes, behind) = self.input.rest.split_at_checked(len).ok_or(END)?;
        self.input.rest = behind;
        Ok(bytes)
    }

    #[inline]
    fn string(&mut self) -> Result<&'de str, Problem> {
        Ok(str::from_utf8(self.bytes()?).map_err(|_| NOT_UTF_8)?)
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
        Elements { reader: self, left }
    }
}

macro_rules! leaves {
    ($($method:ident $visit:ident $read:ident)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
            let leaf = self.$read()?;
            visitor.$visit(leaf)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Problem;

    leaves! {
        deserialize_bool visit_bool bool
        deserialize_char visit_char leaf
        deserialize_i8 visit_i8 signed_byte
        deserialize_i16 visit_i16 signed
        deserialize_i32 visit_i32 signed
        deserialize_i64 visit_i64 signed
        deserialize_i128 visit_i128 leaf
        deserialize_u8 visit_u8 byte
        deserialize_u16 visit_u16 unsigned
        deserialize_u32 visit_u32 unsigned
        deserialize_u64 visit_u64 unsigned
        deserialize_u128 visit_u128 leaf
        deserialize_f32 visit_f32 float
        deserialize_f64 visit_f64 double
        deserialize_str visit_borrowed_str string
        deserialize_string visit_borrowed_str string
        deserialize_bytes visit_borrowed_bytes bytes
        deserialize_byte_buf visit_borrowed_bytes bytes
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
        if self.flag(postcard::Error::DeserializeBadOption)? {
            return visitor.visit_some(self.deeper_if_room()?);
        }
        visitor.visit_none()
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
        let head = Head::of_number(self.unsigned()?);
        let inside = self.deeper_if_room()?;
        if bulk::is_read::<V>() {
            return bulk::read::<V>(head, &mut inside.input.rest);
        }
        if head.is_fixed {
            return bulk::visit(head.len, &mut inside.input.rest, visitor);
        }
        visitor.visit_seq(inside.elements(head.len))
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
        let len = self.unsigned()?;
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
        self.one(seed).map(Some)
    }

    #[inline]
    fn one<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        seed.deserialize(Reader {
            input: self.reader.input,
            depth: self.reader.depth,
        })
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
        let index: U32Deserializer<Problem> = self.unsigned::<u32>()?.into_deserializer();
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

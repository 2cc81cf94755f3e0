//! Values out of postcard's bytes.

use crate::depth::{Depth, Stack};
use crate::problem::Problem;
use postcard::Deserializer as Postcard;
use postcard::de_flavors::Slice;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, Deserializer};

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

/// Has postcard read, keeps the words of the values' errors, and counts their levels.
struct Reader<'a, 'de> {
    input: &'a mut Input<'de>,
    depth: Depth,
}

impl<'a, 'de> Reader<'a, 'de> {
    /// Reads something that has no value of the user's inside.
    #[inline]
    fn leaf<T: Deserialize<'de>>(&mut self) -> Result<T, Problem> {
        Ok(T::deserialize(&mut self.input.postcard)?)
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

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Problem;

    leaves! {
        deserialize_bool visit_bool
        deserialize_char visit_char
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_i128 visit_i128
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_u128 visit_u128
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
        let len = self.leaf()?;
        visitor.visit_seq(self.deeper_if_room()?.elements(len))
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

//! Reading values that say what they are.

use super::{MAX_DESCRIBED, Tag};
use crate::depth::{Depth, Stack};
use crate::problem::Problem;
use serde::de::value::{BorrowedStrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeSeed, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use std::marker::PhantomData;

/// Reads a described value, and takes it off `bytes`.
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &mut &'de [u8]) -> Result<T, Problem> {
    let (shapes, rest) = postcard::take_from_bytes(bytes)?;
    let mut input = Input {
        rest,
        run: 0,
        shapes,
        stack: Stack::here(),
    };
    let value = Reader {
        input: &mut input,
        depth: Depth::WHOLE,
    }
    .whole(PhantomData)?;
    match input.run {
        0 => {
            *bytes = input.rest;
            Ok(value)
        }
        _ => Err(Problem::new("a run of bytes goes on after the value")),
    }
}

/// What all levels of a value are read from.
struct Input<'de> {
    rest: &'de [u8],
    /// How many bytes are left of the run that is being read.
    run: u16,
    shapes: Vec<Vec<&'de str>>,
    stack: Stack,
}

impl<'de> Input<'de> {
    fn plain<T: Deserialize<'de>>(&mut self) -> Result<T, Problem> {
        let (value, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// Returns what comes next; a byte inside a run is a `U8`.
    fn peek(&self) -> Result<Tag, Problem> {
        if self.run > 0 {
            return Ok(Tag::Run);
        }
        let tag = self.rest.first().and_then(|&byte| Tag::of(byte));
        tag.ok_or_else(|| Problem::new("a tag is missing"))
    }

    /// Takes the tag of what comes next.
    fn tag(&mut self) -> Result<Tag, Problem> {
        let tag = self.peek()?;
        if self.run == 0 {
            self.rest = &self.rest[1..];
            if tag == Tag::Run {
                self.run = self.fixed()?;
            }
        }
        Ok(tag)
    }

    /// Takes a byte out of a run.
    fn byte(&mut self) -> Result<u8, Problem> {
        let left = self.run.checked_sub(1);
        self.run = left.ok_or_else(|| Problem::new("a run of bytes is empty"))?;
        self.plain()
    }

    /// Takes two bytes.
    fn fixed(&mut self) -> Result<u16, Problem> {
        Ok(u16::from_le_bytes(self.plain()?))
    }

    /// Takes the number of a shape.
    fn shape(&mut self) -> Result<usize, Problem> {
        let number = usize::from(self.fixed()?);
        if number < self.shapes.len() {
            return Ok(number);
        }
        Err(Problem::new("a struct has an unknown shape"))
    }

    /// Where it is, so that it can be seen whether something was read.
    fn place(&self) -> (usize, u16) {
        (self.rest.len(), self.run)
    }
}

/// Reads one value.
struct Reader<'a, 'de> {
    input: &'a mut Input<'de>,
    depth: Depth<MAX_DESCRIBED>,
}

impl<'de> Reader<'_, 'de> {
    fn deeper(self) -> Result<Self, Problem> {
        self.input.stack.check()?;
        let depth = self.depth.deeper()?;
        Ok(Self { depth, ..self })
    }

    fn again(&mut self) -> Reader<'_, 'de> {
        Reader {
            input: self.input,
            depth: self.depth,
        }
    }

    /// Reads a value, also for a type that is made of nothing and does not look at it.
    fn whole<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, Problem> {
        let before = self.input.place();
        let value = seed.deserialize(self.again())?;
        if self.input.place() == before {
            IgnoredAny::deserialize(self)?;
        }
        Ok(value)
    }

    fn sequence<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let mut inside = self.deeper()?;
        let value = visitor.visit_seq(Elements(inside.again()))?;
        inside.end()?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let mut inside = self.deeper()?;
        let value = visitor.visit_map(Elements(inside.again()))?;
        inside.end()?;
        Ok(value)
    }

    /// Reads the fields of a struct, for a reader that expects these `fields`, if they are known.
    fn fields<V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let shape = self.input.shape()?;
        let names = &self.input.shapes[shape];
        // A type that has different names for writing and for reading is read by position.
        let by_position = fields.is_some_and(|fields| {
            names == fields
                || names.len() == fields.len() && !names.iter().any(|name| fields.contains(name))
        });
        let len = names.len();
        let mut inside = self.deeper()?;
        let mut left = Fields {
            reader: inside.again(),
            shape,
            next: 0,
        };
        let value = if by_position {
            visitor.visit_seq(&mut left)?
        } else {
            visitor.visit_map(&mut left)?
        };
        if left.next == len {
            return Ok(value);
        }
        Err(Problem::new("not all fields of a struct were read"))
    }

    fn end(&mut self) -> Result<(), Problem> {
        match self.input.tag()? {
            Tag::End => Ok(()),
            _ => Err(Problem::new("it has more elements than are expected")),
        }
    }

    fn leaf<V: Visitor<'de>>(self, tag: Tag, visitor: V) -> Result<V::Value, Problem> {
        let input = self.input;
        match tag {
            Tag::Bool => visitor.visit_bool(input.plain()?),
            Tag::I8 => visitor.visit_i8(input.plain()?),
            Tag::I16 => visitor.visit_i16(input.plain()?),
            Tag::I32 => visitor.visit_i32(input.plain()?),
            Tag::I64 => visitor.visit_i64(input.plain()?),
            Tag::Run => visitor.visit_u8(input.byte()?),
            Tag::U8 => visitor.visit_u8(input.plain()?),
            Tag::U16 => visitor.visit_u16(input.plain()?),
            Tag::U32 => visitor.visit_u32(input.plain()?),
            Tag::U64 => visitor.visit_u64(input.plain()?),
            Tag::F32 => visitor.visit_f32(input.plain()?),
            Tag::F64 => visitor.visit_f64(input.plain()?),
            Tag::Char => visitor.visit_char(input.plain()?),
            Tag::Str => visitor.visit_borrowed_str(input.plain()?),
            Tag::Bytes => visitor.visit_borrowed_bytes(input.plain()?),
            Tag::None => visitor.visit_none(),
            Tag::Unit => visitor.visit_unit(),
            _ => Err(Problem::new("a value ends before it begins")),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Problem;

    fn is_human_readable(&self) -> bool {
        true
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.input.tag()? {
            Tag::I128 => visit_wide(self.input.plain()?, visitor),
            Tag::U128 => {
                let value: u128 = self.input.plain()?;
                match value.try_into() {
                    Ok(value) => visit_wide(value, visitor),
                    Err(_) => visitor.visit_u128(value),
                }
            }
            Tag::Some => visitor.visit_some(self.deeper()?),
            Tag::Sequence => self.sequence(visitor),
            Tag::Map => self.map(visitor),
            Tag::Struct => self.fields(None, visitor),
            Tag::UnitVariant => {
                let (_, variant): (u32, &'de str) = self.input.plain()?;
                visitor.visit_borrowed_str(variant)
            }
            Tag::Variant => {
                let (_, variant): (u32, &'de str) = self.input.plain()?;
                visitor.visit_map(Single {
                    reader: self.deeper()?,
                    variant: Some(variant),
                })
            }
            leaf => self.leaf(leaf, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.input.peek()? {
            Tag::None | Tag::Some | Tag::Unit => self.deserialize_any(visitor),
            _ => visitor.visit_some(self.deeper()?),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if self.input.peek()? != Tag::Struct {
            return self.deserialize_any(visitor);
        }
        self.input.tag()?;
        self.fields(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let tag = self.input.tag()?;
        let (index, name) = match tag {
            Tag::UnitVariant | Tag::Variant => self.input.plain()?,
            // A `Serialize` of another kind wrote a text.
            Tag::Str => (0, self.input.plain()?),
            other => return Err(unexpected(other)),
        };
        visitor.visit_enum(Variant {
            reader: self.deeper()?,
            has_content: tag == Tag::Variant,
            name,
            index: (tag != Tag::Str && !variants.contains(&name)).then_some(index),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_any(visitor)
    }
}

/// Gives a number in as few bits as it needs: serde's buffers have no room for 128.
fn visit_wide<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Problem> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => visitor.visit_i64(value),
        (_, Ok(value)) => visitor.visit_u64(value),
        _ => visitor.visit_i128(value),
    }
}

fn unexpected(tag: Tag) -> Problem {
    let found = format!("a value of the kind {tag:?}");
    Problem::invalid_type(Unexpected::Other(&found), &"a variant of an enum")
}

/// The elements of a sequence, or the entries of a map, up to [`Tag::End`].
struct Elements<'a, 'de>(Reader<'a, 'de>);

impl<'de> Elements<'_, 'de> {
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        match self.0.input.peek()? {
            Tag::End => Ok(None),
            _ => self.0.again().whole(seed).map(Some),
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        self.next(seed)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        self.0.again().whole(seed)
    }
}

/// The fields of a struct.
struct Fields<'a, 'de> {
    reader: Reader<'a, 'de>,
    shape: usize,
    next: usize,
}

impl<'de> Fields<'_, 'de> {
    /// Returns the name of the next field, if there is one.
    fn name(&self) -> Option<&'de str> {
        self.reader.input.shapes[self.shape].get(self.next).copied()
    }

    fn value<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        self.next += 1;
        self.reader.again().whole(seed)
    }
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        match self.name() {
            None => Ok(None),
            Some(_) => self.value(seed).map(Some),
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        let name = self.name().map(BorrowedStrDeserializer::new);
        name.map(|name| seed.deserialize(name)).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        self.value(seed)
    }
}

/// A variant with what is in it, for a reader that expects a map.
struct Single<'a, 'de> {
    reader: Reader<'a, 'de>,
    variant: Option<&'de str>,
}

impl<'de> MapAccess<'de> for Single<'_, 'de> {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        let variant = self.variant.take().map(BorrowedStrDeserializer::new);
        variant.map(|name| seed.deserialize(name)).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        self.reader.again().whole(seed)
    }
}

/// A variant of an enum.
struct Variant<'a, 'de> {
    reader: Reader<'a, 'de>,
    has_content: bool,
    name: &'de str,
    /// Its number, if the reader's enum has no variant of that name: it has different names for
    /// writing and for reading.
    index: Option<u32>,
}

impl<'a, 'de> Variant<'a, 'de> {
    fn content(self) -> Result<Reader<'a, 'de>, Problem> {
        if self.has_content {
            return Ok(self.reader);
        }
        Err(Problem::new("a variant has nothing in it"))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Problem> {
        let variant = match self.index {
            None => {
                let name = BorrowedStrDeserializer::<Problem>::new(self.name);
                seed.deserialize(name)?
            }
            Some(index) => {
                let index: U32Deserializer<Problem> = index.into_deserializer();
                seed.deserialize(index)?
            }
        };
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        if self.has_content {
            // One that stands for all variants that its reader does not know.
            IgnoredAny::deserialize(self.reader)?;
        }
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Problem> {
        self.content()?.whole(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Problem> {
        self.content()?.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.content()?.deserialize_struct("", fields, visitor)
    }
}

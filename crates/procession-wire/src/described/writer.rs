//! Writing what a value is and what it holds.

use super::{MAX_DESCRIBED, Tag};
use crate::bulk;
use crate::depth::{MAX_DEPTH, too_deep};
use crate::familiar::mark;
use crate::form;
use crate::probe::Shape;
use crate::problem::Problem;
use crate::writer::Appending;
use postcard::Serializer as Postcard;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer, ser};
use std::collections::{BTreeMap, BTreeSet};

/// A value in the described form, and what became known on the way.
pub(crate) struct Description {
    bytes: Vec<u8>,
    shapes: Shapes,
    /// The structs and variants in it.
    pub(crate) containers: BTreeSet<Container>,
    /// The fields that were left out, by the addresses of their names.
    pub(crate) left_out: BTreeSet<usize>,
    /// Whether a sequence or a map did not say how long it is.
    pub(crate) is_open: bool,
    /// What a writer of postcard's bytes is to recognise the containers by.
    pub(crate) marks: BTreeSet<u64>,
}

/// A struct or a variant as its `Serialize` shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Container {
    Struct(&'static str, Vec<&'static str>),
    TupleStruct(&'static str, usize),
    Variant(&'static str, u32, &'static str),
    TupleVariant(&'static str, u32, usize),
    StructVariant(&'static str, u32, Vec<&'static str>),
}

/// Describes a value.
///
/// A value that has a compact form beside the one for humans is written as it is read, with the
/// readable one; the compact one shows what a writer of postcard's bytes would meet.
pub(crate) fn describe<T: Serialize + ?Sized>(
    value: &T,
    is_human_readable: bool,
) -> Result<Description, Problem> {
    let mut description = Description {
        bytes: Vec::new(),
        shapes: Shapes::default(),
        containers: BTreeSet::new(),
        left_out: BTreeSet::new(),
        is_open: false,
        marks: BTreeSet::new(),
    };
    value.serialize(Describer {
        to: &mut Output {
            description: &mut description,
            is_human_readable,
            run: 0..0,
            names: Vec::new(),
        },
        depth: 0,
    })?;
    Ok(description)
}

impl Description {
    /// Writes the shapes and the value behind `bytes`.
    pub(crate) fn append(&self, bytes: &mut Vec<u8>) -> Result<(), Problem> {
        let mut postcard = Postcard {
            output: Appending(bytes),
        };
        self.shapes.all.serialize(&mut postcard)?;
        bytes.extend_from_slice(&self.bytes);
        Ok(())
    }
}

impl Description {
    /// Names the kind of the value by what is in it and what is left out.
    pub(crate) fn kind<T: DeserializeOwned>(&self) -> form::Kind {
        let left_out = self.left_out.iter().map(|&at| at as u64);
        form::kind_of::<T>(self.marks.iter().copied().chain(left_out))
    }

    /// Returns whether the value is not written as it is read, so that it is to be seen whether
    /// what is left out has a default.
    pub(crate) fn may_lack_something(&self, shape: &Shape) -> bool {
        let mut containers = self.containers.iter();
        !self.left_out.is_empty() || containers.any(|container| shape.contradicts(container))
    }
}

/// The names of the fields of each kind of struct, in the order in which they are written.
#[derive(Default)]
struct Shapes {
    all: Vec<Vec<&'static str>>,
    numbers: BTreeMap<Vec<&'static str>, u16>,
}

impl Shapes {
    fn number(&mut self, names: &[&'static str]) -> Result<u16, Problem> {
        if let Some(&number) = self.numbers.get(names) {
            return Ok(number);
        }
        let number = u16::try_from(self.all.len());
        let number = number.map_err(|_| Problem::new("it has structs with too many shapes"))?;
        self.all.push(names.to_vec());
        self.numbers.insert(names.to_vec(), number);
        Ok(number)
    }
}

/// What all levels of a value are written to.
struct Output<'a> {
    description: &'a mut Description,
    is_human_readable: bool,
    /// Where the last run of bytes is; it can go on if it is the last thing that was written.
    run: std::ops::Range<usize>,
    /// The names of the fields of the structs that are being written.
    names: Vec<&'static str>,
}

impl Output<'_> {
    fn tag(&mut self, tag: Tag) {
        self.description.bytes.push(tag as u8);
    }

    fn leaf(&mut self, tag: Tag, value: impl Serialize) -> Result<(), Problem> {
        self.tag(tag);
        self.plain(value)
    }

    /// Writes something without a tag.
    fn plain(&mut self, value: impl Serialize) -> Result<(), Problem> {
        let mut postcard = Postcard {
            output: Appending(&mut self.description.bytes),
        };
        Ok(value.serialize(&mut postcard)?)
    }

    /// Writes a byte, which most often is one of many.
    fn byte(&mut self, byte: u8) {
        let bytes = &mut self.description.bytes;
        let count = self.run.len().saturating_sub(RUN_HEAD);
        if self.run.end != bytes.len() || count == usize::from(u16::MAX) || count == 0 {
            let start = bytes.len();
            bytes.extend([Tag::Run as u8, 1, 0, byte]);
            self.run = start..bytes.len();
            return;
        }
        bytes.push(byte);
        self.run.end = bytes.len();
        let count = (count as u16 + 1).to_le_bytes();
        bytes[self.run.start + 1..self.run.start + RUN_HEAD].copy_from_slice(&count);
    }

    fn mark(&mut self, mark: u64) {
        self.description.marks.insert(mark);
    }

    fn note(&mut self, container: Container) {
        self.description.containers.insert(container);
    }

    fn variant(
        &mut self,
        tag: Tag,
        index: u32,
        (name, variant): (&'static str, &'static str),
    ) -> Result<(), Problem> {
        self.note(Container::Variant(name, index, variant));
        self.tag(tag);
        self.plain((index, variant))
    }
}

/// A tag and two bytes.
const RUN_HEAD: usize = 3;

/// Writes one value.
struct Describer<'a, 'b> {
    to: &'a mut Output<'b>,
    /// How many levels it is down.
    depth: u32,
}

impl<'a, 'b> Describer<'a, 'b> {
    fn deeper(self) -> Result<Self, Problem> {
        let max = if self.to.is_human_readable {
            MAX_DESCRIBED
        } else {
            MAX_DEPTH
        };
        if self.depth == max {
            return Err(too_deep(max));
        }
        let depth = self.depth + 1;
        Ok(Self { depth, ..self })
    }

    /// Begins a sequence or a map.
    fn open(self, tag: Tag) -> Result<Open<'a, 'b>, Problem> {
        let inside = self.deeper()?;
        inside.to.tag(tag);
        Ok(Open {
            inside,
            tuple: None,
        })
    }

    /// Begins a tuple that has a name.
    fn tuple(self, tuple: Tuple) -> Result<Open<'a, 'b>, Problem> {
        let open = self.open(Tag::Sequence)?;
        Ok(Open {
            tuple: Some((tuple, 0)),
            ..open
        })
    }

    /// Begins a struct, or a variant that looks like one.
    fn fields(self, name: &'static str, variant: Option<u32>) -> Result<Fields<'a, 'b>, Problem> {
        let inside = self.deeper()?;
        inside.to.tag(Tag::Struct);
        let shape_at = inside.to.description.bytes.len();
        inside.to.description.bytes.extend([0; 2]);
        let names_at = inside.to.names.len();
        Ok(Fields {
            inside,
            name,
            variant,
            shape_at,
            names_at,
        })
    }
}

macro_rules! leaves {
    ($($method:ident($ty:ty) $tag:ident)*) => {
        $(fn $method(self, value: $ty) -> Result<(), Problem> {
            self.to.leaf(Tag::$tag, value)
        })*
    };
}

impl<'a, 'b> Serializer for Describer<'a, 'b> {
    type Ok = ();
    type Error = Problem;
    type SerializeSeq = Open<'a, 'b>;
    type SerializeTuple = Open<'a, 'b>;
    type SerializeTupleStruct = Open<'a, 'b>;
    type SerializeTupleVariant = Open<'a, 'b>;
    type SerializeMap = Open<'a, 'b>;
    type SerializeStruct = Fields<'a, 'b>;
    type SerializeStructVariant = Fields<'a, 'b>;

    leaves! {
        serialize_bool(bool) Bool serialize_char(char) Char serialize_str(&str) Str
        serialize_i8(i8) I8 serialize_i16(i16) I16 serialize_i32(i32) I32 serialize_i64(i64) I64
        serialize_i128(i128) I128 serialize_u16(u16) U16 serialize_u32(u32) U32
        serialize_u64(u64) U64 serialize_u128(u128) U128 serialize_f32(f32) F32
        serialize_f64(f64) F64
    }

    fn is_human_readable(&self) -> bool {
        self.to.is_human_readable
    }

    fn serialize_u8(self, value: u8) -> Result<(), Problem> {
        self.to.byte(value);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Problem> {
        self.to.tag(Tag::Bytes);
        self.to.plain(bytes.len())?;
        self.to.description.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Problem> {
        self.to.tag(Tag::None);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        self.to.tag(Tag::Some);
        value.serialize(self.deeper()?)
    }

    fn serialize_unit(self) -> Result<(), Problem> {
        self.to.tag(Tag::Unit);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Problem> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<(), Problem> {
        self.to.mark(mark::variant(variant, index, 0));
        self.to.variant(Tag::UnitVariant, index, (name, variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        value.serialize(self.deeper()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        self.to.mark(mark::variant(variant, index, 0));
        self.to.variant(Tag::Variant, index, (name, variant))?;
        value.serialize(self.deeper()?)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Open<'a, 'b>, Problem> {
        self.to.description.is_open |= len.is_none();
        self.open(Tag::Sequence)
    }

    fn collect_seq<I>(self, elements: I) -> Result<(), Problem>
    where
        I: IntoIterator<Item: Serialize>,
    {
        // What is compact is only looked at, and there is nothing to see in numbers.
        if !self.to.is_human_readable && bulk::is_known(&elements) {
            return self.deeper().map(drop);
        }
        let mut elements = elements.into_iter();
        let (least, most) = elements.size_hint();
        let len = most.filter(|&most| most == least);
        let mut open = self.serialize_seq(len)?;
        elements.try_for_each(|element| open.one(&element))?;
        open.close();
        Ok(())
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'a, 'b>, Problem> {
        self.open(Tag::Sequence)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Open<'a, 'b>, Problem> {
        self.tuple(Tuple::Struct(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Open<'a, 'b>, Problem> {
        self.to.mark(mark::variant(variant, index, len));
        self.to.variant(Tag::Variant, index, (name, variant))?;
        self.tuple(Tuple::Variant(name, index))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Open<'a, 'b>, Problem> {
        self.to.description.is_open |= len.is_none();
        self.open(Tag::Map)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Fields<'a, 'b>, Problem> {
        self.to.mark(mark::of(name, len));
        self.fields(name, None)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Fields<'a, 'b>, Problem> {
        self.to.mark(mark::variant(variant, index, len));
        self.to.variant(Tag::Variant, index, (name, variant))?;
        self.fields(name, Some(index))
    }
}

/// A tuple that has a name.
enum Tuple {
    Struct(&'static str),
    Variant(&'static str, u32),
}

/// A sequence, a tuple or a map that is being written.
pub(super) struct Open<'a, 'b> {
    inside: Describer<'a, 'b>,
    /// What it is and how many elements it has so far, if it has a name.
    tuple: Option<(Tuple, usize)>,
}

impl Open<'_, '_> {
    fn one<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        if let Some((_, count)) = &mut self.tuple {
            *count += 1;
        }
        value.serialize(Describer {
            to: self.inside.to,
            depth: self.inside.depth,
        })
    }

    fn close(self) {
        self.inside.to.tag(Tag::End);
        match self.tuple {
            None => {}
            Some((Tuple::Struct(name), len)) => {
                self.inside.to.note(Container::TupleStruct(name, len));
            }
            Some((Tuple::Variant(name, index), len)) => {
                let container = Container::TupleVariant(name, index, len);
                self.inside.to.note(container);
            }
        }
    }
}

macro_rules! open {
    ($($kind:ident $($method:ident)*;)*) => {
        $(impl ser::$kind for Open<'_, '_> {
            type Ok = ();
            type Error = Problem;

            $(fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
                self.one(value)
            })*

            fn end(self) -> Result<(), Problem> {
                self.close();
                Ok(())
            }
        })*
    };
}

open! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
    SerializeMap serialize_key serialize_value;
}

/// A struct that is being written.
pub(super) struct Fields<'a, 'b> {
    inside: Describer<'a, 'b>,
    name: &'static str,
    /// The index of the variant, if it is one.
    variant: Option<u32>,
    /// Where the number of its shape goes, once that is known.
    shape_at: usize,
    /// Where its names begin.
    names_at: usize,
}

impl Fields<'_, '_> {
    fn one<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Problem> {
        self.inside.to.names.push(name);
        value.serialize(Describer {
            to: self.inside.to,
            depth: self.inside.depth,
        })
    }

    fn leave_out(&mut self, name: &'static str) {
        let left_out = &mut self.inside.to.description.left_out;
        left_out.insert(name.as_ptr().addr());
    }

    fn close(self) -> Result<(), Problem> {
        let to = self.inside.to;
        let names = to.names.split_off(self.names_at);
        let number = to.description.shapes.number(&names)?.to_le_bytes();
        to.description.bytes[self.shape_at..self.shape_at + 2].copy_from_slice(&number);
        to.note(match self.variant {
            None => Container::Struct(self.name, names),
            Some(index) => Container::StructVariant(self.name, index, names),
        });
        Ok(())
    }
}

macro_rules! fields {
    ($($kind:ident)*) => {
        $(impl ser::$kind for Fields<'_, '_> {
            type Ok = ();
            type Error = Problem;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Problem> {
                self.one(name, value)
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), Problem> {
                self.leave_out(name);
                Ok(())
            }

            fn end(self) -> Result<(), Problem> {
                self.close()
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

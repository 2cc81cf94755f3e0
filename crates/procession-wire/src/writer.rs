//! Values as postcard's bytes.

use crate::buffer;
use crate::bulk::{self, Head};
use crate::depth::Depth;
use crate::familiar::{is_familiar, mark};
use crate::problem::Problem;
use crate::varint;
use postcard::Serializer as Postcard;
use postcard::ser_flavors::Flavor;
use serde::{Serialize, Serializer, ser};
use std::fmt::Display;

/// Writes a value in postcard's form, behind what is in `bytes`.
///
/// # Errors
///
/// What the value says, or [`Unwritten::Unfamiliar`] if it is not known that it could be read.
#[inline]
pub(crate) fn write<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), Unwritten> {
    let mut output = Output {
        bytes,
        is_unfamiliar: false,
    };
    let written = value.serialize(Writer {
        output: &mut output,
        depth: Depth::WHOLE,
    });
    written.map_err(|problem| {
        if output.is_unfamiliar {
            return Unwritten::Unfamiliar;
        }
        Unwritten::Problem(problem)
    })
}

/// Strings and bytes from this length on have memory that is kept, where there is any.
const LONG: usize = 4 << 10;

/// Why a value was not written, or not to its end.
pub(crate) enum Unwritten {
    Problem(Problem),
    /// It has something in it of which it is not known whether it is read as it is written.
    Unfamiliar,
}

/// What all levels of a value are written to.
struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    is_unfamiliar: bool,
}

impl Output<'_> {
    #[inline]
    fn postcard(&mut self) -> Postcard<Appending<'_>> {
        Postcard {
            output: Appending(self.bytes),
        }
    }

    /// Checks that a container is known to be read as it is written.
    #[inline]
    fn check(&mut self, mark: u64) -> Result<(), Problem> {
        if is_familiar(mark) {
            return Ok(());
        }
        Err(self.unfamiliar())
    }

    #[cold]
    fn unfamiliar(&mut self) -> Problem {
        self.is_unfamiliar = true;
        Problem::new("it is not known whether it is read as it is written")
    }
}

/// Writes what is seldom with postcard and the rest as postcard would, keeps the words of the value's
/// errors, and counts its levels.
struct Writer<'a, 'b> {
    output: &'a mut Output<'b>,
    depth: Depth,
}

impl Writer<'_, '_> {
    /// Goes one level further down.
    #[inline]
    fn deeper(self) -> Result<Self, Problem> {
        let depth = self.depth.deeper()?;
        Ok(Self { depth, ..self })
    }

    /// Writes a value that stands beside others.
    #[inline]
    fn one<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        value.serialize(Writer {
            output: self.output,
            depth: self.depth,
        })
    }

    /// Begins a struct, or a tuple with a name.
    #[inline]
    fn named(self, name: &'static str, len: usize) -> Result<Self, Problem> {
        self.output.check(mark::of(name, len))?;
        self.deeper()
    }

    /// Writes which variant it is.
    #[inline]
    fn variant(&mut self, index: u32, name: &'static str, len: usize) -> Result<(), Problem> {
        self.output.check(mark::variant(name, index, len))?;
        varint::append(index.into(), self.output.bytes);
        Ok(())
    }
}

/// Postcard's form of these is its own affair.
macro_rules! leaves {
    ($($method:ident($ty:ty))*) => {
        $(#[inline]
        fn $method(self, value: $ty) -> Result<(), Problem> {
            Ok(self.output.postcard().$method(value)?)
        })*
    };
}

/// Numbers as they are, the least byte first.
macro_rules! raw {
    ($($method:ident($ty:ty))*) => {
        $(#[inline]
        fn $method(self, value: $ty) -> Result<(), Problem> {
            self.output.bytes.extend_from_slice(&value.to_le_bytes());
            Ok(())
        })*
    };
}

/// These are most of what there is.
macro_rules! integers {
    ($($method:ident($ty:ty) $append:ident)*) => {
        $(#[inline]
        fn $method(self, value: $ty) -> Result<(), Problem> {
            varint::$append(value.into(), self.output.bytes);
            Ok(())
        })*
    };
}

impl Serializer for Writer<'_, '_> {
    type Ok = ();
    type Error = Problem;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    leaves! {
        serialize_char(char) serialize_i128(i128) serialize_u128(u128)
    }

    integers! {
        serialize_i16(i16) append_signed serialize_i32(i32) append_signed
        serialize_i64(i64) append_signed serialize_u16(u16) append
        serialize_u32(u32) append serialize_u64(u64) append
    }

    raw! {
        serialize_i8(i8) serialize_u8(u8) serialize_f32(f32) serialize_f64(f64)
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Problem> {
        self.serialize_u8(value.into())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Problem> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Problem> {
        let bytes = &mut *self.output.bytes;
        if value.len() >= LONG {
            buffer::make_room(bytes, value.len() + 16);
        }
        varint::append(value.len() as u64, bytes);
        bytes.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Problem> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        self.output.bytes.push(1);
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Problem> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Problem> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        mut self,
        _: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<(), Problem> {
        self.variant(index, variant, 0)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        self.variant(index, variant, 0)?;
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Problem> {
        let Some(len) = len else {
            return Err(self.output.unfamiliar());
        };
        let head = Head {
            len,
            is_fixed: false,
        };
        let too_many = || Problem::new("it has too many elements");
        let head = head.to_number().ok_or_else(too_many)?;
        varint::append(head, self.output.bytes);
        self.deeper()
    }

    #[inline]
    fn collect_seq<I>(self, elements: I) -> Result<(), Problem>
    where
        I: IntoIterator<Item: Serialize>,
    {
        if bulk::write(&elements, self.output.bytes) {
            return self.deeper().map(drop);
        }
        let mut elements = elements.into_iter();
        let (least, most) = elements.size_hint();
        let len = most.filter(|&most| most == least);
        let mut sequence = self.serialize_seq(len)?;
        elements.try_for_each(|element| sequence.one(&element))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Problem> {
        self.deeper()
    }

    #[inline]
    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self, Problem> {
        self.named(name, len)
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self, Problem> {
        self.variant(index, variant, len)?;
        self.deeper()
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self, Problem> {
        let Some(len) = len else {
            return Err(self.output.unfamiliar());
        };
        varint::append(len as u64, self.output.bytes);
        self.deeper()
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self, Problem> {
        self.named(name, len)
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self, Problem> {
        self.variant(index, variant, len)?;
        self.deeper()
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Problem> {
        Ok(self.output.postcard().collect_str(value)?)
    }
}

/// One value after the other, then one level up.
macro_rules! compounds {
    ($($kind:ident $method:ident($($name:ident: $ty:ty)?) $($skip:ident)?;)*) => {
        $(impl ser::$kind for Writer<'_, '_> {
            type Ok = ();
            type Error = Problem;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Result<(), Problem> {
                self.one(value)
            }

            $(fn $skip(&mut self, _: &'static str) -> Result<(), Problem> {
                Err(self.output.unfamiliar())
            })?

            #[inline]
            fn end(self) -> Result<(), Problem> {
                Ok(())
            }
        })*
    };
}

compounds! {
    SerializeSeq serialize_element();
    SerializeTuple serialize_element();
    SerializeTupleStruct serialize_field();
    SerializeTupleVariant serialize_field();
    SerializeStruct serialize_field(_name: &'static str) skip_field;
    SerializeStructVariant serialize_field(_name: &'static str) skip_field;
}

impl ser::SerializeMap for Writer<'_, '_> {
    type Ok = ();
    type Error = Problem;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Problem> {
        self.one(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        self.one(value)
    }

    #[inline]
    fn end(self) -> Result<(), Problem> {
        Ok(())
    }
}

/// Where postcard writes: behind what is there.
pub(crate) struct Appending<'a>(pub(crate) &'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes {
            // A small number; a call to copy it would cost more than it.
            &[byte] => self.0.push(byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

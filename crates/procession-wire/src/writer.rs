//! Values as postcard's bytes.

use crate::depth::Depth;
use crate::problem::Problem;
use postcard::Serializer as Postcard;
use postcard::ser_flavors::Flavor;
use serde::{Serialize, Serializer, ser};
use std::fmt::Display;

/// Writes a value with postcard, behind what is in `bytes`.
#[inline]
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), Problem> {
    let output = Appending(bytes);
    value.serialize(Writer {
        postcard: &mut Postcard { output },
        depth: Depth::WHOLE,
    })
}

/// Has postcard write, keeps the words of the value's errors, and counts its levels.
struct Writer<'a, 'b> {
    postcard: &'a mut Postcard<Appending<'b>>,
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
            postcard: self.postcard,
            depth: self.depth,
        })
    }

    /// Writes which variant it is.
    #[inline]
    fn variant(&mut self, index: u32) -> Result<(), Problem> {
        Ok(self.postcard.serialize_unit_variant("", index, "")?)
    }
}

/// Postcard's form of these is its own affair.
macro_rules! leaves {
    ($($method:ident($ty:ty))*) => {
        $(#[inline]
        fn $method(self, value: $ty) -> Result<(), Problem> {
            Ok(self.postcard.$method(value)?)
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
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32)
        serialize_u64(u64) serialize_u128(u128) serialize_f32(f32) serialize_f64(f64)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Problem> {
        Ok(self.postcard.serialize_none()?)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        self.postcard.serialize_some(&())?;
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
        _: &'static str,
    ) -> Result<(), Problem> {
        self.variant(index)
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
        _: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        self.variant(index)?;
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Problem> {
        self.postcard.serialize_seq(len)?;
        self.deeper()
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Problem> {
        self.deeper()
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Problem> {
        self.deeper()
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Problem> {
        self.variant(index)?;
        self.deeper()
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self, Problem> {
        self.postcard.serialize_map(len)?;
        self.deeper()
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Problem> {
        self.deeper()
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Problem> {
        self.variant(index)?;
        self.deeper()
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Problem> {
        Ok(self.postcard.collect_str(value)?)
    }
}

/// One value after the other, then one level up.
macro_rules! compounds {
    ($($kind:ident $method:ident($($name:ident: $ty:ty)?);)*) => {
        $(impl ser::$kind for Writer<'_, '_> {
            type Ok = ();
            type Error = Problem;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Result<(), Problem> {
                self.one(value)
            }

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
    SerializeStruct serialize_field(_name: &'static str);
    SerializeStructVariant serialize_field(_name: &'static str);
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
struct Appending<'a>(&'a mut Vec<u8>);

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

//! Numbers that all have one width, for a visitor that sees each of them.

use super::read::width;
use crate::problem::Problem;
use postcard::Error::DeserializeUnexpectedEnd as END;
use serde::Deserializer;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};

/// Shows a visitor the numbers of a sequence that says how wide they are, and takes them off `rest`.
#[cold]
pub(crate) fn visit<'de, V: Visitor<'de>>(
    len: usize,
    rest: &mut &'de [u8],
    visitor: V,
) -> Result<V::Value, Problem> {
    let width = width(len, rest)?;
    visitor.visit_seq(Numbers {
        rest,
        width,
        left: len,
    })
}

struct Numbers<'a, 'de> {
    rest: &'a mut &'de [u8],
    width: usize,
    left: usize,
}

impl<'de> SeqAccess<'de> for Numbers<'_, 'de> {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (number, behind) = self.rest.split_at_checked(self.width).ok_or(END)?;
        *self.rest = behind;
        let mut bytes = [0; 16];
        bytes[..self.width].copy_from_slice(number);
        let width = self.width as u32;
        seed.deserialize(Number { bytes, width }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // They are all there.
        Some(self.left)
    }
}

/// One of them: its bytes, the least first, and how many of them there are.
struct Number {
    bytes: [u8; 16],
    width: u32,
}

impl Number {
    fn unsigned<T: TryFrom<u128>>(&self) -> Result<T, Problem> {
        T::try_from(u128::from_le_bytes(self.bytes)).map_err(|_| too_large())
    }

    fn signed<T: TryFrom<i128>>(&self) -> Result<T, Problem> {
        let unused = 128 - 8 * self.width;
        let number = i128::from_le_bytes(self.bytes) << unused >> unused;
        T::try_from(number).map_err(|_| too_large())
    }
}

#[cold]
fn too_large() -> Problem {
    Problem::new("a number is larger than it may be")
}

macro_rules! integers {
    ($($method:ident $visit:ident $read:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            visitor.$visit(self.$read()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Number {
    type Error = Problem;

    integers! {
        deserialize_i8 visit_i8 signed
        deserialize_i16 visit_i16 signed
        deserialize_i32 visit_i32 signed
        deserialize_i64 visit_i64 signed
        deserialize_i128 visit_i128 signed
        deserialize_u8 visit_u8 unsigned
        deserialize_u16 visit_u16 unsigned
        deserialize_u32 visit_u32 unsigned
        deserialize_u64 visit_u64 unsigned
        deserialize_u128 visit_u128 unsigned
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Problem> {
        Err(Problem::new("its elements are no numbers"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

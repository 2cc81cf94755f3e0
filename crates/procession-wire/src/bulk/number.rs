//! The numbers, and how many of them are copied at once.

use crate::problem::Problem;
use procession_os::huge;
use procession_os::plain::Plain;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type whose sequences are treated as a whole.
pub(crate) trait Number: Plain + Serialize + DeserializeOwned {
    /// Whether postcard gives each of them the bytes that it has in memory.
    const IS_RAW: bool;

    /// Returns the least width that is enough for all: 1, 2, 4, 8 or 16.
    fn width(numbers: [&[Self]; 2]) -> usize;

    /// Appends numbers of a width that is enough for them.
    fn append(numbers: &[Self], width: usize, bytes: &mut Vec<u8>);

    /// Reads numbers, as many as there are in the bytes; the width is one of those above, and not more
    /// than the type's.
    fn read(bytes: &[u8], width: usize) -> Result<Vec<Self>, Problem>;
}

/// Calls a macro with all types.
macro_rules! numbers {
    ($then:ident) => {
        $then! { u8 i8 bool f64 f32 u16 u32 u64 usize u128 i16 i32 i64 isize i128 }
    };
}

pub(super) use numbers;

/// These have always their own width.
macro_rules! raw {
    ($($ty:ident)*) => {
        $(impl Number for $ty {
            const IS_RAW: bool = true;

            fn width(_: [&[Self]; 2]) -> usize {
                size_of::<Self>()
            }

            fn append(numbers: &[Self], _: usize, bytes: &mut Vec<u8>) {
                append_own(numbers, bytes, |number| number.to_le_bytes());
            }

            fn read(bytes: &[u8], _: usize) -> Result<Vec<Self>, Problem> {
                Ok(each(bytes, Self::from_le_bytes))
            }
        })*
    };
}

raw! { u8 i8 f32 f64 }

impl Number for bool {
    const IS_RAW: Self = true;

    fn width(_: [&[Self]; 2]) -> usize {
        1
    }

    fn append(numbers: &[Self], _: usize, bytes: &mut Vec<u8>) {
        append_own(numbers, bytes, |number| [u8::from(number)]);
    }

    fn read(bytes: &[u8], _: usize) -> Result<Vec<Self>, Problem> {
        // Together, which is one look for many of them.
        if bytes.iter().fold(0, |all, byte| all | byte) > 1 {
            return Err(postcard::Error::DeserializeBadBool.into());
        }
        Ok(each(bytes, |[byte]| byte != 0))
    }
}

/// Integers, with those types that are as wide as one of the widths.
macro_rules! integers {
    ($($(#[$lossless:meta])? $ty:ident as $($narrow:ident)*, $significant:expr;)*) => {
        $(impl Number for $ty {
            const IS_RAW: bool = false;

            fn width(numbers: [&[Self]; 2]) -> usize {
                let significant: fn($ty) -> $ty = $significant;
                let all = |part: &[Self]| part.iter().fold(0, |all, &number| all | significant(number));
                let all = all(numbers[0]) | all(numbers[1]);
                // A signed number needs a bit for its sign.
                let bits = Self::BITS - all.leading_zeros() + u32::from(Self::MIN != 0);
                bits.div_ceil(8).max(1).next_power_of_two() as usize
            }

            fn append(numbers: &[Self], width: usize, bytes: &mut Vec<u8>) {
                match width {
                    $(_ if width == size_of::<$narrow>() => {
                        append_narrow(numbers, bytes, |number| (number as $narrow).to_le_bytes());
                    })*
                    _ => append_own(numbers, bytes, |number| number.to_le_bytes()),
                }
            }

            $(#[$lossless])?
            fn read(bytes: &[u8], width: usize) -> Result<Vec<Self>, Problem> {
                Ok(match width {
                    $(_ if width == size_of::<$narrow>() => {
                        each(bytes, |bytes| $narrow::from_le_bytes(bytes) as Self)
                    })*
                    _ => each(bytes, Self::from_le_bytes),
                })
            }
        })*
    };
}

integers! {
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    u16 as u8, |number| number;
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    u32 as u8 u16, |number| number;
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    u64 as u8 u16 u32, |number| number;
    usize as u8 u16 u32, |number| number;
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    u128 as u8 u16 u32 u64, |number| number;
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    i16 as i8, |number| number ^ (number >> (i16::BITS - 1));
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    i32 as i8 i16, |number| number ^ (number >> (i32::BITS - 1));
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    i64 as i8 i16 i32, |number| number ^ (number >> (i64::BITS - 1));
    isize as i8 i16 i32, |number| number ^ (number >> (isize::BITS - 1));
    #[expect(clippy::cast_lossless, reason = "not from each type to each")]
    i128 as i8 i16 i32 i64, |number| number ^ (number >> (i128::BITS - 1));
}

/// Appends numbers as they are.
fn append_own<N: Number + bytemuck::NoUninit, const W: usize>(
    numbers: &[N],
    bytes: &mut Vec<u8>,
    to_bytes: impl Fn(N) -> [u8; W],
) {
    if cfg!(target_endian = "little") {
        bytes.extend_from_slice(bytemuck::cast_slice(numbers));
    } else {
        append_narrow(numbers, bytes, to_bytes);
    }
}

/// Appends numbers, each as `W` bytes.
fn append_narrow<N: Number, const W: usize>(
    numbers: &[N],
    bytes: &mut Vec<u8>,
    to_bytes: impl Fn(N) -> [u8; W],
) {
    let start = bytes.len();
    bytes.resize(start + numbers.len() * W, 0);
    let (places, _) = bytes[start..].as_chunks_mut();
    for (place, &number) in places.iter_mut().zip(numbers) {
        *place = to_bytes(number);
    }
}

/// Makes a number of each `W` bytes.
fn each<N, const W: usize>(bytes: &[u8], number: impl Fn([u8; W]) -> N) -> Vec<N> {
    let (chunks, _) = bytes.as_chunks();
    let mut numbers = Vec::with_capacity(chunks.len());
    huge::prefer(&numbers);
    numbers.extend(chunks.iter().map(|&chunk| number(chunk)));
    numbers
}

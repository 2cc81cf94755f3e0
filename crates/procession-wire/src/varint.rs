//! Integers in as many bytes as they need, as postcard writes them.
//!
//! Each byte has seven bits, the least first, and all but the last have the highest bit set as well. Most
//! numbers are small, and have one byte. Up to eight bytes are made, and taken apart, in one word.

use postcard::Error::{DeserializeBadVarint as BAD, DeserializeUnexpectedEnd as END};

/// What says of each byte that another one follows.
const MORE: u64 = 0x8080_8080_8080_8080;

/// The bits that have room in one word.
const IN_WORD: u64 = (1 << 56) - 1;

/// Appends a number.
#[inline]
pub(crate) fn append(number: u64, bytes: &mut Vec<u8>) {
    match number {
        0..0x80 => bytes.push(number as u8),
        _ => append_long(number, bytes),
    }
}

/// Appends a number that may be negative: the sign is the last bit, so that small ones remain short.
#[inline]
pub(crate) fn append_signed(number: i64, bytes: &mut Vec<u8>) {
    append((number << 1 ^ number >> 63) as u64, bytes);
}

/// Takes a number off `rest`.
#[inline]
pub(crate) fn take<T: TryFrom<u64>>(rest: &mut &[u8]) -> postcard::Result<T> {
    let number = match *rest {
        [byte @ 0..0x80, behind @ ..] => {
            *rest = behind;
            u64::from(*byte)
        }
        _ => take_long(rest)?,
    };
    T::try_from(number).map_err(|_| BAD)
}

/// Takes a number that may be negative off `rest`.
#[inline]
pub(crate) fn take_signed<T: TryFrom<i64>>(rest: &mut &[u8]) -> postcard::Result<T> {
    let number: u64 = take(rest)?;
    let number = (number >> 1) as i64 ^ -((number & 1) as i64);
    T::try_from(number).map_err(|_| BAD)
}

#[inline(never)]
fn append_long(number: u64, bytes: &mut Vec<u8>) {
    let word = spread(number & IN_WORD);
    let high = (number >> 56) as u8;
    if high == 0 {
        let len = number.ilog2() / 7 + 1;
        let more = MORE & ((1 << (8 * (len - 1))) - 1);
        let end = bytes.len() + len as usize;
        // A length that is known makes a copy without a call.
        bytes.extend_from_slice(&(word | more).to_le_bytes());
        bytes.truncate(end);
        return;
    }
    bytes.extend_from_slice(&(word | MORE).to_le_bytes());
    match high {
        0..0x80 => bytes.push(high),
        _ => bytes.extend_from_slice(&[high, 1]),
    }
}

#[inline(never)]
fn take_long(rest: &mut &[u8]) -> postcard::Result<u64> {
    let Some((word, behind)) = rest.split_first_chunk() else {
        return take_one_by_one(rest);
    };
    let word = u64::from_le_bytes(*word);
    let last = !word & MORE;
    if last != 0 {
        let len = last.trailing_zeros() / 8 + 1;
        *rest = &rest[len as usize..];
        // The bits up to the lowest one of `last`.
        return Ok(collect(word & (last ^ (last - 1))));
    }
    let (high, behind) = match *behind {
        [high @ 0..0x80, ref behind @ ..] | [high, 1, ref behind @ ..] => (high, behind),
        // One that is not the shortest.
        [high, 0, ref behind @ ..] => (high & 0x7f, behind),
        [] | [_] => return Err(END),
        _ => return Err(BAD),
    };
    *rest = behind;
    Ok(collect(word) | u64::from(high) << 56)
}

/// Where fewer than eight bytes are left.
fn take_one_by_one(rest: &mut &[u8]) -> postcard::Result<u64> {
    let mut number = 0;
    for (at, &byte) in rest.iter().enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *rest = &rest[at + 1..];
            return Ok(number);
        }
    }
    Err(END)
}

/// Gives each seven bits of 56 a byte.
fn spread(bits: u64) -> u64 {
    let halves = bits & 0x0fff_ffff | (bits & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1
}

/// Puts the lower seven bits of each byte together.
fn collect(word: u64) -> u64 {
    let quarters = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let halves = quarters & 0x0000_3fff_0000_3fff | (quarters & 0x3fff_0000_3fff_0000) >> 2;
    halves & 0x0fff_ffff | (halves & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of each length, and their neighbours.
    fn numbers() -> impl Iterator<Item = u64> {
        let powers = (0..64).map(|bit| 1_u64 << bit);
        let patterns = [0, u64::MAX, u64::MAX / 3, 0x0123_4567_89ab_cdef];
        let all = powers.chain(patterns);
        all.flat_map(|number| [number.wrapping_sub(1), number, number.wrapping_add(1)])
    }

    #[test]
    fn numbers_are_written_and_read_as_postcard_does() {
        for number in numbers() {
            let mut bytes = vec![9];
            append(number, &mut bytes);
            append_signed(number as i64, &mut bytes);
            let pair = (number, number as i64);
            let expected = postcard::to_stdvec(&pair).expect("numbers can be encoded");
            assert_eq!(bytes[1..], expected, "{number}");
            // With nothing, something and enough behind it.
            for more in 0..12 {
                bytes.truncate(1 + expected.len());
                bytes.resize(bytes.len() + more, 0xff);
                let mut rest = &bytes[1..];
                assert_eq!(take(&mut rest), Ok(number));
                assert_eq!(take_signed(&mut rest), Ok(number as i64));
                assert_eq!(rest.len(), more);
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_too_large_is_an_error() {
        for number in numbers() {
            let mut bytes = Vec::new();
            append(number, &mut bytes);
            for len in 0..bytes.len() {
                assert_eq!(take::<u64>(&mut &bytes[..len]), Err(END));
            }
            let small = take::<u16>(&mut &bytes[..]);
            assert_eq!(small.ok(), u16::try_from(number).ok());
            let signed = take_signed::<i8>(&mut &bytes[..]);
            let expected = postcard::from_bytes::<i64>(&bytes).expect("it is a number");
            assert_eq!(signed.ok(), i8::try_from(expected).ok());
        }
        let mut long = [0xff; 12];
        assert_eq!(take::<u64>(&mut &long[..]), Err(BAD));
        long[9] = 2;
        assert_eq!(take::<u64>(&mut &long[..]), Err(BAD));
        // Not the shortest form.
        long[9] = 0;
        assert_eq!(take::<u64>(&mut &long[..]), Ok(u64::MAX >> 1));
    }
}

//! Writing a sequence as a whole.

use super::number::{Number, numbers};
use super::{FEW, Head};
use crate::buffer;
use crate::varint;
use procession_os::plain::elements;

/// Writes a sequence if it is one of numbers and this pays; returns whether it did.
#[inline]
pub(crate) fn write<I>(sequence: &I, bytes: &mut Vec<u8>) -> bool {
    macro_rules! try_each {
        ($($number:ident)*) => {
            $(if let Some(numbers) = elements::<$number, I>(sequence) {
                return append(numbers, bytes);
            })*
        };
    }
    numbers!(try_each);
    false
}

/// Returns whether it is a sequence of numbers.
#[inline]
pub(crate) fn is_known<I>(sequence: &I) -> bool {
    macro_rules! any {
        ($($number:ident)*) => {
            $(elements::<$number, I>(sequence).is_some())||*
        };
    }
    numbers!(any)
}

fn append<N: Number>(numbers: [&[N]; 2], bytes: &mut Vec<u8>) -> bool {
    let len = numbers[0].len() + numbers[1].len();
    let is_fixed = !N::IS_RAW;
    if is_fixed && len < FEW {
        return false;
    }
    let Some(head) = Head { len, is_fixed }.to_number() else {
        return false;
    };
    let width = N::width(numbers);
    // The head, and the byte with the width.
    buffer::make_room(bytes, len * width + 16);
    varint::append(head, bytes);
    if is_fixed {
        bytes.push(width as u8);
    }
    for part in numbers {
        N::append(part, width, bytes);
    }
    true
}

//! Reading a sequence as a whole.

use super::Head;
use super::number::{Number, numbers};
use super::own::is_own_visitor;
use crate::problem::Problem;
use procession_os::plain::{collect, is_collection};
use serde::de::Visitor;
use std::collections::VecDeque;

/// Returns whether it is known what the visitor makes of a sequence, so that it need not see each
/// element.
#[inline]
pub(crate) fn is_read<'de, V: Visitor<'de>>() -> bool {
    macro_rules! any {
        ($($number:ident)*) => {
            $(is_read_of::<$number, V::Value, V>())||*
        };
    }
    numbers!(any)
}

#[inline]
fn is_read_of<N: Number, T, V>() -> bool {
    is_collection::<N, T>() && (is_own_visitor::<Vec<N>, V>() || is_own_visitor::<VecDeque<N>, V>())
}

/// Reads off `rest` what is behind the head of a sequence, and makes of it what the visitor would.
#[inline]
pub(crate) fn read<'de, V: Visitor<'de>>(
    head: Head,
    rest: &mut &'de [u8],
) -> Result<V::Value, Problem> {
    macro_rules! try_each {
        ($($number:ident)*) => {
            $(if is_collection::<$number, V::Value>() {
                let value = collect(take::<$number>(head, rest)?);
                return value.ok_or_else(|| Problem::new("it is none of the numbers"));
            })*
        };
    }
    numbers!(try_each);
    Err(Problem::new("it is none of the numbers"))
}

/// Takes the width of the numbers of a sequence off `rest`; an error unless they are all there.
pub(super) fn width(len: usize, rest: &mut &[u8]) -> Result<usize, Problem> {
    let (&width, behind) = rest.split_first().ok_or(END)?;
    let width = usize::from(width);
    if !matches!(width, 1 | 2 | 4 | 8 | 16) {
        return Err(Problem::new("its numbers have a width that there is not"));
    }
    if len.checked_mul(width).is_none_or(|all| all > behind.len()) {
        return Err(END.into());
    }
    *rest = behind;
    Ok(width)
}

const END: postcard::Error = postcard::Error::DeserializeUnexpectedEnd;

fn take<N: Number>(head: Head, rest: &mut &[u8]) -> Result<Vec<N>, Problem> {
    let len = head.len;
    let width = match head.is_fixed {
        false if N::IS_RAW => size_of::<N>(),
        false => return take_each(len, rest),
        true => width(len, rest)?,
    };
    if width > size_of::<N>() || head.is_fixed && N::IS_RAW {
        return Err(Problem::new("its numbers are wider than they may be"));
    }
    let all = len
        .checked_mul(width)
        .and_then(|all| rest.split_at_checked(all));
    let (bytes, behind) = all.ok_or(END)?;
    *rest = behind;
    N::read(bytes, width)
}

/// Takes numbers that have each a length of its own.
fn take_each<N: Number>(len: usize, rest: &mut &[u8]) -> Result<Vec<N>, Problem> {
    // Each takes a byte at least.
    let mut numbers = Vec::with_capacity(len.min(rest.len()));
    for _ in 0..len {
        let (number, behind) = postcard::take_from_bytes(rest)?;
        numbers.push(number);
        *rest = behind;
    }
    Ok(numbers)
}

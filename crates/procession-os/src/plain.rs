//! Sequences of plain numbers, recognised behind a type parameter.
//!
//! A generic function sees a `T` that may be a `&Vec<f64>`, and can do no more with it than its bounds
//! allow. Where such a function is to treat numbers in bulk, it asks here. The types are compared
//! without their lifetimes ([`typeid`]), which is enough for those that have at most one: that of the
//! reference to a sequence.

use std::any::TypeId;
use std::collections::VecDeque;
use std::mem::{self, ManuallyDrop};

mod sealed {
    pub trait Sealed {}
}

/// A type of plain data without a lifetime, sequences of which are recognised.
pub trait Plain: sealed::Sealed + Copy + 'static {}

macro_rules! plain {
    ($($ty:ty)*) => {
        $(impl sealed::Sealed for $ty {}
        impl Plain for $ty {})*
    };
}

plain! { bool u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }

/// Returns the elements of a sequence, if that is a `&[P]`, a `&Vec<P>` or a `&VecDeque<P>`; only the
/// last may lie in two pieces.
///
/// # Examples
///
/// ```
/// use procession_os::plain::elements;
///
/// fn sum<T>(sequence: T) -> Option<u8> {
///     let [first, second] = elements::<u8, T>(&sequence)?;
///     Some(first.iter().chain(second).sum())
/// }
///
/// assert_eq!(sum(&vec![1_u8, 2]), Some(3));
/// assert_eq!(sum(&vec!["one"]), None);
/// ```
#[inline]
pub fn elements<'a, P: Plain, T>(sequence: &'a T) -> Option<[&'a [P]; 2]> {
    let of = typeid::of::<T>();
    if of == TypeId::of::<&'static [P]>() {
        // SAFETY: but for its lifetime, which is longer than `'a`, `T` is this type.
        let sequence: &&'a [P] = unsafe { &*(&raw const *sequence).cast() };
        return Some([sequence, &[]]);
    }
    if of == TypeId::of::<&'static Vec<P>>() {
        // SAFETY: as above.
        let sequence: &&'a Vec<P> = unsafe { &*(&raw const *sequence).cast() };
        return Some([sequence, &[]]);
    }
    if of == TypeId::of::<&'static VecDeque<P>>() {
        // SAFETY: as above.
        let sequence: &&'a VecDeque<P> = unsafe { &*(&raw const *sequence).cast() };
        return Some(sequence.as_slices().into());
    }
    None
}

/// Returns whether `T` is a type that [`collect`] makes of `P`s: a `Vec<P>` or a `VecDeque<P>`.
///
/// # Examples
///
/// ```
/// use procession_os::plain::is_collection;
///
/// assert!(is_collection::<u8, Vec<u8>>());
/// assert!(!is_collection::<u8, Vec<u16>>());
/// ```
#[inline]
pub fn is_collection<P: Plain, T>() -> bool {
    let of = typeid::of::<T>();
    of == TypeId::of::<Vec<P>>() || of == TypeId::of::<VecDeque<P>>()
}

/// Turns numbers into a `T`; `None` unless that [is made of them](is_collection).
///
/// # Examples
///
/// ```
/// use procession_os::plain::collect;
///
/// assert_eq!(collect::<u8, Vec<u8>>(vec![1, 2]), Some(vec![1, 2]));
/// assert_eq!(collect::<u8, String>(vec![1, 2]), None);
/// ```
#[inline]
pub fn collect<P: Plain, T>(numbers: Vec<P>) -> Option<T> {
    let of = typeid::of::<T>();
    if of == TypeId::of::<Vec<P>>() {
        // SAFETY: `T` is this type, which has no lifetime.
        return Some(unsafe { same(numbers) });
    }
    if of == TypeId::of::<VecDeque<P>>() {
        // SAFETY: as above.
        return Some(unsafe { same(VecDeque::from(numbers)) });
    }
    None
}

/// # Safety
///
/// `T` and `U` must be one type.
unsafe fn same<T, U>(value: T) -> U {
    let value = ManuallyDrop::new(value);
    // SAFETY: the caller vouches for the type, and the original is not used any more.
    unsafe { mem::transmute_copy(&value) }
}

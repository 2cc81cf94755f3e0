//! The types whose values can lie in shared memory.

use crate::AccessError;
use bytemuck::{CheckedBitPattern, NoUninit};
use std::any::TypeId;
use std::ptr::NonNull;
use std::slice;

/// Plain data: values that are nothing but their bytes, and can lie in shared memory.
///
/// Numbers, `bool`, `char`, the `NonZero` integers, arrays of numbers, and structs of the user's own
/// that derive [`Pod`](bytemuck::Pod), or [`NoUninit`] and [`CheckedBitPattern`]. Not what holds an
/// address (`String`, `Vec`, references), which would mean nothing in another process.
///
/// Not all bytes are a `bool` or a `char`, and another process may have written any into the memory.
/// So bytes of such a type are looked at whenever they are read, before there is a value of them; of
/// other types nothing has to be looked at, and nothing is.
///
/// # Examples
///
/// ```
/// use procession_shm::{Array, Value};
///
/// let done = Value::new(false)?;
/// done.set(true);
/// assert!(done.get());
///
/// let letters = Array::from_iter("über".chars())?;
/// letters.lock().unwrap().reverse();
/// assert_eq!(letters.iter().collect::<String>(), "rebü");
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
///
/// ```compile_fail,E0277
/// procession_shm::Value::new(String::from("an address"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not plain data, which can lie in shared memory",
    label = "its values are more than their bytes",
    note = "plain data are numbers, `bool`, `char`, arrays of numbers, and structs of these that are \
            marked with `#[procession::plain]`",
    note = "what holds an address, as `String` and `Vec` do, can be sent through a queue or a pipe, or \
            be kept by a manager"
)]
pub trait Plain: CheckedBitPattern + NoUninit {}

#[diagnostic::do_not_recommend]
impl<T: CheckedBitPattern + NoUninit> Plain for T {}

/// What `#[procession::plain]` makes of a struct whose bytes are looked at.
///
/// `$bits` must be laid out as the struct is, with each field's bits in the place of the field, which
/// the attribute sees to.
#[doc(hidden)]
#[macro_export]
macro_rules! __plain_bits {
    ($type:ident, $bits:ident, $($field:ident: $of:ty,)*) => {
        const _: () = assert!(
            size_of::<$type>() == size_of::<$bits>() && align_of::<$type>() == align_of::<$bits>()
        );

        impl ::core::fmt::Debug for $bits {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }

        // SAFETY: the struct has no padding and C's layout, or it would not be `NoUninit`, and the
        // bits have the same one. It is a value if each of its fields is.
        unsafe impl $crate::CheckedBitPattern for $type {
            type Bits = $bits;

            #[inline]
            fn is_valid_bit_pattern(bits: &$bits) -> bool {
                true $(&& <$of as $crate::CheckedBitPattern>::is_valid_bit_pattern(&{ bits.$field }))*
            }
        }
    };
}

/// Whether the bytes of so many elements are values of their type.
///
/// # Safety
///
/// `first` must point to so many initialised elements, aligned for them, which nobody else writes
/// meanwhile.
#[inline]
pub(crate) unsafe fn are_values<T: Plain>(first: NonNull<T>, len: usize) -> bool {
    if is_any::<T>() {
        return true;
    }
    // One stands for all that have no bytes.
    let len = if size_of::<T>() == 0 { len.min(1) } else { len };
    // SAFETY: the caller vouches for the memory; the bits are laid out as the type is, and any
    // bytes are valid ones.
    let all = unsafe { slice::from_raw_parts(first.as_ptr().cast::<T::Bits>(), len) };
    all.iter().all(T::is_valid_bit_pattern)
}

/// Fails a call that has no way to say that there is no value.
#[cold]
#[track_caller]
pub(crate) fn no_value() -> ! {
    panic!("cannot use the shared memory: {}", AccessError::NoValue)
}

/// Whether any bytes are a value of the type, which then is its own bits.
#[inline]
fn is_any<T: Plain>() -> bool {
    TypeId::of::<T>() == TypeId::of::<T::Bits>()
}

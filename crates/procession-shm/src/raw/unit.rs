//! Loading and storing a plain value in memory that others load and store at the same time.
//!
//! A type is accessed in units of the largest power of two, up to eight bytes, that divides its
//! size. Elements stand one behind the other from a multiple of 64 bytes on, so each unit is
//! aligned, and since it is the type that says how large it is, no two accesses to the same bytes
//! differ in size.

use crate::plain::are_values;
use crate::{AccessError, Plain};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Loads a value, unit by unit; `None` if what is there is no value of the type.
///
/// # Safety
///
/// `at` must point to an element of a payload whose elements are of this type.
#[inline]
pub(super) unsafe fn load<T: Plain>(at: NonNull<T>) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let to = value.as_mut_ptr();
    match const { unit::<T>() } {
        // SAFETY: the caller vouches for `at`; `to` is this function's own.
        1 => unsafe { copy_out::<u8, T>(at, to) },
        // SAFETY: as above.
        2 => unsafe { copy_out::<u16, T>(at, to) },
        // SAFETY: as above.
        4 => unsafe { copy_out::<u32, T>(at, to) },
        // SAFETY: as above.
        _ => unsafe { copy_out::<u64, T>(at, to) },
    }
    // SAFETY: the units make up all of it, and it is this function's own.
    if !unsafe { are_values(NonNull::from(&mut value).cast::<T>(), 1) } {
        return None;
    }
    // SAFETY: its bytes are a value, as was just seen.
    Some(unsafe { value.assume_init() })
}

/// Stores a value, unit by unit.
///
/// # Safety
///
/// As for [`load`].
#[inline]
pub(super) unsafe fn store<T: Plain>(at: NonNull<T>, value: T) {
    match const { unit::<T>() } {
        // SAFETY: the caller vouches for `at`.
        1 => unsafe { copy_in::<u8, T>(at, &value) },
        // SAFETY: as above.
        2 => unsafe { copy_in::<u16, T>(at, &value) },
        // SAFETY: as above.
        4 => unsafe { copy_in::<u32, T>(at, &value) },
        // SAFETY: as above.
        _ => unsafe { copy_in::<u64, T>(at, &value) },
    }
}

/// Shows what was loaded, or `<overwritten>`.
pub(super) fn debug<T: fmt::Debug>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    loaded: Result<T, AccessError>,
) -> fmt::Result {
    match loaded {
        Ok(value) => f.debug_tuple(name).field(&value).finish(),
        Err(_) => f
            .debug_tuple(name)
            .field(&format_args!("<overwritten>"))
            .finish(),
    }
}

/// The bytes that are loaded or stored at once.
const fn unit<T>() -> usize {
    match size_of::<T>().trailing_zeros() {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 8,
    }
}

/// # Safety
///
/// `at` as for [`load`], the unit the one of `T`, and `to` valid for writing a `T`.
#[inline]
unsafe fn copy_out<U: Unit, T>(at: NonNull<T>, to: *mut T) {
    let (from, to) = (at.as_ptr().cast::<U>(), to.cast::<U>());
    for index in 0..size_of::<T>() / size_of::<U>() {
        // SAFETY: it is a unit of the element, and aligned.
        let unit = unsafe { U::load(from.wrapping_add(index)) };
        // SAFETY: it is inside of what `to` points to, which may be aligned to less.
        unsafe { to.wrapping_add(index).write_unaligned(unit) };
    }
}

/// # Safety
///
/// `at` as for [`load`], and the unit the one of `T`.
#[inline]
unsafe fn copy_in<U: Unit, T: Plain>(at: NonNull<T>, value: &T) {
    let to = at.as_ptr().cast::<U>();
    let from = std::ptr::from_ref(value).cast::<U>();
    for index in 0..size_of::<T>() / size_of::<U>() {
        // SAFETY: it is inside of `value`, which has no padding and may be aligned to less.
        let unit = unsafe { from.wrapping_add(index).read_unaligned() };
        // SAFETY: it is a unit of the element, and aligned.
        unsafe { U::store(to.wrapping_add(index), unit) };
    }
}

/// What is loaded and stored at once.
trait Unit: Copy {
    /// # Safety
    ///
    /// `at` must be aligned and valid, and be accessed by others as such a unit only.
    unsafe fn load(at: *mut Self) -> Self;

    /// # Safety
    ///
    /// As for `load`.
    unsafe fn store(at: *mut Self, unit: Self);
}

macro_rules! unit {
    ($($unit:ty: $atomic:ty),*) => {$(
        impl Unit for $unit {
            #[inline]
            unsafe fn load(at: *mut Self) -> Self {
                // SAFETY: the caller vouches for it.
                let unit = unsafe { <$atomic>::from_ptr(at) };
                // Who sees a unit sees what its writer had written before it.
                unit.load(Ordering::Acquire)
            }

            #[inline]
            unsafe fn store(at: *mut Self, unit: Self) {
                // SAFETY: the caller vouches for it.
                let at = unsafe { <$atomic>::from_ptr(at) };
                at.store(unit, Ordering::Release);
            }
        }
    )*};
}

unit!(u8: AtomicU8, u16: AtomicU16, u32: AtomicU32, u64: AtomicU64);

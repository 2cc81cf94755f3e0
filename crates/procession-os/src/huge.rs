//! Large memory in few pages.
//!
//! To write 64 MiB for the first time takes six times as long in pages of 4 KiB as in those of
//! 2 MiB, because each page is a fault, and is cleared by itself.

use std::ffi::c_void;

/// The size of a huge page. Where it is another, nothing is gained.
const PAGE: usize = 2 << 20;

/// Memory from so many bytes on is worth a call of the kernel.
pub const WORTH: usize = 4 * PAGE;

/// Asks the kernel for huge pages under the room of a vector, if there is much of it.
///
/// Whether they come is the kernel's affair; what is in the vector stays as it is.
///
/// # Examples
///
/// ```
/// use procession_os::huge;
///
/// let mut room = Vec::<u8>::with_capacity(huge::WORTH);
/// huge::prefer(&room);
/// room.resize(huge::WORTH, 1);
/// ```
#[inline]
pub fn prefer<T>(room: &Vec<T>) {
    if room.capacity().saturating_mul(size_of::<T>()) >= WORTH {
        advise(room.as_ptr().addr(), room.capacity() * size_of::<T>());
    }
}

#[cold]
fn advise(at: usize, len: usize) {
    let start = at.next_multiple_of(PAGE);
    let end = (at + len) / PAGE * PAGE;
    if start < end {
        let start: *mut c_void = std::ptr::without_provenance_mut(start);
        // SAFETY: the pages lie inside of an allocation; the advice changes nothing of what is in them,
        // nor who may use them.
        unsafe { libc::madvise(start, end - (start.addr()), libc::MADV_HUGEPAGE) };
    }
}

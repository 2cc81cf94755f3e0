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

/// Has the kernel map shared memory that is about to be written, if there is much of it: one call
/// instead of a fault for each page.
///
/// # Examples
///
/// ```
/// let mut memory = vec![0_u8; 100];
/// procession_os::huge::populate(&mut memory);
/// assert_eq!(memory, [0; 100]);
/// ```
#[inline]
pub fn populate(memory: &mut [u8]) {
    if memory.len() >= WORTH {
        let at = memory.as_ptr().addr();
        advise_all(at, memory.len(), SMALL_PAGE, libc::MADV_POPULATE_WRITE);
    }
}

/// Has the kernel map shared memory that is about to be read, as [`populate`].
///
/// # Examples
///
/// ```
/// let memory = [1_u8; 100];
/// procession_os::huge::populate_to_read(memory.as_ptr(), memory.len());
/// ```
#[inline]
pub fn populate_to_read(at: *const u8, len: usize) {
    if len >= WORTH {
        advise_all(at.addr(), len, SMALL_PAGE, libc::MADV_POPULATE_READ);
    }
}

/// Where a page is larger, the call is refused, and each page is a fault.
const SMALL_PAGE: usize = 4 << 10;

#[cold]
fn advise(at: usize, len: usize) {
    advise_all(at, len, PAGE, libc::MADV_HUGEPAGE);
}

/// Gives advice for all pages that lie in the range.
fn advise_all(at: usize, len: usize, page: usize, advice: i32) {
    let start = at.next_multiple_of(page);
    let end = (at + len) / page * page;
    if start < end {
        let start: *mut c_void = std::ptr::without_provenance_mut(start);
        // SAFETY: the advice changes nothing of what is in the pages, nor who may use them; where
        // there are none, it is refused.
        unsafe { libc::madvise(start, end - start.addr(), advice) };
    }
}

//! The calling process's number, without asking the kernel each time.

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use std::num::NonZeroUsize;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// Where the number stands: in a page that the kernel clears in a copy of the process, however the
/// copy is made.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());

/// Stands for a page that the system did not give.
static NO_PAGE: AtomicU32 = AtomicU32::new(0);

const PAGE_LEN: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Returns the number of the calling process, as [`std::process::id`] does, for the price of reading
/// memory.
///
/// # Examples
///
/// ```
/// assert_eq!(procession_os::own_pid(), std::process::id());
/// ```
#[inline]
pub fn own_pid() -> u32 {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: what is not null there is mapped, or static, for as long as the process lives.
    match unsafe { page.as_ref() }.map(|pid| pid.load(Ordering::Relaxed)) {
        None | Some(0) => look_up(page),
        Some(pid) => pid,
    }
}

/// Asks the kernel, and notes the answer where a copy of this process does not find it.
#[cold]
fn look_up(page: *mut AtomicU32) -> u32 {
    let pid = std::process::id();
    let page = if page.is_null() { make() } else { page };
    if page != (&raw const NO_PAGE).cast_mut() {
        // SAFETY: as in `own_pid`; it is no longer null.
        unsafe { &*page }.store(pid, Ordering::Relaxed);
    }
    pid
}

/// Returns the page, made by this thread or another.
fn make() -> *mut AtomicU32 {
    let new = map().unwrap_or_else(|| (&raw const NO_PAGE).cast_mut());
    match PAGE.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new,
        Err(first) => {
            unmap(new);
            first
        }
    }
}

fn map() -> Option<*mut AtomicU32> {
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping that the kernel places overlaps nothing.
    let page = unsafe { mmap_anonymous(None, PAGE_LEN, access, MapFlags::MAP_PRIVATE) }.ok()?;
    let at = page.as_ptr().cast();
    // SAFETY: the page is this function's own, and nothing refers to it.
    if unsafe { madvise(page, PAGE_LEN.get(), MmapAdvise::MADV_WIPEONFORK) }.is_err() {
        unmap(at);
        return None;
    }
    Some(at)
}

/// Gives a page back that nobody else has seen.
fn unmap(page: *mut AtomicU32) {
    if page == (&raw const NO_PAGE).cast_mut() {
        return;
    }
    if let Some(page) = std::ptr::NonNull::new(page) {
        // SAFETY: it was mapped in `map`, with this length, and is not used.
        let _ = unsafe { munmap(page.cast(), PAGE_LEN.get()) };
    }
}

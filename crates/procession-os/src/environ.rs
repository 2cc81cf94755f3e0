//! What others see of this process's environment.
//!
//! The kernel keeps the place to which it copied the variables when the program was started, and
//! shows what stands there now as `/proc/PID/environ`. Changing the environment changes other memory.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fs;
use std::io;
use std::ops::Range;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns how many bytes there are for variables, each with a byte behind it.
///
/// # Errors
///
/// If `/proc` is not there.
///
/// # Examples
///
/// ```
/// let variables = std::env::vars_os().map(|(name, value)| name.len() + value.len() + 2);
/// assert!(procession_os::environ::room()? >= variables.sum());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn room() -> io::Result<usize> {
    Ok(place()?.len())
}

/// Returns whether exactly the variables that there are now are shown, because none was changed since
/// the program was started, or since they were [installed](install).
///
/// # Errors
///
/// If `/proc` is not there.
///
/// # Safety
///
/// The process has one thread.
pub unsafe fn is_shown() -> io::Result<bool> {
    let place = place()?;
    // SAFETY: no other thread changes it, which is the caller's duty.
    let mut next = unsafe { environ };
    let mut at = place.start;
    while !next.is_null() {
        // SAFETY: it leads to pointers, the last of which is null.
        let entry = unsafe { *next };
        if entry.is_null() {
            break;
        }
        // One behind the other.
        if entry.addr() != at || !place.contains(&at) {
            return Ok(false);
        }
        // SAFETY: it leads to a variable, which ends with a zero.
        at += unsafe { CStr::from_ptr(entry) }.count_bytes() + 1;
        next = next.wrapping_add(1);
    }
    let used = USED.load(Ordering::Relaxed).min(place.len());
    Ok(at >= place.start + used)
}

/// Shows `entries`, of the form `NAME=value`, and nothing else. Returns how many have no room.
///
/// Entries that are shown already stay where they are.
///
/// # Errors
///
/// If `/proc` is not there.
///
/// # Safety
///
/// No other thread reads environment variables meanwhile, and nobody uses a pointer any more that
/// leads to the value of a variable that was there at the start of the program and is not among the
/// entries.
pub unsafe fn show(entries: &[&[u8]]) -> io::Result<usize> {
    let place = place()?;
    let len = place.len();
    if len == 0 {
        return Ok(entries.len());
    }
    let start = std::ptr::with_exposed_provenance_mut(place.start);
    // SAFETY: the kernel mapped the place for this program's variables, readable and writable, and
    // it stays mapped; nobody else uses it meanwhile, which is the caller's duty.
    let area: &mut [u8] = unsafe { slice::from_raw_parts_mut(start, len) };
    USED.store(len, Ordering::Relaxed);
    Ok(replace(area, entries))
}

/// How many bytes of the place may be other than zero.
static USED: AtomicUsize = AtomicUsize::new(usize::MAX);

unsafe extern "C" {
    /// Where the C library, and with it the standard library, looks for variables.
    static mut environ: *mut *mut c_char;
}

/// Makes `block`, in which each variable is `NAME=value` and a zero, this process's environment,
/// and shows it and nothing else; false if it does not fit into the [`room`], and nothing is done.
///
/// It is laid out where the kernel shows it, as at the start of a program, so that it costs a copy
/// of the bytes and not a search for each variable.
///
/// # Errors
///
/// If `/proc` is not there; nothing is done then.
///
/// # Safety
///
/// The process has one thread, and nobody uses a pointer any more that leads to a variable.
pub unsafe fn install(block: &[u8]) -> io::Result<bool> {
    let place = place()?;
    if block.len() > place.len() || block.last().is_some_and(|&last| last != 0) {
        return Ok(false);
    }
    let start: *mut u8 = std::ptr::with_exposed_provenance_mut(place.start);
    // SAFETY: the place is mapped, readable and writable, and as long as that; `block` is this
    // program's own and lies elsewhere; nobody else uses the place, which is the caller's duty.
    unsafe { start.copy_from_nonoverlapping(block.as_ptr(), block.len()) };
    let used = USED.swap(block.len(), Ordering::Relaxed).min(place.len());
    if let Some(more) = used.checked_sub(block.len()) {
        // Not all of the place: a copy of a server would have its pages made for nothing.
        // SAFETY: so much of the place lies behind the block.
        unsafe { start.wrapping_add(block.len()).write_bytes(0, more) };
    }
    let entries = block.split_inclusive(|&byte| byte == 0);
    let at = entries.scan(0, |next, entry| {
        let at = *next;
        *next += entry.len();
        Some(start.wrapping_add(at).cast::<c_char>())
    });
    let pointers: Vec<*mut c_char> = at.chain([std::ptr::null_mut()]).collect();
    // SAFETY: no other thread reads or writes it, which is the caller's duty. What it is set to
    // lasts as long as the process.
    unsafe { environ = pointers.leak().as_mut_ptr() };
    Ok(true)
}

/// Finds the place, which is the same in copies of this process.
fn place() -> io::Result<Range<usize>> {
    static PLACE: OnceLock<Range<usize>> = OnceLock::new();
    if let Some(place) = PLACE.get() {
        return Ok(place.clone());
    }
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may have spaces in it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut places = fields.split_ascii_whitespace().skip(START);
    let mut next = || places.next()?.parse::<usize>().ok();
    let place = match (next(), next()) {
        (Some(first), Some(end)) if first <= end => first..end,
        _ => {
            return Err(io::Error::other(
                "/proc/self/stat does not say where they are",
            ));
        }
    };
    Ok(PLACE.get_or_init(|| place).clone())
}

/// The place of the start's address in `/proc/PID/stat`, counted from behind the name; the end's
/// follows.
const START: usize = 47;

/// Has `area` hold `entries`, each with a zero behind it, and zeroes; returns how many have no room.
fn replace(area: &mut [u8], entries: &[&[u8]]) -> usize {
    // How often each is still to be placed.
    let mut wanted = BTreeMap::<&[u8], usize>::new();
    for entry in entries {
        *wanted.entry(entry).or_default() += 1;
    }
    let free = keep(area, &mut wanted);
    let mut free = free.into_iter();
    let mut gap = free.next();
    let mut without = 0;
    for (entry, count) in wanted {
        for _ in 0..count {
            // First fit, without going back: the gaps of a place that was laid out for this are one.
            while gap.as_ref().is_some_and(|gap| gap.len() <= entry.len()) {
                gap = free.next();
            }
            match &mut gap {
                Some(gap) => {
                    let end = gap.start + entry.len();
                    area[gap.start..end].copy_from_slice(entry);
                    gap.start = end + 1;
                }
                None => without += 1,
            }
        }
    }
    without
}

/// Zeroes what is not wanted, strikes off what is there already, and returns the gaps.
fn keep(area: &mut [u8], wanted: &mut BTreeMap<&[u8], usize>) -> Vec<Range<usize>> {
    let (mut gaps, mut gap, mut at) = (Vec::new(), 0, 0);
    while at < area.len() {
        let rest = &area[at..];
        // Most of it, where a copy of a server looks.
        if rest[0] == 0 {
            at += rest
                .iter()
                .position(|&byte| byte != 0)
                .unwrap_or(rest.len());
            continue;
        }
        let end = at
            + rest
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(rest.len());
        let found = wanted.get_mut(&area[at..end]).filter(|count| **count > 0);
        // The last one may have lost its zero to whoever wrote more than there was room.
        match found {
            Some(count) if end < area.len() => {
                *count -= 1;
                gaps.push(gap..at);
                gap = end + 1;
            }
            _ => area[at..end].fill(0),
        }
        at = end + 1;
    }
    gaps.push(gap.min(area.len())..area.len());
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &[u8], entries: &[&str]) -> (Vec<u8>, usize) {
        let mut area = before.to_vec();
        let entries: Vec<&[u8]> = entries.iter().map(|entry| entry.as_bytes()).collect();
        let without = replace(&mut area, &entries);
        (area, without)
    }

    #[test]
    fn what_is_kept_stays_and_the_rest_goes_into_the_gaps() {
        assert_eq!(
            shown(b"a=1\0b=22\0c=3\0", &["a=1", "c=3"]),
            (b"a=1\0\0\0\0\0\0c=3\0".to_vec(), 0)
        );
        assert_eq!(
            shown(b"a=1\0b=22\0c=3\0", &["d=4", "c=3"]),
            (b"d=4\0\0\0\0\0\0c=3\0".to_vec(), 0)
        );
        assert_eq!(
            shown(b"a=1\0b=22\0", &["b=2"]),
            (b"b=2\0\0\0\0\0\0".to_vec(), 0)
        );
        assert_eq!(
            shown(b"xxxxxxxx\0", &["a=1", "b=2"]),
            (b"a=1\0b=2\0\0".to_vec(), 0)
        );
        assert_eq!(
            shown(b"a=1\0a=1\0", &["a=1"]),
            (b"a=1\0\0\0\0\0".to_vec(), 0)
        );
        assert_eq!(
            shown(b"a=1\0a=1\0", &["a=1", "a=1"]),
            (b"a=1\0a=1\0".to_vec(), 0)
        );
    }

    #[test]
    fn what_has_no_room_is_counted() {
        assert_eq!(shown(b"abc\0", &["abcd"]), (vec![0; 4], 1));
        assert_eq!(shown(b"abc", &["abc"]), (vec![0; 3], 1));
        assert_eq!(shown(b"", &["abc"]), (vec![], 1));
        assert_eq!(shown(b"a=1\0", &[]), (vec![0; 4], 0));
    }
}

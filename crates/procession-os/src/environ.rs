//! What others see of this process's environment.
//!
//! The kernel keeps the place to which it copied the variables when the program was started, and
//! shows what stands there now as `/proc/PID/environ`. Changing the environment changes other memory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::slice;
use std::sync::OnceLock;

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
pub unsafe fn show(entries: &[Vec<u8>]) -> io::Result<usize> {
    let place = place()?;
    let len = place.len();
    if len == 0 {
        return Ok(entries.len());
    }
    let start = std::ptr::with_exposed_provenance_mut(place.start);
    // SAFETY: the kernel mapped the place for this program's variables, readable and writable, and
    // it stays mapped; nobody else uses it meanwhile, which is the caller's duty.
    let area: &mut [u8] = unsafe { slice::from_raw_parts_mut(start, len) };
    Ok(replace(area, entries))
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
fn replace(area: &mut [u8], entries: &[Vec<u8>]) -> usize {
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
        let entries: Vec<Vec<u8>> = entries
            .iter()
            .map(|entry| entry.as_bytes().to_vec())
            .collect();
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

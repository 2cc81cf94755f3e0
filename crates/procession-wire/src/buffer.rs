//! Memory that messages use one after the other.
//!
//! A message that is built or received takes a buffer, and gives it back when it is gone. So most
//! messages need no memory of their own, whose pages the kernel would have to clear first: for a large one that costs
//! more than to copy it.
//!
//! Each thread keeps a few buffers of up to 64 KiB. Larger ones are kept by all threads together, up to
//! 8 MiB in a process. What is larger still is given to the system.

use procession_os::huge;
use std::cell::Cell;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// A buffer that has grown larger is not a thread's own.
const OWN: usize = 64 << 10;

/// How many a thread keeps: a request, its answer, and one that is put into another.
const OWN_COUNT: usize = 3;

/// How many bytes all threads keep together.
const SHARED: usize = 8 << 20;

thread_local! {
    static SPARE: [Cell<Vec<u8>>; OWN_COUNT] = const { [const { Cell::new(Vec::new()) }; OWN_COUNT] };
}

thread_local! {
    static ROOMS: [Cell<Option<Box<Room>>>; OWN_COUNT] = const { [const { Cell::new(None) }; OWN_COUNT] };
}

/// The larger ones, the oldest first.
static LARGE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer that goes back to where it was taken when it is dropped.
///
/// It is one pointer. A `Vec` that is moved as soon as it was changed makes the processor wait, for its three
/// words are written one by one and read together; that takes longer than to encode a small message.
///
/// # Examples
///
/// ```
/// use procession_wire::buffer::Buffer;
///
/// let mut bytes = Buffer::new();
/// bytes.extend([1, 2, 3]);
/// let at = bytes.as_ptr();
/// drop(bytes);
/// let mut again = Buffer::new();
/// again.push(4);
/// assert_eq!(**again, [4]);
/// assert_eq!(again.as_ptr(), at);
/// ```
#[derive(Debug)]
pub struct Buffer(Option<Box<Room>>);

/// The buffer's bytes, of which there are none while it is kept.
#[derive(Debug, Default)]
struct Room {
    bytes: Vec<u8>,
}

impl Buffer {
    /// Takes a buffer that is empty.
    #[inline]
    pub fn new() -> Self {
        // While the thread ends there may be none any more.
        Self(ROOMS.try_with(take_room).unwrap_or_default())
    }

    /// Takes the bytes out.
    #[inline]
    pub fn into_vec(mut self) -> Vec<u8> {
        mem::take(&mut self)
    }
}

impl Default for Buffer {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Some(Box::new(Room { bytes })))
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        static NOTHING: Vec<u8> = Vec::new();
        self.0.as_ref().map_or(&NOTHING, |room| &room.bytes)
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0.get_or_insert_default().bytes
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut room) = self.0.take() {
            room.bytes.clear();
            if room.bytes.capacity() > OWN {
                // The small one in whose place it came, for the next message.
                give_large(mem::replace(&mut room.bytes, take(0)));
            }
            let _ = ROOMS.try_with(|rooms| keep_room(rooms, room));
        }
    }
}

/// The one that was given last is the first to be taken, for the processor has it at hand.
#[inline]
fn take_room(rooms: &[Cell<Option<Box<Room>>>; OWN_COUNT]) -> Option<Box<Room>> {
    rooms[0].take().or_else(|| take_older(rooms))
}

#[inline]
fn keep_room(rooms: &[Cell<Option<Box<Room>>>; OWN_COUNT], room: Box<Room>) {
    if let Some(there) = rooms[0].replace(Some(room)) {
        keep_older(rooms, there);
    }
}

#[inline(never)]
fn take_older(rooms: &[Cell<Option<Box<Room>>>; OWN_COUNT]) -> Option<Box<Room>> {
    rooms[1..].iter().find_map(Cell::take)
}

#[inline(never)]
fn keep_older(rooms: &[Cell<Option<Box<Room>>>; OWN_COUNT], room: Box<Room>) {
    let mut kept = Some(room);
    for place in &rooms[1..] {
        kept = place.replace(kept);
        if kept.is_none() {
            return;
        }
    }
}

/// Returns an empty buffer, if possible one that has room for so many bytes.
///
/// # Examples
///
/// ```
/// use procession_wire::buffer;
///
/// let mut bytes = buffer::take(0);
/// bytes.extend([1, 2, 3]);
/// let at = bytes.as_ptr();
/// buffer::give(bytes);
/// let again = buffer::take(3);
/// assert!(again.is_empty());
/// assert_eq!(again.as_ptr(), at);
/// ```
#[inline]
pub fn take(room: usize) -> Vec<u8> {
    if room > OWN {
        return take_large(room).unwrap_or_default();
    }
    // While the thread ends there may be none any more.
    let spare = SPARE.try_with(|spare| {
        let mut taken = spare.iter().map(Cell::take);
        taken.find(|buffer| buffer.capacity() != 0)
    });
    spare.ok().flatten().unwrap_or_default()
}

/// Keeps the memory of a buffer for whoever takes the next one.
#[inline]
pub fn give(mut buffer: Vec<u8>) {
    buffer.clear();
    match buffer.capacity() {
        0 => {}
        1..=OWN => drop(SPARE.try_with(|spare| keep(spare, buffer))),
        _ => give_large(buffer),
    }
}

/// Makes room for more bytes, with memory that is kept if there is much of it.
///
/// # Examples
///
/// ```
/// use procession_wire::buffer;
///
/// let mut bytes = vec![1, 2, 3];
/// buffer::make_room(&mut bytes, 1 << 20);
/// assert!(bytes.capacity() - bytes.len() >= 1 << 20);
/// assert_eq!(bytes, [1, 2, 3]);
/// ```
#[inline]
pub fn make_room(buffer: &mut Vec<u8>, more: usize) {
    if buffer.capacity() - buffer.len() < more {
        grow(buffer, more);
    }
}

#[inline]
fn keep(spare: &[Cell<Vec<u8>>; OWN_COUNT], buffer: Vec<u8>) {
    for place in spare {
        let there = place.replace(Vec::new());
        if there.capacity() == 0 {
            place.set(buffer);
            return;
        }
        place.set(there);
    }
}

#[cold]
fn grow(buffer: &mut Vec<u8>, more: usize) {
    let needed = buffer.len().saturating_add(more);
    if needed <= OWN {
        return buffer.reserve(more);
    }
    // For what follows a long part: to have no room for it would be to copy that again.
    let spare = match SHARED.checked_sub(needed) {
        // What is kept is no larger than this.
        Some(left) => left.min(needed / 8),
        None => needed / 8,
    };
    // What is long already is moved by the system, which need not copy it.
    if buffer.len() <= OWN
        && let Some(mut large) = take_large(needed.saturating_add(spare))
    {
        large.extend_from_slice(buffer);
        give(std::mem::replace(buffer, large));
        return;
    }
    buffer.reserve(more.saturating_add(spare));
    huge::prefer(buffer);
}

/// Takes the smallest of the kept ones that is large enough.
///
/// Nobody waits for another thread here, above all not for one that a fork has left behind.
#[cold]
fn take_large(room: usize) -> Option<Vec<u8>> {
    let mut kept = LARGE.try_lock().ok()?;
    let fitting = kept
        .iter()
        .enumerate()
        .filter(|(_, kept)| kept.capacity() >= room);
    let (at, _) = fitting.min_by_key(|(_, kept)| kept.capacity())?;
    Some(kept.remove(at))
}

#[cold]
fn give_large(buffer: Vec<u8>) {
    let Ok(mut kept) = LARGE.try_lock() else {
        return;
    };
    kept.push(buffer);
    let total = |kept: &[Vec<u8>]| kept.iter().map(Vec::capacity).sum::<usize>();
    while total(&kept) > SHARED {
        kept.remove(0);
    }
}

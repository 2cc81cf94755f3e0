//! Items with handles in them.
//!
//! A handle to something in shared memory is a name when it is encoded, and decoding it maps a
//! segment, for which the process needs a file descriptor and memory. An item that was taken out
//! of the queue and then cannot be decoded would be lost. So the names follow behind the item, and
//! whoever is about to take it maps them first, under the consumers' lock, as it does with the
//! segment of a large item. If that fails for want of something, the item stays where it is; when
//! it succeeds, the decoding, without the lock and with the user's code in it, finds them mapped.
//!
//! | part | size |
//! |---|---|
//! | the item's message | |
//! | the names, with line feeds in between | |
//! | the length of the names | 8, little endian |
//!
//! Names that make no sense, and those of segments that are gone, keep no item in the queue: it is
//! decoding that tells of them. The names are those under which the queue holds the segments for the
//! item; opening one makes this process a holder, and takes nothing from the item. So it can be done any
//! number of times, and a process that is killed in between leaves the item as it was. What holds them for
//! the item is given up when the item was taken out and decoded. A process killed between the two, or
//! before the item is put, leaves it until the queue itself is gone.

use procession_shm::Opened;
use procession_wire::{DecodeError, Message};
use std::io;

/// The length of the names.
const LEN: usize = 8;

/// Has the queue, whose own segment has the name `queue`, hold what the message's handles stand for;
/// returns the message with the names behind it. `None` if there are none.
#[cold]
pub(crate) fn leave_in(queue: &str, message: &Message) -> io::Result<Option<Vec<u8>>> {
    let names = message.leave_in(queue)?;
    Ok((!names.is_empty()).then(|| append(message.bytes(), &names.join("\n"))))
}

fn append(message: &[u8], names: &str) -> Vec<u8> {
    let len = (names.len() as u64).to_le_bytes();
    [message, names.as_bytes(), &len].concat()
}

/// What keeps mapped what the handles in an item stand for, and is held for the item until this is
/// dropped, when the item was taken out and decoded.
pub(crate) struct Held(Vec<Opened>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Opened::take_over);
    }
}

/// Maps what the handles in an item stand for.
///
/// `read` copies a part of the `len` bytes. Returns how long the message is, and what keeps it all
/// mapped.
///
/// # Errors
///
/// [`DecodeError::Shortage`]; [`DecodeError::Truncated`] if the bytes are not such an item.
pub(crate) fn open(
    len: usize,
    read: impl Fn(usize, usize) -> Option<Vec<u8>>,
) -> Result<(usize, Held), DecodeError> {
    let (message, names) = split(len, read).ok_or(DecodeError::Truncated)?;
    let mut opened = Vec::new();
    for name in names.lines() {
        match Opened::open(name) {
            Ok(one) => opened.push(one),
            Err(error) if error.is_shortage() => {
                return Err(DecodeError::Shortage(error.to_string()));
            }
            // Decoding the item tells of it.
            Err(_) => {}
        }
    }
    Ok((message, Held(opened)))
}

/// Returns the length of the message, and the names.
fn split(len: usize, read: impl Fn(usize, usize) -> Option<Vec<u8>>) -> Option<(usize, String)> {
    let behind_names = len.checked_sub(LEN)?;
    let names = read(behind_names, LEN)?.try_into().ok()?;
    let names = usize::try_from(u64::from_le_bytes(names)).ok()?;
    let message = behind_names.checked_sub(names)?;
    Some((message, String::from_utf8(read(message, names)?).ok()?))
}

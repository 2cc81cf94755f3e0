//! Values with handles in them.
//!
//! A handle in a value stands for something that the dict holds for as long as the value lies in it.
//! The names under which it does so follow behind the message, so that whoever removes the value gives
//! them up:
//!
//! | part | size |
//! |---|---|
//! | the message | |
//! | the names, with line feeds in between | |
//! | the length of the names | 8, little endian |
//!
//! To decode a handle is to take over what the message claims, once. A value in a dict is decoded any
//! number of times. So it is decoded under the stripe's lock, and whoever does so and leaves the value
//! there encodes it once more, which makes the claims anew.

use crate::DictError;
use procession_shm::{Opened, Segment};
use procession_wire::{DecodeError, EncodeError, Kind, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The length of the names.
const LEN: usize = 8;

/// Has the dict hold what the message's handles stand for; appends the names.
pub(crate) fn append(message: &Message, dict: &Segment, to: &mut Vec<u8>) -> Result<(), DictError> {
    let names = message.leave_in(&dict.name()).map_err(|error| {
        let words = format!("the dict cannot hold what a handle stands for: {error}");
        EncodeError::Value(words)
    })?;
    let names = names.join("\n");
    to.extend_from_slice(names.as_bytes());
    to.extend_from_slice(&(names.len() as u64).to_le_bytes());
    Ok(())
}

/// Returns the message without the names.
pub(crate) fn message(bytes: &[u8]) -> Result<&[u8], DictError> {
    split(bytes)
        .map(|(message, _)| message)
        .ok_or(DictError::Decode(DecodeError::Truncated))
}

/// Makes the claims of a value anew that stays in the dict though it was decoded.
pub(crate) fn claim_again<V: Serialize + DeserializeOwned>(value: &V) -> Result<(), DictError> {
    // Where it lies, the names are held still.
    Message::encode_to_lie(Kind::VALUE, value)?.delivered();
    Ok(())
}

/// Gives up what is held for a value that was taken out of the dict.
pub(crate) fn give_up(bytes: &[u8]) {
    let Some((_, names)) = split(bytes) else {
        return;
    };
    for name in names.lines() {
        // What cannot be opened goes with the dict.
        if let Ok(opened) = Opened::open(name) {
            opened.take_over();
        }
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &str)> {
    let (front, len) = bytes.split_at_checked(bytes.len().checked_sub(LEN)?)?;
    let len = usize::try_from(u64::from_le_bytes(len.try_into().ok()?)).ok()?;
    let (message, names) = front.split_at_checked(front.len().checked_sub(len)?)?;
    Some((message, str::from_utf8(names).ok()?))
}

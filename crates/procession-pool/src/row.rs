//! Calls of one function as one message, and their outcomes as another.
//!
//! A *row* has the arguments of its calls one behind the other, without anything between them, and
//! behind all where each ends. So a function is named once, an item costs its own bytes, and a part of
//! the calls can be cut off to be sent again.
//!
//! ```text
//! calls:    header, timed u8, request u32, count u32, item u64, routine, arguments.., end u32 of each
//! outcomes: header, request u32, first u32, count u32, outcomes..
//! outcome:  len u16, failure u8, value or failure, padding to a multiple of 8
//! ```
//!
//! Numbers are little-endian. A value with a handle in it, one that has to describe itself, and one that is
//! larger than a worker's page go in a message of their own: see [`protocol`](crate::protocol).

use procession_call::{Failure, Routine};
use procession_wire::bare::{self, Reading};
use procession_wire::{DecodeError, EncodeError, Kind, buffer};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of any message's header: its kind, and that it has no descriptors.
const HEADER: usize = 3;
const REQUEST: usize = HEADER + 1;
const COUNT: usize = REQUEST + 4;
const ITEM: usize = COUNT + 4;
const ROUTINE: usize = ITEM + 8;
const ARGUMENTS: usize = ROUTINE + 16;

/// Stands for calls that are not for the items of a sequence.
pub(crate) const NO_ITEM: u64 = u64::MAX;

/// The calls of a request.
#[derive(Debug)]
pub(crate) struct Row {
    message: Vec<u8>,
    /// Where the arguments of each end, counted from where the first begin.
    ends: Vec<u32>,
}

/// What became of an item that was to be put into a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is in.
    Here,
    /// It has to travel alone.
    Alone,
}

impl Row {
    /// Begins a row of calls to a function.
    pub(crate) fn new(routine: Routine, is_timed: bool) -> Self {
        let mut message = buffer::take(0);
        message.reserve(256);
        message.extend_from_slice(&[Kind::CALLS.0, 0, 0, u8::from(is_timed)]);
        message.resize(ROUTINE, 0);
        message.extend(routine.to_bytes());
        Self {
            message,
            ends: Vec::new(),
        }
    }

    /// Adds a call, if its arguments can stand in a row.
    #[inline]
    pub(crate) fn push<A>(&mut self, arguments: &A) -> Result<Placed, EncodeError>
    where
        A: Serialize + DeserializeOwned,
    {
        if !bare::write(arguments, &mut self.message)? {
            return Ok(Placed::Alone);
        }
        if let Ok(end) = u32::try_from(self.message.len() - ARGUMENTS) {
            self.ends.push(end);
            return Ok(Placed::Here);
        }
        self.message.truncate(ARGUMENTS + self.last_end());
        Ok(Placed::Alone)
    }

    /// Returns how many calls there are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns how many bytes the message has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        ARGUMENTS + self.last_end() + self.ends.len() * 4
    }

    /// As [`len`](Self::len), while calls are being added.
    #[inline]
    pub(crate) fn filled(&self) -> usize {
        self.message.len() + self.ends.len() * 4
    }

    /// Returns the message by which a worker is asked, with this number; the first call is for `item`.
    pub(crate) fn message(&mut self, request: u32, item: u64) -> &[u8] {
        let end = ARGUMENTS + self.last_end();
        // The ends are there already if it was sent before.
        self.message.truncate(end);
        self.message[REQUEST..COUNT].copy_from_slice(&request.to_le_bytes());
        let count = self.ends.len() as u32;
        self.message[COUNT..ITEM].copy_from_slice(&count.to_le_bytes());
        self.message[ITEM..ROUTINE].copy_from_slice(&item.to_le_bytes());
        let ends = self.ends.iter().flat_map(|end| end.to_le_bytes());
        self.message.extend(ends);
        &self.message
    }

    /// Leaves out the first calls.
    pub(crate) fn cut(&mut self, calls: usize) {
        let Some(&gone) = calls.checked_sub(1).and_then(|last| self.ends.get(last)) else {
            return;
        };
        self.message.truncate(ARGUMENTS + self.last_end());
        let from = ARGUMENTS;
        self.message.drain(from..from + gone as usize);
        self.ends.drain(..calls);
        self.ends.iter_mut().for_each(|end| *end -= gone);
    }

    #[inline]
    fn last_end(&self) -> usize {
        self.ends.last().map_or(0, |&end| end as usize)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        buffer::give(std::mem::take(&mut self.message));
    }
}

/// A row as a worker reads it.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    pub(crate) request: u32,
    pub(crate) is_timed: bool,
    /// The first call's item.
    pub(crate) item: u64,
    pub(crate) routine: Routine,
    arguments: &'a [u8],
    ends: &'a [[u8; 4]],
}

impl<'a> Calls<'a> {
    /// Reads the message of kind `CALLS` without its header.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (&[is_timed], bytes) = take(bytes)?;
        let (request, bytes) = take(bytes)?;
        let (count, bytes) = take(bytes)?;
        let (item, bytes) = take(bytes)?;
        let (routine, bytes) = take(bytes)?;
        let ends = (u32::from_le_bytes(*count) as usize).checked_mul(4);
        let at = ends.and_then(|ends| bytes.len().checked_sub(ends));
        let (arguments, ends) = bytes.split_at(at.ok_or(DecodeError::Truncated)?);
        Ok(Self {
            request: u32::from_le_bytes(*request),
            is_timed: is_timed != 0,
            item: u64::from_le_bytes(*item),
            routine: Routine::from_bytes(*routine),
            arguments,
            ends: ends.as_chunks().0,
        })
    }

    /// Returns the bytes of the arguments of each call, or `None` where the ends are no such.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut from = 0;
        let arguments = self.arguments;
        self.ends.iter().map(move |end| {
            let to = u32::from_le_bytes(*end) as usize;
            let bytes = arguments.get(from..to);
            from = to;
            bytes
        })
    }
}

/// Reads the arguments of a call, all of its bytes.
#[inline]
pub(crate) fn read<A: DeserializeOwned>(bytes: Option<&[u8]>) -> Result<A, DecodeError> {
    all(bare::read(bytes.ok_or(DecodeError::Truncated)?))
}

/// Returns a value that nothing follows.
#[inline]
fn all<T>(read: Result<(T, &[u8]), DecodeError>) -> Result<T, DecodeError> {
    match read? {
        (value, []) => Ok(value),
        (_, rest) => Err(DecodeError::LeftOver(rest.len())),
    }
}

/// The length of an outcome that is the only one of its block, and too long to say so.
const TO_THE_END: u16 = u16::MAX;

/// The most memory that a block keeps for the next.
const KEPT: usize = 1 << 20;

/// Bytes of a block in front of its outcomes.
const BLOCK: usize = HEADER + 3 * 4;

/// Outcomes on their way to the pool.
#[derive(Debug)]
pub(crate) struct Block {
    message: Vec<u8>,
    request: u32,
    first: u32,
    count: u32,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self {
            message: vec![0; BLOCK],
            request: 0,
            first: 0,
            count: 0,
        }
    }

    /// Begins anew, with the outcome of the call in this place of a request.
    pub(crate) fn begin(&mut self, request: u32, first: u32) {
        self.message.truncate(BLOCK);
        if self.message.capacity() > KEPT {
            self.message.shrink_to(KEPT);
        }
        (self.request, self.first, self.count) = (request, first, 0);
    }

    /// Returns how many outcomes there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the number of the request that they answer.
    pub(crate) fn request(&self) -> u32 {
        self.request
    }

    /// Returns how many bytes they take.
    pub(crate) fn len(&self) -> usize {
        self.message.len() - BLOCK
    }

    /// Begins an outcome with what `write` appends.
    #[inline]
    pub(crate) fn value(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, EncodeError>,
    ) -> Result<bool, EncodeError> {
        self.message.extend_from_slice(&[0, 0, 0]);
        write(&mut self.message)
    }

    /// Begins an outcome that is a failure; false if it has to travel in a message of its own.
    #[cold]
    pub(crate) fn failure(&mut self, failure: &Failure) -> bool {
        self.message.extend_from_slice(&[0, 0, 1]);
        matches!(bare::write(failure, &mut self.message), Ok(true))
    }

    /// Ends the outcome that begins at `from`, and returns its bytes.
    #[inline]
    pub(crate) fn end(&mut self, from: usize) -> &[u8] {
        let from = BLOCK + from;
        let len = (self.message.len() - from - 2) as u64;
        let len = u16::try_from(len).unwrap_or(TO_THE_END);
        self.message[from..from + 2].copy_from_slice(&len.to_le_bytes());
        let padded = (self.message.len() - from).next_multiple_of(8);
        // So many at a time, whatever is needed: that takes no call.
        self.message.extend_from_slice(&[0; 7]);
        self.message.truncate(from + padded);
        self.count += 1;
        &self.message[from..]
    }

    /// Ends the outcome that begins at `from` if it has room in one word, and returns that.
    #[inline]
    pub(crate) fn end_in_word(&mut self, from: usize) -> Option<u64> {
        let outcome = self.message.get(BLOCK + from..)?;
        if outcome.len() > 8 {
            return None;
        }
        // A load of eight bytes would wait until the smaller stores that have just made them are done.
        let bytes = outcome.iter().zip((0..).step_by(8)).skip(2);
        let bits = bytes.fold(0, |bits, (byte, at)| bits | u64::from(*byte) << at);
        let word = bits | (outcome.len() - 2) as u64;
        self.message.truncate(BLOCK + from);
        self.message.extend_from_slice(&word.to_le_bytes());
        self.count += 1;
        Some(word)
    }

    /// Takes the last outcome out again.
    pub(crate) fn take_last(&mut self, from: usize) -> Vec<u8> {
        self.count -= 1;
        self.message.split_off(BLOCK + from)
    }

    /// Puts an outcome back that was taken out.
    pub(crate) fn put_back(&mut self, outcome: &[u8]) {
        self.count += 1;
        self.message.extend_from_slice(outcome);
    }

    /// Leaves out what stands from `from` on.
    pub(crate) fn back_to(&mut self, from: usize) {
        self.message.truncate(BLOCK + from);
    }

    /// Returns the message to the pool.
    pub(crate) fn message(&mut self) -> &[u8] {
        self.message[..HEADER].copy_from_slice(&[Kind::OUTCOMES.0, 0, 0]);
        let head = [self.request, self.first, self.count];
        let head = head.iter().flat_map(|number| number.to_le_bytes());
        for (byte, new) in self.message[HEADER..BLOCK].iter_mut().zip(head) {
            *byte = new;
        }
        &self.message
    }
}

/// The head of a block as the pool reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockHead {
    pub(crate) request: u32,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// Bytes of the head in a message without its header.
pub(crate) const BLOCK_HEAD: usize = BLOCK - HEADER;

impl BlockHead {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (request, bytes) = take(bytes)?;
        let (first, bytes) = take(bytes)?;
        let (count, _) = take(bytes)?;
        Ok(Self {
            request: u32::from_le_bytes(*request),
            first: u32::from_le_bytes(*first),
            count: u32::from_le_bytes(*count),
        })
    }
}

/// Reads the outcomes of a block one after the other.
#[derive(Debug)]
pub(crate) struct Outcomes<'a>(pub(crate) &'a [u8]);

impl Outcomes<'_> {
    /// Returns whether all of so many are values, without reading them.
    pub(crate) fn are_values(mut self, count: usize) -> bool {
        (0..count).all(|_| {
            let Some((&[low, high, failure], _)) = self.0.split_first_chunk() else {
                return false;
            };
            let len = usize::from(u16::from_le_bytes([low, high]));
            self.0 = self.0.get((2 + len).next_multiple_of(8)..).unwrap_or(&[]);
            failure == 0
        })
    }

    /// Reads the next outcome. One that cannot be read leaves the next in its place.
    #[inline]
    pub(crate) fn next<R: DeserializeOwned>(
        &mut self,
        reading: &Reading,
    ) -> Result<Result<R, Failure>, DecodeError> {
        let (len, bytes) = take(self.0)?;
        let len = match u16::from_le_bytes(*len) {
            TO_THE_END => return self.last(bytes),
            len => usize::from(len),
        };
        let outcome = bytes.get(..len).ok_or(DecodeError::Truncated)?;
        self.0 = self.0.get((2 + len).next_multiple_of(8)..).unwrap_or(&[]);
        match outcome.split_first().ok_or(DecodeError::Truncated)? {
            (0, value) => all(reading.read(value)).map(Ok),
            (_, failure) => all(reading.read(failure)).map(Err),
        }
    }

    /// Reads the only outcome, whose length is not known for the padding behind it.
    fn last<R: DeserializeOwned>(
        &mut self,
        outcome: &[u8],
    ) -> Result<Result<R, Failure>, DecodeError> {
        self.0 = &[];
        match outcome.split_first().ok_or(DecodeError::Truncated)? {
            (0, value) => whole(value).map(Ok),
            (_, failure) => whole(failure).map(Err),
        }
    }
}

/// Reads a value that nothing but padding follows.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = bare::read(bytes)?;
    match rest.len() {
        0..8 => Ok(value),
        left => Err(DecodeError::LeftOver(left)),
    }
}

#[inline]
fn take<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), DecodeError> {
    bytes.split_first_chunk().ok_or(DecodeError::Truncated)
}

//! Copying out of and into memory that other processes write at the same time.
//!
//! All of it goes through aligned words of eight bytes, each loaded and stored atomically. So no
//! two accesses of this process to the same byte ever differ in size, which is what the language
//! asks of atomics that race, and whatever other processes do is a race with an atomic. A word
//! that is written in part is exchanged as a whole, with the bytes beside kept as they are at that
//! moment.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes in a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// Copies the bytes from `at` on; there must be as many.
pub(crate) fn read(words: &[AtomicU64], at: usize, into: &mut [u8]) {
    let (mut words, head) = (words[at / WORD..].iter(), head(at, into.len()));
    let (first, rest) = into.split_at_mut(head.len());
    if !first.is_empty() {
        first.copy_from_slice(&load(words.next())[head]);
    }
    for (part, word) in rest.chunks_mut(WORD).zip(words) {
        let word = load(Some(word));
        // Of a known length in the common case, so that it is one move.
        match <&mut [u8; WORD]>::try_from(&mut *part) {
            Ok(whole) => *whole = word,
            Err(_) => part.copy_from_slice(&word[..part.len()]),
        }
    }
}

/// Replaces the bytes from `at` on; there must be as many.
pub(crate) fn write(words: &[AtomicU64], at: usize, from: &[u8]) {
    let (mut words, head) = (words[at / WORD..].iter(), head(at, from.len()));
    let (first, rest) = from.split_at(head.len());
    if !first.is_empty() {
        store_part(words.next(), head, first);
    }
    for (part, word) in rest.chunks(WORD).zip(words) {
        match <[u8; WORD]>::try_from(part) {
            Ok(whole) => word.store(u64::from_ne_bytes(whole), Ordering::Relaxed),
            Err(_) => store_part(Some(word), 0..part.len(), part),
        }
    }
}

/// The bytes before the first whole word, as a range in their word.
fn head(at: usize, len: usize) -> Range<usize> {
    match at % WORD {
        0 => 0..0,
        inside => inside..WORD.min(inside + len),
    }
}

fn load(word: Option<&AtomicU64>) -> [u8; WORD] {
    word.map_or([0; WORD], |word| word.load(Ordering::Relaxed).to_ne_bytes())
}

fn store_part(word: Option<&AtomicU64>, range: Range<usize>, part: &[u8]) {
    let merged = |old: u64| {
        let mut bytes = old.to_ne_bytes();
        bytes[range.clone()].copy_from_slice(part);
        Some(u64::from_ne_bytes(bytes))
    };
    if let Some(word) = word {
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, merged);
    }
}

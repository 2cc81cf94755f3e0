//! The names of segments.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a segment's name consists of. Only this travels, so that no message can name anything
/// but a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) family: u64,
    pid: u32,
    counter: u64,
}

impl Name {
    /// A name that this process has not used yet.
    ///
    /// The count does not start at zero, so that a process which gets the number of a dead one
    /// does not get its names too.
    pub(crate) fn fresh(family: u64) -> Self {
        static NEXT: OnceLock<AtomicU64> = OnceLock::new();
        let next = NEXT.get_or_init(|| AtomicU64::new(getrandom::u32().unwrap_or(0).into()));
        Self {
            family,
            pid: process::id(),
            counter: next.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Reads a name; anything but what [`Display`](fmt::Display) writes is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('-');
        let family = u64::from_str_radix(parts.next()?, 16).ok()?;
        let pid = u32::from_str_radix(parts.next()?, 16).ok()?;
        let counter = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self {
            family,
            pid,
            counter,
        })
        .filter(|name| name.to_string() == text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}{:016x}-{:x}-{:x}",
            self.family, self.pid, self.counter
        )
    }
}

const PREFIX: &str = "/procession-";

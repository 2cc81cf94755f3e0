//! The names of segments.

use crate::family::DIRECTORY;
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

    /// Returns the byte of the family's lease that stands for the segment, behind those of the slots: no
    /// two segments of a family have the same unless a process makes 2⁴⁰ of them.
    pub(crate) fn place_in_lease(&self) -> i64 {
        const COUNTER_BITS: u32 = 40;
        const PID_BITS: u32 = 22;
        let pid = u64::from(self.pid) & ((1 << PID_BITS) - 1);
        let counter = self.counter & ((1 << COUNTER_BITS) - 1);
        (1 << (COUNTER_BITS + PID_BITS) | pid << COUNTER_BITS | counter).cast_signed()
    }

    /// Returns the process that made it.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn counter(&self) -> u64 {
        self.counter
    }

    /// Makes the name of another segment of the same family.
    pub(crate) fn sibling(&self, pid: u32, counter: u64) -> Self {
        Self {
            family: self.family,
            pid,
            counter,
        }
    }

    /// Returns the path of its file.
    pub(crate) fn path(&self) -> String {
        format!("{DIRECTORY}{self}")
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

/// A second name (a hard link) of a segment, by which it is held for a message that lies in another
/// segment, its *place*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) segment: Name,
    pub(crate) place: Name,
    /// Tells it from the others of the two.
    number: u64,
}

impl Link {
    /// A link that this process has not made yet.
    pub(crate) fn fresh(segment: Name, place: Name) -> Self {
        Self {
            segment,
            place,
            number: Name::fresh(segment.family).counter << 22 | u64::from(process::id()),
        }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (segment, rest) = text.split_once(IN)?;
        let segment = Name::parse(segment)?;
        let mut parts = rest.split('-');
        let mut number = |radix| u64::from_str_radix(parts.next()?, radix).ok();
        let (pid, counter, number) = (number(16)?, number(16)?, number(16)?);
        let place = segment.sibling(u32::try_from(pid).ok()?, counter);
        Some(Self {
            segment,
            place,
            number,
        })
        .filter(|link| link.to_string() == text)
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> String {
        format!("{DIRECTORY}{self}")
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name { pid, counter, .. } = self.place;
        write!(
            f,
            "{}{IN}{pid:x}-{counter:x}-{:x}",
            self.segment, self.number
        )
    }
}

const IN: &str = "-in-";

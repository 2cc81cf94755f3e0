//! The names of segments.

use crate::family::DIRECTORY;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a segment's name consists of. Only this travels, so that no message can name anything
/// but a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) family: u64,
    /// The process that made it; zero for a slab, and for what lies in one.
    pid: u32,
    /// The process's count, or the number of the slab.
    counter: u64,
    /// Where in the slab it lies, if it does.
    pub(crate) cell: Option<CellName>,
}

/// Which object of a slab it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct CellName {
    /// Tells the slab from others that have had its name.
    pub(crate) nonce: u32,
    pub(crate) index: u32,
    pub(crate) generation: u32,
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
            cell: None,
        }
    }

    /// The name of a family's slab.
    pub(crate) fn of_slab(family: u64, number: u64) -> Self {
        Self {
            family,
            pid: 0,
            counter: number,
            cell: None,
        }
    }

    /// Returns whether it is the name of a slab.
    pub(crate) fn is_slab(&self) -> bool {
        self.pid == 0 && self.cell.is_none()
    }

    /// Returns the byte of the family's lease that stands for the segment, behind those of the slots: no
    /// two segments of a family have the same unless a process makes 2⁴⁰ of them. Objects in slabs may, once in
    /// 2²⁴ generations of a cell; then one is given back later.
    pub(crate) fn place_in_lease(&self) -> i64 {
        const COUNTER_BITS: u32 = 40;
        const PID_BITS: u32 = 22;
        if let Some(cell) = self.cell {
            let slab = u64::from(cell.nonce & 0x7ff) << 8 | self.counter & 0xff;
            let cell =
                u64::from(cell.index & 0x3_ffff) << 24 | u64::from(cell.generation & 0xff_ffff);
            return (1 << 61 | slab << 42 | cell).cast_signed();
        }
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
            cell: None,
        }
    }

    /// Returns the path of the file in which it lies.
    pub(crate) fn file_path(&self) -> String {
        Self {
            cell: None,
            ..*self
        }
        .path()
    }

    /// Returns the path of its file; for what lies in a slab, of its anchor.
    pub(crate) fn path(&self) -> String {
        format!("{DIRECTORY}{self}")
    }

    /// Reads a name; anything but what [`Display`](fmt::Display) writes is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('-');
        let family = u64::from_str_radix(parts.next()?, 16).ok()?;
        let pid = u32::from_str_radix(parts.next()?, 16).ok()?;
        let last = parts.next()?;
        let (counter, cell) = match last.split_once('.') {
            Some((counter, cell)) => (counter, Some(CellName::parse(cell)?)),
            None => (last, None),
        };
        let counter = u64::from_str_radix(counter, 16).ok()?;
        Some(Self {
            family,
            pid,
            counter,
            cell,
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
        )?;
        let Some(cell) = self.cell else { return Ok(()) };
        write!(
            f,
            ".{:x}.{:x}.{:x}",
            cell.nonce, cell.index, cell.generation
        )
    }
}

impl CellName {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
        Some(Self {
            nonce: number()?,
            index: number()?,
            generation: number()?,
        })
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

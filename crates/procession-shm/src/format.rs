//! What is in a segment: its kind, and the type of its elements.

use crate::claims::SideBySide;
use crate::header::CORE_LEN;
use crate::kind::SIDE_BY_SIDE;
use crate::{OpenError, SegmentKind, ShmError};
use procession_wire::schema;

/// The largest alignment of an element, a page: where the system maps a segment.
pub(crate) const MAX_ALIGN: usize = 4096;

/// The kind of a segment and the type of its elements: what must be equal where it is made and
/// where it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub(crate) kind: SegmentKind,
    pub(crate) type_hash: u64,
    pub(crate) size: usize,
    pub(crate) align: usize,
}

impl Format {
    /// Describes a segment of this kind with elements of type `T`.
    pub fn of<T>(kind: SegmentKind) -> Self {
        Self {
            kind,
            type_hash: schema::<T>(),
            size: size_of::<T>(),
            align: align_of::<T>(),
        }
    }

    /// The bytes of so many elements, and of the whole segment with them.
    pub(crate) fn measure(&self, elements: usize) -> Result<Measure, ShmError> {
        if self.align > MAX_ALIGN {
            return Err(ShmError::Alignment {
                wanted: self.align,
                max: MAX_ALIGN,
            });
        }
        let too_many = || ShmError::out_of_memory(self.size.saturating_mul(elements));
        Measure::new(self.kind.number, self.size, self.align, elements).ok_or_else(too_many)
    }

    /// Compares with what a segment's header says.
    pub(crate) fn check(&self, found: &Found) -> Result<(), OpenError> {
        if found.kind != self.kind.number {
            return Err(OpenError::WrongKind {
                wanted: self.kind.name,
            });
        }
        let element = (found.type_hash, found.size, found.align);
        if element != (self.type_hash, self.size, self.align) {
            return Err(OpenError::WrongType);
        }
        Ok(())
    }

    pub(crate) fn found(&self, elements: usize, measure: Measure) -> Found {
        let &Self {
            kind,
            type_hash,
            size,
            align,
        } = self;
        Found {
            kind: kind.number,
            type_hash,
            size,
            align,
            elements,
            measure,
        }
    }

    pub(crate) fn kind_number(&self) -> u32 {
        self.kind.number
    }
}

/// What a checked header says, copied so that nobody can change it afterwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) kind: u32,
    pub(crate) type_hash: u64,
    pub(crate) size: usize,
    pub(crate) align: usize,
    pub(crate) elements: usize,
    pub(crate) measure: Measure,
}

/// Where in a segment the payload is, and how much there is of everything, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) payload_at: usize,
    pub(crate) payload_len: usize,
    pub(crate) total: usize,
}

/// The bytes before the first element, unless it asks for a larger alignment.
pub(crate) const HEADER_LEN: usize = 256;

/// The bytes of the header and of what lies behind it where several are side by side: whole pages.
const WITH_READERS_LEN: usize = (HEADER_LEN + size_of::<SideBySide>()).next_multiple_of(4096);

// As the documentation of such a kind says. Loom's atomics take more.
#[cfg(not(loom))]
const _: () = assert!(WITH_READERS_LEN == 3 * 4096);

/// Whether segments of the kind with this number have a readers' state.
pub(crate) fn has_readers(kind: u32) -> bool {
    kind & SIDE_BY_SIDE != 0
}

/// The largest object that lies in a slab.
pub(crate) const LARGEST_IN_CELL: usize = 16 << 10;

impl Measure {
    /// As [`new`](Self::new), for what lies in a slab; `None` if it is too large for that.
    pub(crate) fn in_cell(kind: u32, size: usize, align: usize, elements: usize) -> Option<Self> {
        let payload_at = if has_readers(kind) {
            (CORE_LEN + size_of::<SideBySide>()).next_multiple_of(CORE_LEN)
        } else {
            CORE_LEN
        };
        if !align.is_power_of_two() || align > CORE_LEN {
            return None;
        }
        let payload_len = size.checked_mul(elements)?;
        let total = payload_at.checked_add(payload_len)?;
        (total <= LARGEST_IN_CELL).then_some(Self {
            payload_at,
            payload_len,
            total,
        })
    }

    /// `None` if it is more than a process can address, or if the alignment is none.
    pub(crate) fn new(kind: u32, size: usize, align: usize, elements: usize) -> Option<Self> {
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return None;
        }
        let front = if has_readers(kind) {
            WITH_READERS_LEN
        } else {
            HEADER_LEN
        };
        let payload_at = front.max(align);
        let payload_len = size.checked_mul(elements)?;
        let total = payload_at
            .checked_add(payload_len)
            .filter(|&total| total <= LARGEST)?;
        Some(Self {
            payload_at,
            payload_len,
            total,
        })
    }
}

/// Such that the rounding to pages cannot overflow either.
const LARGEST: usize = isize::MAX as usize - MAX_ALIGN;

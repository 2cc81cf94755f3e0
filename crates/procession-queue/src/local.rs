//! What a process remembers of the chunks that one side of a queue is in.

use crate::Fault;
use crate::home::Home;
use crate::name::Name;
use crate::record::Area;
use crate::side::NOWHERE;
use crate::stored::Stored;

/// How many mapped chunks are kept, so that those that take turns are not mapped anew each time: the
/// producers', the consumers', and the spare one.
const KEPT: usize = 3;

/// A chunk in this process's memory.
pub(crate) struct Chunk {
    pub(crate) name: Name,
    pub(crate) area: Area,
    /// Keeps the area mapped; the queue itself does that for the home chunk.
    _stored: Option<Stored>,
}

impl Chunk {
    pub(crate) fn home(home: &Home) -> Self {
        Self {
            name: Name::HOME,
            area: home.area(),
            _stored: None,
        }
    }

    pub(crate) fn of(name: Name, stored: Stored) -> Self {
        Self {
            name,
            // The segment stays with the chunk.
            area: Area::new(stored.memory()),
            _stored: Some(stored),
        }
    }
}

/// The chunk that a side is in, and those that it was in before.
///
/// The queue's handle must outlive it, since the home chunk is in the handle's segment.
pub(crate) struct Local {
    pub(crate) number: u64,
    pub(crate) chunk: Chunk,
    kept: Vec<(Name, Stored)>,
}

impl Local {
    pub(crate) fn new(home: &Home) -> Self {
        Self {
            number: 0,
            chunk: Chunk::home(home),
            kept: Vec::new(),
        }
    }

    /// Goes to the chunk of this number, which has the given name; nothing happens if it is there.
    ///
    /// The lock of a side whose place has the name must be held.
    #[inline]
    pub(crate) fn go_to(
        &mut self,
        home: &Home,
        number: u64,
        name: impl FnOnce() -> Name,
    ) -> Result<(), Fault> {
        if self.number != number {
            let chunk = self.open(home, name())?;
            self.enter(number, chunk);
        }
        Ok(())
    }

    /// Forgets where it is; the next [`go_to`](Self::go_to) finds out.
    pub(crate) fn lose(&mut self) {
        self.number = NOWHERE;
    }

    /// Goes to a chunk; returns the one it was in.
    pub(crate) fn enter(&mut self, number: u64, chunk: Chunk) -> Chunk {
        self.number = number;
        std::mem::replace(&mut self.chunk, chunk)
    }

    /// Maps the chunk of that name, unless it is still mapped.
    pub(crate) fn open(&mut self, home: &Home, name: Name) -> Result<Chunk, Fault> {
        if name == Name::HOME {
            return Ok(Chunk::home(home));
        }
        if let Some((_, stored)) = self.kept.iter().find(|(kept, _)| *kept == name) {
            return Ok(Chunk::of(name, stored.clone()));
        }
        let stored = name.open().map_err(Fault::Open)?;
        Ok(self.keep(name, stored))
    }

    /// Keeps a chunk mapped for a while.
    pub(crate) fn keep(&mut self, name: Name, stored: Stored) -> Chunk {
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((name, stored.clone()));
        Chunk::of(name, stored)
    }

    /// Forgets a chunk that does not belong to the queue any more.
    pub(crate) fn forget(&mut self, name: Name) {
        self.kept.retain(|(kept, _)| *kept != name);
    }
}

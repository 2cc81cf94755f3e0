//! Named blocks of memory that any program can open.
//!
//! # Names, and who takes them away
//!
//! A block that this library makes is a segment of the family at first, complete and reserved.
//! Only then it gets its public name, as a second name (a hard link) of the same file. So nobody
//! finds a block that is not ready, and the family's own name says to whom the block belongs:
//!
//! | who | does |
//! |---|---|
//! | creator | makes the family's file, reserves it, links the public name |
//! | owner that drops its last handle, or is told to unlink | removes the public name if it still stands for the same file, then the family's |
//! | owner that keeps the block | removes the family's name only |
//! | whoever unlinks explicitly | removes the public name if it still stands for the same file |
//! | who cleans up after a dead family | removes every name of a file that has one of the family's, that one last |
//!
//! A process that is killed between any two of these steps leaves a file with a name of the
//! family's, which goes with the family, or one that nobody owns any more, as was asked for.

mod access;
mod error;
mod file;
mod name;
mod view;
pub(crate) mod words;

use crate::name::Name;
use crate::pages::Pages;
use crate::{family, reserve};
use file::{Found, Inode};
use name::BlockName;
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

pub use access::OutOfBlock;
use access::words_of;
pub use error::BlockError;
pub use name::NameError;
pub use view::{View, ViewError};

/// A named block of memory without any structure of the library's, which every program of the
/// user can open: with `shm_open` in C, or as Python's `multiprocessing.shared_memory`.
///
/// It has exactly the size that was asked for. There is no lock in it and no type: what is where,
/// and who may write when, is between the programs. Bytes are copied in and out
/// ([`read_at`](Self::read_at), [`write_at`](Self::write_at)), so that nothing goes wrong when
/// somebody writes them at that moment but that old and new bytes may be mixed; words of eight
/// bytes at a multiple of eight are never torn, and [`atomics`](Self::atomics) gives them for
/// everything else. A [`View`] copies elements of a type instead of bytes: [`view`](Self::view),
/// [`view_at`](Self::view_at).
///
/// A clone is another handle. What is decoded from a message is attached by the block's name, so
/// the block must not be unlinked before that.
///
/// # Who removes it
///
/// The process that created the block *owns* it: when the handle from [`create`](Self::create)
/// and its clones are dropped there, the name goes, unless [`keep`](Self::keep) was called.
/// [`unlink`](Self::unlink) takes it away earlier. Those who attached keep the memory as long as
/// they map it, and their end removes nothing. If the owner ends without dropping, killed or not,
/// the name goes with the last process of its [family](crate::family), or is swept. A process
/// that gives away a block and ends before it has arrived calls `keep`.
///
/// Python removes at its exit what it merely attached, unless it was attached with `track=False`
/// (since 3.13), or `resource_tracker.unregister(shm._name, "shared_memory")` was called.
///
/// # When the other side is gone
///
/// Nothing here waits. A program that makes a block *smaller* while others map it, which neither
/// this library nor Python does, ends them with a SIGBUS when they use what is gone.
///
/// # Examples
///
/// ```
/// use procession_shm::SharedMemory;
///
/// let block = SharedMemory::create_anonymous(10)?;
/// let same = SharedMemory::attach(block.name())?;
/// same.write_at(4, b"abc")?;
/// assert_eq!(block.to_vec(), b"\0\0\0\0abc\0\0\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SharedMemory {
    block: Arc<Block>,
}

struct Block {
    name: BlockName,
    inode: Inode,
    memory: Pages,
    owner: Option<Owner>,
}

/// What makes the creator's handle the one that removes the block.
struct Owner {
    /// A fork of the creator does not own.
    process: u32,
    /// The family's name of the same file.
    link: Name,
    /// Whether it was given up.
    released: AtomicBool,
}

impl SharedMemory {
    /// Makes a block of `size` zeroed bytes, all of them reserved, and owns it.
    ///
    /// The name may begin with the slash of `shm_open`; that makes no difference.
    ///
    /// # Errors
    ///
    /// [`BlockError::Name`] if no block can be named so, [`BlockError::AlreadyExists`],
    /// [`BlockError::ZeroSize`], and [`BlockError::Memory`] if there is no room for it or the
    /// system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{BlockError, SharedMemory};
    ///
    /// let name = format!("samples-{}", std::process::id());
    /// let block = SharedMemory::create(&name, 1000)?;
    /// assert_eq!((block.name(), block.len()), (&*name, 1000));
    /// let again = SharedMemory::create(&name, 1000);
    /// assert!(matches!(again, Err(BlockError::AlreadyExists(_))));
    /// # Ok::<(), BlockError>(())
    /// ```
    pub fn create(name: &str, size: usize) -> Result<Self, BlockError> {
        Self::create_filled(Some(name), size, |_| {})
    }

    /// Makes a block with a name that nothing has yet, as [`create`](Self::create) does.
    ///
    /// # Errors
    ///
    /// [`BlockError::ZeroSize`], and [`BlockError::Memory`] if there is no room for it or the
    /// system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::SharedMemory;
    ///
    /// let (one, other) = (SharedMemory::create_anonymous(1)?, SharedMemory::create_anonymous(1)?);
    /// assert_ne!(one.name(), other.name());
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn create_anonymous(size: usize) -> Result<Self, BlockError> {
        Self::create_filled(None, size, |_| {})
    }

    /// Opens the block of that name, whoever made it.
    ///
    /// Its size is that of the file. What its maker did not reserve is reserved now.
    ///
    /// # Errors
    ///
    /// [`BlockError::Name`], [`BlockError::NotFound`], [`BlockError::NotReady`] if it has no
    /// bytes yet, [`BlockError::NotMemory`], [`BlockError::Memory`] if there is no room for what
    /// was not reserved, [`BlockError::System`] if the system refuses.
    ///
    /// # When the other side is gone
    ///
    /// It makes no difference to a block that still has its name.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{BlockError, SharedMemory};
    ///
    /// let missing = SharedMemory::attach("no-such-block");
    /// assert!(matches!(missing, Err(BlockError::NotFound(_))));
    /// ```
    pub fn attach(name: &str) -> Result<Self, BlockError> {
        let name = BlockName::parse(name)?;
        let Found { memory, inode } = file::attach(&name)?;
        Ok(Self::new(name, inode, memory, None))
    }

    /// Takes away the name of a block that this process has no handle to.
    ///
    /// # Errors
    ///
    /// [`BlockError::Name`], [`BlockError::NotFound`], and [`BlockError::System`] if the system
    /// refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::SharedMemory;
    ///
    /// let block = SharedMemory::create_anonymous(1)?;
    /// let name = block.name().to_owned();
    /// block.keep();
    /// drop(block);
    /// SharedMemory::remove(&name)?;
    /// assert!(SharedMemory::remove(&name).is_err());
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn remove(name: &str) -> Result<(), BlockError> {
        file::remove_any(&BlockName::parse(name)?)
    }

    /// Takes the block's name away, so that nobody can attach any more.
    ///
    /// Every handle may do that, once; all of them stay usable.
    ///
    /// # Errors
    ///
    /// [`BlockError::NotFound`] if the name is gone already, or stands for another block now.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{BlockError, SharedMemory};
    ///
    /// let block = SharedMemory::create_anonymous(1)?;
    /// block.unlink()?;
    /// assert!(matches!(block.unlink(), Err(BlockError::NotFound(_))));
    /// # Ok::<(), BlockError>(())
    /// ```
    pub fn unlink(&self) -> Result<(), BlockError> {
        let removed = file::remove(&self.block.name, self.block.inode);
        self.block.release();
        removed
    }

    /// Gives up the ownership: from now on the block stays until somebody unlinks it.
    ///
    /// It does nothing in a process that does not own the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::SharedMemory;
    ///
    /// let block = SharedMemory::create_anonymous(1)?;
    /// block.keep();
    /// let name = block.name().to_owned();
    /// drop(block);
    /// SharedMemory::attach(&name)?.unlink()?;
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn keep(&self) {
        self.block.release();
    }

    /// Returns whether the end of this process's handles removes the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::SharedMemory;
    ///
    /// let block = SharedMemory::create_anonymous(1)?;
    /// assert!(block.is_owner());
    /// assert!(!SharedMemory::attach(block.name())?.is_owner());
    /// # Ok::<(), procession_shm::BlockError>(())
    /// ```
    pub fn is_owner(&self) -> bool {
        self.block.owner.as_ref().is_some_and(Owner::is_active)
    }

    /// Returns the name, as Python gives it: without the slash that C has before it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::SharedMemory;
    ///
    /// let name = format!("words-{}", std::process::id());
    /// let block = SharedMemory::create(&format!("/{name}"), 8)?;
    /// assert_eq!(block.name(), name);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        self.block.name.as_str()
    }

    /// Returns the size in bytes, which is not rounded to pages.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = procession_shm::SharedMemory::create_anonymous(10)?;
    /// assert_eq!((block.len(), block.is_empty()), (10, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.block.memory.len()
    }

    /// Returns whether the block has no bytes, which none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes a block and has it filled before anybody can find it.
    pub(crate) fn create_filled(
        name: Option<&str>,
        size: usize,
        fill: impl FnOnce(&[AtomicU64]),
    ) -> Result<Self, BlockError> {
        let name = name.map(BlockName::parse).transpose()?;
        if size == 0 {
            return Err(BlockError::ZeroSize);
        }
        let (link, memory) = reserve::make(size)?;
        // From here on the family's name goes whatever happens.
        let mut unpublished = Unpublished(Some(link));
        // A block that is published is one of a family that this process has not left.
        let _stay = family::stay()?;
        fill(words_of(&memory));
        let (name, inode) = publish(link, name)?;
        unpublished.0 = None;
        let owner = Owner {
            process: process::id(),
            link,
            released: AtomicBool::new(false),
        };
        Ok(Self::new(name, inode, memory, Some(owner)))
    }

    fn new(name: BlockName, inode: Inode, memory: Pages, owner: Option<Owner>) -> Self {
        let block = Arc::new(Block {
            name,
            inode,
            memory,
            owner,
        });
        Self { block }
    }
}

/// The family's name of a block that has no public one yet.
struct Unpublished(Option<Name>);

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let Some(link) = self.0 {
            reserve::unlink(link);
        }
    }
}

/// Gives a new block its public name, or one that nothing has.
fn publish(link: Name, name: Option<BlockName>) -> Result<(BlockName, Inode), BlockError> {
    if let Some(name) = name {
        let inode = file::publish(link, &name)?;
        return Ok((name, inode));
    }
    loop {
        let name = fresh_name()?;
        match file::publish(link, &name) {
            Err(BlockError::AlreadyExists(_)) => {}
            result => return Ok((name, result?)),
        }
    }
}

/// A name as Python's are, made of the process number and a count that begins anywhere.
fn fresh_name() -> Result<BlockName, BlockError> {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU64::new(getrandom::u32().unwrap_or(0).into()));
    let count = next.fetch_add(1, Ordering::Relaxed);
    Ok(BlockName::parse(&format!(
        "psm_{:x}_{count:x}",
        process::id()
    ))?)
}

impl Owner {
    fn is_active(&self) -> bool {
        self.process == process::id() && !self.released.load(Ordering::Relaxed)
    }

    /// Ends the ownership; true for the one call that ends it.
    fn end(&self) -> bool {
        self.process == process::id() && !self.released.swap(true, Ordering::Relaxed)
    }
}

impl Block {
    /// Ends the ownership, if this process has it, and leaves the public name.
    fn release(&self) -> bool {
        let Some(owner) = self.owner.as_ref().filter(|owner| owner.end()) else {
            return false;
        };
        reserve::unlink(owner.link);
        true
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.owner.as_ref().is_some_and(Owner::is_active) {
            // First, for without the family's name nobody would clean up after a kill.
            let _ = file::remove(&self.name, self.inode);
            self.release();
        }
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory")
            .field("name", &self.name())
            .field("len", &self.len())
            .field("owner", &self.is_owner())
            .finish()
    }
}

/// Encodes the name; only into a message to another process.
impl Serialize for SharedMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::check_departing::<S::Error>()?;
        (self.name(), self.block.inode).serialize(serializer)
    }
}

/// Attaches to the block that was encoded, and to no later one of its name.
impl<'de> Deserialize<'de> for SharedMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::check_arriving::<D::Error>()?;
        let (name, inode) = <(String, Inode)>::deserialize(deserializer)?;
        let attached = Self::attach(&name).and_then(|found| found.expect_inode(inode));
        attached.map_err(serde::de::Error::custom)
    }
}

impl SharedMemory {
    fn expect_inode(self, inode: Inode) -> Result<Self, BlockError> {
        if self.block.inode == inode {
            return Ok(self);
        }
        Err(BlockError::NotFound(self.name().to_owned()))
    }
}

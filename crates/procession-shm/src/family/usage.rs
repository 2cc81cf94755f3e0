//! What a family has in shared memory, and who holds it.

use super::holders::pid_of;
use super::lease::Lease;
use super::sweep::names_of;
use super::{FamilyError, known, with_lease};
use crate::header::{Header, SLOTS, SlotSet};
use crate::kind::name_of;
use crate::name::{Link, Name};
use crate::reserve;
use crate::slab::{self, Look};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What holds an object in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HeldBy {
    /// The process of this number has a handle; or had one when it was killed, and nobody has reaped it yet.
    Process(u32),
    /// Messages with a handle in them are on their way.
    Messages,
    /// So many messages with a handle in them lie in queues.
    Queued(u64),
    /// It is a part of another object.
    Whole,
    /// So many processes and messages of which nobody knows which: the family has more processes than there are
    /// slots, or some of another user.
    Unknown(u64),
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Messages => f.write_str("messages on their way"),
            Self::Queued(messages) => write!(f, "messages in queues ({messages})"),
            Self::Whole => f.write_str("the object that it is a part of"),
            Self::Unknown(holders) => write!(f, "unknown ({holders})"),
        }
    }
}

/// An object in shared memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// The name of the segment; of what is small, where in a slab it lies.
    pub name: String,
    /// What kind of object it is.
    pub kind: String,
    /// The memory that it takes.
    pub bytes: u64,
    /// Whether it lies in a slab, with others.
    pub in_slab: bool,
    /// Who holds it.
    pub holders: Vec<HeldBy>,
}

/// What a family has in shared memory at one moment; from [`usage`].
///
/// Its [`Display`](fmt::Display) is a table for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    objects: Vec<Object>,
    slabs: usize,
    slab_bytes: u64,
}

impl Usage {
    /// Returns the objects, in the order of their names.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Returns the number of segments, slabs included.
    pub fn segments(&self) -> usize {
        self.alone().count() + self.slabs
    }

    /// Returns the memory of all together, and what is kept in slabs for objects to come.
    pub fn bytes(&self) -> u64 {
        self.alone().map(|object| object.bytes).sum::<u64>() + self.slab_bytes
    }

    /// Returns the number of slabs, which stay until the family ends, and their memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{Value, family};
    ///
    /// let values: Vec<_> = (0..100).map(Value::new).collect::<Result<_, _>>()?;
    /// let (slabs, bytes) = family::usage()?.slabs();
    /// assert_eq!(slabs, 1);
    /// assert!(bytes < 100 * 4096);
    /// # drop(values);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slabs(&self) -> (usize, u64) {
        (self.slabs, self.slab_bytes)
    }

    /// The objects that have segments of their own.
    fn alone(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| !object.in_slab)
    }

    /// Returns how many objects of each kind there are, and their memory.
    pub fn by_kind(&self) -> BTreeMap<&str, (usize, u64)> {
        let kinds = self.objects.iter();
        sum(kinds.map(|object| (object.kind.as_str(), object.bytes)))
    }

    /// Returns how many objects each process holds, and their memory. An object that several hold is
    /// counted for each of them.
    pub fn by_process(&self) -> BTreeMap<u32, (usize, u64)> {
        let held = self.objects.iter().flat_map(|object| {
            let processes = object.holders.iter().filter_map(|holder| match holder {
                HeldBy::Process(pid) => Some(*pid),
                _ => None,
            });
            processes.map(|pid| (pid, object.bytes))
        });
        sum(held)
    }
}

fn sum<K: Ord>(each: impl Iterator<Item = (K, u64)>) -> BTreeMap<K, (usize, u64)> {
    let mut sums = BTreeMap::new();
    for (key, bytes) in each {
        let (objects, total): &mut (usize, u64) = sums.entry(key).or_default();
        *objects += 1;
        *total += bytes;
    }
    sums
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} objects, {} segments, {} bytes; of these in slabs: {} segments, {} bytes",
            self.objects.len(),
            self.segments(),
            self.bytes(),
            self.slabs,
            self.slab_bytes
        )?;
        for (kind, (objects, bytes)) in self.by_kind() {
            writeln!(f, "  {objects:>6} {bytes:>12}  {kind}")?;
        }
        writeln!(f, "held by")?;
        for (pid, (objects, bytes)) in self.by_process() {
            writeln!(f, "  {objects:>6} {bytes:>12}  process {pid}")?;
        }
        let others = self.objects.iter().filter(|object| {
            let process = |holder: &HeldBy| matches!(holder, HeldBy::Process(_));
            !object.holders.iter().any(process)
        });
        for Object {
            name,
            bytes,
            holders,
            ..
        } in others
        {
            let holders: Vec<String> = holders.iter().map(HeldBy::to_string).collect();
            let holders = if holders.is_empty() {
                "nobody".to_owned()
            } else {
                holders.join(", ")
            };
            writeln!(f, "         {bytes:>12}  {holders}: {name}")?;
        }
        Ok(())
    }
}

/// Returns what this process's family has in shared memory, and who holds it: what leaks is found with it.
///
/// Others go on meanwhile, so it is no picture of one moment. Named blocks ([`SharedMemory`](crate::SharedMemory)) are
/// not among it, nor is what has lost its name.
///
/// # Errors
///
/// [`FamilyError::Left`] while the process exits, [`FamilyError::Gone`] if it was forked from one whose family has
/// ended, and [`FamilyError::Lease`] if the lease cannot be read.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
///
/// let value = Value::new(7_u32)?;
/// let usage = family::usage()?;
/// assert_eq!(usage.objects().len(), 1);
/// assert_eq!(usage.by_kind()["value"].0, 1);
/// assert_eq!(usage.by_process()[&std::process::id()].0, 1);
/// assert!(usage.to_string().contains("value"));
/// # drop(value);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn usage() -> Result<Usage, FamilyError> {
    if known().is_none() {
        // Nothing was shared yet.
        return Ok(Usage::default());
    }
    with_lease(|lease| {
        let words = lease.slot_words().map_err(FamilyError::Lease)?;
        let names = names_of(lease.family());
        let names: BTreeSet<String> = names.iter().map(|name| format!("/{name}")).collect();
        let objects = names.iter().filter(|name| Link::parse(name).is_none());
        let objects = objects.filter_map(|name| look_at(Name::parse(name)?, lease, &words));
        let mut usage = Usage {
            objects: objects.collect(),
            ..Usage::default()
        };
        let names = names.iter().filter_map(|name| Name::parse(name));
        for name in names.filter(Name::is_slab) {
            let Ok(slab) = slab::slab_of(name) else {
                continue;
            };
            usage.slabs += 1;
            usage.slab_bytes += memory_of(name).unwrap_or(0);
            let objects = slab::objects(slab);
            (usage.objects).extend(objects.filter_map(|look| in_slab(&look, lease, &words)));
        }
        Ok(usage)
    })?
}

/// Returns what is known of a segment; `None` if it is none, or is gone by now.
fn look_at(name: Name, lease: &Lease, words: &[u64; SLOTS]) -> Option<Object> {
    if name.is_slab() || name.cell.is_some() {
        return None;
    }
    let memory = reserve::find(&name.to_string()).ok()?;
    if memory.len() < size_of::<Header>() {
        return None;
    }
    // SAFETY: the mapping begins on a page, is long enough, and lives as long as it is used; all of a
    // header is atomic.
    let header: &Header = unsafe { &*memory.as_ptr().cast() };
    let found = header.verify(memory.len()).ok()?;
    let file = fs::symlink_metadata(name.path()).ok()?;
    let links = file.nlink().saturating_sub(1);
    let others = [
        (lease.is_on_its_way(name), HeldBy::Messages),
        (links > 0, HeldBy::Queued(links)),
        (header.whole(name).is_some(), HeldBy::Whole),
        (header.counted() > 0, HeldBy::Unknown(header.counted())),
    ];
    let holders = holders_of(header.slots(), words, &others);
    Some(Object {
        name: name.to_string(),
        kind: name_of(found.kind),
        bytes: file.blocks() * BLOCK,
        in_slab: false,
        holders,
    })
}

/// The unit of `st_blocks`.
const BLOCK: u64 = 512;

fn memory_of(name: Name) -> Option<u64> {
    Some(fs::symlink_metadata(name.path()).ok()?.blocks() * BLOCK)
}

fn in_slab(look: &Look, lease: &Lease, words: &[u64; SLOTS]) -> Option<Object> {
    let cell = look.cell;
    let (_, found) = cell.find().ok()?;
    let name = cell.name();
    let links = if cell.was_left() { cell.links() } else { 0 };
    let others = [
        (
            cell.was_sent() && lease.is_on_its_way(name),
            HeldBy::Messages,
        ),
        (links > 0, HeldBy::Queued(links)),
        (cell.counted() > 0, HeldBy::Unknown(cell.counted())),
    ];
    Some(Object {
        name: name.to_string(),
        kind: name_of(found.kind),
        bytes: look.bytes as u64,
        in_slab: true,
        holders: holders_of(cell.slots(), words, &others),
    })
}

/// The processes of these slots, and those others that hold something.
fn holders_of(slots: SlotSet, words: &[u64; SLOTS], others: &[(bool, HeldBy)]) -> Vec<HeldBy> {
    let processes = slots.iter().map(|slot| pid_of(words[slot as usize]));
    let others = others.iter().filter(|(holds, _)| *holds).map(|(_, by)| *by);
    processes.map(HeldBy::Process).chain(others).collect()
}

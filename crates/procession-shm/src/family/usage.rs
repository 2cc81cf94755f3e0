//! What a family has in shared memory, and who holds it.

use super::holders::pid_of;
use super::lease::Lease;
use super::sweep::names_of;
use super::{FamilyError, with_lease};
use crate::header::{Header, SLOTS};
use crate::kind::name_of;
use crate::name::{Link, Name};
use crate::reserve;
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

/// An object that has a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// The name of the segment.
    pub name: String,
    /// What kind of object it is.
    pub kind: String,
    /// The memory that it takes.
    pub bytes: u64,
    /// Who holds it.
    pub holders: Vec<HeldBy>,
}

/// What a family has in shared memory at one moment; from [`usage`].
///
/// Its [`Display`](fmt::Display) is a table for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    objects: Vec<Object>,
}

impl Usage {
    /// Returns the objects, in the order of their names.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Returns the number of segments.
    pub fn segments(&self) -> usize {
        self.objects.len()
    }

    /// Returns the memory of all together.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
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
        writeln!(f, "{} segments, {} bytes", self.segments(), self.bytes())?;
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
/// [`FamilyError::Gone`] if this process has no family: nothing was shared yet.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
///
/// let value = Value::new(7_u32)?;
/// let usage = family::usage()?;
/// assert_eq!(usage.segments(), 1);
/// assert_eq!(usage.by_kind()["value"].0, 1);
/// assert_eq!(usage.by_process()[&std::process::id()].0, 1);
/// assert!(usage.to_string().contains("value"));
/// # drop(value);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn usage() -> Result<Usage, FamilyError> {
    with_lease(|lease| {
        let words = lease.slot_words().map_err(FamilyError::Lease)?;
        let names = names_of(lease.family());
        let names: BTreeSet<String> = names.iter().map(|name| format!("/{name}")).collect();
        let objects = names.iter().filter(|name| Link::parse(name).is_none());
        let objects = objects.filter_map(|name| look_at(Name::parse(name)?, lease, &words));
        Ok(Usage {
            objects: objects.collect(),
        })
    })?
}

/// Returns what is known of a segment; `None` if it is none, or is gone by now.
fn look_at(name: Name, lease: &Lease, words: &[u64; SLOTS]) -> Option<Object> {
    /// The unit of `st_blocks`.
    const BLOCK: u64 = 512;
    let memory = reserve::find(&name.to_string()).ok()?;
    if memory.len() < size_of::<Header>() {
        return None;
    }
    // SAFETY: the mapping begins on a page, is long enough, and lives as long as it is used; all of a
    // header is atomic.
    let header: &Header = unsafe { &*memory.as_ptr().cast() };
    let found = header.verify(memory.len()).ok()?;
    let file = fs::symlink_metadata(name.path()).ok()?;
    let processes = header.slots();
    let processes = processes.iter().map(|slot| pid_of(words[slot as usize]));
    let mut holders: Vec<HeldBy> = processes.map(HeldBy::Process).collect();
    let links = file.nlink().saturating_sub(1);
    let others = [
        (lease.is_on_its_way(name), HeldBy::Messages),
        (links > 0, HeldBy::Queued(links)),
        (header.whole(name).is_some(), HeldBy::Whole),
        (header.counted() > 0, HeldBy::Unknown(header.counted())),
    ];
    holders.extend(others.iter().filter(|(holds, _)| *holds).map(|(_, by)| *by));
    Some(Object {
        name: name.to_string(),
        kind: name_of(found.kind),
        bytes: file.blocks() * BLOCK,
        holders,
    })
}

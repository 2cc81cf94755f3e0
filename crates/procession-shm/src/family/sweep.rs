//! Removing what dead families left behind.

use super::lease::{Lease, SUFFIX};
use super::{id_of, number_of};
use nix::unistd::geteuid;
use procession_os::wait::Deadline;
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Where `shm_open` and the leases have their files.
pub(crate) const DIRECTORY: &str = "/dev/shm";

/// Returns the names in `/dev/shm` that dead families of this user left behind, sorted.
///
/// What live families have, and what belongs to another user, is not among them.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
///
/// let value = Value::new(7_u32)?;
/// let ours = family::current()?.id();
/// assert!(family::leftovers().iter().all(|name| !name.contains(ours)));
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub fn leftovers() -> Vec<String> {
    let dead = families().into_iter().filter_map(Dead::find);
    // Listed while the lease is held: what somebody else has just swept is not among them.
    dead.flat_map(|dead| names_of(dead.family)).collect()
}

/// Removes what dead families of this user left behind, and what dead processes of this process's own
/// family held ([`give_back`](super::give_back)); returns how many names that were.
///
/// What dead families left is also removed whenever a new family starts.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
///
/// let value = Value::new(7_u32)?;
/// family::sweep();
/// assert_eq!(value.get(), 7);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub fn sweep() -> usize {
    sweep_dead() + super::give_back()
}

/// Removes what dead families left behind.
pub(super) fn sweep_dead() -> usize {
    let dead = families().into_iter().filter_map(Dead::find);
    dead.map(|dead| dead.remove()).sum()
}

/// Removes what the family with this `id` has left behind, if it dies within `limit`; returns whether it did.
///
/// It is for a process that is none of the family, and outlives it.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
/// use std::time::Duration;
///
/// let value = Value::new(7_u32)?;
/// let id = family::current()?.id();
/// assert!(!family::keep(id, Duration::from_millis(10)), "this process lives");
/// assert_eq!(value.get(), 7);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub fn keep(id: &str, limit: Duration) -> bool {
    /// How long the others may take to end before it is looked again.
    const PAUSE: Duration = Duration::from_millis(2);
    let Some(Ok(Some(lease))) = number_of(id).map(Lease::open) else {
        return true;
    };
    let deadline = Deadline::after(limit);
    while lease.is_linked() {
        if lease.take_if_dead() {
            lease.remove_family();
            return true;
        }
        if deadline.passed() {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// Removes the segments and blocks of a family, not its lease; returns how many names.
pub(super) fn remove_segments(family: u64) -> usize {
    let names = names_of(family)
        .into_iter()
        .filter(|name| !name.ends_with(SUFFIX));
    names.map(|name| remove_with_twins(&name)).sum()
}

/// Removes a segment; if it is a named block, its public name too. Returns how many names.
fn remove_with_twins(name: &str) -> usize {
    let path = format!("{DIRECTORY}/{name}");
    let twins = match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.nlink() > 1 => twins(&metadata),
        _ => Vec::new(),
    };
    // The family's name goes last, for only who finds it finds the others.
    let paths = twins.into_iter().chain([PathBuf::from(path)]);
    paths.filter(|path| fs::remove_file(path).is_ok()).count()
}

/// The names in the directory that stand for the same file and are not the library's.
fn twins(of: &Metadata) -> Vec<PathBuf> {
    let entries = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let public = |entry: &DirEntry| {
        let name = entry.file_name();
        !name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
    };
    let same = |entry: &DirEntry| {
        let found = entry.metadata();
        found.is_ok_and(|found| (found.dev(), found.ino()) == (of.dev(), of.ino()))
    };
    entries
        .filter(|entry| public(entry) && is_ours(entry) && same(entry))
        .map(|entry| entry.path())
        .collect()
}

/// A family that is known to be dead for as long as this is held.
struct Dead {
    family: u64,
    /// Locked by us alone, or not there at all.
    lease: Option<Lease>,
}

impl Dead {
    fn find(family: u64) -> Option<Self> {
        let lease = Lease::open(family).ok()?;
        let dead = match &lease {
            Some(lease) => lease.take_if_dead(),
            // Something else may have removed it while the family lives.
            None => !is_mapped(family),
        };
        dead.then_some(Self { family, lease })
    }

    fn remove(&self) -> usize {
        match &self.lease {
            Some(lease) => lease.remove_family(),
            None => remove_segments(self.family),
        }
    }
}

/// Whether a process has mapped something of the family. Those of other users cannot be asked.
fn is_mapped(family: u64) -> bool {
    let part = format!("{DIRECTORY}/{PREFIX}{}-", id_of(family));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let maps = processes.filter_map(|process| fs::read(process.path().join("maps")).ok());
    maps.into_iter().any(|maps| {
        let mut lines = maps.split(|&byte| byte == b'\n');
        lines.any(|line| {
            line.windows(part.len())
                .any(|found| found == part.as_bytes())
        })
    })
}

/// The families that have entries of this user.
fn families() -> BTreeSet<u64> {
    entries(PREFIX)
        .filter_map(|name| number_of(name.strip_prefix(PREFIX)?.get(..16)?))
        .collect()
}

/// The entries of one family that belong to this user, sorted.
pub(super) fn names_of(family: u64) -> BTreeSet<String> {
    entries(&format!("{PREFIX}{}-", id_of(family))).collect()
}

/// The names of all regular files of this user that begin like this. Another user's are not
/// touched, not even opened: they may be traps.
fn entries(prefix: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry)));
    names
        .filter(move |(name, entry)| name.starts_with(prefix) && is_ours(entry))
        .map(|(name, _)| name)
}

fn is_ours(entry: &DirEntry) -> bool {
    // Of the entry itself, not of what a symbolic link leads to.
    let metadata = entry.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.uid() == geteuid().as_raw())
}

const PREFIX: &str = "procession-";

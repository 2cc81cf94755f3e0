//! Who of the family has started which process: for whoever inherits it.
//!
//! When a process is killed, its children, the dead ones above all, become those of process 1 of the
//! PID namespace, or of an ancestor that is a *subreaper*. If that is a process of the family, which
//! knows nothing of them, it has to reap them, and must not take the status of anything else that
//! it may be waiting for itself. So the lease file holds *notes*: one word for each process that a
//! process of the family has started and not reaped yet.
//!
//! The founder of a family makes no notes: what is its own is inherited by nobody of the family. So
//! there is no table in a family of which only the founder starts processes.
//!
//! # The notes
//!
//! The file is read and written, never mapped: another user's process that has it may truncate it. Behind
//! the words of the slots (`holders.rs`) it is a table of buckets of four words; a process number has its bucket, and no two
//! processes that live at one moment have one number. So makers do not need a lock: two get in each
//! other's way only if they note processes of one bucket in the same microsecond. A word is an
//! [`Identity`], so what is left of a process that is gone is never taken for another's, and is
//! written over when its bucket is full. The table is never longer than half a mebibyte; whoever
//! finds no room for it in `/dev/shm` makes no note.
//!
//! # Who may be killed when
//!
//! | when | then |
//! |---|---|
//! | the maker, before it has made the note | the new program waits for its first message, sees its socket end, and notes itself |
//! | the maker of a copy of itself | the copy notes itself before it has the kernel kill it with its parent |
//! | the maker of a copy by a fork server | the copy is in the process group of the server, of which there is a note |
//! | the maker, before it erases the note | the note is of a process that is gone |

use super::holders::TABLE_LEN;
use super::lease::Lease;
use super::{FamilyError, Membership, known, number_of, stay};
use nix::unistd::getppid;
use procession_os::file_size::within_limit;
use procession_os::identity::Identity;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is said of a process beside who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Born {
    /// It ends with its parent.
    Child,
    /// It outlives its parent.
    Detached,
    /// It leads a process group of copies of itself, of which there are no notes.
    Server,
}

const BUCKET: usize = 4;
const BUCKETS: u32 = 1 << 14;
const WORD: usize = size_of::<u64>();

/// The highest bits of a word; the identity needs them in a thousand years.
const DETACHED: u64 = 1 << 63;
const SERVER: u64 = 1 << 62;

/// The process that has founded the family, or zero.
static FOUNDER: AtomicU32 = AtomicU32::new(0);

/// Whom this process has started and not reaped, and which process it is.
static OWN: Mutex<(u32, BTreeSet<u32>)> = Mutex::new((0, BTreeSet::new()));

pub(super) fn found() {
    FOUNDER.store(process::id(), Ordering::Relaxed);
}

/// Returns whether this process has an ancestor in the family, which may inherit what it starts.
///
/// # Examples
///
/// ```
/// use procession_shm::family::{self, births};
///
/// family::current()?; // this process founds one
/// assert!(!births::may_be_inherited());
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn may_be_inherited() -> bool {
    known().is_some() && FOUNDER.load(Ordering::Relaxed) != process::id()
}

/// Notes a process that this one has started and does not reap before [`erase`].
///
/// # When the other side is gone
///
/// A process that has been reaped leaves no note.
///
/// # Examples
///
/// ```
/// use procession_shm::family::births::{Born, erase, is_own, note};
/// use std::process::Command;
///
/// let mut child = Command::new("true").spawn()?;
/// note(child.id(), Born::Child);
/// assert!(is_own(child.id()));
/// child.wait()?;
/// erase(child.id());
/// assert!(!is_own(child.id()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn note(pid: u32, born: Born) {
    own(|own| own.insert(pid));
    if may_be_inherited()
        && let Some(identity) = Identity::of(pid)
    {
        // Without a note it stays a zombie at worst; it is not for this that a start fails.
        let _ = with_lease(|lease| set(lease, word(identity, born)));
    }
}

/// Notes this process, whose parent may be killed before it can. The founder's own children need none.
///
/// # Examples
///
/// ```
/// use procession_shm::family::{self, births};
///
/// family::current()?;
/// births::note_this();
/// assert_eq!(births::noted(std::process::id()), Some(births::Born::Child));
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn note_this() {
    if getppid().as_raw().cast_unsigned() != FOUNDER.load(Ordering::Relaxed) {
        let _ = with_lease(set_this);
    }
}

/// As [`note_this`], for a process that has not joined the family with this `id`.
///
/// # Examples
///
/// ```
/// use procession_shm::family::{self, births};
///
/// let id = family::current()?.id();
/// births::note_stranger(id);
/// assert!(births::any());
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn note_stranger(id: &str) {
    let lease = number_of(id).and_then(|family| Lease::open(family).ok().flatten());
    let _ = lease.map_or(Ok(()), |lease| set_this(lease.file()));
}

fn set_this(lease: &File) -> io::Result<()> {
    let this = Identity::of_this_process();
    let found = bucket(lease, this.pid())?;
    // Its parent has made the note, and knows more of it.
    if found.iter().any(|&word| identity(word) == Some(this)) {
        return Ok(());
    }
    set(lease, word(this, Born::Child))
}

/// Erases the note of a process that this one has started and reaped.
pub fn erase(pid: u32) {
    if own(|own| own.remove(&pid)) && may_be_inherited() {
        let _ = with_lease(|lease| unset(lease, pid));
    }
}

/// Returns whether this process has started the process `pid` and not reaped it.
pub fn is_own(pid: u32) -> bool {
    own(|own| own.contains(&pid))
}

/// Returns whether any note was ever made in this process's family.
pub fn any() -> bool {
    let length = |lease: &File| Ok(lease.metadata()?.len());
    with_lease(length).is_ok_and(|length| length > TABLE_LEN)
}

/// Returns what is noted of a process that another of the family has started, if that is the child of
/// this process that has the number `pid` now.
///
/// # Examples
///
/// ```
/// use procession_shm::family::births;
///
/// assert_eq!(births::noted(std::process::id()), None);
/// ```
pub fn noted(pid: u32) -> Option<Born> {
    let found = with_lease(|lease| bucket(lease, pid)).ok()?;
    let word = *found.iter().find(|word| pid_of(**word) == Some(pid))?;
    (Identity::of(pid) == identity(word)).then_some(match word & (DETACHED | SERVER) {
        DETACHED => Born::Detached,
        SERVER => Born::Server,
        _ => Born::Child,
    })
}

/// Erases the note of a process that this one has inherited and reaped.
pub fn erase_inherited(pid: u32) {
    let _ = with_lease(|lease| unset(lease, pid));
}

fn word(identity: Identity, born: Born) -> u64 {
    let bits = match born {
        Born::Child => 0,
        Born::Detached => DETACHED,
        Born::Server => SERVER,
    };
    identity.to_word() & !(DETACHED | SERVER) | bits
}

fn identity(word: u64) -> Option<Identity> {
    Identity::from_word(word & !(DETACHED | SERVER))
}

fn pid_of(word: u64) -> Option<u32> {
    identity(word).map(Identity::pid)
}

fn own<R>(act: impl FnOnce(&mut BTreeSet<u32>) -> R) -> R {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    // Those of the process that this one is a copy of are not its own.
    if own.0 != process::id() {
        *own = (process::id(), BTreeSet::new());
    }
    act(&mut own.1)
}

fn with_lease<R>(act: impl FnOnce(&File) -> io::Result<R>) -> io::Result<R> {
    let stay = stay().map_err(io::Error::other)?;
    match &*stay.membership {
        Membership::Member(member) => act(member.lease.file()),
        Membership::None | Membership::Left => Err(io::Error::other(FamilyError::Left)),
    }
}

fn place(pid: u32) -> u64 {
    TABLE_LEN + u64::from(pid % BUCKETS) * (BUCKET * WORD) as u64
}

/// Returns the words of the bucket of `pid`; behind the end of the file they are zero.
fn bucket(lease: &File, pid: u32) -> io::Result<[u64; BUCKET]> {
    let mut bytes = [0; BUCKET * WORD];
    let mut there = 0;
    while there < bytes.len() {
        match lease.read_at(&mut bytes[there..], place(pid) + there as u64)? {
            0 => break,
            read => there += read,
        }
    }
    let mut words = [0; BUCKET];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<WORD>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    Ok(words)
}

fn write(lease: &File, pid: u32, at: usize, word: u64) -> io::Result<()> {
    let place = place(pid) + (at * WORD) as u64;
    within_limit(|| lease.write_all_at(&word.to_ne_bytes(), place))
}

fn set(lease: &File, word: u64) -> io::Result<()> {
    let pid = pid_of(word).unwrap_or_default();
    let words = bucket(lease, pid)?;
    let same = |found: &u64| pid_of(*found) == Some(pid);
    let free = |found: &u64| *found == 0;
    let gone = |found: &u64| identity(*found).is_none_or(|found| !found.exists());
    let at = (words.iter().position(same))
        .or_else(|| words.iter().position(free))
        .or_else(|| words.iter().position(gone));
    at.map_or(Ok(()), |at| write(lease, pid, at, word))
}

fn unset(lease: &File, pid: u32) -> io::Result<()> {
    let words = bucket(lease, pid)?;
    let at = words.iter().position(|&found| pid_of(found) == Some(pid));
    at.map_or(Ok(()), |at| write(lease, pid, at, 0))
}

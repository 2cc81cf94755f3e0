//! The family: a root process and everything it started, and who cleans up after it.
//!
//! A family has an id, 16 hexadecimal digits, which all its names in `/dev/shm` bear, and a
//! 32-byte key, which only its processes know. The first process that shares something becomes
//! the root of a new family; its children are given id and key, and [`adopt`] them.
//!
//! # Who cleans up
//!
//! Every process of the family holds a shared `flock` on the family's *lease*, the file
//! `/dev/shm/procession-<id>-lease`, through an open file description of its own. The kernel
//! drops the lock when the process ends, however it ends. Whoever gets the lock *exclusively*
//! therefore knows that the family is dead, and may remove everything that bears its id.
//!
//! | who | does |
//! |---|---|
//! | root | makes the lease, locks it shared, then looks whether the file still has its name; if not, starts again with a new id |
//! | child | opens the lease, locks it shared, looks whether it still has its name; if not, the family is gone |
//! | process that leaves | turns its shared lock into an exclusive one without waiting; if it gets it, removes the segments, then the lease |
//! | child that cannot open the lease by its name | is [handed](hand_over) a descriptor by its parent |
//! | keeper, a helper that outlives the last process | as a sweeper, for one family, until it gets the lock |
//! | sweeper | opens a lease, locks it exclusively without waiting; if it gets it, removes the segments, then the lease |
//!
//! Why no order of these steps goes wrong:
//!
//! - *A sweeper comes between the making of a lease and its locking.* It finds the lease
//!   unlocked and removes it. The root notices that the file it locked has no name any more.
//! - *Two processes leave at the same moment.* A process that fails to turn its lock loses the
//!   shared one (and gives it up explicitly, should it still have it, and tries once more). So
//!   the later of the two finds no other lock. Linux does both steps of the turn at once: a last
//!   process is never kept from cleaning up by somebody who only looks.
//! - *A child adopts while the last process leaves.* Either its lock comes first, then the other
//!   is not the last; or it waits for the moment of cleaning up and finds the name gone.
//! - *A sweeper sees a segment whose lease does not exist.* The lease is there before the first
//!   segment and goes after the last, and a listing is older than the look for the lease that
//!   follows it. So the segment is a leftover, unless something else has removed the lease: then a
//!   process of this user has mapped something of the family, which `/proc` shows.
//! - *Somebody is killed while cleaning up.* The lease goes last; the next sweeper goes on.
//! - *A segment is being made while this process leaves.* Making holds a lock that leaving waits
//!   for; after it, making is [`FamilyError::Left`].
//!
//! A process that was forked without this crate's knowledge shares its parent's open file
//! description, hence its lock. It must not leave for its parent: [`leave`] looks at the process
//! number. It becomes a process of the family in its own right as soon as it shares something; if the
//! family has ended by then, it starts another.
//! A child that is forked with this crate's knowledge is one from the start: see
//! [`fork`](crate::fork).
//!
//! Where there is no memory for a lease, a family is only [planned](identity): its processes know its id and its key, and
//! the first of them that shares something, if that can be had by then, makes the lease.

pub mod births;
pub(crate) mod holders;
mod lease;
pub(crate) mod remains;
mod sweep;
mod usage;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::mapping::holds_cells;
use holders::Holder;
pub(crate) use lease::Lease;
use procession_os::fork::threads;
pub use remains::{give_back, reaped};
pub(crate) use sweep::DIRECTORY;
pub use sweep::{keep, leftovers, sweep};
pub use usage::{HeldBy, Object, Usage, usage};

/// What the processes of a family have in common.
pub struct Family {
    number: u64,
    id: String,
    key: [u8; 32],
    /// The path of the lease.
    lease: PathBuf,
    /// Whether there may have been no lease yet when this process learned of the family.
    planned: bool,
}

impl Family {
    /// Returns the 16 hexadecimal digits that all names of the family bear.
    ///
    /// # Examples
    ///
    /// ```
    /// let id = procession_shm::family::current()?.id();
    /// let value = procession_shm::Value::new(1)?;
    /// assert!(value.segment().name().contains(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the secret of the family: who knows it is one of its processes.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn lease(&self) -> &Path {
        &self.lease
    }

    fn new(number: u64, key: [u8; 32], planned: bool) -> Self {
        Self {
            number,
            id: id_of(number),
            key,
            lease: lease::path_of(number),
            planned,
        }
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// This process is not, or cannot become, a process of the family.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// This process has a family already: it shared something before it was given one.
    #[error("this process has started a family of its own; call init before sharing anything")]
    AlreadyJoined,
    /// The id is not 16 hexadecimal digits.
    #[error("the id of a family is 16 hexadecimal digits")]
    BadId,
    /// The last process of the family has ended.
    #[error(
        "the family's lease is not in /dev/shm any more: its last process has ended, or somebody \
         removed the file"
    )]
    Gone,
    /// This process has left its family, because it is exiting.
    #[error("this process is exiting and shares nothing any more")]
    Left,
    /// The lease in `/dev/shm` could not be made, opened or locked.
    #[error("cannot hold the family's lease in /dev/shm: {0}")]
    Lease(#[source] io::Error),
}

procession_os::debug_in_words!(FamilyError {
    AlreadyJoined,
    BadId,
    Gone,
    Left,
    Lease
});

/// Returns the family of this process, and starts one if it has none.
///
/// Starting one removes what dead families left behind.
///
/// # Errors
///
/// [`FamilyError::Lease`] if `/dev/shm` cannot be written to, and [`FamilyError::Left`] while the
/// process exits.
///
/// # When the other side is gone
///
/// A process that was forked without this crate's knowledge starts a family of its own if the rest
/// of the one that it was forked from has ended. What it shared with that cannot be sent any more.
///
/// # Examples
///
/// ```
/// use procession_shm::family;
///
/// let family = family::current()?;
/// assert_eq!(family.id().len(), 16);
/// assert_eq!(family::current()?.id(), family.id());
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn current() -> Result<&'static Family, FamilyError> {
    Ok(stay()?.family)
}

/// Returns the family of this process if it has one.
///
/// # Examples
///
/// ```
/// use procession_shm::family;
///
/// assert!(family::joined().is_none());
/// let id = family::current()?.id();
/// assert_eq!(family::joined().map(|family| family.id()), Some(id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn joined() -> Option<&'static Family> {
    stay_if_joined().ok().map(|stay| stay.family)
}

/// Makes this process one of the family of its parent, which gave it `id` and `key`.
///
/// # Errors
///
/// [`FamilyError::AlreadyJoined`], [`FamilyError::BadId`], [`FamilyError::Left`], or
/// [`FamilyError::Lease`] if the lease cannot be opened.
///
/// # When the other side is gone
///
/// [`FamilyError::Gone`] if all processes of the family have ended meanwhile.
///
/// # Examples
///
/// ```
/// use procession_shm::family::{self, FamilyError};
///
/// let refused = family::adopt("no id", [0; 32]).unwrap_err();
/// assert!(matches!(refused, FamilyError::BadId));
/// let refused = family::adopt("0123456789abcdef", [0; 32]).unwrap_err();
/// assert!(matches!(refused, FamilyError::Gone));
/// ```
pub fn adopt(id: &str, key: [u8; 32]) -> Result<&'static Family, FamilyError> {
    adopt_with(id, key, None)
}

/// As [`adopt`], by a lease that another process of the family has handed over: see [`hand_over`].
///
/// # Errors
///
/// As [`adopt`].
///
/// # When the other side is gone
///
/// As [`adopt`].
///
/// # Examples
///
/// ```
/// use procession_shm::family;
///
/// // In a process that this one starts, and that belongs to another user:
/// let adopt = |id, key, lease| family::adopt_with(id, key, lease);
/// # let _ = adopt;
/// ```
pub fn adopt_with(
    id: &str,
    key: [u8; 32],
    lease: Option<HandedLease>,
) -> Result<&'static Family, FamilyError> {
    let number = number_of(id).ok_or(FamilyError::BadId)?;
    let mut membership = write();
    match &*membership {
        Membership::Left => return Err(FamilyError::Left),
        Membership::Member(member) if member.is_ours() => return Err(FamilyError::AlreadyJoined),
        _ => {}
    }
    let family = known_as(number, key, false)?;
    match lease {
        None => join(&mut membership, family)?,
        Some(HandedLease { file, shared }) => {
            *membership = Membership::None;
            let lease = Lease::of_file(number, file.into(), shared).ok_or(FamilyError::Gone)?;
            enter(&mut membership, lease)?;
        }
    }
    Ok(family)
}

/// Prepares this process for being copied: the copies will [adopt] the family with this id and key, and
/// have less to do then.
///
/// # Errors
///
/// [`FamilyError::AlreadyJoined`] if this process knows another family, [`FamilyError::BadId`], and
/// [`FamilyError::Lease`] if there is no memory.
///
/// # Examples
///
/// ```
/// use procession_shm::family;
///
/// family::expect("0123456789abcdef", [0; 32])?;
/// assert!(family::joined().is_none());
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn expect(id: &str, key: [u8; 32]) -> Result<(), FamilyError> {
    // The server's copies are told whether there is a lease.
    known_as(number_of(id).ok_or(FamilyError::BadId)?, key, true)?;
    leave_at_exit()
}

/// Returns the family with this number, if it is the one that this process knows, or shall know.
fn known_as(number: u64, key: [u8; 32], planned: bool) -> Result<&'static Family, FamilyError> {
    let mut known = FAMILY.write().unwrap_or_else(PoisonError::into_inner);
    let family =
        *known.get_or_insert_with(|| Box::leak(Box::new(Family::new(number, key, planned))));
    if family.number == number {
        Ok(family)
    } else {
        Err(FamilyError::AlreadyJoined)
    }
}

/// Returns the family of this process, for a process that it starts; starts one if there is none, and plans one
/// if there is no memory for that. The second value says whether there is a family.
///
/// # Errors
///
/// [`FamilyError::Left`] while the process exits.
///
/// # Examples
///
/// ```
/// use procession_shm::family;
///
/// let (family, exists) = family::identity()?;
/// assert!(exists);
/// assert_eq!(family.id(), family::current()?.id());
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn identity() -> Result<(&'static Family, bool), FamilyError> {
    match stay() {
        Ok(stay) => Ok((stay.family, true)),
        Err(FamilyError::Lease(_)) => plan().map(|family| (family, false)),
        Err(error) => Err(error),
    }
}

/// Makes this process one of a family that had no lease yet when its parent started it: whoever shares something
/// first makes it.
///
/// # Errors
///
/// [`FamilyError::AlreadyJoined`], [`FamilyError::BadId`], [`FamilyError::Left`], or
/// [`FamilyError::Lease`] if there is no memory.
///
/// # Examples
///
/// ```
/// use procession_shm::family::{self, FamilyError};
///
/// let refused = family::adopt_planned("no id", [0; 32]).unwrap_err();
/// assert!(matches!(refused, FamilyError::BadId));
/// ```
pub fn adopt_planned(id: &str, key: [u8; 32]) -> Result<&'static Family, FamilyError> {
    let number = number_of(id).ok_or(FamilyError::BadId)?;
    let mut membership = write();
    match &*membership {
        Membership::Left => return Err(FamilyError::Left),
        Membership::Member(member) if member.is_ours() => return Err(FamilyError::AlreadyJoined),
        _ => *membership = Membership::None,
    }
    leave_at_exit()?;
    known_as(number, key, true)
}

/// Returns the family that this process knows, or chooses one.
fn plan() -> Result<&'static Family, FamilyError> {
    if let Some(family) = known() {
        return Ok(family);
    }
    let (mut number, mut key) = ([0; 8], [0; 32]);
    fill(&mut number)?;
    fill(&mut key)?;
    known_as(u64::from_ne_bytes(number), key, true)
}

/// The family's lease, on its way to a process that cannot open it.
#[derive(Debug)]
pub struct HandedLease {
    /// The open file.
    pub file: OwnedFd,
    /// Whether it shares the lock of the process that handed it over.
    pub shared: bool,
}

/// Returns the lease for a process that this one starts, if that cannot open it: because it is another
/// user's, for this process has become another user since its family was started; or because something has
/// removed its name from `/dev/shm`.
///
/// A lease whose lock is shared does not clean up: the process that handed it over does. What the
/// other user has made in `/dev/shm` is removed by the next [`sweep`] of a process of that user.
///
/// # Errors
///
/// Those of [`current`], and [`FamilyError::Lease`] if no descriptor is left.
///
/// # When the other side is gone
///
/// As [`current`].
///
/// # Examples
///
/// ```
/// use procession_shm::family;
///
/// family::current()?;
/// assert!(family::hand_over()?.is_none()); // the user is the same
/// # Ok::<(), family::FamilyError>(())
/// ```
pub fn hand_over() -> Result<Option<HandedLease>, FamilyError> {
    let stay = match stay() {
        Err(FamilyError::Lease(_)) => return Ok(None),
        stay => stay?,
    };
    let Membership::Member(member) = &*stay.membership else {
        return Ok(None);
    };
    if member.lease.is_own() && member.lease.is_linked() {
        return Ok(None);
    }
    let lease = member.lease.for_other().map_err(FamilyError::Lease)?;
    let (file, shared) = lease.into_file();
    Ok(Some(HandedLease {
        file: file.into(),
        shared,
    }))
}

/// Leaves the family; the last one out removes all that bears its name.
///
/// It runs by itself when the process exits. Sharing anything new is an error afterwards; what is
/// mapped already stays usable. In a process that has no family, or was forked from one that has,
/// it does nothing.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, family};
///
/// let value = Value::new(7)?;
/// family::leave();
/// assert!(Value::new(8).is_err());
/// assert_eq!(value.get(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn leave() {
    leave_and(false);
}

/// What runs last when the process exits.
fn leave_at_end() {
    // Other threads may be using what they have until the very end.
    leave_and(threads().is_ok_and(|threads| threads == 1));
}

fn leave_and(ends: bool) {
    // Looked at before the lock is: a fork may have copied it while it was held.
    if MEMBER.load(Ordering::Relaxed) != process::id() {
        return;
    }
    let mut membership = write();
    if let Membership::Member(member) = std::mem::replace(&mut *membership, Membership::Left) {
        for mapping in crate::registry::living() {
            mapping.release(ends, Some(&member.lease));
        }
        // What it holds still is given back when it has ended.
        let holds = holds_cells();
        if let Some(&Holder::Slot(slot)) = member.holder.get()
            && !holds
        {
            member.lease.note_slot(slot, 0);
        }
        member.lease.leave(holds);
    }
}

/// The family that this process, or the one it was forked from, has had last. What is leaked here is a few
/// bytes for each family that has ended before this process.
static FAMILY: RwLock<Option<&'static Family>> = RwLock::new(None);
static MEMBERSHIP: RwLock<Membership> = RwLock::new(Membership::None);
/// The number of the process that is the member, or zero.
static MEMBER: AtomicU32 = AtomicU32::new(0);

enum Membership {
    None,
    Member(Member),
    Left,
}

struct Member {
    process: u32,
    lease: Lease,
    /// As what it holds segments, since it first did.
    holder: OnceLock<Holder>,
}

impl Member {
    /// False in a process that was forked from the member.
    fn is_ours(&self) -> bool {
        self.process == process::id()
    }
}

/// Keeps this process from leaving its family for as long as it is held.
pub(crate) struct Stay {
    pub(crate) family: &'static Family,
    membership: RwLockReadGuard<'static, Membership>,
}

impl Stay {
    /// Returns as what this process holds segments.
    pub(crate) fn holder(&self) -> Holder {
        match &*self.membership {
            Membership::Member(member) => {
                *(member.holder).get_or_init(|| member.lease.take_holder())
            }
            Membership::None | Membership::Left => Holder::Counted,
        }
    }

    /// Returns this process, and as what it holds segments.
    pub(crate) fn ours(&self) -> (u32, Holder) {
        let process = match &*self.membership {
            Membership::Member(member) => member.process,
            Membership::None | Membership::Left => process::id(),
        };
        (process, self.holder())
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &*self.membership {
            Membership::Member(member) => Some(&member.lease),
            Membership::None | Membership::Left => None,
        }
    }

    /// Makes a parcel; `None` if this process may not.
    pub(crate) fn parcel(&self) -> io::Result<Option<OwnedFd>> {
        match &*self.membership {
            Membership::Member(member) => member.lease.parcel(),
            Membership::None | Membership::Left => Ok(None),
        }
    }

    /// Returns the user who made the family's lease.
    pub(crate) fn founder(&self) -> Option<u32> {
        match &*self.membership {
            Membership::Member(member) => member.lease.user(),
            Membership::None | Membership::Left => None,
        }
    }
}

/// Calls `act` with this process's lease.
pub(crate) fn with_lease<R>(act: impl FnOnce(&Lease) -> R) -> Result<R, FamilyError> {
    match &*stay_if_joined()?.membership {
        Membership::Member(member) => Ok(act(&member.lease)),
        Membership::None | Membership::Left => Err(FamilyError::Gone),
    }
}

/// The family that this process, or the one it was forked from, has had.
pub(crate) fn known() -> Option<&'static Family> {
    *FAMILY.read().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a family if there is none, and stays in it.
pub(crate) fn stay() -> Result<Stay, FamilyError> {
    loop {
        match stay_if_joined() {
            Err(FamilyError::Gone) => start_or_rejoin()?,
            result => return result,
        }
    }
}

/// Stays in the family; [`FamilyError::Gone`] if this process has none.
fn stay_if_joined() -> Result<Stay, FamilyError> {
    let membership = MEMBERSHIP.read().unwrap_or_else(PoisonError::into_inner);
    match (&*membership, known()) {
        (Membership::Left, _) => Err(FamilyError::Left),
        (Membership::Member(member), Some(family)) if member.is_ours() => {
            Ok(Stay { family, membership })
        }
        _ => Err(FamilyError::Gone),
    }
}

fn start_or_rejoin() -> Result<(), FamilyError> {
    let mut membership = write();
    match (&*membership, known()) {
        (Membership::Left, _) => return Err(FamilyError::Left),
        (Membership::Member(member), _) if member.is_ours() => return Ok(()),
        (_, Some(family)) => match join(&mut membership, family) {
            Err(FamilyError::Gone) if family.planned => return found(&mut membership, family),
            // This process was forked by one of a family that has ended since, as a daemon is.
            Err(FamilyError::Gone) => {}
            joined => return joined,
        },
        (_, None) => {}
    }
    start(&mut membership)
}

/// Makes this process a member of a family that others have.
fn join(membership: &mut Membership, family: &Family) -> Result<(), FamilyError> {
    // The copy of the parent's lease, if this process was forked without this crate's knowledge,
    // is closed first: if the parent holds it alone by now, to clean up, this process holds it
    // too, and would wait for itself below.
    *membership = Membership::None;
    let lease = Lease::join(family.number)?.ok_or(FamilyError::Gone)?;
    enter(membership, lease)
}

/// Makes the lease of a family that was planned, unless another process has just done so.
fn found(membership: &mut Membership, family: &Family) -> Result<(), FamilyError> {
    sweep::sweep_dead();
    let Some(lease) = Lease::found(family.number)? else {
        return join(membership, family);
    };
    births::found();
    enter(membership, lease)
}

/// Makes and holds a lease that a child will have, and this process will not.
pub(crate) fn lease_for_child() -> Result<Lease, FamilyError> {
    let stay = stay()?;
    match &*stay.membership {
        Membership::Member(member) => member.lease.for_other().map_err(FamilyError::Lease),
        Membership::None | Membership::Left => Err(FamilyError::Left),
    }
}

/// Makes this process, which was just forked, a member by the lease that its parent made for it.
pub(crate) fn enter_forked(lease: Lease, holder: Holder) {
    lease.note_holder(holder);
    let mut membership = write();
    become_member(&mut membership, lease);
    if let Membership::Member(member) = &*membership {
        let _ = member.holder.set(holder);
    }
}

fn start(membership: &mut Membership) -> Result<(), FamilyError> {
    sweep::sweep_dead();
    let mut key = [0; 32];
    fill(&mut key)?;
    let lease = Lease::new_family()?;
    let family = Box::leak(Box::new(Family::new(lease.family(), key, false)));
    *FAMILY.write().unwrap_or_else(PoisonError::into_inner) = Some(family);
    births::found();
    enter(membership, lease)
}

fn enter(membership: &mut Membership, lease: Lease) -> Result<(), FamilyError> {
    leave_at_exit()?;
    become_member(membership, lease);
    Ok(())
}

/// Sees to it that this process leaves its family at its exit.
fn leave_at_exit() -> Result<(), FamilyError> {
    // A process that was forked from one that registered has inherited the registration.
    static REGISTERED: OnceLock<()> = OnceLock::new();
    if REGISTERED.get().is_none() {
        procession_os::lifetime::at_exit_last(leave_at_end).map_err(FamilyError::Lease)?;
        let _ = REGISTERED.set(());
    }
    Ok(())
}

fn become_member(membership: &mut Membership, lease: Lease) {
    // An inherited lease is closed by this, which leaves the lock it stands for to the parent.
    *membership = Membership::Member(Member {
        process: process::id(),
        lease,
        holder: OnceLock::new(),
    });
    MEMBER.store(process::id(), Ordering::Relaxed);
}

fn write() -> RwLockWriteGuard<'static, Membership> {
    MEMBERSHIP.write().unwrap_or_else(PoisonError::into_inner)
}

fn id_of(number: u64) -> String {
    format!("{number:016x}")
}

fn number_of(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16)
        .ok()
        .filter(|&number| id_of(number) == id)
}

fn fill(bytes: &mut [u8]) -> Result<(), FamilyError> {
    getrandom::fill(bytes).map_err(|error| FamilyError::Lease(io::Error::other(error.to_string())))
}

//! Forking a process that shares memory, so that the child is a process of the family like any
//! other.
//!
//! It is for whoever implements starting a process by a fork. A fork that this module does not
//! know of leaves the child with copies that are not its own: see [`family`].
//!
//! ```
//! use nix::sys::wait::waitpid;
//! use nix::unistd::{ForkResult, fork};
//! use procession_shm::{Value, fork::before};
//!
//! let value = Value::new(1)?;
//! let prepared = before()?;
//! // SAFETY: this program has one thread.
//! match unsafe { fork() }? {
//!     ForkResult::Child => {
//!         prepared.in_child();
//!         value.set(2); // as the process would that made it
//!         std::process::exit(0); // gives up what the child holds
//!     }
//!     ForkResult::Parent { child } => {
//!         prepared.in_parent();
//!         waitpid(child, None)?;
//!     }
//! }
//! assert_eq!((value.get(), value.segment().holders()), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is done when
//!
//! | step | who | does |
//! |---|---|---|
//! | [`before`] | parent | opens and locks a second lease, for the child, and takes a slot through it; makes the child a holder of each segment that is mapped; counts it in each [`Counted`] |
//! | fork | | copies the address space and the descriptors of both leases |
//! | [`Prepared::in_parent`] | parent | closes its descriptor of the child's lease; the counts are the child's |
//! | [`Prepared::in_child`] | child | makes the second lease its own, closes its descriptor of the parent's, and takes over what it holds |
//!
//! A drop instead of the last two steps, for the fork has failed, takes back what `before` did.
//!
//! # Who may be killed when
//!
//! The child is counted, and holds the family's lease, before it exists. So no order of what the
//! two do afterwards, exiting included, takes a segment or the family from either.
//!
//! - *The parent is killed before the fork.* The kernel closes both leases, and with them goes the lock
//!   of the slot: the child is as good as killed.
//! - *The child is killed before or after `in_child`.* What it holds is given back as that of any process
//!   that is killed. What is [`Counted`] stays counted until the family ends.
//! - *The parent is killed after the fork.* The child has the lease through its own copy of the
//!   descriptor.
//! - *The parent exits while the child still has the copy of the parent's lease.* Whoever gets the
//!   lease exclusively cleans up, and the parent does not, because the child's lock is on another
//!   open file description.
//!
//! Nothing is ever counted too low. Nor is anything released twice: guards, permits, encoded
//! messages and the ownership of blocks remember the process that they belong to, and that is the
//! parent.

use crate::family::holders::Holder;
use crate::family::{self, FamilyError, Lease};
use crate::mapping::Mapping;
use crate::reading::read_by_this_thread;
use crate::registry;
use crate::slab;
use std::fmt;
use std::io;
use std::process;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something in shared memory that counts the processes, or handles, that have it.
///
/// Segments know their holders by themselves. What keeps a count in shared memory, and a note of the
/// process that it is kept for, implements this and is [registered](register) when it is made.
pub trait Counted: Send + Sync {
    /// In the parent: counts one more, for a child that may come to be. False if it cannot, or if
    /// the thing is not this process's; then it is not the child's either.
    fn count(&self) -> bool;

    /// In the parent: takes back what [`count`](Self::count) did, for there is no child.
    fn uncount(&self);

    /// In the child: what `count` did is for this process, which gives it back later as any other
    /// would.
    fn adopt(&self);
}

/// Has forked children take over `thing`, for as long as it exists.
///
/// # Examples
///
/// ```
/// use procession_shm::fork::{Counted, before, register};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::{Arc, Weak};
///
/// struct Handle(AtomicU32);
///
/// impl Counted for Handle {
///     fn count(&self) -> bool {
///         self.0.fetch_add(1, Ordering::Relaxed) != 0
///     }
///     fn uncount(&self) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///     }
///     fn adopt(&self) {}
/// }
///
/// let handle = Arc::new(Handle(AtomicU32::new(1)));
/// let thing: Arc<dyn Counted> = handle.clone();
/// register(&thing);
/// let prepared = before()?;
/// assert_eq!(handle.0.load(Ordering::Relaxed), 2);
/// drop(prepared); // the fork has failed
/// assert_eq!(handle.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), procession_shm::family::FamilyError>(())
/// ```
pub fn register(thing: &Arc<dyn Counted>) {
    let mut things = THINGS.lock().unwrap_or_else(PoisonError::into_inner);
    // What is gone is thrown out before the list would have to grow.
    if things.len() == things.capacity() {
        things.retain(|thing| thing.strong_count() > 0);
    }
    things.push(Arc::downgrade(thing));
}

static THINGS: Mutex<Vec<Weak<dyn Counted>>> = Mutex::new(Vec::new());

/// Whether this process, which has one thread, has a guard that lends the data of a value or an array.
///
/// References that were made of it may be captured by what the copy does, and would be to the parent's data.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, fork};
///
/// # std::thread::spawn(|| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let value = Value::new(1)?;
/// let guard = value.lock().map_err(|_| "poisoned")?;
/// assert!(fork::is_guarded());
/// drop(guard);
/// assert!(!fork::is_guarded());
/// # Ok(())
/// # }).join().unwrap().unwrap();
/// ```
pub fn is_guarded() -> bool {
    let lent = |mapping: &Arc<Mapping>| mapping.is_ours() && mapping.lends();
    let is_read = |name| registry::find(name).is_some_and(|mapping| lent(&mapping));
    let is_held = |mapping: &Arc<Mapping>| lent(mapping) && mapping.held.load(Relaxed);
    read_by_this_thread().into_iter().any(is_read) || registry::living().iter().any(is_held)
}

/// Prepares for a child that is forked next, by `fork` of the C library.
///
/// The process must have one thread, and share nothing between this and the fork. If it has no
/// family yet, it starts one.
///
/// # Errors
///
/// Those of [`family::current`], and [`FamilyError::Lease`] if there is no descriptor left for the
/// child's lease.
///
/// # When the other side is gone
///
/// As [`family::current`].
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, fork};
///
/// let value = Value::new(1)?;
/// let prepared = fork::before()?;
/// assert_eq!(value.segment().holders(), 2);
/// drop(prepared); // the fork has failed
/// assert_eq!(value.segment().holders(), 1);
/// # Ok::<(), procession_shm::ShmError>(())
/// ```
pub fn before() -> Result<Prepared, FamilyError> {
    let lease = match family::lease_for_child() {
        // Then nothing is shared.
        Err(FamilyError::Lease(_)) if family::joined().is_none() => None,
        lease => Some(lease?),
    };
    let mut holder = Holder::Counted;
    if let Some(lease) = &lease {
        holder = lease.take_holder_of_child();
        slab::reserve_rows(lease.family(), holder)
            .map_err(|error| FamilyError::Lease(io::Error::other(error)))?;
    }
    slab::forked::expect(true);
    let mut mappings = registry::living();
    mappings.retain(|mapping| mapping.hold_for(holder));
    let registered = THINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut things: Vec<_> = registered.iter().filter_map(Weak::upgrade).collect();
    drop(registered);
    things.retain(|thing| thing.count());
    Ok(Prepared {
        process: process::id(),
        lease,
        holder,
        mappings,
        things,
    })
}

/// What a child that is about to be forked will have; see the [module documentation](self).
#[must_use = "tell it in both processes that the fork has succeeded"]
pub struct Prepared {
    /// The parent.
    process: u32,
    lease: Option<Lease>,
    /// As what the child holds segments.
    holder: Holder,
    /// The segments that it holds.
    mappings: Vec<Arc<Mapping>>,
    /// What the child is counted for.
    things: Vec<Arc<dyn Counted>>,
}

impl Prepared {
    /// In the parent, after the fork: leaves to the child what is the child's.
    ///
    /// # When the other side is gone
    ///
    /// If the child was killed meanwhile, what it holds is given back when it is reaped.
    pub fn in_parent(mut self) {
        slab::forked::expect(false);
        self.mappings.clear();
        self.things.clear();
    }

    /// In the child, before it does anything else: makes it a process of the family, with all that
    /// the parent has mapped.
    ///
    /// Handles that were copied by the fork are the child's own from here on. Guards and permits
    /// are not, nor is the parent's ownership of [blocks](crate::SharedMemory), nor are ends of
    /// [rings](crate::ring), which stay with the process that took them.
    ///
    /// # When the other side is gone
    ///
    /// It makes no difference whether the parent lives.
    pub fn in_child(mut self) {
        slab::forked::expect(false);
        if let Some(lease) = self.lease.take() {
            family::enter_forked(lease, self.holder);
        }
        for mapping in self.mappings.drain(..) {
            mapping.adopt(self.holder);
        }
        for thing in self.things.drain(..) {
            thing.adopt();
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // In a child that did not take it over, the counts stay: too high is harmless.
        slab::forked::expect(false);
        if self.process == process::id() {
            let mappings = self.mappings.iter();
            mappings.for_each(|mapping| mapping.give_up_for(self.holder));
            self.things.iter().for_each(|thing| thing.uncount());
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("parent", &self.process)
            .field("shared", &(self.mappings.len() + self.things.len()))
            .finish_non_exhaustive()
    }
}

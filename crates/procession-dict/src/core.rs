//! A dict of encoded keys and values: what dicts and sets are made of.

use crate::DictError;
use crate::area::Area;
use crate::home::{Home, Plan};
use crate::locked::Locked;
use crate::patience::Patience;
use procession_os::robust::{Acquired, LockError};
use procession_shm::{Format, Segment, ShmError};
use serde::{Deserializer, Serialize, Serializer};
use siphasher::sip::SipHasher13;
use std::sync::{Arc, Mutex, PoisonError};

/// A handle to a dict, without the types of its keys and values.
pub(crate) struct Core {
    pub(crate) home: Home,
    /// What this process has mapped of each stripe.
    locals: Box<[Mutex<Local>]>,
    hasher: SipHasher13,
}

/// What a process has mapped of a stripe.
pub(crate) struct Local {
    /// The number of the area.
    pub(crate) generation: u64,
    pub(crate) area: Area,
}

impl Core {
    pub(crate) fn create(format: Format, plan: Plan) -> Result<Arc<Self>, ShmError> {
        let home = Home::create(format, plan)?;
        // What was just made is as it should be.
        Self::with(home).map_err(|error| ShmError::System(std::io::Error::other(error)))
    }

    fn with(home: Home) -> Result<Arc<Self>, DictError> {
        let local = |stripe| {
            let area = home.area(stripe)?;
            Ok(Mutex::new(Local {
                generation: 0,
                area,
            }))
        };
        let locals = (0..home.plan().stripes).map(local);
        let locals = locals.collect::<Result<_, DictError>>()?;
        let [first, second] = home.seed();
        Ok(Arc::new(Self {
            home,
            locals,
            hasher: SipHasher13::new_with_keys(first, second),
        }))
    }

    /// Decodes a handle that [`serialize`](Self::serialize) encoded.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        format: Format,
    ) -> Result<Arc<Self>, D::Error> {
        let segment = Segment::deserialize(deserializer, format)?;
        let core = Home::found(segment).and_then(Self::with);
        core.map_err(serde::de::Error::custom)
    }

    /// Encodes a handle; only into a message to another process.
    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.segment().serialize(serializer)
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// Returns how many stripes there are.
    pub(crate) fn stripes(&self) -> usize {
        self.locals.len()
    }

    /// Returns which stripe has the keys with this hash.
    #[inline]
    pub(crate) fn stripe_of(&self, hash: u64) -> usize {
        // The lower bits say where in the stripe's table.
        (hash >> 56) as usize & (self.locals.len() - 1)
    }

    /// Takes the lock of a stripe, and finishes what a process has left undone that died with it.
    #[inline]
    pub(crate) fn lock(&self, number: usize, patience: Patience) -> Result<Locked<'_>, DictError> {
        let stripe = self.home.stripe(number);
        let acquired = stripe.mutex.lock_or_wait(|| patience.deadline());
        let acquired = acquired.map_err(|error| not_locked(error, stripe.mutex.holder()))?;
        // Taken after the lock in shared memory, and there because the other one is in memory that a
        // scribbler may reach.
        let local = &self.locals[number & (self.locals.len() - 1)];
        let local = local.lock().unwrap_or_else(PoisonError::into_inner);
        let mut locked = Locked::new(self, number, stripe, local);
        if acquired == Acquired::OwnerDied {
            // It may have meant to wake somebody.
            stripe.event.wake();
        }
        locked.enter()?;
        Ok(locked)
    }

    /// Takes the locks of all stripes, always in the same order, so that nobody waits in a circle.
    pub(crate) fn lock_all(&self, patience: Patience) -> Result<Vec<Locked<'_>>, DictError> {
        (0..self.stripes())
            .map(|number| self.lock(number, patience))
            .collect()
    }
}

#[cold]
fn not_locked(error: LockError, thread: Option<u32>) -> DictError {
    match error {
        LockError::TimedOut | LockError::WouldBlock => DictError::Held { thread },
        error => DictError::Lock(error),
    }
}

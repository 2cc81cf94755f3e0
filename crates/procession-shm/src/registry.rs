//! Which segments this process has mapped, so that each is mapped once.
//!
//! A process has one bit in a segment's header, however often its threads open the segment. So the bit
//! is set and cleared while the registry is locked. No mapping is dropped meanwhile, for dropping one
//! locks it.

use crate::mapping::Mapping;
use crate::name::Name;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Mappings = HashMap<Name, Weak<Mapping>, BuildHasherDefault<Mixer>>;

static MAPPINGS: Mutex<Mappings> = Mutex::new(HashMap::with_hasher(BuildHasherDefault::new()));

/// Mixes the numbers of a name, which nobody chooses who means harm.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        /// Odd, and about half of the bits are set.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(FACTOR);
    }

    fn finish(&self) -> u64 {
        // The table looks at the lower bits, which depend on the fewest.
        self.0 ^ self.0 >> 32
    }
}

/// Returns this process's mapping, if it has one. What a fork copied is not its own.
pub(crate) fn find(name: Name) -> Option<Arc<Mapping>> {
    let mapping = with(|mappings| mappings.get(&name)?.upgrade());
    mapping.filter(|mapping| mapping.is_ours())
}

/// Enters a new mapping when this process has become a holder, or returns the one that another thread
/// entered just before; `None` if the process has not become one.
pub(crate) fn enter(
    new: Arc<Mapping>,
    hold: impl FnOnce(&Mapping) -> bool,
) -> Option<Arc<Mapping>> {
    // The others are dropped behind the lock.
    let (known, new) = with(|mappings| {
        let known = mappings.get(&new.name).and_then(Weak::upgrade);
        if known.as_ref().is_some_and(|known| known.is_ours()) {
            return (known, None);
        }
        if !hold(&new) {
            return (known, None);
        }
        mappings.insert(new.name, Arc::downgrade(&new));
        (known, Some(Arc::clone(&new)))
    });
    new.or_else(|| known.filter(|known| known.is_ours()))
}

/// Forgets a mapping that is being dropped, and calls `give_up` unless another mapping of the segment
/// has taken over what this process holds.
pub(crate) fn leave(mapping: &Mapping, give_up: impl FnOnce()) {
    with(|mappings| {
        let entered = mappings.get(&mapping.name);
        let is_own = entered.is_some_and(|entered| std::ptr::eq(entered.as_ptr(), mapping));
        if is_own {
            mappings.remove(&mapping.name);
            give_up();
        }
    });
}

/// Returns all mappings that exist.
pub(crate) fn living() -> Vec<Arc<Mapping>> {
    with(|mappings| mappings.values().filter_map(Weak::upgrade).collect())
}

fn with<R>(use_it: impl FnOnce(&mut Mappings) -> R) -> R {
    use_it(&mut MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner))
}

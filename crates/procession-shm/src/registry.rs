//! Which segments this process has mapped, so that each is mapped once.
//!
//! No mapping is dropped while the registry is locked, for dropping one locks it.

use crate::fork::Counted;
use crate::mapping::Mapping;
use crate::name::Name;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Mappings = BTreeMap<Name, Weak<Mapping>>;

static MAPPINGS: Mutex<Mappings> = Mutex::new(Mappings::new());

/// Returns this process's mapping, if it has one. What a fork copied is not its own.
pub(crate) fn find(name: Name) -> Option<Arc<Mapping>> {
    let mapping = with(|mappings| mappings.get(&name)?.upgrade());
    mapping.filter(|mapping| mapping.is_ours())
}

/// Enters a new mapping, or returns the one that another thread entered just before.
pub(crate) fn enter(new: Arc<Mapping>) -> Arc<Mapping> {
    let known = with(|mappings| {
        let known = mappings.get(&new.name).and_then(Weak::upgrade);
        if !known.as_ref().is_some_and(|known| known.is_ours()) {
            mappings.insert(new.name, Arc::downgrade(&new));
        }
        known
    });
    known.filter(|known| known.is_ours()).unwrap_or(new)
}

/// Forgets a mapping that is being dropped, unless there is another one already.
pub(crate) fn leave(name: Name) {
    with(|mappings| {
        if mappings
            .get(&name)
            .is_some_and(|mapping| mapping.strong_count() == 0)
        {
            mappings.remove(&name);
        }
    });
}

/// Takes away what all headers count for this process.
pub(crate) fn release_all() {
    for mapping in living() {
        mapping.release();
    }
}

/// Returns all mappings, for a child that is about to be forked.
pub(crate) fn all() -> Vec<Arc<dyn Counted>> {
    let counted = living().into_iter();
    counted.map(|mapping| mapping as Arc<dyn Counted>).collect()
}

fn living() -> Vec<Arc<Mapping>> {
    with(|mappings| mappings.values().filter_map(Weak::upgrade).collect())
}

fn with<R>(use_it: impl FnOnce(&mut Mappings) -> R) -> R {
    use_it(&mut MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner))
}

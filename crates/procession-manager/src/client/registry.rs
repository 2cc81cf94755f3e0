//! Finding this process's endpoint of a server.

use super::connect::Door;
use super::endpoint::Endpoint;
use crate::address::Address;
use crate::error::ManagerError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The place of one server's endpoint. Its lock is held while the endpoint connects, so that a
/// process has one session only, and a server that is slow to start holds up no other.
type Place = Arc<Mutex<Weak<Endpoint>>>;

/// Returns the endpoint for `address`, and connects if this process has none.
pub(crate) fn endpoint_at(address: &Address) -> Result<Arc<Endpoint>, ManagerError> {
    let place = place(address);
    let mut place = lock(&place);
    if let Some(endpoint) = place.upgrade().filter(|endpoint| endpoint.is_ours()) {
        return Ok(endpoint);
    }
    let endpoint = Arc::new(Endpoint::open(Door::Family(address.clone()))?);
    *place = Arc::downgrade(&endpoint);
    Ok(endpoint)
}

/// Returns the endpoint that this process has in place of one that it may have inherited in a fork.
pub(crate) fn own_endpoint(inherited: &Arc<Endpoint>) -> Result<Arc<Endpoint>, ManagerError> {
    let mut last = inherited;
    while !last.is_ours() {
        let Some(heir) = last.heir() else {
            let own = if last.is_elsewhere() {
                Arc::new(last.reopen()?)
            } else {
                endpoint_at(last.address())?
            };
            last.keep_heir(&own);
            // Another thread may have been faster.
            return Ok(last.heir().map_or(own, Arc::clone));
        };
        last = heir;
    }
    Ok(Arc::clone(last))
}

fn place(address: &Address) -> Place {
    static PLACES: Mutex<Option<HashMap<Address, Place>>> = Mutex::new(None);
    let mut places = lock(&PLACES);
    let places = places.get_or_insert_default();
    places.retain(|_, place| Arc::strong_count(place) > 1 || lock(place).strong_count() > 0);
    Arc::clone(places.entry(address.clone()).or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The objects and who holds them.

use super::undertaker::Object;
use crate::protocol::{HOME, ObjectId, SessionId};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything that a server hosts.
///
/// Functions that may remove objects return them, so that they are dropped when the table is not
/// locked: their destructors may well come back to it.
#[derive(Default)]
pub(super) struct Table {
    state: Mutex<State>,
}

struct State {
    /// The number of the next object; numbers are not used again.
    next: ObjectId,
    slots: HashMap<ObjectId, Slot>,
    /// How many handles of each object each session has. A session that has ended is not here.
    held: HashMap<SessionId, HashMap<ObjectId, u64>>,
}

struct Slot {
    object: Object,
    /// The name of its type.
    type_name: &'static str,
    /// How many handles all sessions have together.
    held: u64,
    /// How many handles are in messages; less than zero while a receiver was faster than its
    /// sender.
    in_transit: i64,
}

/// One object, for those who look.
pub(super) struct Listed {
    pub(super) id: ObjectId,
    pub(super) type_name: &'static str,
    pub(super) handles: u64,
    pub(super) in_messages: i64,
    /// The sessions that have handles, and how many.
    pub(super) holders: Vec<(SessionId, u64)>,
}

impl Default for State {
    fn default() -> Self {
        let held = HashMap::from([(HOME, HashMap::new())]);
        Self {
            next: 1,
            slots: HashMap::new(),
            held,
        }
    }
}

impl Table {
    /// Adds an object, with one handle that the server itself has.
    pub(super) fn insert(&self, object: Object, type_name: &'static str) -> ObjectId {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.slots.insert(
            id,
            Slot {
                object,
                type_name,
                held: 0,
                in_transit: 0,
            },
        );
        state.grant(id, HOME);
        id
    }

    pub(super) fn get(&self, id: ObjectId) -> Option<Object> {
        self.state().slots.get(&id).map(|slot| slot.object.clone())
    }

    /// Returns an object of which a session has a handle.
    pub(super) fn held_by(&self, id: ObjectId, session: SessionId) -> Option<Object> {
        let state = self.state();
        state.held.get(&session)?.get(&id)?;
        state.slots.get(&id).map(|slot| slot.object.clone())
    }

    /// Counts a handle of the server's own to an object of which a session has one.
    pub(super) fn share(&self, id: ObjectId, session: SessionId) -> bool {
        let mut state = self.state();
        let holds = |held: &HashMap<_, _>| held.contains_key(&id);
        state.held.get(&session).is_some_and(holds) && state.grant(id, HOME)
    }

    /// Lists what is there, in the order in which it was made.
    pub(super) fn list(&self) -> Vec<Listed> {
        let state = self.state();
        let mut listed: Vec<Listed> = state
            .slots
            .iter()
            .map(|(&id, slot)| Listed {
                id,
                type_name: slot.type_name,
                handles: slot.held,
                in_messages: slot.in_transit,
                holders: Vec::new(),
            })
            .collect();
        listed.sort_unstable_by_key(|listed| listed.id);
        for (&session, held) in &state.held {
            for (id, &handles) in held {
                if let Ok(at) = listed.binary_search_by_key(id, |listed| listed.id) {
                    listed[at].holders.push((session, handles));
                }
            }
        }
        listed
    }

    pub(super) fn count(&self) -> u64 {
        self.state().slots.len() as u64
    }

    /// Begins to count for a session.
    pub(super) fn begin(&self, session: SessionId) {
        self.state().held.entry(session).or_default();
    }

    /// Takes back all that a session had.
    pub(super) fn end(&self, session: SessionId) -> Vec<Object> {
        let mut state = self.state();
        let held = state.held.remove(&session).unwrap_or_default();
        let removed = held.into_iter().filter_map(|(id, count)| {
            let slot = state.slots.get_mut(&id)?;
            slot.held -= count;
            state.remove_unheld(id)
        });
        removed.collect()
    }

    /// Counts one more handle to a session; false if there is no such object or session.
    pub(super) fn grant(&self, id: ObjectId, session: SessionId) -> bool {
        self.state().grant(id, session)
    }

    /// Counts one handle less.
    pub(super) fn release(&self, id: ObjectId, session: SessionId) -> Option<Object> {
        let mut state = self.state();
        let held = state.held.get_mut(&session)?;
        let count = held.get_mut(&id)?;
        *count -= 1;
        if *count == 0 {
            held.remove(&id);
        }
        state.slots.get_mut(&id)?.held -= 1;
        state.remove_unheld(id)
    }

    /// Counts `change` more handles in messages.
    pub(super) fn transit(&self, id: ObjectId, change: i64) -> Option<Object> {
        let mut state = self.state();
        let slot = state.slots.get_mut(&id)?;
        slot.in_transit = slot.in_transit.saturating_add(change);
        state.remove_unheld(id)
    }

    /// Counts a handle that was in a message to the session that has it now.
    pub(super) fn arrive(&self, id: ObjectId, session: SessionId) -> bool {
        let mut state = self.state();
        let granted = state.grant(id, session);
        if let Some(slot) = state.slots.get_mut(&id) {
            slot.in_transit = slot.in_transit.saturating_sub(1);
        }
        granted
    }

    /// Removes everything.
    pub(super) fn clear(&self) -> Vec<Object> {
        let slots = std::mem::take(&mut self.state().slots);
        slots.into_values().map(|slot| slot.object).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn grant(&mut self, id: ObjectId, session: SessionId) -> bool {
        let (Some(slot), Some(held)) = (self.slots.get_mut(&id), self.held.get_mut(&session))
        else {
            return false;
        };
        slot.held += 1;
        *held.entry(id).or_insert(0) += 1;
        true
    }

    fn remove_unheld(&mut self, id: ObjectId) -> Option<Object> {
        let is_unheld = |slot: &&Slot| slot.held == 0 && slot.in_transit == 0;
        self.slots.get(&id).filter(is_unheld)?;
        self.slots.remove(&id).map(|slot| slot.object)
    }
}

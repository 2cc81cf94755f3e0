//! Which form the values of a type have in a message.
//!
//! Here, and wherever this crate looks into types, nothing is hashed by std's random state: a fork
//! server looks too, and would hand its thread's state on to all children.

use crate::probe::probe;
use crate::schema::schema_of_name;
use serde::de::DeserializeOwned;
use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a type that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// The hash of its name.
    pub(crate) schema: u64,
    /// Whether its values have to say what they are.
    pub(crate) is_described: bool,
}

/// Returns what stands in front of a described value in the place of its type's hash.
#[inline]
pub(crate) fn described(schema: u64) -> u64 {
    !schema
}

/// How many types a thread finds at once.
const SLOTS: usize = 64;

thread_local! {
    static RECENT: [Cell<(usize, Form)>; SLOTS] = const {
        [const { Cell::new((0, Form { schema: 0, is_described: false })) }; SLOTS]
    };
    static ALL: RefCell<BTreeMap<usize, Form>> = RefCell::default();
}

/// Returns the form of a type.
#[inline]
pub(crate) fn form_of<T: DeserializeOwned>() -> Form {
    // A type has no number that is its own; the function that is compiled for it has an address.
    let find: fn() -> Form = find::<T>;
    RECENT.with(|recent| {
        let at = find as usize;
        let slot = &recent[slot_of(at)];
        match slot.get() {
            (known, form) if known == at => form,
            _ => look_up(find, slot),
        }
    })
}

/// Finds out how the values of a type travel, which the first of them would otherwise have to wait
/// for. The calling thread knows it then, and so do copies that a fork makes of it.
///
/// # Examples
///
/// ```
/// procession_wire::prepare::<Vec<String>>();
/// ```
pub fn prepare<T: DeserializeOwned>() {
    let _ = form_of::<T>();
}

#[inline]
fn slot_of(at: usize) -> usize {
    (at >> 4) % SLOTS
}

#[cold]
fn look_up(find: fn() -> Form, slot: &Cell<(usize, Form)>) -> Form {
    let at = find as usize;
    // Where the thread is ending, nothing is remembered any more.
    let known = ALL.try_with(|all| all.borrow().get(&at).copied());
    let form = known.ok().flatten().unwrap_or_else(find);
    let _ = ALL.try_with(|all| all.borrow_mut().insert(at, form));
    slot.set((at, form));
    form
}

fn find<T: DeserializeOwned>() -> Form {
    Form {
        schema: schema_of_name(type_name::<T>()),
        is_described: !probe::<T>().is_whole,
    }
}

/// Has the values of a type described from now on.
pub(crate) fn describe_from_now_on<T: DeserializeOwned>() {
    let find: fn() -> Form = find::<T>;
    let at = find as usize;
    let form = Form {
        schema: schema_of_name(type_name::<T>()),
        is_described: true,
    };
    let _ = ALL.try_with(|all| all.borrow_mut().insert(at, form));
    RECENT.with(|recent| recent[slot_of(at)].set((at, form)));
}

/// A type, and the structs and variants of one of its values.
pub(crate) type Kind = (usize, Vec<u64>);

thread_local! {
    static TRIED: RefCell<BTreeSet<Kind>> = RefCell::default();
}

/// Names the kind of a value by marks of what it has inside.
pub(crate) fn kind_of<T: DeserializeOwned>(marks: impl Iterator<Item = u64>) -> Kind {
    let find: fn() -> Form = find::<T>;
    let mut marks: Vec<_> = marks.collect();
    marks.sort_unstable();
    (find as usize, marks)
}

/// Returns whether a value of this kind was read again.
pub(crate) fn was_tried(kind: &Kind) -> bool {
    TRIED.try_with(|tried| tried.borrow().contains(kind)) == Ok(true)
}

/// Remembers that a value of this kind was read again.
pub(crate) fn tried(kind: Kind) {
    let _ = TRIED.try_with(|tried| tried.borrow_mut().insert(kind));
}

//! Types that have a proxy of their own.

use crate::hosting::{Access, Locked};
use crate::proxy::Proxy;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};

/// A type whose values a manager can host with [`create`](crate::ManagerHandle::create).
///
/// `#[procession::shared]` implements it and generates the proxy. The collections of the standard
/// library, strings and numbers have it too; their proxy is a plain [`Proxy`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no proxy of its own",
    note = "put `#[procession::shared]` on an `impl` block of it, or host it with \
            `manager.host(..)` and use `with` and `call`"
)]
pub trait Shared: Sized + 'static {
    /// How its values are kept in the server.
    type Access: Access<Self>;

    /// What calls them from other processes.
    type Proxy: From<Proxy<Self, Self::Access>>;
}

macro_rules! plain {
    ($([$($parameters:ident)*] $object:ty)*) => {
        $(impl<$($parameters: Send + 'static),*> Shared for $object {
            type Access = Locked;
            type Proxy = Proxy<Self>;
        })*
    };
}

plain! {
    [] bool
    [] char
    [] f32
    [] f64
    [] i8
    [] i16
    [] i32
    [] i64
    [] i128
    [] isize
    [] u8
    [] u16
    [] u32
    [] u64
    [] u128
    [] usize
    [] String
    [T] BTreeSet<T>
    [T] BinaryHeap<T>
    [T] Option<T>
    [T] Vec<T>
    [T] VecDeque<T>
    [T S] HashSet<T, S>
    [K V] BTreeMap<K, V>
    [K V S] HashMap<K, V, S>
}

//! What programs with another executable may call: the methods of an object, by name.
//!
//! A routine is the offset of a table in one executable, and means nothing in another. Between programs
//! a method is known by its *key*: the hash of its name and of what its arguments and its result are
//! read from. So a call that arrives is one of the method that the client was compiled for, or an
//! error; and the keys of all methods are compared when a client asks for an object by its name.

use crate::call::{ConcurrentCall, LockedCall};
use crate::error::ManagerError;
use crate::hosting::{Access, Concurrent, Locked};
use crate::proxy::Proxy;
use crate::remote::Remote;
use crate::returns::Returns;
use procession_call::{EntryOf, Run, run_of_function};
use procession_wire::{fingerprint, schema, schema_of_name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

/// A proxy that can be [had by name](crate::ManagerHandle::get): those that `#[procession::shared]`
/// generates, those of the built-in types, and the plain [`Proxy`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a proxy that can be registered under a name",
    note = "it is the proxy of a type on which `#[procession::shared]` stands, or a built-in type, whose \
            parameters have what the methods ask of them, such as `Clone` and `PartialEq`"
)]
pub trait Exported: Sized + 'static {
    /// Makes the proxy; one of several objects asks for the others.
    #[doc(hidden)]
    fn from_remote(remote: Remote) -> Result<Self, ManagerError>;

    /// Returns the handle inside.
    #[doc(hidden)]
    fn remote(&self) -> &Remote;

    /// Lists the methods.
    #[doc(hidden)]
    fn export() -> Listed;
}

impl<T: 'static, A: Access<T>> Exported for Proxy<T, A> {
    fn from_remote(remote: Remote) -> Result<Self, ManagerError> {
        Ok(Self::new(remote))
    }

    fn remote(&self) -> &Remote {
        self.remote()
    }

    fn export() -> Listed {
        Methods::<T, A>::new().end()
    }
}

/// The methods of a type, while they are being listed.
pub struct Methods<T, A> {
    listed: Vec<Method>,
    object: PhantomData<fn() -> (T, A)>,
}

/// The methods of a type.
pub struct Listed {
    cell: TypeId,
    object: &'static str,
    methods: Vec<Method>,
}

struct Method {
    name: &'static str,
    key: u64,
    run: Run,
}

impl<T: 'static, A: Access<T>> Methods<T, A> {
    /// Begins the list.
    #[expect(clippy::new_without_default, reason = "only generated code makes one")]
    pub fn new() -> Self {
        Self {
            listed: Vec::new(),
            object: PhantomData,
        }
    }

    /// Ends it.
    pub fn end(self) -> Listed {
        Listed {
            cell: TypeId::of::<A::Cell>(),
            object: type_name::<T>(),
            methods: self.listed,
        }
    }
}

impl<T, A> Methods<T, A> {
    fn push<E, F, P, R>(&mut self, name: &'static str, method: F)
    where
        E: EntryOf<F>,
        F: Copy + Send + 'static,
        P: DeserializeOwned,
        R: DeserializeOwned,
    {
        self.listed.push(Method {
            name,
            key: key::<P, R>(name),
            run: run_of_function::<E, F>(method),
        });
    }
}

impl<T: Send + 'static> Methods<T, Locked> {
    /// Lists a method.
    pub fn add<F, A, R, M>(&mut self, name: &'static str, method: F)
    where
        F: Fn(&mut T, A) -> R + Copy + Send + 'static,
        A: DeserializeOwned,
        R: Returns<M>,
    {
        self.push::<LockedCall<T, A, R, M>, F, A, R::Sent>(name, method);
    }
}

impl<T: Send + Sync + 'static> Methods<T, Concurrent> {
    /// Lists a method.
    pub fn add<F, A, R, M>(&mut self, name: &'static str, method: F)
    where
        F: Fn(&T, A) -> R + Copy + Send + 'static,
        A: DeserializeOwned,
        R: Returns<M>,
    {
        self.push::<ConcurrentCall<T, A, R, M>, F, A, R::Sent>(name, method);
    }
}

impl<T, A> fmt::Debug for Methods<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.listed.iter().map(|method| method.name);
        f.debug_list().entries(names).finish()
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listed").field(&self.object).finish()
    }
}

/// The methods of a type, as its server calls them.
pub(crate) struct Exports {
    interface: Interface,
    runs: HashMap<u64, Run>,
}

impl Exports {
    pub(crate) fn of(listed: &Listed) -> Self {
        Self {
            interface: Interface::of(listed),
            runs: listed
                .methods
                .iter()
                .map(|method| (method.key, method.run))
                .collect(),
        }
    }

    pub(crate) fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Finds the method that has a key.
    pub(crate) fn run(&self, key: u64) -> Option<Run> {
        self.runs.get(&key).copied()
    }
}

impl Listed {
    /// Returns the type of what holds the object in the server.
    pub(crate) fn cell(&self) -> TypeId {
        self.cell
    }
}

/// What a program knows of the methods of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// The name of the type, without the paths of the modules in which it and its parameters stand.
    object: String,
    methods: Vec<(String, u64)>,
}

impl Interface {
    pub(crate) fn of(listed: &Listed) -> Self {
        let methods = listed.methods.iter();
        Self {
            object: without_paths(listed.object),
            methods: methods
                .map(|method| (method.name.to_owned(), method.key))
                .collect(),
        }
    }

    /// Says in what this, which a server has, lacks what a client expects.
    ///
    /// A server may have more methods than the client knows of.
    pub(crate) fn lacks(&self, expected: &Self) -> Option<String> {
        if self.object != expected.object {
            let (here, there) = (&self.object, &expected.object);
            return Some(format!("it is of the type `{here}`, not `{there}`"));
        }
        expected.methods.iter().find_map(|(name, key)| {
            match self.methods.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known == key => None,
                Some(_) => Some(format!(
                    "its method `{name}` takes or returns something else"
                )),
                None => Some(format!("it has no method `{name}`")),
            }
        })
    }
}

/// Takes the paths of modules out of the name of a type: programs may have it in different ones.
fn without_paths(name: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut short = String::new();
    for part in name.split_inclusive(|c| !is_part(c)) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// Returns the key of a method that takes `A` and returns `R`.
pub(crate) fn key<A: DeserializeOwned, R: DeserializeOwned>(name: &'static str) -> u64 {
    type Known = HashMap<(&'static str, u64, u64), u64>;
    thread_local! {
        static KNOWN: RefCell<Known> = RefCell::default();
    }
    let types = (name, schema::<A>(), schema::<R>());
    if let Some(key) = KNOWN.with_borrow(|known| known.get(&types).copied()) {
        return key;
    }
    let (takes, returns) = (fingerprint::<A>(), fingerprint::<R>());
    let parts = (types, takes, returns);
    let key = schema_of_name(&format!("{parts:?}"));
    KNOWN.with_borrow_mut(|known| known.insert(types, key));
    key
}

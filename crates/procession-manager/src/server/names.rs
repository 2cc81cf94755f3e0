//! What is registered under names.

use super::home::Home;
use crate::call::{arguments, expect, make};
use crate::construct::Makes;
use crate::export::{Exported, Exports, Interface};
use crate::protocol::{GET, MAKE};
use crate::remote::Remote;
use crate::reply::Reply;
use procession_call::{Entry, EntryOf, Failure, Outcome, Run, produce, run_of_function};
use procession_wire::Packet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The names of a server, and the types whose methods can be called by name.
#[derive(Default)]
pub(crate) struct Names {
    named: Mutex<BTreeMap<String, Named>>,
    types: Mutex<HashMap<TypeId, Arc<Exports>>>,
}

#[derive(Clone)]
struct Named {
    what: What,
    exports: Arc<Exports>,
}

#[derive(Clone)]
enum What {
    Object(Remote),
    Constructor {
        /// The key of the arguments.
        args: u64,
        run: Run,
    },
}

/// Why nothing can be had under a name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum NameError {
    /// There is nothing.
    Unknown,
    /// There is something else.
    Taken,
    /// It is not what is expected; the text says in what it differs.
    Differs(String),
}

impl Names {
    /// Lists the methods of a type for programs with another executable.
    pub(crate) fn export<P: Exported>(&self) -> Arc<Exports> {
        let listed = P::export();
        if let Some(exports) = self.exports(listed.cell()) {
            return exports;
        }
        let exports = Arc::new(Exports::of(&listed));
        lock(&self.types).insert(listed.cell(), Arc::clone(&exports));
        exports
    }

    /// Returns the methods of a type that is kept in a cell of the given one.
    pub(crate) fn exports(&self, cell: TypeId) -> Option<Arc<Exports>> {
        lock(&self.types).get(&cell).cloned()
    }

    /// Returns what programs with another executable can ask of the server itself.
    pub(super) fn run(method: u64) -> Option<Run> {
        match method {
            GET => Some(Get::run),
            MAKE => Some(Make::run),
            _ => None,
        }
    }

    fn add(&self, name: String, what: What, exports: Arc<Exports>) -> Result<(), NameError> {
        let mut named = lock(&self.named);
        if named.contains_key(&name) {
            return Err(NameError::Taken);
        }
        named.insert(name, Named { what, exports });
        Ok(())
    }

    fn remove(&self, name: &str) -> bool {
        // What was there is dropped when nothing is locked.
        let removed = lock(&self.named).remove(name);
        removed.is_some()
    }

    fn find(&self, name: &str, expected: &Interface) -> Result<What, NameError> {
        let named = lock(&self.named).get(name).cloned();
        let named = named.ok_or(NameError::Unknown)?;
        match named.exports.interface().lacks(expected) {
            Some(difference) => Err(NameError::Differs(difference)),
            None => Ok(named.what),
        }
    }

    pub(super) fn list(&self) -> Vec<String> {
        lock(&self.named).keys().cloned().collect()
    }

    pub(super) fn clear(&self) {
        let named = std::mem::take(&mut *lock(&self.named));
        drop(named);
    }
}

/// Registers an object.
pub(crate) struct Register<P>(PhantomData<fn() -> P>);

impl<P: Exported> Entry for Register<P> {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let home = server(context)?;
            let (name, object) = arguments::<(String, Remote)>(packet)?;
            let exports = home.names().export::<P>();
            let added = home.names().add(name, What::Object(object), exports);
            Ok(Reply(added))
        })
    }
}

/// Registers a constructor.
pub(crate) struct RegisterConstructor<P, A, R, M>(Types<P, A, R, M>);

type Types<P, A, R, M> = PhantomData<fn() -> (P, A, R, M)>;

impl<P, F, A, R, M> EntryOf<F> for RegisterConstructor<P, A, R, M>
where
    P: Exported,
    F: Fn(&mut (), A) -> R + Copy + Send + 'static,
    A: DeserializeOwned,
    R: Makes<M>,
{
    fn run(construct: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let home = server(context)?;
            let name = arguments::<String>(packet)?;
            let what = What::Constructor {
                args: crate::export::key::<A, ()>(""),
                run: run_of_function::<Construct<A, R, M>, F>(construct),
            };
            let exports = home.names().export::<P>();
            Ok(Reply(home.names().add(name, what, exports)))
        })
    }
}

/// Has the methods of a type called by name, without an object that is registered.
pub(crate) struct Export<P>(PhantomData<fn() -> P>);

impl<P: Exported> Entry for Export<P> {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            arguments::<()>(packet)?;
            server(context)?.names().export::<P>();
            Ok(Reply(()))
        })
    }
}

/// Forgets a name.
pub(crate) struct Unregister;

impl Entry for Unregister {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let name = arguments::<String>(packet)?;
            Ok(Reply(server(context)?.names().remove(&name)))
        })
    }
}

/// Returns the object that has a name.
pub(crate) struct Get;

impl Entry for Get {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let home = server(context)?;
            let (name, expected) = arguments::<(String, Interface)>(packet)?;
            Ok(Reply(match home.names().find(&name, &expected) {
                Ok(What::Object(object)) => Ok(object),
                Ok(What::Constructor { .. }) => Err(NameError::Differs(
                    "it is a constructor, to be called with `make`".to_owned(),
                )),
                Err(error) => Err(error),
            }))
        })
    }
}

/// What goes before the arguments of a constructor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) expected: Interface,
    /// The key of the arguments.
    pub(crate) args: u64,
}

/// Calls the constructor that has a name.
pub(crate) struct Make;

impl Entry for Make {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        let refused = |error| produce(|| Ok(Reply(Err::<Remote, NameError>(error))));
        let found = server(context).and_then(|home| {
            let order = packet.take::<Order>()?;
            Ok((home.names().find(&order.name, &order.expected), order.args))
        });
        match found {
            Err(failure) => procession_call::failed(failure),
            Ok((Err(error), _)) => refused(error),
            Ok((Ok(What::Object(_)), _)) => refused(NameError::Differs(
                "it is an object, to be had with `get`".to_owned(),
            )),
            Ok((Ok(What::Constructor { args, run }), expected)) if args == expected => {
                run(context, packet)
            }
            Ok((Ok(What::Constructor { .. }), _)) => refused(NameError::Differs(
                "its constructor takes other arguments".to_owned(),
            )),
        }
    }
}

/// Makes an object for whoever asks for it by name.
struct Construct<A, R, M>(Types<(), A, R, M>);

impl<F, A, R, M> EntryOf<F> for Construct<A, R, M>
where
    F: Fn(&mut (), A) -> R + Copy + Send + 'static,
    A: DeserializeOwned,
    R: Makes<M>,
{
    fn run(construct: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let home = server(context)?;
            let args = arguments(packet)?;
            let made = make::<F, A, R, M>(home, construct, args)?;
            Ok(Reply(Ok::<Remote, NameError>(made)))
        })
    }
}

/// Returns the server that is the context of a call.
pub(crate) fn server(context: &dyn Any) -> Result<&'static Home, Failure> {
    expect::<&'static Home>(context).copied()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Objects that live in a server process and are called through typed proxies.
//!
//! ```
//! use procession_manager::{Manager, ManagerError, Object};
//! use std::collections::HashSet;
//!
//! # fn main() -> Result<(), ManagerError> {
//! procession_process::init(); // the first line of `main`
//! let manager = Manager::start()?;
//!
//! let dict = manager.dict::<Object, Object>()?;
//! dict.insert(1, "1")?;
//! dict.insert("2", 2)?;
//! dict.insert(0.25, Object::None)?;
//! assert_eq!(dict.repr()?, "{1: '1', '2': 2, 0.25: None}");
//!
//! let set = manager.create(HashSet::<u32>::new, ())?;
//! set.call(HashSet::insert, 7)?;
//! assert_eq!(set.with(|set| set.len())?, 1);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Manager`] is the owner of a server process. Any process that has a proxy calls the object
//! behind it; the call travels to the server, runs there, and its result comes back. Proxies are
//! handles: clone them, pass them to other processes, put them into your own serde structs and into
//! other hosted objects.
//!
//! # What can be hosted
//!
//! - The built-in types, which have Python's names: [`List`], [`Dict`], [`Set`], [`Namespace`], [`Value`],
//!   [`Array`], [`Lock`], [`RLock`], [`Semaphore`], [`BoundedSemaphore`], [`Condition`], [`Event`],
//!   [`Barrier`], [`Queue`], [`Pool`].
//! - Your own types, with [`shared`]: it generates a proxy that has the type's methods, and
//!   [`create`](ManagerHandle::create) returns that proxy.
//! - The collections of the standard library, with `create` too, and with
//!   [`host`](ManagerHandle::host) any other type. Their proxy is a [`Proxy`], which runs functions
//!   on the object: [`with`](Proxy::with) and [`call`](Proxy::call).
//!
//! `create` knows the type of the proxy from the type of the object, through the trait [`Shared`].
//! No type can have both its own proxy and the one that all types have, so that types which do not
//! implement the trait go through `host`.
//!
//! # One step or several
//!
//! An object has a lock, and each call is one step to all others. `list.set(0, list.get(0)? + 1)?`
//! is two calls, between which another process may write. A function that runs in the server is one:
//!
//! ```
//! # fn main() -> Result<(), procession_manager::ManagerError> {
//! # procession_process::init();
//! # let manager = procession_manager::Manager::start()?;
//! let list = manager.list_from([1, 2])?;
//! list.call(|items, by| items[0] += by, 10)?;
//! assert_eq!(list.to_vec()?, [11, 2]);
//! # Ok(())
//! # }
//! ```
//!
//! It is a `fn` item or a closure that captures nothing, since only its name travels. A method that
//! panics is an error of its caller, and leaves the object as it is: for the others the object goes
//! on. Objects that are made for several callers at once, such as the locks here, have no lock of
//! their own: `#[shared(concurrent)]`.
//!
//! A method may call other objects of its server through proxies. That runs on the same thread and
//! sends nothing. Two objects that call each other at the same time wait for each other as two
//! mutexes would; an object that calls itself gets an error.
//!
//! # Many calls at once
//!
//! A call is a trip to the server and back. A [`Batch`] makes one trip of many calls, in order, and with
//! [`call_async`] the caller does not wait: what it gets is a future. Both take a closure that calls a method of
//! a proxy.
//!
//! ```
//! # fn main() -> Result<(), procession_manager::ManagerError> {
//! # procession_process::init();
//! # let manager = procession_manager::Manager::start()?;
//! use procession_manager::{Batch, List, call_async};
//!
//! let list = manager.list::<u32>()?;
//! let mut batch = Batch::new();
//! for number in 0..1000 {
//!     batch.add(&list, move |list| list.append(number))?;
//! }
//! let last = batch.add(&list, |list| list.get(999))?;
//! batch.send()?;
//! assert_eq!(last.get()?, Some(999));
//!
//! let len = call_async(&list, List::len);
//! assert_eq!(len.wait()?, 1000); // or `.await`
//! # Ok(())
//! # }
//! ```
//!
//! # How long objects live
//!
//! As long as any process has a proxy, or a message with one is on its way. A process that ends,
//! killed or not, gives back its proxies, and with them its locks and permits; a call in which it
//! waited takes nothing. Objects that hold proxies of each other in a circle stay until the manager
//! ends.
//!
//! # What happens when the server is gone
//!
//! Every call, also one that was waiting, is [`ManagerError::Gone`]. The server ends with its
//! [`Manager`], and with the process that started it. It leaves nothing behind.
//!
//! # Who may connect
//!
//! The processes of one family, by a key that only they have, of the same user and of the same
//! executable; other programs [with a key of their own](crate#programs-with-another-executable). A client that sends garbage, or says nothing, loses its connection, and nobody else
//! notices. What arrives in the server is only ever taken for one of the functions that the
//! executable has for this purpose, with arguments of the right types.
//!
//! # Programs with another executable
//!
//! A manager that was given an [address](ManagerBuilder::address) and a [key](ManagerBuilder::key) takes programs
//! that share nothing with it but the key: over a Unix socket, or from another machine over TCP. They
//! [connect](Manager::connect), and [get](ManagerHandle::get) by name what the server has
//! [registered](ManagerHandle::register), or [make](ManagerHandle::make) an object with a registered constructor.
//! A program that is a server and nothing else calls [`serve_forever`](ManagerBuilder::serve_forever).
//!
//! ```
//! use procession_manager::{List, Manager};
//! use procession_pipe::Address;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # procession_process::init();
//! let address = Address::unique()?; // or "127.0.0.1:6000".parse()?
//! let server = Manager::builder()
//!     .address(&address)
//!     .key("a secret")
//!     .initializer(|manager, ()| Ok(manager.register("jobs", &manager.list::<String>()?)?), ())
//!     .start()?;
//!
//! // In another program:
//! let client = Manager::connect(&address, "a secret")?;
//! let jobs: List<String> = client.get("jobs")?;
//! jobs.append("sweep".to_owned())?;
//! assert_eq!(jobs.len()?, 1);
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! Of a method, the name is sent and a hash of what its arguments and its result are made of. So the methods of
//! the built-in types and of those with [`shared`] can be called, if the types of arguments and results have the
//! same paths in both programs: in practice they stand in a library that both use. A program that was compiled
//! for something else is told so by `get`. Functions cannot be sent, as the server does not have them; nor can
//! memory that is shared, descriptors, and handles of other managers. All that is refused with
//! [`ManagerError::Elsewhere`]. What is sent is neither encrypted nor protected against change: over a network
//! that is not trusted, tunnel it.
#![doc(html_root_url = "https://docs.rs/procession-manager/latest")]
#![forbid(unsafe_code)]

mod address;
mod awaited;
mod batch;
mod builder;
mod call;
mod client;
mod collected;
mod construct;
mod each;
mod error;
mod export;
mod handle;
mod held;
mod hosting;
mod keepalive;
mod manager;
mod names;
mod new;
mod object;
mod protocol;
mod proxy;
mod refusal;
mod remote;
mod reply;
mod returns;
mod route;
mod server;
mod shared;
mod stats;
mod threads;
mod types;
mod unreachable;
mod visit;

pub use address::Address;
pub use awaited::{CallFuture, call_async};
pub use batch::{Batch, Later};
pub use builder::ManagerBuilder;
pub use construct::{Constructor, Makes};
pub use each::{Each, Fetched};
pub use error::ManagerError;
pub use export::Exported;
pub use handle::ManagerHandle;
pub use held::Held;
pub use hosting::{Access, Concurrent, Locked};
#[doc(no_inline)]
pub use indexmap::IndexMap;
pub use manager::Manager;
pub use new::New;
pub use object::{Object, UnexpectedKind};
pub use procession_macros::shared;
pub use proxy::Proxy;
pub use refusal::Refusal;
pub use returns::Returns;
pub use shared::Shared;
pub use stats::{ClientStats, ObjectStats, Stats};
pub use types::{
    Array, ArrayIter, At, Barrier, BoundedSemaphore, Condition, ConditionLock, Dict, DictIter,
    Event, Item, Items, JoinableQueue, List, ListIter, Lock, LockGuard, Namespace, Permit, Pool,
    PoolResult, PoolResults, Producer, Queue, RLock, RLockGuard, Semaphore, Set, Slice, Value,
};

/// What the code that `shared` generates may name.
#[doc(hidden)]
pub mod __private {
    pub use crate::export::{Exported, Listed, Methods};
    pub use crate::remote::Remote;
    pub use crate::{
        Concurrent, Each, Fetched, Held, Locked, ManagerError, ManagerHandle, Proxy, Returns,
        Shared,
    };
    pub use {anyhow, serde};
}

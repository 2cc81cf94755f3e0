//! What can be asked of a server.

use crate::address::Address;
use crate::call::Create;
use crate::construct::{Any, Constructor, Makes};
use crate::error::ManagerError;
use crate::protocol::Note;
use crate::proxy::Proxy;
use crate::remote::Remote;
use crate::route::{Route, Target};
use crate::server::visitors::PublicAddress;
use crate::shared::Shared;
use crate::stats::Stats;
use procession_call::Routine;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A handle of a manager's server, with which any process hosts objects there.
///
/// Cloning it is cheap, and it can be sent to other processes. It does not keep the server alive:
/// that is up to the [`Manager`](crate::Manager).
///
/// # Examples
///
/// ```
/// use procession_manager::{List, Manager, ManagerError, ManagerHandle};
/// use procession_process::Process;
///
/// fn squares(manager: ManagerHandle, upto: u64) -> Result<List<u64>, anyhow::Error> {
///     Ok(manager.list_from((0..upto).map(|x| x * x))?)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let child = Process::spawn(squares, (manager.handle(), 4))?;
/// let list = child.join()?; // made by a process that has ended
/// assert_eq!(list.to_vec()?, [0, 1, 4, 9]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct ManagerHandle {
    server: Remote,
}

impl ManagerHandle {
    pub(crate) fn new(route: Route) -> Self {
        Self {
            server: Remote::server(route),
        }
    }

    pub(crate) fn server(&self) -> &Remote {
        &self.server
    }

    pub(crate) fn route(&self) -> &Route {
        self.server.route()
    }

    /// Has the server call `construct` with `args`, hosts what it returns, and returns the proxy.
    ///
    /// The type is one on which `#[procession::shared]` stands, whose own proxy this returns, or
    /// one of the standard library's collections, with a plain [`Proxy`]. The constructor is a
    /// `fn` item or a closure that captures nothing; it may return an `anyhow::Result`.
    ///
    /// # Errors
    ///
    /// [`ManagerError`]; [`Call`](ManagerError::Call) if the constructor panicked or returned an error.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_manager::{Manager, ManagerError};
    /// use std::collections::HashSet;
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// let set = manager.create(HashSet::<u32>::from_iter::<Vec<u32>>, (vec![7, 8, 8],))?;
    /// assert_eq!(set.with(|set| set.len())?, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "what is sent is given away")]
    pub fn create<F, A, R, M>(
        &self,
        construct: F,
        args: A,
    ) -> Result<<R::Object as Shared>::Proxy, ManagerError>
    where
        F: Constructor<A, R>,
        A: Serialize + DeserializeOwned,
        R: Makes<M>,
        R::Object: Shared<Access = R::Access>,
    {
        self.build(construct.with_tuple(), &args).map(Into::into)
    }

    /// As [`create`](Self::create), for an object of any type, which may be another crate's.
    ///
    /// # Errors
    ///
    /// [`ManagerError`]; [`Call`](ManagerError::Call) if the constructor panicked.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_manager::{Manager, ManagerError};
    /// use std::time::Instant;
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// let started = manager.host(Instant::now, ())?;
    /// let since = started.with(|started| started.elapsed())?;
    /// assert!(started.with(|started| started.elapsed())? >= since);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "what is sent is given away")]
    pub fn host<F, A, T>(&self, construct: F, args: A) -> Result<Proxy<T>, ManagerError>
    where
        F: Constructor<A, T>,
        A: Serialize + DeserializeOwned,
        T: Send + 'static,
    {
        let construct = construct.with_tuple();
        self.build(
            move |nothing: &mut (), args: A| Any(construct(nothing, args)),
            &args,
        )
    }

    fn build<F, A, R, M>(
        &self,
        construct: F,
        args: &A,
    ) -> Result<Proxy<R::Object, R::Access>, ManagerError>
    where
        F: Fn(&mut (), A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Makes<M>,
    {
        self.server.check_functions()?;
        let target = Target::Routine(Routine::of_function::<Create<A, R, M>, F>(construct)?);
        self.server.order(target, |encoder| encoder.push(args))
    }

    /// Returns how many objects the server hosts, after all that this process has dropped.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u8>()?;
    /// assert_eq!(manager.object_count()?, 1);
    /// drop(list);
    /// assert_eq!(manager.object_count()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "number_of_objects")]
    pub fn object_count(&self) -> Result<u64, ManagerError> {
        match self.route() {
            Route::Home(home) => Ok(home.count()),
            route => route.client()?.ask(&Note::Count),
        }
    }

    /// Returns what the server has, in numbers: objects by type, handles, clients, calls.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list_from([1])?;
    /// let before = manager.stats()?.calls;
    /// list.append(2)?;
    /// assert_eq!(manager.stats()?.calls, before + 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> Result<Stats, ManagerError> {
        match self.route() {
            Route::Home(home) => Ok(home.stats()),
            route => route.client()?.ask(&Note::Stats),
        }
    }

    /// Returns a line for each object that the server hosts: its number, its type, and who has handles of it.
    ///
    /// It is for people, and may change.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let _list = manager.list_from([1])?;
    /// let here = format!("process {} 1", std::process::id());
    /// assert!(manager.debug_info()?.contains(&here));
    /// # Ok(())
    /// # }
    /// ```
    pub fn debug_info(&self) -> Result<String, ManagerError> {
        match self.route() {
            Route::Home(home) => Ok(home.objects()),
            route => route.client()?.ask(&Note::Objects),
        }
    }

    /// Has the server end; only processes of its family can.
    ///
    /// It returns before the server has ended. [`Manager::shutdown`](crate::Manager::shutdown) waits.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Elsewhere`] in a program that has [connected](crate::Manager::connect) with a key.
    ///
    /// # When the other side is gone
    ///
    /// Nothing is left to do.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let handle = manager.handle();
    /// handle.stop()?;
    /// manager.shutdown()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop(&self) -> Result<(), ManagerError> {
        if self.server.is_elsewhere() {
            return Err(ManagerError::Elsewhere(
                "a manager in another program is ended by that program",
            ));
        }
        match self.route() {
            Route::Home(home) => {
                home.shut_down();
                Ok(())
            }
            route => route.note(&Note::Shutdown),
        }
    }

    /// Returns where programs with another executable connect, if they can: the address that the
    /// [builder](crate::ManagerBuilder::address) was given, with the port or name that was chosen.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use procession_pipe::Address;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let manager = Manager::builder().address("127.0.0.1:0".parse::<Address>()?).key("secret").start()?;
    /// let address = manager.public_address()?.expect("there is one");
    /// let client = Manager::connect(address, "secret")?;
    /// assert_eq!(client.object_count()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn public_address(&self) -> Result<Option<procession_pipe::Address>, ManagerError> {
        match self.route().elsewhere() {
            Some(endpoint) => Ok(endpoint.visited().cloned()),
            None => self.ask_server::<PublicAddress, _, _>(&()),
        }
    }

    /// Returns where the server's own family finds it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert!(manager.address().to_string().starts_with("@procession-"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(&self) -> &Address {
        self.route().address()
    }
}

impl fmt::Debug for ManagerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerHandle")
            .field("address", self.address())
            .finish()
    }
}

//! What can be asked of a server.

use crate::address::Address;
use crate::call::Create;
use crate::construct::{Any, Constructor, Makes};
use crate::error::ManagerError;
use crate::protocol::Note;
use crate::proxy::Proxy;
use crate::remote::Remote;
use crate::route::Route;
use crate::shared::Shared;
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

    fn build<F, A, R, M>(&self, _: F, args: &A) -> Result<Proxy<R::Object, R::Access>, ManagerError>
    where
        F: Fn(&mut (), A) -> R + Copy + 'static,
        A: Serialize + DeserializeOwned,
        R: Makes<M>,
    {
        self.server.call(Routine::of::<Create<F, A, R, M>>()?, args)
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
    pub fn object_count(&self) -> Result<u64, ManagerError> {
        match self.route() {
            Route::Home(home) => Ok(home.count()),
            route => route.client()?.ask(&Note::Count),
        }
    }

    /// Returns where the server listens.
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

//! The manager: the owner of a server process.

use crate::builder::ManagerBuilder;
use crate::client::connect::{Door, Visiting};
use crate::client::endpoint::Endpoint;
use crate::error::ManagerError;
use crate::handle::ManagerHandle;
use crate::protocol::Note;
use crate::route::Route;
use procession_os::shield::shield;
use procession_pipe::{Address, Client};
use procession_process::Process;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A server process that hosts objects, and the one who ends it.
///
/// All that can be asked of the server is in [`ManagerHandle`], to which this dereferences.
/// Dropping the manager ends the server, as [`shutdown`](Self::shutdown) does. The server also
/// ends when the process that started it ends, however that happens.
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, ManagerError, Object};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let dict = manager.dict::<Object, Object>()?;
/// dict.insert(1, "1")?;
/// dict.insert("2", 2)?;
/// dict.insert(0.25, Object::None)?;
/// assert_eq!(dict.repr()?, "{1: '1', '2': 2, 0.25: None}");
///
/// let list = manager.list_from(0..4)?;
/// list.reverse()?;
/// assert_eq!(list.to_vec()?, [3, 2, 1, 0]);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it ends the server"]
pub struct Manager {
    handle: ManagerHandle,
    pid: u32,
    starter: u32,
    /// The server, until it was shut down.
    process: Mutex<Option<Process<()>>>,
    /// How long it may take to end.
    grace: Duration,
}

impl Manager {
    /// Starts a server process, with the name `Manager-1`, `Manager-2` and so on.
    ///
    /// It ignores SIGINT, so that Ctrl-C ends it only by way of the process that started it.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Start`] if no process can be started, above all because the program has not
    /// called `init`; [`ManagerError::Server`] if it ended at once; [`ManagerError::Io`].
    pub fn start() -> Result<Self, ManagerError> {
        Self::builder().start()
    }

    /// Begins a server process with settings of its own.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::new()
    }

    /// Connects to a manager of another program, which may have another executable and run on another machine.
    ///
    /// The handle is as good as one of the family, except that no function can be sent with it: objects are
    /// [had by name](ManagerHandle::get) or [made by registered constructors](ManagerHandle::make), and their methods
    /// can be called. See [the crate](crate#programs-with-another-executable).
    ///
    /// # Errors
    ///
    /// [`ManagerError::Connect`] if nobody listens, or the keys differ; [`ManagerError::NotAdmitted`] and
    /// [`ManagerError::Busy`] as the server says.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Connect`] here, and [`ManagerError::Gone`] at later calls. Of a machine that lost its power
    /// or its network, this is known after about half a minute.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{List, Manager, ManagerError};
    /// use procession_pipe::Address;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let address = Address::unique()?;
    /// # let server = Manager::builder().address(&address).key("secret").start()?;
    /// # server.register("numbers", &server.list::<i64>()?)?;
    /// let client = Manager::connect(&address, "secret")?;
    /// let numbers: List<i64> = client.get("numbers")?;
    /// numbers.append(7)?;
    /// assert_eq!(numbers.to_vec()?, [7]);
    ///
    /// let refused = numbers.with(|numbers| numbers.len());
    /// assert!(matches!(refused, Err(ManagerError::Elsewhere(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(
        address: impl Into<Address>,
        key: impl AsRef<[u8]>,
    ) -> Result<ManagerHandle, ManagerError> {
        let door = Door::Visit(Visiting {
            address: address.into(),
            client: Client::builder().key(key),
        });
        let endpoint = Arc::new(Endpoint::open(door)?);
        Ok(ManagerHandle::new(Route::Client(endpoint)))
    }

    pub(crate) fn new(route: Route, process: Process<()>, grace: Duration) -> Self {
        Self {
            handle: ManagerHandle::new(route),
            pid: process.pid(),
            starter: std::process::id(),
            process: Mutex::new(Some(process)),
            grace,
        }
    }

    /// Returns another handle of the server, which can be sent to other processes.
    pub fn handle(&self) -> ManagerHandle {
        self.handle.clone()
    }

    /// Returns the number of the server process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the server and waits for its end. A second call does nothing.
    ///
    /// Hosted objects are dropped, unless a call is working on them. A server that takes more than
    /// [five seconds](ManagerBuilder::shutdown_timeout) for that is killed.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Server`] if the server had ended in another way before, or had to be killed;
    /// [`ManagerError::Io`] if it could not be killed, which the log has too.
    ///
    /// # When the other side is gone
    ///
    /// The error says how it ended. All handles, in all processes, answer [`ManagerError::Gone`]
    /// from then on; calls that are blocked end with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::ManagerError;
    ///
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u8>()?;
    /// manager.shutdown()?;
    /// assert!(matches!(list.len(), Err(ManagerError::Gone)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self) -> Result<(), ManagerError> {
        let taken = self
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(process) = taken else { return Ok(()) };
        let asked = self.handle.route().note(&Note::Shutdown);
        if asked.is_err() || process.wait_timeout(self.grace)?.is_none() {
            kill(&process)?;
        }
        Ok(process.join()?)
    }
}

/// Kills a server. What cannot be ended is left, with an error.
pub(crate) fn kill(process: &Process<()>) -> Result<(), ManagerError> {
    let refused = |error: &io::Error| {
        let pid = process.pid();
        shield(|| log::error!("the manager's server (pid {pid}) cannot be ended: {error}"));
    };
    Ok(process.kill().inspect_err(refused)?)
}

impl Drop for Manager {
    fn drop(&mut self) {
        // A copy in a forked child is not the owner.
        if self.starter == std::process::id() {
            // A server that is gone is what is wanted.
            let _ = self.shutdown();
        }
    }
}

impl Deref for Manager {
    type Target = ManagerHandle;

    fn deref(&self) -> &ManagerHandle {
        &self.handle
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("address", self.address())
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

//! How a manager is started.

use crate::address::Address;
use crate::call::{arguments, expect};
use crate::error::ManagerError;
use crate::handle::ManagerHandle;
use crate::manager::{Manager, kill};
use crate::protocol::RingsFor;
use crate::reply::Reply;
use crate::route::Route;
use crate::server::home::Home;
use crate::server::task;
use crate::server::visitors::{Listen, Welcome};
use procession_call::{EntryOf, Outcome, Routine, produce};
use procession_process::{Builder, Process};
use procession_wire::{Fd, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::fmt;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// After so many calls a connection gets rings in shared memory: making them takes as long as they
/// save in a dozen calls.
const OFTEN: u32 = 16;

/// Enough for all but long requests and replies, which go over the socket.
const CAPACITY: usize = 16 << 10;

/// How long a server may take to end before it is killed: its objects are dropped meanwhile.
const GRACE: Duration = Duration::from_secs(5);

/// The settings of a manager that is going to be started; made by [`Manager::builder`].
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, ManagerError};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::builder().rings(64 << 10).start()?;
/// let list = manager.list_from(0..4)?;
/// assert_eq!(list.len()?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is started before `start` is called"]
pub struct ManagerBuilder {
    rings: RingsFor,
    name: Option<String>,
    process: Builder,
    address: Option<procession_pipe::Address>,
    key: Option<Vec<u8>>,
    initializers: Vec<Initializer>,
    grace: Duration,
}

/// What is done in the server before programs with another executable are admitted.
type Initializer = Arc<dyn Fn(&ManagerHandle) -> Result<(), ManagerError> + Send + Sync>;

impl ManagerBuilder {
    pub(crate) fn new() -> Self {
        let rings = RingsFor {
            after: Some(OFTEN),
            capacity: CAPACITY,
        };
        Self {
            rings,
            name: None,
            process: Process::builder(),
            address: None,
            key: None,
            initializers: Vec::new(),
            grace: GRACE,
        }
    }

    /// Names the server process; `Manager-1`, `Manager-2` and so on, if not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError};
    /// use procession_process::current_process;
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::builder().name("stock").start()?;
    /// let name = manager.host(|| current_process().name().to_owned(), ())?;
    /// assert_eq!(name.with(|name| name.clone())?, "stock");
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Chooses what else a process can be started with: environment, user, limits, start method.
    ///
    /// A name that it has is not used; that it is a daemon and ignores SIGINT is always so.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError};
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let process = Process::builder().env("STOCK", "full");
    /// let manager = Manager::builder().process(process).start()?;
    /// let stock = manager.host(|| std::env::var("STOCK").unwrap(), ())?;
    /// assert_eq!(stock.with(|stock| stock.clone())?, "full");
    /// # Ok(())
    /// # }
    /// ```
    pub fn process(mut self, process: Builder) -> Self {
        self.process = process;
        self
    }

    /// Has programs with another executable, or on other machines, connect at this address, with the
    /// [key](Self::key).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, Value};
    /// use procession_pipe::Address;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let address = Address::unique()?;
    /// let manager = Manager::builder().address(&address).key("secret").start()?;
    /// manager.register("answer", &manager.value(42)?)?;
    ///
    /// // In another program:
    /// let manager = Manager::connect(address, "secret")?;
    /// let answer: Value<i32> = manager.get("answer")?;
    /// assert_eq!(answer.get()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(mut self, address: impl Into<procession_pipe::Address>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Sets the key that such programs must have. It is never sent: both sides show to each other that
    /// they have it, as [`Listener`](procession_pipe::Listener) does.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// Has the server run a function before programs with another executable are admitted: to register
    /// objects, for example. Several run in the order in which they were added.
    ///
    /// The function is a `fn` item or a closure that captures nothing. It takes a handle of the server in
    /// which it runs, and the value that is given here.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{List, Manager, ManagerError};
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::builder()
    ///     .initializer(|manager, upto| Ok(manager.register("numbers", &manager.list_from(0..upto)?)?), 4)
    ///     .start()?;
    /// let numbers: List<i32> = manager.get("numbers")?;
    /// assert_eq!(numbers.to_vec()?, [0, 1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn initializer<F, A>(mut self, function: F, args: A) -> Self
    where
        F: Fn(&ManagerHandle, A) -> anyhow::Result<()> + Copy + Send + Sync + 'static,
        A: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.initializers.push(Arc::new(move |manager| {
            let routine = Routine::of_function::<Initialize<A>, F>(function)?;
            manager.ask_routine(routine, &args)
        }));
        self
    }

    /// Sets how long [`Manager::shutdown`] waits for the server to drop its objects before it kills it;
    /// five seconds if not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError};
    /// use std::time::Duration;
    ///
    /// struct Slow;
    /// impl Drop for Slow {
    ///     fn drop(&mut self) {
    ///         std::thread::sleep(Duration::from_secs(3600));
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::builder().shutdown_timeout(Duration::from_millis(10)).start()?;
    /// let _slow = manager.host(|| Slow, ())?;
    /// assert!(matches!(manager.shutdown(), Err(ManagerError::Server(_)))); // it was killed
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.grace = timeout;
        self
    }

    /// Has each connection of a client go through shared memory from its first call on, in a ring of at
    /// least `capacity` bytes for each direction.
    ///
    /// Otherwise one does so once it has served a few calls, with rings of 16 KiB. A process has as many
    /// connections as it has calls at a time. A request or reply that takes more than a quarter
    /// of a ring goes over the socket. The memory, twice `capacity` for a connection, is reserved when
    /// the rings are made, and given back with the connection; if there is none, the connection stays
    /// on its socket.
    pub fn rings(mut self, capacity: usize) -> Self {
        self.rings = RingsFor {
            after: Some(0),
            capacity,
        };
        self
    }

    /// Has all connections stay on their sockets, which need no memory.
    pub fn without_rings(mut self) -> Self {
        self.rings.after = None;
        self
    }

    /// Starts the server process.
    ///
    /// # Errors
    ///
    /// As [`Manager::start`]; [`ManagerError::Call`] if an initializer failed or the
    /// [address](Self::address) cannot be listened at; [`ManagerError::Io`] with
    /// [`InvalidInput`](ErrorKind::InvalidInput) if there is an address without a key.
    pub fn start(&self) -> Result<Manager, ManagerError> {
        self.check()?;
        let (address, listener) = Address::bind()?;
        let process = self
            .process
            .clone()
            .name(self.name.clone().unwrap_or_else(next_name))
            .daemon(true)
            .ignore_interrupts(true)
            .spawn(task::run, (Fd(listener), address.clone(), self.rings))?;
        let manager = match Route::to(&address) {
            Ok(Route::Gone(_)) => return Err(ended_at_once(process)),
            Ok(route) => Manager::new(route, process, self.grace),
            Err(error) => {
                kill(&process)?;
                return Err(error);
            }
        };
        self.open(&manager)?;
        Ok(manager)
    }

    /// Makes this process the server, for a program that is one and nothing else, and returns when a
    /// process of its family [stops](ManagerHandle::stop) it.
    ///
    /// The [initializers](Self::initializer) run first, in this process. The settings of a process are its own:
    /// Ctrl-C ends it, and what it leaves then is at most the file of a [path](procession_pipe::Address::unix), which the
    /// next server replaces.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); [`ManagerError::Io`] if the process is a manager's server already.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError, Value};
    /// use procession_pipe::Address;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let address = Address::unique()?;
    /// let server = std::thread::spawn({
    ///     let builder = Manager::builder().address(&address).key("secret");
    ///     let builder = builder.initializer(|manager, ()| {
    ///         manager.register("answer", &manager.value(42)?)?;
    ///         # manager.stop()?;
    ///         Ok(())
    ///     }, ());
    ///     move || builder.serve_forever()
    /// });
    /// # server.join().expect("no panic")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_forever(&self) -> Result<(), ManagerError> {
        self.check()?;
        let (address, listener) = Address::bind()?;
        let (home, end) = task::settle(address, self.rings)?;
        self.open(&ManagerHandle::new(Route::Home(home)))?;
        task::serve(home, listener, &end)?;
        Ok(())
    }

    /// An address that anybody may connect to would be given to anybody.
    fn check(&self) -> Result<(), ManagerError> {
        if self.address.is_some() && self.key.as_ref().is_none_or(Vec::is_empty) {
            let why = "a manager that other programs connect to needs a key";
            return Err(io::Error::new(ErrorKind::InvalidInput, why).into());
        }
        Ok(())
    }

    /// Listens, runs the initializers, and admits those who have connected meanwhile: in this order, so that
    /// an initializer knows the address, and no client meets a server that is not set up.
    fn open(&self, manager: &ManagerHandle) -> Result<(), ManagerError> {
        let public = self.address.as_ref().zip(self.key.as_ref());
        if let Some((address, key)) = public {
            manager.ask_server::<Listen, _, ()>(&(address.clone(), key.clone()))?;
        }
        for initialize in &self.initializers {
            initialize(manager)?;
        }
        if public.is_some() {
            manager.ask_server::<Welcome, _, ()>(&())?;
        }
        Ok(())
    }
}

/// Runs a function in the server.
struct Initialize<A>(PhantomData<fn() -> A>);

impl<F, A> EntryOf<F> for Initialize<A>
where
    F: Fn(&ManagerHandle, A) -> anyhow::Result<()> + Copy + Send + 'static,
    A: DeserializeOwned,
{
    fn run(function: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let home: &&'static Home = expect(context)?;
            let args = arguments(packet)?;
            let manager = ManagerHandle::new(Route::Home(home));
            function(&manager, args)?;
            Ok(Reply(()))
        })
    }
}

impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder")
            .field("name", &self.name)
            .field("process", &self.process)
            .field("address", &self.address)
            .field("initializers", &self.initializers.len())
            .field("shutdown_timeout", &self.grace)
            .finish_non_exhaustive()
    }
}

fn next_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("Manager-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

fn ended_at_once(process: Process<()>) -> ManagerError {
    process
        .join()
        .map_or_else(ManagerError::Server, |()| ManagerError::Gone)
}

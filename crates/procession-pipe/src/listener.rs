//! Taking connections from other programs.
//!
//! A thread, the *doorman*, accepts sockets and does all handshakes at once ([`doorman`]). Who is
//! through goes to the *lobby* ([`lobby`]), from where [`Listener::accept`] takes them.

mod bind;
mod builder;
mod doorman;
mod error;
mod file;
mod guest;
mod lobby;
mod peer;
mod rules;
mod socket;

pub use builder::ListenerBuilder;
pub use error::AcceptError;
pub use peer::Peer;
pub use procession_os::socket::PeerCredentials;

pub(crate) use rules::{HANDSHAKE_TIMEOUT, reject_empty};

use crate::address::Address;
use crate::{Channel, Connection, Deadline};
use bind::Bound;
use doorman::Doorman;
use file::SocketFile;
use lobby::Lobby;
use rules::Rules;
use std::fmt;
use std::io;
use std::iter;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Takes connections at an [`Address`]; Python's `multiprocessing.connection.Listener`.
///
/// The other side is a [`Client`](crate::Client), or a `Client` of Python 3.8 or later: framing and
/// handshake are Python's. A Python program understands
/// [`send_bytes`](Connection::send_bytes) and [`recv_bytes`](Connection::recv_bytes); its `send`
/// makes pickles.
///
/// # Who gets in
///
/// With a key ([`ListenerBuilder::key`]) both sides show to each other that they have it; see
/// [`auth`](crate::auth). Without one nothing is asked, as in Python. A thread of the listener
/// does the handshakes, all at once, and before anybody calls [`accept`](Self::accept):
///
/// - A client that is silent delays nobody, and loses its connection when the time for the
///   handshake is over.
/// - A client with a wrong key, or one that sends anything but a handshake, loses its own
///   connection. `accept` does not return for it, so no stranger can end a program that takes an
///   error there for the end. It is logged as a warning of the crate `log`, or told to
///   [`ListenerBuilder::on_refused`], as an
///   [`AuthenticationError`](crate::auth::AuthenticationError).
/// - A fixed number of connections is held before they are accepted. While that many are, the one
///   whose handshake began first loses its place to the next one, but not in its first half
///   second. So a flood of silent clients takes no more than so many descriptors, and a good one
///   behind it waits for about half a second for each time that its predecessors fill the places.
///
/// The thread is there until the listener is closed, so a process that has one is not
/// single-threaded, as a start by `fork` wants it.
///
/// # Errors of the system
///
/// What concerns one client, such as one that went before it was accepted, is passed over. When
/// there are no more descriptors, clients wait until there are.
///
/// # The file of a path
///
/// It can be opened by this user only, unless [`ListenerBuilder::mode`] says otherwise. It is
/// removed when the listener is closed or dropped, if it is still the one that was made. If the
/// listener is killed, the file stays behind, and the next one to bind the path replaces it: only
/// if no socket of any process is bound to it, which the kernel knows, and under an advisory lock
/// of the directory, so that of two programs that start at the same time one wins.
///
/// A path can be bound again as soon as the listener is closed. An abstract name or a port can when
/// the kernel has closed the last copy of the socket: a program that another thread is just starting
/// has one until its `exec`, so that binding again at once may fail with
/// [`AddrInUse`](io::ErrorKind::AddrInUse).
///
/// # Examples
///
/// ```
/// use procession_pipe::{Address, Client, Connection, Listener};
/// use std::thread;
///
/// let listener = Listener::builder().key("a secret").bind(Address::unique()?)?;
/// let address = listener.local_addr().clone();
/// let client = thread::spawn(move || {
///     let asker: Connection<String, usize> =
///         Client::builder().key("a secret").connect(address)?;
///     asker.send(&"how long is this?".into())?;
///     anyhow::Ok(asker.recv()?)
/// });
/// let answerer: Connection<usize, String> = listener.accept()?;
/// answerer.send(&answerer.recv()?.len())?;
/// assert_eq!(client.join().expect("no panic")?, 17);
/// # anyhow::Ok(())
/// ```
#[must_use = "dropping it closes the address"]
pub struct Listener {
    address: Address,
    lobby: Arc<Lobby>,
    file: Option<SocketFile>,
    doorman: Mutex<Option<JoinHandle<()>>>,
    /// The process that has the doorman: not a forked copy of it.
    pid: u32,
}

impl Listener {
    /// Listens at an address, without a key.
    ///
    /// # Errors
    ///
    /// As [`ListenerBuilder::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Address, Listener};
    /// use std::io::ErrorKind;
    ///
    /// let listener = Listener::bind("127.0.0.1:0".parse::<Address>()?)?;
    /// let again = Listener::bind(listener.local_addr());
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    /// # anyhow::Ok(())
    /// ```
    pub fn bind(address: impl Into<Address>) -> io::Result<Self> {
        Self::builder().bind(address)
    }

    /// Returns a builder for a listener with a key, or with other limits.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }

    fn start(bound: Bound, rules: Rules) -> io::Result<Self> {
        let lobby = Arc::new(Lobby::new(rules.max_waiting)?);
        let doorman = Doorman::new(bound.socket, Arc::clone(&lobby), rules);
        let thread = thread::Builder::new().name("listener".to_owned());
        let doorman = thread.spawn(move || doorman.run())?;
        Ok(Self {
            address: bound.address,
            lobby,
            file: bound.file,
            doorman: Mutex::new(Some(doorman)),
            pid: std::process::id(),
        })
    }

    /// Waits for the next client that is let in.
    ///
    /// Several threads can wait; each client is given to one of them.
    ///
    /// # Errors
    ///
    /// [`AcceptError::Closed`] after [`close`](Self::close), also by another thread meanwhile;
    /// [`AcceptError::Io`] for what the kernel reports on waiting.
    ///
    /// # When the other side is gone
    ///
    /// A client that went after it was let in is returned, and what it had sent can be received.
    pub fn accept<S, R>(&self) -> Result<Connection<S, R>, AcceptError> {
        self.accept_by(Deadline::NEVER)
    }

    /// Waits for the next client that is let in, for at most as long as given.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept), and [`AcceptError::TimedOut`].
    ///
    /// # When the other side is gone
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{AcceptError, Address, Listener};
    /// use std::time::Duration;
    ///
    /// let listener = Listener::bind(Address::unique()?)?;
    /// let nobody = listener.accept_timeout::<(), ()>(Duration::from_millis(1));
    /// assert!(matches!(nobody, Err(AcceptError::TimedOut)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn accept_timeout<S, R>(&self, timeout: Duration) -> Result<Connection<S, R>, AcceptError> {
        self.accept_by(Deadline::after(timeout))
    }

    /// Returns the next client that is let in if there is one already, `None` if not.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # When the other side is gone
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Address, Listener};
    ///
    /// let listener = Listener::bind(Address::unique()?)?;
    /// assert!(listener.try_accept::<(), ()>()?.is_none());
    /// # anyhow::Ok(())
    /// ```
    pub fn try_accept<S, R>(&self) -> Result<Option<Connection<S, R>>, AcceptError> {
        match self.accept_timeout(Duration::ZERO) {
            Err(AcceptError::TimedOut) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Returns the clients that are let in, one after the other, until the listener is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Address, Client, Connection, Listener};
    ///
    /// let listener = Listener::bind(Address::unique()?)?;
    /// let client: Connection<u8, u8> = Client::connect(listener.local_addr())?;
    /// for connection in listener.incoming::<u8, u8>() {
    ///     connection.send(&7)?;
    ///     listener.close();
    /// }
    /// assert_eq!(client.recv()?, 7);
    /// # anyhow::Ok(())
    /// ```
    pub fn incoming<S, R>(&self) -> impl Iterator<Item = Connection<S, R>> {
        iter::from_fn(|| self.accept().ok())
    }

    /// Returns where it listens: with the port or the name that was chosen, and an absolute path.
    pub fn local_addr(&self) -> &Address {
        &self.address
    }

    /// Returns who was accepted last, by any thread; `None` before the first.
    pub fn last_accepted(&self) -> Option<Peer> {
        self.lobby.last_accepted()
    }

    /// Stops listening, and frees the address.
    ///
    /// Who waits in [`accept`](Self::accept) is woken, and clients that were not accepted yet lose
    /// their connections. Dropping does the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{AcceptError, Address, Listener};
    ///
    /// let listener = Listener::bind(Address::unique()?)?;
    /// listener.close();
    /// assert!(matches!(listener.accept::<(), ()>(), Err(AcceptError::Closed)));
    /// Listener::bind(listener.local_addr())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(&self) {
        if self.pid != std::process::id() {
            return;
        }
        // While the socket still listens, nobody takes the file for a leftover and replaces it.
        if let Some(file) = &self.file {
            file.remove();
        }
        self.lobby.close();
        let doorman = self.doorman().take();
        if let Some(doorman) = doorman.filter(|doorman| !is_current(doorman)) {
            // It catches the panics of what it calls, and has none of its own.
            let _ = doorman.join();
        }
    }

    fn accept_by<S, R>(&self, deadline: Deadline) -> Result<Connection<S, R>, AcceptError> {
        let socket = self.lobby.take(deadline)?;
        Ok(Channel::from(socket).into())
    }

    fn doorman(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.doorman.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether this is the thread that would be waited for.
fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == thread::current().id()
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
        if let Some(doorman) = self.doorman().take() {
            // A forked copy has no such thread, so there is nothing to detach.
            std::mem::forget(doorman);
        }
    }
}

impl AsFd for Listener {
    /// Gives a descriptor that can be read when somebody can be accepted, or when the listener is
    /// closed. It is for `poll`, not for reading.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lobby.arrivals()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

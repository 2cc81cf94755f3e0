//! What a listener can be told.

use super::bind::bind;
use super::rules::{Rules, reject_empty};
use super::{Listener, Peer};
use crate::address::Address;
use crate::auth::{AuthenticationError, Key};
use nix::sys::socket::Backlog;
use std::io;
use std::time::Duration;

/// Makes a [`Listener`]; from [`Listener::builder`].
///
/// # Examples
///
/// ```
/// use procession_pipe::{Address, Listener};
/// use std::time::Duration;
///
/// let listener = Listener::builder()
///     .key("a secret")
///     .handshake_timeout(Duration::from_secs(5))
///     .on_refused(|peer, error| eprintln!("{peer} was not let in: {error}"))
///     .bind(Address::unique()?)?;
/// # drop(listener);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is bound"]
pub struct ListenerBuilder {
    rules: Rules,
    backlog: i32,
    mode: Option<u32>,
}

impl Default for ListenerBuilder {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            backlog: 512,
            mode: None,
        }
    }
}

impl ListenerBuilder {
    /// Lets in only who has this key, and shows them that this side has it: Python's `authkey`.
    ///
    /// An empty key is refused when the listener is bound; see [`empty_key`](Self::empty_key).
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.rules.key = Some(key.as_ref().into());
        self
    }

    /// Does the handshake with an empty key: Python's `authkey=b''`.
    ///
    /// It keeps out who speaks another protocol or expects another key, and nobody else.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Address, Client, Connection, Listener};
    ///
    /// let listener = Listener::builder().empty_key().bind(Address::unique()?)?;
    /// let client = Client::builder().empty_key();
    /// let client: Connection<u32, ()> = client.connect(listener.local_addr())?;
    /// client.send(&7)?;
    /// assert_eq!(listener.accept::<(), u32>()?.recv()?, 7);
    /// # anyhow::Ok(())
    /// ```
    pub fn empty_key(mut self) -> Self {
        self.rules.key = Some(Key::empty());
        self
    }

    /// Sets how long a client has for the handshake; 20 s if it is never called.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.timeout = timeout;
        self
    }

    /// Sets how many connections are held that were not accepted yet, in the handshake or after
    /// it; 256 if it is never called. Others wait in the kernel's queue.
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.rules.max_waiting = max_waiting.max(1);
        self
    }

    /// Sets how long the kernel's queue of connections is; 512 if it is never called.
    ///
    /// The kernel takes no more than `/proc/sys/net/core/somaxconn`. A client that finds the queue
    /// full waits.
    pub fn backlog(mut self, backlog: u32) -> Self {
        let most = i32::from(Backlog::MAXCONN);
        self.backlog = i32::try_from(backlog).unwrap_or(most).min(most);
        self
    }

    /// Sets who can connect to a path, as of a file's mode: 0o666 is everybody who reaches the
    /// directory. Only this user if it is never called.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode & 0o777);
        self
    }

    /// Sets what is called, instead of a record in the log, for each client that is not let in.
    ///
    /// It is called on the thread that does the handshakes, which waits for it meanwhile. A panic
    /// in it is caught.
    pub fn on_refused(
        mut self,
        tell: impl FnMut(Peer, AuthenticationError) + Send + 'static,
    ) -> Self {
        self.rules.on_refused = Some(Box::new(tell));
        self
    }

    /// Listens at an address.
    ///
    /// # Errors
    ///
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if somebody listens there, or if something is at
    ///   the path that is no socket;
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for a key that turns out to be empty, and for a path or name
    ///   that is too long;
    /// - [`TimedOut`](io::ErrorKind::TimedOut) if another process keeps the directory of the path
    ///   locked for some seconds;
    /// - what the kernel reports on making the socket, and on starting the thread.
    pub fn bind(self, address: impl Into<Address>) -> io::Result<Listener> {
        reject_empty(self.rules.key.as_ref())?;
        let backlog = Backlog::new(self.backlog)?;
        Listener::start(bind(address.into(), backlog, self.mode)?, self.rules)
    }
}

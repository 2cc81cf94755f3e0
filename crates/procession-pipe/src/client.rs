//! Connecting to a listener.

mod connect;
mod error;

pub use error::ConnectError;

use crate::address::Address;
use crate::auth::{CLIENT, Key, shake};
use crate::listener::{HANDSHAKE_TIMEOUT, reject_empty};
use crate::{Channel, Connection, Deadline};
use connect::connect;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long connecting may take unless it is told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to a [`Listener`](crate::Listener); Python's `multiprocessing.connection.Client`.
#[derive(Debug)]
pub enum Client {}

impl Client {
    /// Connects to a listener without a key.
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::connect`].
    ///
    /// # When the other side is gone
    ///
    /// As [`ClientBuilder::connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Address, Client, Connection, Listener};
    ///
    /// let listener = Listener::bind(Address::unique()?)?;
    /// let client: Connection<u32, ()> = Client::connect(listener.local_addr())?;
    /// client.send(&7)?;
    /// assert_eq!(listener.accept::<(), u32>()?.recv()?, 7);
    /// # anyhow::Ok(())
    /// ```
    pub fn connect<S, R>(address: impl Into<Address>) -> Result<Connection<S, R>, ConnectError> {
        Self::builder().connect(address)
    }

    /// Returns a builder for a connection with a key, or with other deadlines.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

/// Makes connections; from [`Client::builder`].
///
/// # Examples
///
/// ```
/// use procession_pipe::{Address, Client, ConnectError, Connection, Listener};
/// use procession_pipe::auth::AuthenticationError;
///
/// let listener = Listener::builder().key("the key").bind(Address::unique()?)?;
/// let thief: Result<Connection<(), ()>, _> =
///     Client::builder().key("another key").connect(listener.local_addr());
/// assert!(matches!(
///     thief,
///     Err(ConnectError::Authentication(AuthenticationError::Rejected))
/// ));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    key: Option<Key>,
    connect_timeout: Duration,
    handshake_timeout: Duration,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            key: None,
            connect_timeout: CONNECT_TIMEOUT,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

impl ClientBuilder {
    /// Shows the listener that this side has the key, and demands the same: Python's `authkey`.
    ///
    /// An empty key is refused on connecting; see [`empty_key`](Self::empty_key).
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().into());
        self
    }

    /// Does the handshake with an empty key: Python's `authkey=b''`.
    ///
    /// A `Listener` of Python before 3.13 takes an empty key for none and does no handshake, so that
    /// connecting to it fails when the [time](Self::handshake_timeout) has run out.
    pub fn empty_key(mut self) -> Self {
        self.key = Some(Key::empty());
        self
    }

    /// Sets how long connecting may take; 20 s if it is never called.
    ///
    /// It takes time if the queue of the listener is full, or its machine far away or silent.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long the handshake may take, with a key; 20 s if it is never called.
    ///
    /// A listener of Python begins the handshake when it calls `accept`.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Connects to a listener.
    ///
    /// Of a listener with a key, who connects without one learns nothing here: it receives the
    /// challenge as its first message.
    ///
    /// # Errors
    ///
    /// - [`ConnectError::Io`] with [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused) or
    ///   [`NotFound`](std::io::ErrorKind::NotFound) if nobody listens, and with what else the
    ///   kernel reports;
    /// - [`ConnectError::TimedOut`] if connecting took too long;
    /// - [`ConnectError::Authentication`] if the handshake failed, because the keys differ or the
    ///   time ran out.
    ///
    /// # When the other side is gone
    ///
    /// [`ConnectError::Authentication`] with
    /// [`Closed`](crate::auth::AuthenticationError::Closed) if it went during the handshake.
    pub fn connect<S, R>(
        &self,
        address: impl Into<Address>,
    ) -> Result<Connection<S, R>, ConnectError> {
        reject_empty(self.key.as_ref())?;
        let socket = connect(&address.into(), Deadline::after(self.connect_timeout))?;
        if let Some(key) = &self.key {
            let deadline = Deadline::after(self.handshake_timeout);
            shake(socket.as_fd(), key.clone(), CLIENT, deadline)?;
        }
        Ok(Channel::from(socket).into())
    }
}

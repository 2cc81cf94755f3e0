//! What the doorman goes by.

use super::Peer;
use crate::auth::{AuthenticationError, Key};
use procession_os::shield::shield;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How long a handshake may take, on both sides, unless they are told otherwise.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

type OnRefused = Box<dyn FnMut(Peer, AuthenticationError) + Send>;

pub(super) struct Rules {
    pub(super) key: Option<Key>,
    pub(super) timeout: Duration,
    pub(super) max_waiting: usize,
    pub(super) on_refused: Option<OnRefused>,
}

impl Rules {
    /// Tells that somebody was not let in.
    pub(super) fn refuse(&mut self, peer: Peer, error: AuthenticationError) {
        // Whoever listens goes on.
        shield(|| match &mut self.on_refused {
            Some(tell) => tell(peer, error),
            None => log::warn!("a connection from {peer} was refused: {error}"),
        });
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            key: None,
            timeout: HANDSHAKE_TIMEOUT,
            max_waiting: 256,
            on_refused: None,
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("key", &self.key)
            .field("timeout", &self.timeout)
            .field("max_waiting", &self.max_waiting)
            .finish_non_exhaustive()
    }
}

/// Refuses a key that everybody has, most likely by mistake.
pub(crate) fn reject_empty(key: Option<&Key>) -> io::Result<()> {
    if key.is_some_and(Key::is_missing) {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "an empty key keeps nobody out: give none if no handshake is wanted, \
             or ask for it with `empty_key`",
        ));
    }
    Ok(())
}

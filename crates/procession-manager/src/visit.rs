//! Handles on the way between programs with different executables.
//!
//! The sender of a handle does not tell the server about it on a connection of its own, as processes of a
//! family do: a program of which only the key is known must not change what the server counts for others.
//! A client keeps the handles that stand in a call's arguments until the call has ended, and the
//! server counts one more to itself if the client has the object. What comes back is counted to the
//! client before it is sent, as for every client.

use crate::client::endpoint::Endpoint;
use crate::remote::Remote;
use crate::server::caller;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// A conversation of this thread with the server of another executable.
struct Talk {
    with: Arc<Endpoint>,
    /// The handles in what was encoded.
    sent: Vec<Remote>,
}

thread_local! {
    static TALK: RefCell<Option<Talk>> = const { RefCell::new(None) };
    static ARGUMENTS: Cell<bool> = const { Cell::new(false) };
}

/// Encodes for, or decodes from, a server of another executable; returns the handles that were encoded
/// too, which must be kept until the server has done what it was sent.
pub(crate) fn while_talking<R>(with: &Arc<Endpoint>, work: impl FnOnce() -> R) -> (R, Vec<Remote>) {
    struct Restore(Option<Talk>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TALK.set(self.0.take());
        }
    }
    let talk = Talk {
        with: Arc::clone(with),
        sent: Vec::new(),
    };
    let _restore = Restore(TALK.replace(Some(talk)));
    let done = work();
    let sent = TALK.take().map_or_else(Vec::new, |talk| talk.sent);
    (done, sent)
}

/// Returns the server of another executable that this thread encodes for or decodes from.
pub(crate) fn talking_with() -> Option<Arc<Endpoint>> {
    TALK.with_borrow(|talk| talk.as_ref().map(|talk| Arc::clone(&talk.with)))
}

/// Keeps a handle that is being encoded until the call has ended.
pub(crate) fn keep(remote: Remote) {
    TALK.with_borrow_mut(|talk| {
        if let Some(talk) = talk {
            talk.sent.push(remote);
        }
    });
}

/// Decodes the arguments of a call in the server.
pub(crate) fn while_arguments_arrive<R>(decode: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ARGUMENTS.set(self.0);
        }
    }
    let _restore = Restore(ARGUMENTS.replace(caller::is_visitor()));
    decode()
}

/// Tells whether what this thread decodes are the arguments of a program with another executable.
pub(crate) fn are_arguments() -> bool {
    ARGUMENTS.get()
}

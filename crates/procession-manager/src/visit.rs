//! Handles that a client sends to their own server, and all that are exchanged with a server of another
//! executable.
//!
//! A client keeps the handles that stand in a call's arguments until the call has ended, and the server counts one more
//! to itself if the client has the object. So it says nothing about them on a connection of its own, as a sender of handles to another process
//! does: one that is killed before the call is sent would leave them counted, and a program of which only the key is known must
//! not change what the server counts for others. What comes back is counted to the client before it is sent.

use crate::client::endpoint::Endpoint;
use crate::remote::Remote;
use crate::server::caller;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// A conversation of this thread with a server.
struct Talk {
    with: Arc<Endpoint>,
    /// The handles in what was encoded.
    sent: Vec<Remote>,
}

thread_local! {
    /// Without a destructor, so that calls can be made when the thread's other variables are gone already.
    /// What is in it is taken out by the one that has put it there.
    static TALK: RefCell<ManuallyDrop<Option<Talk>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    static ARGUMENTS: Cell<bool> = const { Cell::new(false) };
}

/// Encodes for a server, or decodes from one of another executable; returns the handles that were encoded
/// too, which must be kept until the server has done what it was sent.
pub(crate) fn while_talking<R>(with: &Arc<Endpoint>, work: impl FnOnce() -> R) -> (R, Vec<Remote>) {
    struct Restore(Option<Talk>);
    impl Drop for Restore {
        fn drop(&mut self) {
            drop(exchange(self.0.take()));
        }
    }
    let talk = Talk {
        with: Arc::clone(with),
        sent: Vec::new(),
    };
    let _restore = Restore(exchange(Some(talk)));
    let done = work();
    let sent = exchange(None).map_or_else(Vec::new, |talk| talk.sent);
    (done, sent)
}

fn exchange(talk: Option<Talk>) -> Option<Talk> {
    ManuallyDrop::into_inner(TALK.replace(ManuallyDrop::new(talk)))
}

/// Returns the server that this thread encodes for, or, if it is of another executable, decodes from.
pub(crate) fn talking_with() -> Option<Arc<Endpoint>> {
    TALK.with_borrow(|talk| talk.as_ref().map(|talk| Arc::clone(&talk.with)))
}

/// Keeps a handle that is being encoded until the call has ended.
pub(crate) fn keep(remote: Remote) {
    TALK.with_borrow_mut(|talk| {
        if let Some(talk) = &mut **talk {
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

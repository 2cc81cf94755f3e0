//! On whose behalf a thread of the server works.

use super::session::Session;
use std::cell::RefCell;
use std::sync::Arc;

/// The client and the thread that called.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) session: Arc<Session>,
    /// The thread of the client, by the number that the client gave it.
    pub(crate) thread: u64,
    /// Whether the reply goes to the client itself, not to a hosted object that works for it.
    pub(super) is_answered: bool,
}

thread_local! {
    static CALLER: RefCell<Option<Caller>> = const { RefCell::new(None) };
}

/// Returns the caller for whom this thread works; `None` outside of calls.
pub(crate) fn current() -> Option<Caller> {
    CALLER.with_borrow(Clone::clone)
}

/// Tells whether this thread answers a program with another executable.
pub(crate) fn is_visitor() -> bool {
    CALLER.with_borrow(|caller| {
        let caller = caller.as_ref();
        caller.is_some_and(|caller| caller.is_answered && caller.session.is_visitor())
    })
}

/// Works for `caller` until the guard is dropped.
pub(super) fn enter(caller: Caller) -> Entered {
    Entered {
        before: CALLER.replace(Some(caller)),
    }
}

/// The end of the work for a caller.
pub(super) struct Entered {
    before: Option<Caller>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CALLER.set(self.before.take());
    }
}

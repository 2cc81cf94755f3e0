//! Calls that proxies' methods encode, and do not make.
//!
//! A proxy's method encodes its call, sends it, decodes what comes of it, and may make something of that, a
//! guard for example. A closure that calls the method is run twice. While the thread *collects*, the method stops
//! after the first step: it leaves the request here and fails with [`ManagerError::Collected`]. Once the reply is there,
//! the closure is run again while the thread *replays*, and the method, instead of making its call, takes the reply.
//! So every method of every proxy can be one of a batch, or be awaited, and none has a second form for it.

use crate::batch::Results;
use crate::error::ManagerError;
use crate::route::{Request, Route};
use procession_wire::Packet;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// A call that was collected.
pub(crate) struct Collected {
    pub(crate) route: Route,
    pub(crate) request: Request,
}

/// A reply that a method is to take.
pub(crate) enum Reply {
    /// A message of its own.
    Whole(Packet),
    /// One of those of a batch.
    Part(Arc<Results>, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Methods make their calls.
    Usual,
    Collecting,
    Replaying,
}

/// What methods have left for whoever collects.
#[derive(Default)]
enum Left {
    #[default]
    Nothing,
    One(Collected),
    /// More than one call, of which none is made.
    Several,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Usual) };
    static LEFT: RefCell<Left> = const { RefCell::new(Left::Nothing) };
    static REPLY: RefCell<Option<Reply>> = const { RefCell::new(None) };
}

/// Tells whether this thread's calls are made now.
#[inline]
pub(crate) fn is_usual() -> bool {
    MODE.get() == Mode::Usual
}

/// Leaves a call for whoever collects, or takes the reply of one that was left.
#[cold]
pub(crate) fn leave_or_take<R: DeserializeOwned>(
    route: &Route,
    request: impl FnOnce() -> Result<Request, ManagerError>,
) -> Result<R, ManagerError> {
    if MODE.get() == Mode::Collecting {
        let (route, request) = (route.clone(), request()?);
        let left = match LEFT.take() {
            Left::Nothing => Left::One(Collected { route, request }),
            Left::One(_) | Left::Several => Left::Several,
        };
        LEFT.set(left);
        return Err(ManagerError::Collected);
    }
    // What the method calls from here on, it calls now.
    MODE.set(Mode::Usual);
    match REPLY.take() {
        Some(Reply::Whole(reply)) => route.read(reply),
        Some(Reply::Part(results, index)) => results.read(index, |reply| route.read(reply)),
        None => Err(ManagerError::NotCollected),
    }
}

/// Has `call` leave its call here.
pub(crate) fn from<T, E: From<ManagerError>>(
    call: impl FnOnce() -> Result<T, E>,
) -> Result<Collected, E> {
    let _restore = Restore::to(Mode::Collecting, None);
    // Of the failure of a method that has left its call nothing is to be learned.
    let called = call();
    match (LEFT.take(), called) {
        (Left::One(one), _) => Ok(one),
        (Left::Nothing, Err(error)) => Err(error),
        _ => Err(ManagerError::NotCollected.into()),
    }
}

/// Has `call` take its reply.
pub(crate) fn replay<R>(call: impl FnOnce() -> R, reply: Reply) -> R {
    let _restore = Restore::to(Mode::Replaying, Some(reply));
    call()
}

/// What the thread did before, to which it comes back also when a closure panics.
struct Restore(Mode, Left, Option<Reply>);

impl Restore {
    fn to(mode: Mode, reply: Option<Reply>) -> Self {
        Self(MODE.replace(mode), LEFT.take(), REPLY.replace(reply))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        MODE.set(self.0);
        // What is replaced may have handles in it, which must not be dropped while it is borrowed.
        drop(LEFT.replace(std::mem::take(&mut self.1)));
        drop(REPLY.replace(self.2.take()));
    }
}

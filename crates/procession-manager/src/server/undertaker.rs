//! Dropping objects that nobody holds any more.
//!
//! An object's destructor may take its time, panic, or drop the last handles of other objects, so
//! that a long chain of objects ends with its first. None of that may hold up a connection, or
//! need a deep stack: each object is handed to one thread, which drops it.

use crossbeam_channel::{Sender, unbounded};
use procession_os::lifetime::Original;
use procession_os::shield::shield;
use std::any::Any;
use std::sync::Arc;
use std::{io, thread};

/// An object, without its type.
pub(crate) type Object = Arc<dyn Any + Send + Sync>;

/// Starts the thread; it ends when the sender is gone.
pub(super) fn start() -> io::Result<Sender<Object>> {
    let (sender, objects) = unbounded();
    thread::Builder::new()
        .name("manager-drop".to_owned())
        .spawn(move || objects.into_iter().for_each(bury))?;
    Ok(sender)
}

/// Drops an object. Its panic, which the panic hook has reported, concerns nobody else.
pub(super) fn bury(object: Object) {
    let original = Original::here();
    let dropped = shield(|| drop(object));
    // A copy that the destructor has made must not drop the next one too.
    original.or_exit(i32::from(dropped.is_none()));
}

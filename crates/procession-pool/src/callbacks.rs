//! Functions of the user's that are called when a call is done.
//!
//! They run on a thread of their own, one after the other, so that one that takes long, or panics, keeps no
//! result from anybody. The thread is started with the first of them, and ends with the pool.

use crossbeam_channel::{Sender, bounded, unbounded};
use procession_os::shield::shield;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};
use std::{fmt, io};

/// What is called.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// The thread that calls.
pub(crate) struct Callbacks {
    name: &'static str,
    thread: OnceLock<(Sender<Callback>, ThreadId)>,
}

impl Callbacks {
    /// Makes them without a thread, which is to have this name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            thread: OnceLock::new(),
        }
    }

    /// Starts the thread, if it is not there.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.thread.get().is_some() {
            return Ok(());
        }
        let (sender, callbacks) = unbounded::<Callback>();
        let started = thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || {
                for callback in callbacks {
                    shield(callback);
                }
            })?;
        // If another thread was faster, this one ends with its sender.
        let _ = self.thread.set((sender, started.thread().id()));
        Ok(())
    }

    /// Has a function called, behind those before it.
    pub(crate) fn call(&self, callback: Callback) {
        if let Some((sender, _)) = self.thread.get() {
            // The thread is there for as long as this is.
            let _ = sender.send(callback);
        }
    }

    /// Waits until all that was given has been called; not on the thread that calls.
    pub(crate) fn finish(&self) {
        let Some((sender, thread)) = self.thread.get() else {
            return;
        };
        if thread::current().id() == *thread {
            return;
        }
        let (done, all_called) = bounded(1);
        let last: Callback = Box::new(move || drop(done));
        if sender.send(last).is_ok() {
            // It ends with the sender.
            let _: Result<(), _> = all_called.recv();
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("running", &self.thread.get().is_some())
            .finish_non_exhaustive()
    }
}

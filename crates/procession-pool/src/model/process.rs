//! What stands in for a worker's process: a thread.

use super::channel::Channel;
use crate::serve::serve;
use crate::startup::Startup;
use loom::sync::{Mutex, MutexGuard};
use loom::thread::{self, JoinHandle};
use procession_process::{Builder, ExitStatus, ProcessError};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A thread that serves.
#[derive(Debug)]
pub(crate) struct Process<R> {
    channel: Channel,
    end: Arc<Mutex<End>>,
    returns: PhantomData<fn() -> R>,
}

/// Whether it has ended, and what is called then.
#[derive(Default)]
struct End {
    has_come: bool,
    watcher: Option<Box<dyn FnOnce(ExitStatus) + Send>>,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("End")
    }
}

/// How a thread ends.
const STATUS: ExitStatus = ExitStatus::Signal(9);

impl Process<()> {
    pub(crate) fn builder() -> Builder {
        procession_process::Process::builder()
    }
}

impl<R> Process<R> {
    /// Starts one; returns its thread too.
    pub(crate) fn serving(startup: Startup) -> (Self, JoinHandle<()>) {
        let channel = startup.channel.clone();
        let end = Arc::<Mutex<End>>::default();
        let process = Self {
            channel: channel.clone(),
            end: Arc::clone(&end),
            returns: PhantomData,
        };
        let thread = thread::spawn(move || {
            // Neither can fail.
            let _ = serve(startup);
            let _ = channel.shutdown();
            let mut end = locked(&end);
            end.has_come = true;
            let watcher = end.watcher.take();
            drop(end);
            if let Some(watcher) = watcher {
                watcher(STATUS);
            }
        });
        (process, thread)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.channel.number() as u32
    }

    pub(crate) fn is_stopped(&self) -> bool {
        false
    }

    /// It ends when it looks at its channel.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.channel.shutdown()
    }

    pub(crate) fn when_ended(
        &self,
        then: impl FnOnce(ExitStatus) + Send + 'static,
    ) -> io::Result<()> {
        let mut end = locked(&self.end);
        if end.has_come {
            drop(end);
            then(STATUS);
        } else {
            end.watcher = Some(Box::new(then));
        }
        Ok(())
    }

    pub(crate) fn wait_timeout(&self, _: Duration) -> Result<Option<ExitStatus>, ProcessError> {
        Ok(None)
    }

    pub(crate) fn take_result(&self) -> Result<Option<R>, ProcessError> {
        Ok(None)
    }
}

fn locked(end: &Mutex<End>) -> MutexGuard<'_, End> {
    end.lock().expect("loom's mutexes are not poisoned")
}

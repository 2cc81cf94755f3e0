//! A worker, as the pool sees it: a process, and the link to it.
//!
//! Each worker is awaited once by the thread that sees processes end, which leaves the status in a
//! channel of one place. So a handler can wait for it beside other things, and nobody reaps twice.

use crate::batch::Batch;
use crate::link::{Link, NotSent, Received};
use crate::protocol::READY;
use crate::serve::serve;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use procession_pipe::Channel;
use procession_process::{Cause, ExitStatus, Process, StartError, current_process};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a worker may take to end after it has closed its socket, or could not be signalled.
const GRACE: Duration = Duration::from_secs(1);

/// The handler's side of a process that answers requests.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Shared with the dispatch, which may have to end it.
    process: Arc<WorkerProcess>,
    /// Gets the status when the process has ended and was reaped.
    ended: Receiver<ExitStatus>,
}

/// The process of a worker, and all by which it can be ended.
///
/// A signal may be refused: to a pool whose process has become another user since, or is in a
/// sandbox. So the link comes first, which nobody can refuse.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    process: Process<()>,
    link: Link,
    /// What the system said when it refused a signal.
    refused: OnceLock<String>,
}

impl Worker {
    /// Starts a process. It is a daemon, so that this process does not wait for it at its exit.
    pub(crate) fn start() -> Result<Self, StartError> {
        let (link, of_worker) = Channel::pair().map_err(system("make a socket"))?;
        let builder = Process::builder()
            .name(next_name())
            .daemon(true)
            .ignore_interrupts(true);
        let process = Arc::new(WorkerProcess {
            process: builder.spawn(serve, (of_worker,))?,
            link: Link::new(link),
            refused: OnceLock::new(),
        });
        let (sender, ended) = bounded(1);
        let watched = process.process.when_ended(move |status| {
            // The one message for which there is room.
            let _ = sender.send(status);
        });
        match watched {
            Ok(()) => Ok(Self { process, ended }),
            Err(error) => {
                process.kill();
                Err(system("watch a process")(error))
            }
        }
    }

    /// Returns the process.
    pub(crate) fn process(&self) -> &Arc<WorkerProcess> {
        &self.process
    }

    /// Returns where the status arrives when the process has ended.
    pub(crate) fn ended(&self) -> &Receiver<ExitStatus> {
        &self.ended
    }

    /// Waits until the worker can be asked; false if it never can.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.receive(), Received::Packet(packet) if packet.kind() == READY)
    }

    /// Sends what is not settled of a batch. Nothing of it has begun if this fails.
    pub(crate) fn send(&self, batch: &Batch) -> Result<(), NotSent> {
        let request = batch
            .request()
            .map_err(|error| NotSent::Refused(error.to_string()))?;
        let WorkerProcess { process, link, .. } = &*self.process;
        link.send(request, process.sentinel())
    }

    /// Receives the next message.
    pub(crate) fn receive(&self) -> Received {
        let WorkerProcess { process, link, .. } = &*self.process;
        link.receive(process.sentinel())
    }

    /// Says why a worker that has ended, or cannot be ended, was never ready.
    pub(crate) fn why_not_ready(&self, end: End) -> String {
        let status = match end {
            Ok(status) => status,
            Err(words) => return words,
        };
        match self.process.process.take_result() {
            Err(error) if !matches!(error.cause(), Cause::Ended(_)) => {
                format!("a worker {}", error.cause())
            }
            _ => format!("a worker {status} before it had started"),
        }
    }

    /// Returns how a worker ended that has closed its socket; kills one that goes on without it.
    pub(crate) fn end(&self) -> End {
        self.ended.recv_timeout(GRACE).or_else(|_| self.kill())
    }

    /// Kills the worker and waits for its end.
    pub(crate) fn kill(&self) -> End {
        self.process.kill();
        self.wait()
    }

    /// Tells the worker that it is not needed any more, and waits for its end.
    pub(crate) fn dismiss(&self) {
        self.process.link.hang_up();
        // Whoever could not end it has told so.
        let _ = self.wait();
    }

    /// Waits for the worker's end; not much longer if it could not be signalled.
    fn wait(&self) -> End {
        loop {
            match self.ended.recv_timeout(GRACE) {
                Ok(status) => return Ok(status),
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitStatus::Unknown),
                Err(RecvTimeoutError::Timeout) => self.process.check_reach()?,
            }
        }
    }
}

/// How a worker ended, or that it could not be ended, in words.
pub(crate) type End = Result<ExitStatus, String>;

impl WorkerProcess {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Ends the worker, without waiting for one that can be ended, and wakes whoever waits for its
    /// messages.
    pub(crate) fn kill(&self) {
        self.link.hang_up();
        if let Err(error) = self.process.kill() {
            // A second refusal says nothing new.
            let _ = self.refused.set(error.to_string());
        }
    }

    /// Gives up a worker that could not be signalled.
    fn check_reach(&self) -> Result<(), String> {
        let Some(refused) = self.refused.get() else {
            return Ok(());
        };
        let words = format!("the worker (pid {}) cannot be ended: {refused}", self.pid());
        log::error!("{words}");
        Err(words)
    }
}

/// Says at which step the system refused a worker.
fn system(step: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { step, source }
}

/// Names a worker `PoolWorker-1`, or `PoolWorker-1:2` if the pool is in a pool's worker.
fn next_name() -> String {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
    let own = current_process().name();
    if own.starts_with(PREFIX) {
        format!("{own}:{number}")
    } else {
        format!("{PREFIX}{number}")
    }
}

/// How the names of all workers begin.
const PREFIX: &str = "PoolWorker-";

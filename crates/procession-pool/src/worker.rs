//! A worker, as the pool sees it: a process, and the link to it.
//!
//! Each worker is awaited once by the thread that sees processes end, which leaves the status in a
//! channel of one place. So a handler can wait for it beside other things, and nobody reaps twice.

use crate::batch::Batch;
use crate::link::{Link, NotSent, Received};
use crate::protocol::READY;
use crate::serve::serve;
use crossbeam_channel::{Receiver, bounded};
use procession_pipe::Channel;
use procession_process::{Cause, ExitStatus, Process, StartError, current_process};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a worker may take to end after it has closed its socket.
const GRACE: Duration = Duration::from_secs(1);

/// A process that answers requests.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Shared with the dispatch, which may have to kill it.
    process: Arc<Process<()>>,
    link: Link,
    /// Gets the status when the process has ended and was reaped.
    ended: Receiver<ExitStatus>,
}

impl Worker {
    /// Starts a process. It is a daemon, so that this process does not wait for it at its exit.
    pub(crate) fn start() -> Result<Self, StartError> {
        let (here, there) = Channel::pair().map_err(system("make a socket"))?;
        let builder = Process::builder()
            .name(next_name())
            .daemon(true)
            .ignore_interrupts(true);
        let process = Arc::new(builder.spawn(serve, (there,))?);
        let (sender, ended) = bounded(1);
        let watched = process.when_ended(move |status| {
            // The one message for which there is room.
            let _ = sender.send(status);
        });
        match watched {
            Ok(()) => Ok(Self {
                process,
                link: Link::new(here),
                ended,
            }),
            Err(error) => {
                // It ends with its link in any case.
                let _ = process.kill();
                Err(system("watch a process")(error))
            }
        }
    }

    /// Returns the process.
    pub(crate) fn process(&self) -> &Arc<Process<()>> {
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
        self.link.send(request, self.process.sentinel())
    }

    /// Receives the next message.
    pub(crate) fn receive(&self) -> Received {
        self.link.receive(self.process.sentinel())
    }

    /// Says why a worker that ended with `status` was never ready.
    pub(crate) fn why_not_ready(&self, status: ExitStatus) -> String {
        match self.process.take_result() {
            Err(error) if !matches!(error.cause(), Cause::Ended(_)) => {
                format!("a worker {}", error.cause())
            }
            _ => format!("a worker {status} before it had started"),
        }
    }

    /// Returns how a worker ended that has closed its socket; kills one that goes on without it.
    pub(crate) fn end(&self) -> ExitStatus {
        self.ended
            .recv_timeout(GRACE)
            .unwrap_or_else(|_| self.kill())
    }

    /// Kills the worker and waits for its end.
    pub(crate) fn kill(&self) -> ExitStatus {
        // A process that cannot be signalled has ended.
        let _ = self.process.kill();
        self.wait()
    }

    /// Tells the worker that it is not needed any more, and waits for its end.
    pub(crate) fn dismiss(&self) {
        self.link.hang_up();
        self.wait();
    }

    /// Waits for the worker's end.
    fn wait(&self) -> ExitStatus {
        self.ended.recv().unwrap_or(ExitStatus::Unknown)
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

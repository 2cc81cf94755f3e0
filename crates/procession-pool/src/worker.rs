//! A worker, as the pool sees it: a process, and what connects it to the pool.

use crate::farewell::Farewell;
use crate::ledger::Ledger;
use crate::startup::Startup;
use crate::sync::{Channel, Mutex, MutexGuard, Process};
use procession_call::Routine;
use procession_pipe::RecvError;
use procession_process::{Builder, Cause, ExitStatus, StartError, current_process};
use procession_wire::Packet;
use std::fmt;
use std::io;
#[cfg(not(loom))]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The bytes of each of the two rings between the pool and a worker.
pub(crate) const RING: usize = 32 << 10;

/// The longest request that goes through a ring.
pub(crate) const LONGEST: usize = RING / 4 - 8;

/// A process that answers requests, and all by which it can be ended.
///
/// A signal may be refused: to a pool whose process has become another user since, or is in a
/// sandbox. So the connection is shut down first, which nobody can refuse.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Process<Farewell>,
    channel: Channel,
    ledger: Ledger,
    /// Held by whoever receives, until what was received is settled: so outcomes are settled in their order.
    inlet: Mutex<()>,
    /// What the system said when it refused a signal.
    refused: OnceLock<String>,
    /// When its start began.
    begun: Instant,
}

/// How workers are made.
pub(crate) struct Recipe {
    /// How their names begin.
    pub(crate) name: String,
    /// Sets what each process has of its own.
    pub(crate) configure: Box<dyn Fn(Builder) -> Builder + Send>,
    /// Starts a process that serves, after what each does first.
    pub(crate) spawn: Box<Spawn>,
    /// The processors for each, one slot after the other and then from the first on; none for those of this process.
    pub(crate) processors: Vec<Vec<usize>>,
    /// What each runs when it ends normally.
    pub(crate) hook: Option<Routine>,
}

/// Starts a process with its ends of what connects it to the pool.
pub(crate) type Spawn = dyn Fn(Builder, Startup) -> Result<Process<Farewell>, StartError> + Send;

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What came from a worker.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message.
    Packet(Packet),
    /// A message with descriptors for which this process had no room; the next one is not affected.
    Lost(String),
    /// Nothing yet.
    Nothing,
    /// Its socket is closed, and nothing more comes.
    Closed,
    /// What a worker does not send: something else has written to its socket.
    Garbage(String),
}

impl Worker {
    /// Starts a process for a slot. It is a daemon, so that this process does not wait for it at its exit.
    pub(crate) fn start(recipe: &Recipe, at: usize) -> Result<Self, StartError> {
        let begun = Instant::now();
        let (channel, of_worker) =
            Channel::pair_with_rings(RING).map_err(system("make a connection"))?;
        // Before the worker has the other end, and runs what is the user's.
        channel.keep_rings();
        let ledger =
            Ledger::new().map_err(|error| system("make a ledger")(io::Error::other(error)))?;
        let builder = (recipe.configure)(Process::builder())
            .name(next_name(&recipe.name))
            .daemon(true)
            .ignore_interrupts(true);
        let lists = &recipe.processors;
        let startup = Startup {
            channel: of_worker,
            ledger: ledger.clone(),
            place: at,
            processors: lists
                .get(at % lists.len().max(1))
                .cloned()
                .unwrap_or_default(),
            hook: recipe.hook,
        };
        Ok(Self {
            process: (recipe.spawn)(builder, startup)?,
            channel,
            ledger,
            inlet: Mutex::default(),
            refused: OnceLock::new(),
            begun,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns how long ago its start began.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn process(&self) -> &Process<Farewell> {
        &self.process
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Keeps others from receiving.
    pub(crate) fn inlet(&self) -> MutexGuard<'_, ()> {
        self.inlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a message is there that needs no call of the kernel.
    #[inline]
    pub(crate) fn is_written(&self) -> bool {
        self.channel.is_ready()
    }

    /// Has the worker ring for the next message; returns whether there is one.
    pub(crate) fn arm(&self) -> bool {
        // With rings nothing can fail there.
        self.channel.arm().unwrap_or(true)
    }

    /// Has the worker ring no more: somebody looks.
    pub(crate) fn disarm(&self) {
        self.channel.disarm();
    }

    /// Takes what has rung; returns whether there may be something to receive.
    pub(crate) fn answer(&self) -> bool {
        self.channel.take_bell().unwrap_or(true)
    }

    /// Receives the next message if it is there. The caller holds the inlet.
    pub(crate) fn receive(&self) -> Received {
        match self.channel.recv_by(procession_os::wait::Deadline::PASSED) {
            Ok(packet) => Received::Packet(packet),
            Err(RecvError::TimedOut) => Received::Nothing,
            Err(RecvError::Closed | RecvError::Truncated | RecvError::Reset) => Received::Closed,
            Err(error @ RecvError::DescriptorsLost) => Received::Lost(error.to_string()),
            Err(error) => Received::Garbage(error.to_string()),
        }
    }

    /// Takes the names of the shared memory away, once the worker has it or has ended: so it goes with the two,
    /// however they end.
    pub(crate) fn forget_names(&self) {
        self.channel.unlink_rings();
        self.ledger.unlink();
    }

    /// Returns how many bytes of memory the worker has for itself, in memory or swapped out; `None` if the system
    /// does not say.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        };
        Some((kib("RssAnon:")? + kib("VmSwap:").unwrap_or(0)) * 1024)
    }

    /// Returns what a worker's exit hook came to that has ended normally.
    pub(crate) fn farewell(&self) -> Option<Packet> {
        self.process.take_result().ok()??.into_packet()
    }

    /// Says why a worker that has ended, or cannot be ended, was never ready.
    pub(crate) fn why_not_ready(&self, status: ExitStatus) -> String {
        if status.success() {
            // Its result is for those who ask for it.
            return format!("a worker {status} before it had started");
        }
        match self.process.take_result() {
            Err(error) if !matches!(error.cause(), Cause::Ended(_)) => {
                format!("a worker {}", error.cause())
            }
            _ => format!("a worker {status} before it had started"),
        }
    }

    /// Tells the worker that nothing will be sent any more, whoever else holds the socket.
    pub(crate) fn hang_up(&self) {
        // A worker that is gone need not be told.
        let _ = self.channel.shutdown();
    }

    /// Has the worker end when it has nothing to do any more, and run its hook.
    pub(crate) fn dismiss(&self) {
        // Before the connection tells it to end.
        self.ledger.dismiss();
        self.hang_up();
    }

    /// Ends the worker, without waiting for it.
    pub(crate) fn kill(&self) {
        self.hang_up();
        if let Err(error) = self.process.kill() {
            // A second refusal says nothing new.
            let _ = self.refused.set(error.to_string());
        }
    }

    /// Returns why the worker could not be signalled, if that was refused.
    pub(crate) fn refusal(&self) -> Option<String> {
        let refused = self.refused.get()?;
        Some(format!(
            "the worker (pid {}) cannot be ended: {refused}",
            self.pid()
        ))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.forget_names();
    }
}

#[cfg(not(loom))]
impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// Says at which step the system refused a worker.
fn system(step: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { step, source }
}

/// Names a worker `PoolWorker-1`, or `PoolWorker-1:2` if the pool is in a pool's worker.
fn next_name(prefix: &str) -> String {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
    let own = current_process().name();
    if own.starts_with(prefix) {
        format!("{own}:{number}")
    } else {
        format!("{prefix}-{number}")
    }
}

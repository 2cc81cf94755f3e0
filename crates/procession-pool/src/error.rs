//! Why a pool has no result.

use procession_call::{Failure, RoutineError};
use procession_process::{ExitStatus, StartError};
use procession_wire::{DecodeError, EncodeError};
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::time::Duration;

/// A pool, or a call to it, failed.
///
/// Where the call was for the items of a sequence, `item` is the place of the one that failed,
/// from 0. Of several that failed it is the first.
///
/// # Examples
///
/// ```
/// use procession_pool::{Pool, PoolError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(1)?;
/// let error = pool.map(|n: u8| if n == 7 { std::process::exit(3) }, [6, 7, 8]).unwrap_err();
/// let PoolError::WorkerDied { item: Some(1), status, .. } = &error else { unreachable!("{error}") };
/// assert_eq!(status.code(), Some(3));
/// assert!(error.to_string().ends_with("while it ran the task for item 1"));
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub enum PoolError {
    /// A pool of no workers was asked for.
    NoWorkers,
    /// A worker was to be pinned to a processor that this process may not use.
    NoProcessor {
        /// The number of the processor.
        number: usize,
    },
    /// Chunks of no items were asked for.
    NoChunk,
    /// A worker of a new pool could not be started.
    Start(StartError),
    /// The system had no thread for a worker of a new pool.
    Thread(io::Error),
    /// The task is not a function of the executable.
    Routine(RoutineError),
    /// The arguments cannot be sent; nothing of the call was run.
    Encode {
        /// The item with these arguments.
        item: Option<usize>,
        /// What is wrong with them.
        error: EncodeError,
    },
    /// The worker says itself why there is no result: the task panicked or returned an `anyhow` error, was
    /// not called because its arguments could not be decoded, or returned what cannot be encoded.
    Call {
        /// The item for which it did.
        item: Option<usize>,
        /// What happened.
        failure: Failure,
    },
    /// The worker ended while it ran the task: the task called `exit`, or a signal killed it.
    WorkerDied {
        /// The item that it ran.
        item: Option<usize>,
        /// The number that the worker had.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// The worker was stopped by a signal while it ran the task, and not continued in the pool's
    /// [`stop_timeout`](crate::PoolBuilder::stop_timeout); it was killed.
    WorkerStopped {
        /// The item that it ran.
        item: Option<usize>,
        /// The number that the worker had.
        pid: u32,
    },
    /// The worker had more memory, while it ran the task, than the pool's
    /// [`memory_limit`](crate::PoolBuilder::memory_limit); it was killed.
    MemoryLimit {
        /// The item that it ran.
        item: Option<usize>,
        /// The number that the worker had.
        pid: u32,
        /// How many bytes it may have.
        limit: u64,
    },
    /// The task took longer than the pool's [`task_timeout`](crate::PoolBuilder::task_timeout); its worker was
    /// killed.
    TimedOut {
        /// The item that it was running for.
        item: Option<usize>,
        /// How long a task may take.
        limit: Duration,
    },
    /// The task returned, and the result cannot be decoded here.
    ResultNotDecoded {
        /// The item for which it did.
        item: Option<usize>,
        /// What is wrong with the result.
        error: DecodeError,
    },
    /// Arguments or result could not be passed between the processes, as when one of them may not
    /// open any more files.
    Exchange {
        /// The item that they belong to.
        item: Option<usize>,
        /// What went wrong.
        reason: String,
    },
    /// The pool has as many calls queued as it [may](crate::PoolBuilder::max_queued), and none was done in the call's
    /// [`queue_timeout`](crate::PoolTask::queue_timeout).
    Full,
    /// The pool was closed before the call.
    Closed,
    /// The pool was terminated or dropped before the call was done.
    Terminated,
    /// The pool has ended, because its workers cannot be started any more.
    Broken {
        /// Why the last of them was not.
        reason: String,
    },
    /// The call was cancelled before a worker had begun it.
    Cancelled,
    /// The call was not done within the [`timeout`](crate::PoolTask::timeout) that it had.
    NotInTime {
        /// The item that was not done, or the first of them.
        item: Option<usize>,
        /// How long the call might take.
        limit: Duration,
    },
    /// Another of these errors, and the item that it is about, for tasks that
    /// [show their items](crate::PoolTask::show_items).
    OfItem {
        /// The item as its `Debug` shows it, shortened.
        item: Box<str>,
        /// What happened to it.
        error: Box<Self>,
    },
    /// The result was taken by an earlier call.
    Taken,
    /// This process is a forked copy of the one that made the pool, which alone can use it.
    Copied,
}

procession_os::debug_in_words!(PoolError {
    NoWorkers,
    NoProcessor,
    NoChunk,
    Start,
    Thread,
    Routine,
    Encode,
    Call,
    WorkerDied,
    WorkerStopped,
    MemoryLimit,
    TimedOut,
    ResultNotDecoded,
    Exchange,
    Full,
    Closed,
    Terminated,
    Broken,
    Cancelled,
    NotInTime,
    Taken,
    Copied,
    OfItem
});

impl PoolError {
    /// Returns the place of the item that failed, if the call was for a sequence of items.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let error = pool.map(|n: u8| assert!(n < 7), [5, 6, 7, 8]).unwrap_err();
    /// assert_eq!(error.item(), Some(2));
    /// let error = pool.apply(|| -> () { panic!() }, ()).unwrap_err();
    /// assert_eq!(error.item(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn item(&self) -> Option<usize> {
        match self {
            Self::Encode { item, .. }
            | Self::Call { item, .. }
            | Self::WorkerDied { item, .. }
            | Self::WorkerStopped { item, .. }
            | Self::MemoryLimit { item, .. }
            | Self::TimedOut { item, .. }
            | Self::ResultNotDecoded { item, .. }
            | Self::Exchange { item, .. }
            | Self::NotInTime { item, .. } => *item,
            Self::OfItem { error, .. } => error.item(),
            _ => None,
        }
    }
}

impl From<StartError> for PoolError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<RoutineError> for PoolError {
    fn from(error: RoutineError) -> Self {
        Self::Routine(error)
    }
}

impl Display for PoolError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkers => f.write_str("a pool needs at least one worker"),
            Self::NoProcessor { number } => {
                write!(f, "this process may not use a processor {number}")
            }
            Self::NoChunk => f.write_str("a chunk needs at least one item"),
            Self::Start(error) => write!(f, "cannot start a worker: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread for a worker: {error}"),
            Self::Routine(error) => error.fmt(f),
            Self::Encode { item, error } => {
                write!(f, "the arguments{} cannot be sent: {error}", For(*item))
            }
            Self::Call { item, failure } => write!(f, "the task{} {failure}", For(*item)),
            Self::WorkerDied { item, pid, status } => ended(f, *item, *pid, status),
            Self::WorkerStopped { item, pid } => ended(f, *item, *pid, &"was stopped"),
            Self::MemoryLimit { item, pid, limit } => {
                let how = format_args!("exceeded its memory limit of {limit} bytes");
                ended(f, *item, *pid, &how)
            }
            Self::TimedOut { item, limit } => {
                write!(f, "the task{} took longer than {limit:?}", For(*item))
            }
            Self::ResultNotDecoded { item, error } => {
                write!(f, "the result{} cannot be decoded: {error}", For(*item))
            }
            Self::Exchange { item, reason } => {
                let item = For(*item);
                write!(
                    f,
                    "could not exchange the call{item} with a worker: {reason}"
                )
            }
            Self::Full => f.write_str("the pool has as many calls queued as it may"),
            Self::Closed => f.write_str("the pool is closed and takes no more calls"),
            Self::Terminated => f.write_str("the pool was terminated"),
            Self::Broken { reason } => write!(f, "the pool cannot start workers: {reason}"),
            Self::Cancelled => f.write_str("the call was cancelled"),
            Self::NotInTime { item, limit } => {
                write!(f, "the call{} was not done within {limit:?}", For(*item))
            }
            Self::Taken => f.write_str("the result was taken before"),
            Self::OfItem { item, error } => write!(f, "{error}, which is {item}"),
            Self::Copied => {
                f.write_str("the pool is of the process that this is a copy of; make one here")
            }
        }
    }
}

impl Error for PoolError {
    /// Returns the source of the error within: its own words stand in this one's already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start(error) => error.source(),
            Self::Call { failure, .. } => failure.source(),
            Self::OfItem { error, .. } => error.source(),
            _ => None,
        }
    }
}

/// Says how a worker ended in a task.
fn ended(f: &mut Formatter<'_>, item: Option<usize>, pid: u32, how: &dyn Display) -> fmt::Result {
    let item = For(item);
    write!(
        f,
        "the worker (pid {pid}) {how} while it ran the task{item}"
    )
}

/// Says which item, if there are several.
struct For(Option<usize>);

impl Display for For {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |item| write!(f, " for item {item}"))
    }
}

//! The handle of a child process.

use crate::builder::Builder;
use crate::children::Child;
use crate::error::{Cause, ProcessError, StartError};
use crate::outcome::{Failure, consume};
use crate::task::Task;
use crate::{parcel, watch};
use nix::sys::signal::Signal;
use procession_os::pidfd::ExitStatus;
use procession_os::wait::Deadline;
use procession_pipe::{Channel, RecvError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// A child process that runs a task and will return an `R`.
///
/// Dropping it does not wait and does not end the process, which is reaped when it ends.
///
/// # Examples
///
/// ```
/// use procession_process::Process;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let process = Process::spawn(|words: String| words.to_uppercase(), ("hello".to_owned(),))?;
/// assert_eq!(process.name(), "Process-1");
/// assert_eq!(process.join()?, "HELLO");
/// # Ok(())
/// # }
/// ```
pub struct Process<R> {
    child: Arc<Child>,
    channel: Channel,
    joined: bool,
    returns: PhantomData<fn() -> R>,
}

impl Process<()> {
    /// Chooses how a process is started.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<R: Serialize + DeserializeOwned> Process<R> {
    /// Starts a process that calls `task` with `args`.
    ///
    /// # Errors
    ///
    /// [`StartError`]: the program did not call `init`, the arguments cannot be encoded, or the
    /// system refused a process.
    pub fn spawn<F, A, M>(task: F, args: A) -> Result<Self, StartError>
    where
        F: Task<A, M, Output = R>,
        A: Serialize + DeserializeOwned,
    {
        Builder::new().spawn(task, args)
    }

    /// Waits for the process to end and returns what its task returned.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], whose cause tells how the process ended without a result.
    ///
    /// # When the other side is gone
    ///
    /// A process that was killed is noticed at once.
    pub fn join(mut self) -> Result<R, ProcessError> {
        self.wait(Deadline::NEVER)?;
        self.take_result()
    }

    /// As [`join`](Self::join), for at most `timeout`; `None` if the process is still running.
    ///
    /// # Errors
    ///
    /// As `join`, and [`Cause::JoinedBefore`] after a call that returned a result.
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<Option<R>, ProcessError> {
        if self.joined {
            return Err(self.error(Cause::JoinedBefore));
        }
        match self.wait(Deadline::after(timeout))? {
            Some(_) => self.take_result().map(Some),
            None => Ok(None),
        }
    }

    fn take_result(&mut self) -> Result<R, ProcessError> {
        self.joined = true;
        self.outcome().map_err(|cause| self.error(cause))
    }

    /// Reads the outcome of a process that has ended: it is in the socket, or it never will be.
    fn outcome(&self) -> Result<R, Cause> {
        let packet = match parcel::receive(&self.channel, Deadline::after(Duration::ZERO)) {
            Ok(packet) => packet,
            Err(RecvError::Decode(error)) => return Err(Cause::ResultNotDecoded(error)),
            Err(_) => return Err(Cause::Ended(self.status().unwrap_or(ExitStatus::Unknown))),
        };
        let outcome: Result<R, Failure> = consume(packet).map_err(Cause::ResultNotDecoded)?;
        outcome.map_err(Cause::from)
    }
}

impl<R> Process<R> {
    pub(crate) fn new(child: Arc<Child>, channel: Channel) -> Self {
        Self {
            child,
            channel,
            joined: false,
            returns: PhantomData,
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Returns the process's name.
    pub fn name(&self) -> &str {
        self.child.described.name()
    }

    /// Returns the process's number. After the process was joined it may be another's.
    pub fn pid(&self) -> u32 {
        self.child.pidfd.pid()
    }

    /// Returns whether the process is running.
    pub fn is_alive(&self) -> bool {
        matches!(self.child.status(), Ok(None))
    }

    /// Returns how the process ended, `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.status()
    }

    /// Waits for the process to end, and leaves its result for [`join`](Self::join); `None` if
    /// it is still running after `timeout`.
    ///
    /// # Errors
    ///
    /// [`Cause::System`] if the system refuses to wait.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<ExitStatus>, ProcessError> {
        self.wait(Deadline::after(timeout))
    }

    /// Asks the process to end, with SIGTERM. A process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn terminate(&self) -> io::Result<()> {
        self.child.signal(Signal::SIGTERM)
    }

    /// Ends the process, with SIGKILL. A process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn kill(&self) -> io::Result<()> {
        self.child.signal(Signal::SIGKILL)
    }

    /// Returns a descriptor that can be polled: it becomes readable when the process ends.
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }

    /// Has `then` called with the status when the process has ended, on a thread that does this
    /// for all processes and must not be kept waiting.
    ///
    /// # Errors
    ///
    /// If the system has no thread or descriptor for it; `then` is not called.
    pub fn when_ended(&self, then: impl FnOnce(ExitStatus) + Send + 'static) -> io::Result<()> {
        watch::when_ended(&self.child, then)
    }

    fn wait(&self, deadline: Deadline) -> Result<Option<ExitStatus>, ProcessError> {
        self.child
            .wait(deadline)
            .map_err(|error| self.error(Cause::System(error)))
    }

    fn status(&self) -> Option<ExitStatus> {
        // The status of a child that cannot be asked for is not known.
        self.child.status().unwrap_or(Some(ExitStatus::Unknown))
    }

    fn error(&self, cause: Cause) -> ProcessError {
        ProcessError::new(self.name(), self.pid(), cause)
    }
}

impl<R> Drop for Process<R> {
    fn drop(&mut self) {
        if self.is_alive() {
            // Without a watcher the child is reaped by the next look at the list of children.
            let _ = watch::when_ended(&self.child, |_| ());
        }
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name())
            .field("pid", &self.pid())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

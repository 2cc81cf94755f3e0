//! The handle of a child process.

use crate::builder::Builder;
use crate::child::has_exited;
use crate::children::{self, Child};
use crate::error::{Cause, ProcessError, StartError};
use crate::parcel;
use crate::stdio::Ends;
use crate::watch;
use nix::sys::signal::Signal;
use procession_call::{Failure, Task, TaskOnce, captures_nothing, consume};
use procession_os::pidfd::ExitStatus;
use procession_os::wait::Deadline;
use procession_pipe::{Channel, PipeReader, PipeWriter, RecvError};
use procession_wire::{Kind, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A child process that runs a task and will return an `R`.
///
/// Dropping it does not wait and does not end the process. It stays one of the
/// [active children](crate::active_children) while it runs, is waited for at this process's exit,
/// and is reaped, once it has ended, by the next start of a child, the next drop of such a handle
/// or the next call of `active_children`.
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
    ends: Ends,
    joined: AtomicBool,
    /// Whether the child was sent what it has to do, if that is sent.
    told: bool,
    /// What came instead of the word that a detached process has settled.
    early: Mutex<Option<Packet>>,
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
        const { captures_nothing::<F>() }
        Builder::new().start(task, args)
    }

    /// Starts a copy of this process that calls `work`, which may capture anything.
    ///
    /// What it captures, and all else that this process has, is the child's to use as it was at
    /// this moment. Shared things are shared on; guards, permits and claims stay with this process.
    ///
    /// # Errors
    ///
    /// [`StartError::MultiThreaded`] if this process has more than one thread,
    /// [`StartError::Guarded`] if it has a guard of the data of a `Value` or an `Array`, and as
    /// [`spawn`](Self::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let words = vec!["captured", "by", "reference"];
    /// let process = Process::fork(|| words.join(" "))?;
    /// assert_eq!(process.join()?, "captured by reference");
    /// # Ok(())
    /// # }
    /// ```
    pub fn fork<F, M>(work: F) -> Result<Self, StartError>
    where
        F: TaskOnce<M, Output = R>,
    {
        Builder::new().fork(work)
    }

    /// Waits for the process to end and returns what its task returned.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], whose cause tells how the process ended without a result, or that an
    /// earlier call returned it: [`Cause::JoinedBefore`]. A copy of the process that started it gets
    /// [`Cause::Copied`].
    ///
    /// # When the other side is gone
    ///
    /// A process that was killed is noticed at once.
    pub fn join(self) -> Result<R, ProcessError> {
        self.wait(Deadline::NEVER)?;
        self.result()
    }

    /// As [`join`](Self::join), for at most `timeout`; `None` if the process is still running.
    ///
    /// # Errors
    ///
    /// As `join`, and [`Cause::JoinedBefore`] after a call that returned a result.
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<Option<R>, ProcessError> {
        if self.joined.load(Ordering::Relaxed) {
            return Err(self.error(Cause::JoinedBefore));
        }
        match self.wait(Deadline::after(timeout))? {
            Some(_) => self.result().map(Some),
            None => Ok(None),
        }
    }

    /// As [`join`](Self::join), without waiting; `None` if the process is still running.
    ///
    /// # Errors
    ///
    /// As [`join_timeout`](Self::join_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let mut process = Process::spawn(|| std::thread::park(), ())?;
    /// assert_eq!(process.try_join()?, None);
    /// process.kill()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_join(&mut self) -> Result<Option<R>, ProcessError> {
        self.join_timeout(Duration::ZERO)
    }

    /// As [`try_join`](Self::try_join), for those who share the handle: the first call after the
    /// process's end takes the result.
    ///
    /// # Errors
    ///
    /// As `try_join`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::{Cause, Process};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let process = Process::spawn(|| 7, ())?;
    /// let shared = &process;
    /// let seven = loop {
    ///     if let Some(result) = shared.take_result()? {
    ///         break result;
    ///     }
    ///     std::thread::yield_now();
    /// };
    /// assert_eq!(seven, 7);
    /// assert!(matches!(shared.take_result().unwrap_err().cause(), Cause::JoinedBefore));
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_result(&self) -> Result<Option<R>, ProcessError> {
        match self.wait(Deadline::PASSED)? {
            Some(_) => self.result().map(Some),
            None => Ok(None),
        }
    }

    fn result(&self) -> Result<R, ProcessError> {
        // What a copy of the parent took out of the socket would be missing there.
        if self.child.described.parent_pid() != Some(std::process::id()) {
            return Err(self.error(Cause::Copied));
        }
        if self.joined.swap(true, Ordering::Relaxed) {
            return Err(self.error(Cause::JoinedBefore));
        }
        self.outcome().map_err(|cause| self.error(cause))
    }

    /// Reads the outcome of a process that has ended: it is in the socket, or it never will be.
    fn outcome(&self) -> Result<R, Cause> {
        let early = self
            .early
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let packet = match early {
            Some(packet) => packet,
            None => self.received()?,
        };
        let outcome: Result<R, Failure> = consume(packet).map_err(Cause::ResultNotDecoded)?;
        outcome.map_err(Cause::from)
    }
}

impl<R> Process<R> {
    fn received(&self) -> Result<Packet, Cause> {
        parcel::receive(self.channel(), Deadline::PASSED).map_err(|error| {
            let status = self.status().unwrap_or(ExitStatus::Unknown);
            match error {
                RecvError::Decode(error) => Cause::ResultNotDecoded(error),
                // The kernel tells that the other side has left something unread.
                RecvError::Reset if has_exited(status) => Cause::BeforeInit(status),
                _ if !self.told && has_exited(status) => Cause::BeforeInit(status),
                _ => Cause::Ended(status),
            }
        })
    }

    pub(crate) fn new(child: Arc<Child>, ends: Ends) -> Self {
        Self {
            child,
            ends,
            joined: AtomicBool::new(false),
            told: true,
            early: Mutex::new(None),
            returns: PhantomData,
        }
    }

    /// Waits until a detached process does without this one, or has ended.
    pub(crate) fn wait_until_settled(self) -> Self {
        if self.child.described.is_detached() {
            // Of a process that has ended, `join` tells how.
            let word = parcel::receive(self.channel(), Deadline::NEVER).ok();
            let early = word.filter(|packet| packet.kind() == Kind::OUTCOME);
            *self.early.lock().unwrap_or_else(PoisonError::into_inner) = early;
        }
        self
    }

    /// Notes that the child has closed its socket before it was sent what it has to do.
    pub(crate) fn untold(mut self) -> Self {
        self.told = false;
        self
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.child.channel
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

    /// Returns whether the process is stopped by a signal (SIGSTOP, Ctrl-Z) and waits for SIGCONT. One
    /// that a debugger has stopped is not.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// assert!(!process.is_stopped());
    /// process.kill()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_stopped(&self) -> bool {
        self.child.is_stopped()
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

    /// Sends SIGINT, as Ctrl-C does, which ends the process unless it handles or ignores it. A
    /// process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn interrupt(&self) -> io::Result<()> {
        self.child.signal(Signal::SIGINT)
    }

    /// Ends the process, with SIGKILL. A process that has ended already is no error.
    ///
    /// A process that this one may not signal, because one of them has become another user or a
    /// filter of system calls forbids it, is ended by closing its socket, which has the kernel send
    /// SIGKILL in its own name; this waits for that.
    ///
    /// # Errors
    ///
    /// What the system reports, if the process runs on.
    pub fn kill(&self) -> io::Result<()> {
        self.child.kill()
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

    /// Lets go of a process that has ended, and of what it returned.
    ///
    /// # Errors
    ///
    /// The process itself, if it is still running.
    pub fn close(self) -> Result<(), Self> {
        if self.is_alive() { Err(self) } else { Ok(()) }
    }

    /// Takes the end of the pipe to the process's input, if
    /// [one was asked for](crate::Builder::stdin).
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.ends.stdin.take()
    }

    /// Takes the end of the pipe from the process's output, if
    /// [one was asked for](crate::Builder::stdout).
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.ends.stdout.take()
    }

    /// Takes the end of the pipe from the process's error output, if
    /// [one was asked for](crate::Builder::stderr).
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.ends.stderr.take()
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
            children::let_go(&self.child);
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

//! Choosing how a process is started.

use crate::current::current_process;
use crate::error::StartError;
use crate::process::Process;
use crate::task::Task;
use crate::{children, init, parcel, spawn, start};
use procession_pipe::{Channel, SendError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::OwnedFd;

/// How a child process comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StartMethod {
    /// The executable is started afresh. The child inherits the environment, the working
    /// directory, stdout and stderr, and no other open file.
    #[default]
    Spawn,
}

/// The settings of a process to be started.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, StartMethod};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let process = Process::builder()
///     .name("adder")
///     .daemon(true)
///     .start_method(StartMethod::Spawn)
///     .spawn(|x: u8, y: u8| x + y, (3, 4))?;
/// assert_eq!(process.name(), "adder");
/// assert_eq!(process.join()?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    name: Option<String>,
    daemon: Option<bool>,
    ignore_interrupts: bool,
    start_method: StartMethod,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Names the process; `Process-1`, or `Process-1:2` for a child's child, if not called.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Chooses whether this process ends the child when it exits, instead of waiting for it; as
    /// this process itself was started, if not called.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = Some(daemon);
        self
    }

    /// Has the child ignore SIGINT, so that Ctrl-C ends it only by way of its parent.
    pub fn ignore_interrupts(mut self, ignore: bool) -> Self {
        self.ignore_interrupts = ignore;
        self
    }

    /// Chooses how the child comes into being.
    pub fn start_method(mut self, method: StartMethod) -> Self {
        self.start_method = method;
        self
    }

    /// Starts a process that calls `task` with `args`.
    ///
    /// # Errors
    ///
    /// As [`Process::spawn`].
    pub fn spawn<F, A, M>(self, task: F, args: A) -> Result<Process<F::Output>, StartError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        let _ = task;
        init::check()?;
        let described = current_process().child(self.name, self.daemon);
        let message = start::message::<F, A, M>(described.clone(), self.ignore_interrupts, &args)?;
        drop(args);
        children::prepare().map_err(StartError::system("prepare for the exit"))?;
        let (channel, control) = Channel::pair().map_err(StartError::system("make a socket"))?;
        let StartMethod::Spawn = self.start_method;
        let pidfd = spawn::start(OwnedFd::from(control))?;
        let process = Process::new(children::add(pidfd, described), channel);
        match parcel::send(process.channel(), message) {
            // A child that is gone already has a status, which `join` reports.
            Ok(()) | Err(SendError::Closed) => Ok(process),
            Err(error) => {
                let _ = process.kill();
                Err(refused(error))
            }
        }
    }
}

fn refused(error: SendError) -> StartError {
    match error {
        SendError::Encode(error) => StartError::Encode(error),
        error => StartError::system("send the arguments")(std::io::Error::other(error)),
    }
}

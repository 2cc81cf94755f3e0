//! Choosing how a process is started.

use crate::account::Account;
use crate::current::{CurrentProcess, current_process};
use crate::error::StartError;
use crate::method::{StartMethod, fork, fork_server, spawn, start_method};
use crate::parcel::Packed;
use crate::process::Process;
use crate::settings::{Choices, Settings};
use crate::start::Start;
use crate::stdio::{Ends, Stdio};
use crate::{children, exit, init, parcel, start, stdio};
use procession_call::{Failure, Task, TaskOnce, captures_nothing, produce};
use procession_pipe::{Channel, SendError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

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
    method: Option<StartMethod>,
    choices: Choices,
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

    /// Lets the child outlive this process, in a session and a process group of its own. It is
    /// neither ended nor waited for at the exit of this process. Starting it takes until it can do
    /// without this process.
    pub fn detached(mut self, detached: bool) -> Self {
        self.choices.detached = detached;
        self
    }

    /// Has the child ignore SIGINT, so that Ctrl-C ends it only by way of its parent.
    pub fn ignore_interrupts(mut self, ignore: bool) -> Self {
        self.choices.ignore_interrupts = ignore;
        self
    }

    /// Chooses how the child comes into being; as [`start_method`] says, if not called.
    pub fn start_method(mut self, method: StartMethod) -> Self {
        self.method = Some(method);
        self
    }

    /// Sets an environment variable of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let builder = Process::builder().env("GREETING", "hello").env_remove("HOME");
    /// let greeting = || (std::env::var("GREETING").ok(), std::env::var("HOME").ok());
    /// assert_eq!(builder.spawn(greeting, ())?.join()?, (Some("hello".to_owned()), None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let environment = &mut self.choices.environment;
        environment.set(name.as_ref(), Some(value.as_ref()));
        self
    }

    /// Takes an environment variable from the child.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.choices.environment.set(name.as_ref(), None);
        self
    }

    /// Takes all environment variables from the child but those that are set after this call.
    ///
    /// `/proc/PID/environ` does not show the others either. (That of a forked child shows of what was
    /// added only what it has room for: as much as its parent was started with. Where a fork server makes
    /// the child, of an environment of more than 512 KiB as many variables are shown as fit. The child has
    /// them all.)
    pub fn env_clear(mut self) -> Self {
        self.choices.environment.clear();
        self
    }

    /// Chooses the child's working directory. A relative one starts at this process's.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.choices.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Chooses where the child's input comes from; nowhere, if not called.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.choices.streams.stdin = stdin.into();
        self
    }

    /// Chooses where the child's output goes; where this process's does, if not called.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.choices.streams.stdout = stdout.into();
        self
    }

    /// Chooses where the child's error output goes; where this process's does, if not called.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.choices.streams.stderr = stderr.into();
        self
    }

    /// Limits the child's address space, in bytes (`RLIMIT_AS`). A task that needs more than that
    /// usually aborts, with SIGABRT, because Rust's allocation fails.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.choices.limits.memory = Some(bytes);
        self
    }

    /// Limits the time for which the child may use a processor, rounded up to seconds
    /// (`RLIMIT_CPU`). At the limit it ends by SIGXCPU.
    pub fn cpu_limit(mut self, limit: Duration) -> Self {
        self.choices.limits.set_cpu(limit);
        self
    }

    /// Limits the number of the child's open files (`RLIMIT_NOFILE`).
    pub fn open_files_limit(mut self, count: u64) -> Self {
        self.choices.limits.open_files = Some(count);
        self
    }

    /// Puts the child into a process group of this session; 0 stands for one of its own. Without it
    /// the child is in this process's group.
    pub fn process_group(mut self, group: u32) -> Self {
        self.choices.group = Some(group);
        self
    }

    /// Has the child belong to a user, by name or number, with the groups that the system's list
    /// gives it; a number that is not in that list keeps this process's group and no others. This
    /// process must be root's, or have the capabilities for that.
    ///
    /// The child has joined the family before, and is let into the shared memory whose handles are in
    /// its arguments. Small things among these, such as locks and values, are made inside
    /// [`grant_to`](procession_shm::grant_to): what was made elsewhere shares its memory with other things,
    /// and is [`StartError::Encode`]. It cannot open what reaches it later, by a queue for example, unless that is sent
    /// inside `grant_to`, and what it makes itself is open to its own children
    /// alone: the error is [`OpenError::OtherUser`](procession_shm::OpenError::OtherUser). All other
    /// settings are taken up as that user.
    ///
    /// A program that changes its user itself, by `setuid`, keeps what it has shared before and can hand
    /// it on to copies of itself only: with the other start methods, such a handle among the arguments
    /// is [`StartError::Encode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// // As root: Process::builder().user("www-data")
    /// let refused = Process::builder().user("there is no such user").spawn(|| (), ());
    /// assert!(refused.unwrap_err().to_string().starts_with("cannot find the user"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn user(mut self, user: impl Into<Account>) -> Self {
        self.choices.owner.user = Some(user.into());
        self
    }

    /// Has the child belong to a group, by name or number. Its supplementary groups are those of its
    /// [user](Self::user), or this process's.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// // As root: Process::builder().group("www-data")
    /// let refused = Process::builder().group("there is no such group").spawn(|| (), ());
    /// assert!(refused.unwrap_err().to_string().starts_with("cannot find the group"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn group(mut self, group: impl Into<Account>) -> Self {
        self.choices.owner.group = Some(group.into());
        self
    }

    /// Starts a process that calls `task` with `args`.
    ///
    /// # Errors
    ///
    /// As [`Process::spawn`]. A setting that the child cannot take up is reported by
    /// [`join`](Process::join), as [`Failure::Settings`](crate::Failure::Settings), and so is what else
    /// keeps it from its task, as [`Failure::Refused`](crate::Failure::Refused).
    pub fn spawn<F, A, M>(self, task: F, args: A) -> Result<Process<F::Output>, StartError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        const { captures_nothing::<F>() }
        self.start(task, args)
    }

    pub(crate) fn start<F, A, M>(self, task: F, args: A) -> Result<Process<F::Output>, StartError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        self.start_unexplained(task, args)
            .map_err(StartError::explained)
    }

    fn start_unexplained<F, A, M>(self, task: F, args: A) -> Result<Process<F::Output>, StartError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        let method = self.method.unwrap_or_else(start_method);
        if method == StartMethod::Fork {
            return self.copy(move || Task::call(task, args));
        }
        let (described, settings, ends) = self.prepare(method)?;
        let mut start = Start::new(described, settings)?;
        let work = start::work(&start, task, &args)?;
        let work = parcel::pack(work).map_err(start::refused)?;
        drop(args);
        let (child, work_socket) = match method {
            StartMethod::ForkServer => fork_server::start(&mut start),
            _ => spawn::start(&mut start, &self.choices.environment.apply()),
        }?;
        let process = hand_over(Process::new(child, ends), &work_socket, work)?;
        if method == StartMethod::ForkServer {
            fork_server::ask_ahead();
        }
        Ok(process.wait_until_settled())
    }

    /// Starts a copy of this process that calls `work`, which may capture anything.
    ///
    /// # Errors
    ///
    /// As [`Process::fork`]; also if another start method was chosen.
    pub fn fork<F, M>(mut self, work: F) -> Result<Process<F::Output>, StartError>
    where
        F: TaskOnce<M>,
    {
        if *self.method.get_or_insert(StartMethod::Fork) != StartMethod::Fork {
            let words = "only a forked process has what a closure captures";
            let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, words);
            return Err(StartError::system("use another start method")(error));
        }
        self.copy(move || work.call())
            .map_err(StartError::explained)
    }

    fn copy<R>(self, work: impl FnOnce() -> anyhow::Result<R>) -> Result<Process<R>, StartError>
    where
        R: Serialize + DeserializeOwned,
    {
        let (described, settings, ends) = self.prepare(StartMethod::Fork)?;
        let work = || produce(|| work().map_err(Failure::from));
        let (child, ends) = fork::start(described, settings, ends, work)?;
        Ok(Process::new(child, ends).wait_until_settled())
    }

    fn prepare(&self, method: StartMethod) -> Result<(CurrentProcess, Settings, Ends), StartError> {
        init::check()?;
        children::reap_dropped();
        exit::prepare().map_err(StartError::system("prepare for the exit"))?;
        // What is opened from here on must not become a standard stream of this process.
        stdio::fill_gaps().map_err(StartError::system("open /dev/null"))?;
        let detached = self.choices.detached;
        let described = current_process().child(self.name.clone(), self.daemon, detached);
        let (settings, ends) = self.choices.settings(method)?;
        Ok((described, settings, ends))
    }
}

/// Sends a child that was started what it has to do.
fn hand_over<R>(
    process: Process<R>,
    work_socket: &Channel,
    work: Packed,
) -> Result<Process<R>, StartError> {
    match work.send(work_socket) {
        // A child that is gone already has a status, which `join` reports.
        Ok(()) => Ok(process),
        Err(SendError::Closed) => Ok(process.untold()),
        Err(error) => {
            let _ = process.kill();
            Err(start::refused(error))
        }
    }
}

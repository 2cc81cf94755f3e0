//! Why a process did not start, or ended without a result.

use procession_call::{Failure, RoutineError};
use procession_os::pidfd::ExitStatus;
use procession_shm::family::FamilyError;
use procession_wire::{DecodeError, EncodeError};
use std::error::Error;
use std::{fmt, fs, io};

/// What is wrong with a program whose child ends too early.
const BEFORE_INIT: &str = "`procession::init()`: a child runs what stands before it too, with two \
    more arguments, which a parser of arguments refuses, `clap` and the test harness among them; \
    make it the first line of `main`, or put `procession::enable_in_tests!();` into a test file";

/// A process could not be started.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program did not call `init`, so a child would run `main` again.
    #[error(
        "this program has not called `procession::init()`: make it the first line of `main`, \
         or put `#[procession::main]` on `main`, or `procession::enable_in_tests!();` into a test file"
    )]
    NotInitialised,
    /// The task or its arguments cannot be sent.
    #[error("the arguments cannot be sent: {0}")]
    Encode(#[from] EncodeError),
    /// The task is not a function of the executable.
    #[error(transparent)]
    Routine(#[from] RoutineError),
    /// The family of this process, through which it shares memory with its children, failed.
    #[error("the process family: {0}")]
    Family(#[from] FamilyError),
    /// What was to be [preloaded](crate::preload) by the fork server failed.
    #[error("the fork server could not preload what it was to: {0}")]
    Preload(String),
    /// The fork server exited before it reached `init`.
    #[error("the fork server {0} before it reached {BEFORE_INIT}")]
    BeforeInit(ExitStatus),
    /// The fork server could not become one.
    #[error("the fork server cannot start: {0}")]
    Refused(String),
    /// The program was started as an argument of the dynamic loader, which is what a child would
    /// run.
    #[error(
        "this program was started through the dynamic loader, as in `ld-linux.so ./program`, so \
         that its executable is not known to the system: start the program itself; a loader that \
         is not the system's goes into the program's file, with `patchelf --set-interpreter`"
    )]
    ThroughLoader,
    /// The file system `/proc` is not there.
    #[error(
        "/proc is not there, and without it this program's executable, descriptors and threads \
         cannot be found: mount it, with `mount -t proc proc /proc`, before the first start"
    )]
    NoProc,
    /// The system refuses to run the program's executable once more.
    #[error(
        "the executable of this program cannot be run again: {0}; this process must be allowed to \
         execute the file, and the loader that it names must be there, also after a change of \
         user, root directory or mounts"
    )]
    Executable(#[source] io::Error),
    /// Only a process with one thread can be copied whole.
    #[error(
        "a process with {threads} threads cannot be forked: start this child before any thread, \
         or by another start method"
    )]
    MultiThreaded {
        /// How many threads there are.
        threads: u64,
    },
    /// This process has a guard of the data of a shared `Value` or `Array`, which a copy would have too.
    #[error(
        "a process that has a guard of a shared Value or Array cannot be forked, since the copy would have the \
         data too: drop the guard first, or start this child by another start method"
    )]
    Guarded,
    /// The system refused a step on the way.
    #[error("cannot {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

procession_os::debug_in_words!(StartError {
    NotInitialised,
    Encode,
    Routine,
    Family,
    Preload,
    BeforeInit,
    Refused,
    ThroughLoader,
    NoProc,
    Executable,
    MultiThreaded,
    Guarded,
    System
});

impl StartError {
    pub(crate) fn system(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { step, source }
    }

    /// Replaces what failed for want of `/proc` by that.
    pub(crate) fn explained(self) -> Self {
        let failed = matches!(self, Self::System { .. } | Self::Executable(_));
        let gone = || fs::symlink_metadata("/proc/self").is_err();
        if failed && gone() { Self::NoProc } else { self }
    }
}

/// A process ended without a result.
///
/// # Examples
///
/// ```
/// use procession_process::{Cause, ExitStatus, Process};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let process = Process::spawn(|| -> () { std::process::exit(3) }, ())?;
/// let error = process.join().unwrap_err();
/// assert!(matches!(error.cause(), Cause::Ended(ExitStatus::Code(3))));
/// assert!(error.to_string().ends_with("exited with code 3 before its task returned"));
/// # Ok(())
/// # }
/// ```
pub struct ProcessError {
    name: String,
    pid: u32,
    cause: Box<Cause>,
}

procession_os::debug_in_words!(ProcessError);

/// What ended the process, or lost its result.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The process says itself why there is no result: its task panicked or returned an `anyhow` error,
    /// or was not called.
    #[error(transparent)]
    Call(#[from] Failure),
    /// The process ended before its task returned: it called `exit`, or a signal killed it.
    #[error("{0} before its task returned")]
    Ended(ExitStatus),
    /// The process exited before it reached `init`; the task was not called.
    #[error("{0} before it reached {BEFORE_INIT}")]
    BeforeInit(ExitStatus),
    /// What arrived from the process is not a result.
    #[error("sent a result that cannot be decoded: {0}")]
    ResultNotDecoded(DecodeError),
    /// The result was taken by an earlier call.
    #[error("was joined before")]
    JoinedBefore,
    /// This process is a forked copy of the one that started the process, which alone gets the
    /// result.
    #[error("is a child of the process that this is a copy of")]
    Copied,
    /// The system refused to wait for the process.
    #[error("cannot be waited for: {0}")]
    System(io::Error),
}

procession_os::debug_in_words!(Cause {
    Call,
    Ended,
    BeforeInit,
    ResultNotDecoded,
    JoinedBefore,
    Copied,
    System
});

impl ProcessError {
    pub(crate) fn new(name: &str, pid: u32, cause: Cause) -> Self {
        Self {
            name: name.to_owned(),
            pid,
            cause: Box::new(cause),
        }
    }

    /// Returns the name of the process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number that the process had.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns what happened.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process `{}` (pid {}) {}",
            self.name, self.pid, self.cause
        )
    }
}

impl Error for ProcessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.cause {
            // Its own message stands in ours already.
            Cause::Call(failure) => failure.source(),
            Cause::System(error) => Some(error),
            _ => None,
        }
    }
}

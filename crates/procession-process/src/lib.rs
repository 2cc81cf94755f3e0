//! Typed child processes.
//!
//! A [`Process`] runs a function of this program in another process and brings back what it
//! returns:
//!
//! ```
//! use procession_process::Process;
//!
//! fn add(x: u32, y: u32) -> u32 {
//!     x + y
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! procession_process::init(); // the first line of `main`
//! let process = Process::spawn(add, (3, 4))?;
//! assert_eq!(process.join()?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! The child runs the same executable. [`init`] notices in a child that it is one, does the work
//! it was sent and exits, so that the code after `init` runs in the parent only. A program that
//! starts processes without having called `init` gets an error that says so; without that rule,
//! every child would run `main` again.
//!
//! # How a child comes into being
//!
//! | start method | a child is | its tasks |
//! |---|---|---|
//! | [`ForkServer`](StartMethod::ForkServer), the default | a copy of a helper that was started once | functions, and closures that capture nothing |
//! | [`Spawn`](StartMethod::Spawn) | the executable, started afresh, which takes several times as long | the same |
//! | [`Fork`](StartMethod::Fork) | a copy of this process, which must have one thread | any closure, with [`Process::fork`] |
//!
//! The child's environment, working directory, standard streams, limits and the like are the
//! [`Builder`]'s. What several children need may be loaded once, with [`preload`].
//!
//! # What a child inherits
//!
//! A child is as the thread that starts it is at that moment, by each start method: users, groups and
//! capabilities, `no_new_privs` and filters of system calls, the root directory, namespaces and control
//! groups, umask, limits, ignored signals, processors, nice value and scheduler, and how likely the
//! kernel ends it for want of memory. What the program has laid down, no later child has. Children
//! that run already keep what they have.
//!
//! By [`Spawn`](StartMethod::Spawn) and [`ForkServer`](StartMethod::ForkServer) the executable is run
//! again, so it must be one that the thread's user may run, and `/proc` must be there. Capabilities that
//! the kernel does not let another program have are missing in the child.
//!
//! # Tasks
//!
//! A *task* is a function or a closure that captures nothing, with up to eight arguments
//! ([`Task`]). What crosses to the child is the offset of a table in the executable
//! ([`Routine`](procession_call::Routine)),
//! then the arguments, encoded. Handles to shared things (arrays, locks, pipe ends, proxies) may
//! be arguments, results, and parts of both.
//!
//! # What happens when a process ends
//!
//! [`Process::join`] returns the task's value, or a [`ProcessError`] that tells a panic, an
//! `anyhow` error, an exit code and a signal apart. No child outlives its parent: the kernel kills
//! it when the parent is killed, and a parent that exits normally first ends its daemons and waits
//! for its other children; that holds also when one of them has become another user, unless another
//! program has taken the child's place. Only a [detached](Builder::detached) child outlives it. A
//! `Process` that is dropped goes on running; once it has ended, the next start of a child reaps it.
//!
//! What a killed child has started itself is left to process 1 of a container, or to an ancestor that is
//! a subreaper. Where that is a process of this library, it reaps whom the library has started:
//! `join` waits a moment for them, and what has ended later is reaped as a dropped child is. It leaves
//! alone whom a task has started by other means, such as [`std::process::Command`]: a program that runs
//! as process 1 with such tasks wants an init process above it (`docker run --init`).
#![doc(html_root_url = "https://docs.rs/procession-process/latest")]

mod account;
mod builder;
mod child;
mod children;
mod current;
mod environment;
mod error;
mod exit;
mod inherit;
mod init;
mod limits;
mod method;
mod orphans;
mod parcel;
mod parent_process;
mod per_process;
mod process;
mod rights;
mod settings;
mod start;
mod stdio;
#[cfg(test)]
mod strangers;
mod surroundings;
mod waitable;
mod watch;

pub use account::Account;
pub use builder::Builder;
#[doc(hidden)]
pub use children::observe_ends;
pub use children::{ActiveChild, active_children};
pub use current::{CurrentProcess, current_process};
pub use error::{Cause, ProcessError, StartError};
pub use exit::{AtExit, at_exit};
pub use inherit::{inherit, preload};
pub use init::init;
pub use method::{StartMethod, set_start_method, start_method};
pub use parent_process::{ParentProcess, parent_process};
pub use process::Process;
#[doc(hidden)]
pub use procession_call::captures_nothing;
pub use procession_call::{Failure, Fallible, Panic, Plain, Task, TaskError, TaskOnce};
pub use procession_os::pidfd::ExitStatus;
pub use stdio::Stdio;
#[doc(hidden)]
pub use surroundings::at_one_moment;

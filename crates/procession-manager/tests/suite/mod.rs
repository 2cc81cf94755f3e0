//! What the manager does, whatever its connections go over.

mod dict;
mod ending;
mod hosting;
mod list;
mod namespace;
mod nesting;
mod pool;
mod queue;
mod set;
mod shared;
mod value;

use procession_manager::Manager;
use procession_process::{Process, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Starts a manager.
fn manager() -> Manager {
    crate::builder().start().expect("a manager starts")
}

/// Starts a child.
fn start<F, A, M>(task: F, args: A) -> Process<F::Output>
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    Process::spawn(task, args).expect("a child starts")
}

//! What the tests share.

use procession_manager::Manager;
use procession_process::{Process, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Starts a manager.
pub(crate) fn manager() -> Manager {
    Manager::start().expect("a manager starts")
}

/// Starts a child.
pub(crate) fn start<F, A, M>(task: F, args: A) -> Process<F::Output>
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    Process::spawn(task, args).expect("a child starts")
}

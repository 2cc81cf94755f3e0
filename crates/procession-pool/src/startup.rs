//! What a worker is started with.

use crate::ledger::Ledger;
use crate::sync::Channel;
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use procession_call::Routine;
#[cfg(not(loom))]
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::OnceLock;

/// The place in its pool of the worker that this process is.
static PLACE: OnceLock<usize> = OnceLock::new();

/// Returns the place in its pool of the worker that this process is, counted from 0; `None` in a process that is no
/// worker.
///
/// Of the workers that live at the same time each has another, and the one that takes a dead one's place has
/// its number too: so it can choose a device, a port or a file.
///
/// # Examples
///
/// ```
/// use procession_pool::{Pool, worker_place};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let place = pool.apply(|| worker_place(), ())?;
/// assert!(place.is_some_and(|place| place < 2));
/// assert_eq!(worker_place(), None);
/// # Ok(())
/// # }
/// ```
pub fn worker_place() -> Option<usize> {
    PLACE.get().copied()
}

/// The worker's side of what connects it to the pool, and what it does beside calls.
#[derive(Debug)]
#[cfg_attr(not(loom), derive(Serialize, Deserialize))]
pub(crate) struct Startup {
    pub(crate) channel: Channel,
    pub(crate) ledger: Ledger,
    /// Its place in the pool.
    pub(crate) place: usize,
    /// The processors that it may use; those of the pool's process if there are none here.
    pub(crate) processors: Vec<usize>,
    /// What it runs when it ends.
    pub(crate) hook: Option<Routine>,
}

impl Startup {
    /// Takes up what is the process's own. It has one thread, and those that come inherit it.
    pub(crate) fn take_up(&self) -> anyhow::Result<()> {
        // A worker is one for its whole life.
        let _ = PLACE.set(self.place);
        if self.processors.is_empty() {
            return Ok(());
        }
        pin(&self.processors).map_err(|error| {
            let numbers = &self.processors;
            anyhow::anyhow!("cannot be pinned to the processors {numbers:?}: {error}")
        })
    }

    /// Notes how long the initializer took, which began at this moment.
    pub(crate) fn prepared_since(&self, begun: u64) {
        let took = crate::clock::now().saturating_sub(begun);
        self.ledger.prepared_for(took);
    }
}

fn pin(numbers: &[usize]) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    numbers.iter().try_for_each(|&number| set.set(number))?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Returns the numbers of the processors that this thread may use.
pub(crate) fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    let is_set = |&number: &usize| set.is_set(number) == Ok(true);
    Ok((0..CpuSet::count()).filter(is_set).collect())
}

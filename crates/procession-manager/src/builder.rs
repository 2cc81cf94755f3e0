//! How a manager is started.

use crate::address::Address;
use crate::error::ManagerError;
use crate::manager::{Manager, kill};
use crate::protocol::RingsFor;
use crate::route::Route;
use crate::server::task;
use procession_process::Process;
use procession_wire::Fd;
use std::sync::atomic::{AtomicU32, Ordering};

/// After so many calls a connection gets rings in shared memory: making them takes as long as they
/// save in a dozen calls.
const OFTEN: u32 = 16;

/// Enough for all but long requests and replies, which go over the socket.
const CAPACITY: usize = 16 << 10;

/// The settings of a manager that is going to be started; made by [`Manager::builder`].
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, ManagerError};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::builder().rings(64 << 10).start()?;
/// let list = manager.list_from(0..4)?;
/// assert_eq!(list.len()?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is started before `start` is called"]
pub struct ManagerBuilder {
    rings: RingsFor,
}

impl ManagerBuilder {
    pub(crate) fn new() -> Self {
        let rings = RingsFor {
            after: Some(OFTEN),
            capacity: CAPACITY,
        };
        Self { rings }
    }

    /// Has each connection of a client go through shared memory from its first call on, in a ring of at
    /// least `capacity` bytes for each direction.
    ///
    /// Otherwise one does so once it has served a few calls, with rings of 16 KiB. A process has as many
    /// connections as it has calls at a time. A request or reply that takes more than a quarter
    /// of a ring goes over the socket. The memory, twice `capacity` for a connection, is reserved when
    /// the rings are made, and given back with the connection; if there is none, the connection stays
    /// on its socket.
    pub fn rings(mut self, capacity: usize) -> Self {
        self.rings = RingsFor {
            after: Some(0),
            capacity,
        };
        self
    }

    /// Has all connections stay on their sockets, which need no memory.
    pub fn without_rings(mut self) -> Self {
        self.rings.after = None;
        self
    }

    /// Starts the server process.
    ///
    /// # Errors
    ///
    /// As [`Manager::start`].
    pub fn start(&self) -> Result<Manager, ManagerError> {
        let (address, listener) = Address::bind()?;
        let process = Process::builder()
            .name(next_name())
            .daemon(true)
            .ignore_interrupts(true)
            .spawn(task::run, (Fd(listener), address.clone(), self.rings))?;
        match Route::to(&address) {
            Ok(Route::Gone(_)) => Err(ended_at_once(process)),
            Ok(route) => Ok(Manager::new(route, process)),
            Err(error) => {
                kill(&process)?;
                Err(error)
            }
        }
    }
}

fn next_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("Manager-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

fn ended_at_once(process: Process<()>) -> ManagerError {
    process
        .join()
        .map_or_else(ManagerError::Server, |()| ManagerError::Gone)
}

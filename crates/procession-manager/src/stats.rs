//! What a server has, in numbers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a manager's server has, from [`ManagerHandle::stats`](crate::ManagerHandle::stats).
///
/// It prints as a table.
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, ManagerError};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let list = manager.list_from([1, 2])?;
/// let stats = manager.stats()?;
/// assert_eq!(stats.objects.len(), 1);
/// assert_eq!(stats.objects[0].handles, 1);
/// assert_eq!(stats.clients[0].pid, Some(std::process::id()));
/// println!("{stats}");
/// # drop(list);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// The objects, by type.
    pub objects: Vec<ObjectStats>,
    /// The processes that are connected, the server's own family first.
    pub clients: Vec<ClientStats>,
    /// What is registered under names.
    pub names: Vec<String>,
    /// How many handles the server itself has: in its objects, and under names.
    pub own_handles: u64,
    /// How many calls the server has answered or is answering.
    pub calls: u64,
}

/// The objects of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectStats {
    /// The name of the type.
    pub type_name: String,
    /// How many there are.
    pub count: u64,
    /// How many handles all processes have of them; the clones in one process are one handle.
    pub handles: u64,
    /// How many handles are in messages.
    pub in_messages: u64,
}

/// A process that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClientStats {
    /// Its number; `None` if it is on another machine.
    pub pid: Option<u32>,
    /// Whether it has connected with a key, as programs with another executable do.
    pub is_another_program: bool,
    /// How many handles it has; the clones of one are one handle.
    pub handles: u64,
    /// How many calls it has made.
    pub calls: u64,
    /// How many of its calls have not ended: those that work, and those that wait.
    pub running: u64,
}

impl Stats {
    /// Returns how many calls have not ended, of all clients.
    pub fn running(&self) -> u64 {
        self.clients.iter().map(|client| client.running).sum()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, running) = (self.calls, self.running());
        writeln!(f, "{calls} calls, {running} of them now")?;
        if !self.names.is_empty() {
            writeln!(f, "names: {}", self.names.join(", "))?;
        }
        writeln!(f, "{:>8} {:>8} {:>8}  type", "objects", "handles", "sent")?;
        for one in &self.objects {
            let (count, handles, sent) = (one.count, one.handles, one.in_messages);
            writeln!(f, "{count:>8} {handles:>8} {sent:>8}  {}", one.type_name)?;
        }
        writeln!(f, "{:>8} {:>8} {:>8}  client", "calls", "handles", "now")?;
        for client in &self.clients {
            let (calls, handles, running) = (client.calls, client.handles, client.running);
            write!(f, "{calls:>8} {handles:>8} {running:>8}  ")?;
            match client.pid {
                Some(pid) => write!(f, "process {pid}")?,
                None => write!(f, "on another machine")?,
            }
            let other = client.is_another_program;
            writeln!(f, "{}", if other { ", another program" } else { "" })?;
        }
        Ok(())
    }
}

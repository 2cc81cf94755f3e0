//! The process that asks.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a process knows about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentProcess {
    name: String,
    lineage: Vec<u32>,
    parent: Option<u32>,
    daemon: bool,
}

static CURRENT: OnceLock<CurrentProcess> = OnceLock::new();
static CHILDREN: AtomicU32 = AtomicU32::new(0);

/// Returns the process that runs this code: `MainProcess`, or the child that it is.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, current_process};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// assert_eq!(current_process().name(), "MainProcess");
/// let child = Process::builder().name("khanh").spawn(|| current_process().name().to_owned(), ())?;
/// assert_eq!(child.join()?, "khanh");
/// # Ok(())
/// # }
/// ```
pub fn current_process() -> &'static CurrentProcess {
    CURRENT.get_or_init(|| CurrentProcess {
        name: "MainProcess".to_owned(),
        lineage: Vec::new(),
        parent: None,
        daemon: false,
    })
}

impl CurrentProcess {
    /// Returns the name: the one it was given, or `MainProcess`, `Process-1`, `Process-1:2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process's number.
    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    /// Returns the number of the process that started this one with this library, if one did.
    pub fn parent_pid(&self) -> Option<u32> {
        self.parent
    }

    /// Returns whether the parent ends this process when it exits itself.
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Describes the next child of this process.
    pub(crate) fn child(&self, name: Option<String>, daemon: Option<bool>) -> Self {
        let number = CHILDREN.fetch_add(1, Ordering::Relaxed) + 1;
        let lineage = [self.lineage.as_slice(), &[number]].concat();
        Self {
            name: name.unwrap_or_else(|| default_name(&lineage)),
            lineage,
            parent: Some(std::process::id()),
            daemon: daemon.unwrap_or(self.daemon),
        }
    }

    /// Makes this description the current process's.
    pub(crate) fn assume(self) {
        // A child is described once, before anything of it could have asked.
        let _ = CURRENT.set(self);
    }
}

fn default_name(lineage: &[u32]) -> String {
    let numbers: Vec<String> = lineage.iter().map(ToString::to_string).collect();
    format!("Process-{}", numbers.join(":"))
}

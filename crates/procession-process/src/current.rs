//! The process that asks.

use crate::method::StartMethod;
use serde::{Deserialize, Serialize};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

/// What a process knows about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentProcess {
    name: String,
    lineage: Vec<u32>,
    /// Name and number.
    parent: Option<(String, u32)>,
    daemon: bool,
    detached: bool,
    method: Option<StartMethod>,
}

static CURRENT: RwLock<Option<&'static CurrentProcess>> = RwLock::new(None);
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
    let known = *CURRENT.read().unwrap_or_else(PoisonError::into_inner);
    known.unwrap_or_else(main_process)
}

/// Whether this is a fork server, which has the name of no process.
static SERVER: AtomicBool = AtomicBool::new(false);

/// Runs `work`, and has a panic meanwhile reported as that of a fork server.
pub(crate) fn as_server<R>(work: impl FnOnce() -> R) -> R {
    SERVER.store(true, Ordering::Relaxed);
    let done = work();
    SERVER.store(false, Ordering::Relaxed);
    done
}

/// Returns the name by which a panic of this process is reported.
pub(crate) fn reported_name() -> &'static str {
    if SERVER.load(Ordering::Relaxed) {
        "fork server"
    } else {
        current_process().name()
    }
}

fn main_process() -> &'static CurrentProcess {
    let main = || CurrentProcess {
        name: "MainProcess".to_owned(),
        lineage: Vec::new(),
        parent: None,
        daemon: false,
        detached: false,
        method: None,
    };
    let mut current = CURRENT.write().unwrap_or_else(PoisonError::into_inner);
    current.get_or_insert_with(|| Box::leak(Box::new(main())))
}

impl CurrentProcess {
    /// Returns the name: the one it was given, or `MainProcess`, `Process-1`, `Process-1:2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process's number.
    pub fn pid(&self) -> u32 {
        process::id()
    }

    /// Returns the number of the process that started this one with this library, if one did.
    pub fn parent_pid(&self) -> Option<u32> {
        self.parent.as_ref().map(|(_, pid)| *pid)
    }

    pub(crate) fn parent_name(&self) -> Option<&str> {
        self.parent.as_ref().map(|(name, _)| name.as_str())
    }

    /// Returns whether the parent ends this process when it exits itself.
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Returns whether this process outlives its parent.
    pub fn is_detached(&self) -> bool {
        self.detached
    }

    /// Returns how this process came into being, if this library started it. A process that was
    /// to come from a [fork server](StartMethod::ForkServer) says so also where there is none.
    pub fn start_method(&self) -> Option<StartMethod> {
        self.method
    }

    /// Describes the next child of this process.
    pub(crate) fn child(&self, name: Option<String>, daemon: Option<bool>, detached: bool) -> Self {
        let number = CHILDREN.fetch_add(1, Ordering::Relaxed) + 1;
        let lineage = [self.lineage.as_slice(), &[number]].concat();
        Self {
            name: name.unwrap_or_else(|| default_name(&lineage)),
            lineage,
            parent: Some((self.name.clone(), process::id())),
            daemon: daemon.unwrap_or(self.daemon),
            detached,
            method: None,
        }
    }

    /// Makes this description the current process's.
    pub(crate) fn assume(mut self, method: StartMethod) {
        self.method = Some(method);
        CHILDREN.store(0, Ordering::Relaxed);
        // A process is described once, so what is leaked does not add up.
        let described = Box::leak(Box::new(self));
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(described);
    }
}

fn default_name(lineage: &[u32]) -> String {
    let numbers: Vec<String> = lineage.iter().map(ToString::to_string).collect();
    format!("Process-{}", numbers.join(":"))
}

//! What a child may use of the system.

use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// The limits that a child sets on itself before its task.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// In bytes of address space.
    pub(crate) memory: Option<u64>,
    /// In whole seconds.
    pub(crate) cpu: Option<u64>,
    pub(crate) open_files: Option<u64>,
}

impl Limits {
    pub(crate) fn set_cpu(&mut self, limit: Duration) {
        let begun = u64::from(limit.subsec_nanos() > 0);
        self.cpu = Some(limit.as_secs().saturating_add(begun));
    }

    /// Sets the limits on this process.
    pub(crate) fn take_up(self) -> io::Result<()> {
        if let Some(bytes) = self.memory {
            setrlimit(Resource::RLIMIT_AS, bytes, bytes)?;
        }
        if let Some(seconds) = self.cpu {
            // At the soft limit comes SIGXCPU, at the hard one SIGKILL; the first says more.
            let hard = seconds.saturating_add(1);
            setrlimit(Resource::RLIMIT_CPU, seconds, hard)?;
        }
        if let Some(count) = self.open_files {
            setrlimit(Resource::RLIMIT_NOFILE, count, count)?;
        }
        Ok(())
    }
}

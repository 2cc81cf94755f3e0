//! Whether this process is about to exit.
//!
//! At its exit a process kills its daemons, which the workers are. The handlers must not replace
//! them then.

use procession_os::lifetime::at_exit;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static EXITING: AtomicBool = AtomicBool::new(false);

/// Begins to watch. Called after a worker was started: what is registered last runs first, and
/// the killing was registered with the first child.
pub(crate) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        // Without it, processes may be started at the exit in vain; they die with this one.
        let _ = at_exit(|| EXITING.store(true, Ordering::Relaxed));
    });
}

/// Returns whether the process is exiting.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::Relaxed)
}

//! What a process does before it exits.

use crate::children;
use crate::method::fork_server;
use procession_os::lifetime;
use procession_os::shield::shield;
use std::collections::BTreeMap;
use std::io;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is to be called, by descending priority and then in reverse order.
type Hooks = BTreeMap<(i32, u64), Hook>;

struct Hook {
    /// Copies of the process that registered it do not call it.
    process: u32,
    call: Box<dyn FnOnce() + Send>,
}

struct Registered {
    hooks: Hooks,
    next: u64,
}

static REGISTERED: Mutex<Registered> = Mutex::new(Registered {
    hooks: Hooks::new(),
    next: 0,
});

/// A function that waits for the exit of this process.
///
/// Dropping this leaves it waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtExit {
    key: (i32, u64),
    process: u32,
}

/// Has `hook` called once when this process exits: at the end of `main` or of a child's task, or
/// when anybody calls `exit`.
///
/// Hooks are called by descending priority, and among equals the last registered first. Those with
/// a priority of zero or more are called while this process's children still run; then daemons are
/// ended and the other children waited for; then come the hooks with a negative priority. A hook
/// that panics keeps no other from being called.
///
/// Nothing is called when the process is killed, aborts, or calls `_exit`. Processes that this one
/// starts do not call its hooks, forked ones included.
///
/// # Errors
///
/// If there is no memory to note it down.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, Stdio, at_exit};
/// use std::io::Read;
///
/// fn work() {
///     at_exit(0, || println!("second")).unwrap();
///     at_exit(7, || println!("first")).unwrap();
///     let never = at_exit(7, || println!("never")).unwrap();
///     assert!(never.cancel());
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let mut process = Process::builder().stdout(Stdio::piped()).spawn(work, ())?;
/// let mut output = String::new();
/// process.take_stdout().ok_or("no pipe")?.read_to_string(&mut output)?;
/// assert_eq!(output, "first\nsecond\n");
/// process.join()?;
/// # Ok(())
/// # }
/// ```
pub fn at_exit(priority: i32, hook: impl FnOnce() + Send + 'static) -> io::Result<AtExit> {
    prepare()?;
    let mut registered = lock();
    let key = (priority, registered.next);
    registered.next += 1;
    let process = process::id();
    let call = Box::new(hook);
    registered.hooks.insert(key, Hook { process, call });
    Ok(AtExit { key, process })
}

impl AtExit {
    /// Calls the function now instead; returns false if it was called or cancelled before.
    pub fn call(self) -> bool {
        let hook = self.take();
        let found = hook.is_some();
        if let Some(hook) = hook {
            (hook.call)();
        }
        found
    }

    /// Has the function not called; returns false if it was called or cancelled before.
    pub fn cancel(self) -> bool {
        self.take().is_some()
    }

    fn take(&self) -> Option<Hook> {
        let ours = self.process == process::id();
        ours.then(|| lock().hooks.remove(&self.key)).flatten()
    }
}

fn lock() -> MutexGuard<'static, Registered> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees to it that this process does not exit before its hooks are called and its children looked
/// after.
///
/// # Errors
///
/// If there is no memory to note that down.
pub(crate) fn prepare() -> io::Result<()> {
    static PREPARED: Mutex<bool> = Mutex::new(false);
    let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*prepared {
        lifetime::at_exit(end)?;
        *prepared = true;
    }
    Ok(())
}

fn end() {
    call_down_to(0);
    children::end();
    fork_server::end();
    call_down_to(i32::MIN);
}

/// Calls the hooks with this priority or a higher one, also those that a hook registers.
fn call_down_to(lowest: i32) {
    while let Some(hook) = pop(lowest) {
        if hook.process == process::id() {
            shield(hook.call);
        } else {
            // Its captured values are the other process's.
            std::mem::forget(hook);
        }
    }
}

fn pop(lowest: i32) -> Option<Hook> {
    let mut registered = lock();
    let last = registered.hooks.last_entry()?;
    (last.key().0 >= lowest).then(|| last.remove())
}

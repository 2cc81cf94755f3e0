//! What runs at this process's exit, and who must not come so far.

use crate::file_size::within_limit;
use crate::own_pid;
use crate::shield::shield;
use nix::errno::Errno;
use std::io::{self, Write};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// One registered hook; never freed, so that a forked child finds a whole list whatever its
/// parent's other threads were doing.
struct Registered {
    hook: fn(),
    below: *mut Self,
}

/// Hooks, the last registered first.
struct Hooks(AtomicPtr<Registered>);

static HOOKS: Hooks = Hooks(AtomicPtr::new(null_mut()));
/// What runs when nothing of `HOOKS` is left.
static LAST: Hooks = Hooks(AtomicPtr::new(null_mut()));

/// Runs `hook` when this process exits normally: `main` returns, or anybody calls `exit`.
///
/// Each registration runs once, the last registered first. Nothing runs when the process is
/// killed, aborts, or calls `_exit`. A panic in a hook ends that hook only.
///
/// Other threads may still be running while a hook runs, and the thread-local values of the
/// exiting thread are gone.
///
/// A process that is forked from this one inherits the registrations, and runs them at its own
/// exit. A hook that is meant for one process compares [`std::process::id`] with the number that
/// it remembered when it was registered.
///
/// # Errors
///
/// If the C library has no memory for another registration.
///
/// # Examples
///
/// ```
/// fn goodbye() {
///     // Remove what this process made.
/// }
///
/// procession_os::lifetime::at_exit(goodbye)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn at_exit(hook: fn()) -> io::Result<()> {
    HOOKS.register(hook)
}

/// Runs `hook` when this process exits normally, after everything that was registered with
/// [`at_exit`].
///
/// # Errors
///
/// As [`at_exit`].
///
/// # Examples
///
/// ```
/// use procession_os::lifetime::{at_exit, at_exit_last};
///
/// at_exit_last(|| println!("second"))?;
/// at_exit(|| println!("first"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn at_exit_last(hook: fn()) -> io::Result<()> {
    LAST.register(hook)
}

impl Hooks {
    fn register(&self, hook: fn()) -> io::Result<()> {
        // Registered before it is pushed: a call too many finds empty lists, a hook too many would
        // never be called.
        // SAFETY: the callback is an `extern "C"` function that never unwinds.
        if unsafe { libc::atexit(run_next) } != 0 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.push(Box::leak(Box::new(Registered {
            hook,
            below: null_mut(),
        })));
        Ok(())
    }

    fn push(&self, registered: &'static mut Registered) {
        let mut below = self.0.load(Ordering::Relaxed);
        let new: *mut Registered = registered;
        loop {
            // SAFETY: nobody else knows the new registration before the exchange below.
            unsafe { (*new).below = below };
            let pushed =
                self.0
                    .compare_exchange_weak(below, new, Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => return,
                Err(now) => below = now,
            }
        }
    }

    fn pop(&self) -> Option<fn()> {
        let top = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |top| {
                // SAFETY: registrations are never freed nor changed after they were pushed.
                unsafe { top.as_ref() }.map(|registered| registered.below)
            });
        // SAFETY: as above; what was taken off the list was not null.
        top.ok().map(|top| unsafe { (*top).hook })
    }
}

fn next() -> Option<fn()> {
    HOOKS.pop().or_else(|| LAST.pop())
}

/// Exits as a copy of another process: runs what [`at_exit`] registered, and nothing that the
/// other process registered elsewhere with the C library.
pub fn exit(code: i32) -> ! {
    while let Some(hook) = next() {
        shield(hook);
    }
    flush();
    exit_at_once(code)
}

/// Exits without running, writing or dropping anything.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: ending the process leaves nobody who could see anything unsound.
    unsafe { libc::_exit(code) }
}

/// The process in which a piece of work began.
///
/// Work that forks, by the C library or by a raw system call, goes on in two processes, and comes
/// to its end in both. What follows the work, an answer above all, is for one of them.
///
/// # Examples
///
/// ```
/// use procession_os::lifetime::Original;
///
/// let original = Original::here();
/// // Work that may fork.
/// original.or_exit(0);
/// // A copy does not come so far.
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Original(u32);

impl Original {
    /// Remembers the calling process.
    #[inline]
    pub fn here() -> Self {
        Self(own_pid())
    }

    /// Ends the calling process with this code, at once, if it is another: a copy.
    ///
    /// What the copy has printed and not flushed is lost, and what the original had not flushed
    /// when it was copied is written once, by the original.
    #[inline]
    pub fn or_exit(self, code: i32) {
        if self.0 != own_pid() {
            exit_at_once(code);
        }
    }
}

/// Writes what this process has buffered for its standard output, so that a copy of the process
/// does not write it again.
pub fn flush() {
    // What cannot be written is lost in any case.
    let _ = within_limit(|| io::stdout().flush());
    let _ = within_limit(|| {
        // SAFETY: null stands for all streams of the C library, which has locks of its own for
        // them.
        let flushed = unsafe { libc::fflush(null_mut()) };
        Ok(Errno::result(flushed)?)
    });
}

/// Called as often as there are hooks.
extern "C" fn run_next() {
    if let Some(hook) = next() {
        // Unwinding into the C library would abort.
        shield(hook);
    }
}

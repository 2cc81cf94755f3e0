//! Panics as data.

use procession_os::file_size::within_limit;
use procession_os::parent::on_main_thread;
use serde::{Deserialize, Serialize};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo, UnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, process, ptr, thread};

/// A panic that happened in another process.
///
/// # Examples
///
/// ```
/// use procession::{Cause, Failure, Process};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession::init();
/// let process = Process::spawn(|| assert_eq!(1 + 1, 3, "arithmetic"), ())?;
/// let error = process.join().unwrap_err();
/// let Cause::Call(Failure::Panicked(panic)) = error.cause() else { unreachable!("{error}") };
/// assert!(panic.message().contains("arithmetic"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    message: String,
    location: Option<String>,
    backtrace: Option<String>,
}

impl Panic {
    /// Returns what the panic said; a payload that is no string says so.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the place in the source, as `file:line:column`.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// Returns the backtrace, which is taken only where `RUST_BACKTRACE` asks for one.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    fn from_hook(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        let taken = backtrace.status() == BacktraceStatus::Captured;
        Self {
            message: info.payload_as_str().unwrap_or(NO_TEXT).to_owned(),
            location: info.location().map(ToString::to_string),
            backtrace: taken.then(|| backtrace.to_string()),
        }
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

const NO_TEXT: &str = "(a payload that is not text)";

thread_local! {
    /// Whether there is one: to look at that costs less than to take what is not there.
    static HAS_LAST: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// The item of a sequence that this process works on; [`NO_ITEM`] if none.
static ITEM: AtomicUsize = AtomicUsize::new(NO_ITEM);
const NO_ITEM: usize = usize::MAX;

/// Runs `work`, and has a panic meanwhile, of whatever thread, reported as that of this item.
///
/// # Examples
///
/// ```
/// use procession_call::panic::for_item;
///
/// assert_eq!(for_item(Some(17), || 3 + 4), 7);
/// ```
pub fn for_item<R>(item: Option<usize>, work: impl FnOnce() -> R) -> R {
    struct Done(usize);
    impl Drop for Done {
        fn drop(&mut self) {
            ITEM.store(self.0, Ordering::Relaxed);
        }
    }
    let _done = Done(ITEM.swap(item.unwrap_or(NO_ITEM), Ordering::Relaxed));
    work()
}

/// Says which item the work is at, inside of [`for_item`].
#[inline]
pub fn at_item(item: usize) {
    ITEM.store(item, Ordering::Relaxed);
}

/// Makes this process remember each thread's last panic, and report it with the process's name, which
/// `name` returns, instead of what std says. A hook that the program has set reports it instead.
pub fn remember_panics(name: fn() -> &'static str) {
    let before = panic::take_hook();
    // Taken once more, it is the one that std begins with.
    let default = panic::take_hook();
    let is_default = is_same(&*before, &*default);
    panic::set_hook(Box::new(move |info| {
        // A panic while this thread's locals are destroyed cannot be remembered.
        if !is_default {
            let _ = LAST.try_with(RefCell::take);
            before(info);
            // The hook may be one that this function has set, in the process of which this is a
            // copy.
            if LAST
                .try_with(|last| last.borrow().is_some())
                .unwrap_or(true)
            {
                return;
            }
        }
        let panic = Panic::from_hook(info);
        if is_default {
            report(name(), &panic);
        }
        let _ = LAST.try_with(|last| *last.borrow_mut() = Some(panic));
        HAS_LAST.set(true);
    }));
}

type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static;

/// Compares two hooks: a function that captures nothing has no place, and its own table of methods.
/// If the compiler made two tables for std's hook, it is called like any other, which is right too.
fn is_same(one: &Hook, other: &Hook) -> bool {
    ptr::eq(one, other)
}

/// Prints a panic with one write, so that those of several processes do not mix.
fn report(name: &str, panic: &Panic) {
    let text = described(name, panic);
    // Where there is no error output, nobody is to be told. It may be a file that is full.
    let _ = within_limit(|| io::stderr().write_all(text.as_bytes()));
}

fn described(name: &str, panic: &Panic) -> String {
    let item = match ITEM.load(Ordering::Relaxed) {
        NO_ITEM => String::new(),
        item => format!(", item {item}"),
    };
    let thread = thread::current();
    let thread = match thread.name() {
        // Before `main` the first thread has no name yet.
        None if on_main_thread() => "main",
        name => name.unwrap_or("<unnamed>"),
    };
    let pid = process::id();
    let place = panic.location.as_deref().unwrap_or("an unknown place");
    let message = &panic.message;
    let backtrace = match &panic.backtrace {
        Some(backtrace) => format!("stack backtrace:\n{backtrace}"),
        None => String::new(),
    };
    format!(
        "process `{name}` (pid {pid}){item}: thread '{thread}' panicked at {place}:\n\
         {message}\n{backtrace}"
    )
}

/// Runs `work`; its panic is data.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R + UnwindSafe) -> Result<R, Panic> {
    // One that an earlier piece of work caught itself is not what may end this one.
    if HAS_LAST.take() {
        LAST.set(None);
    }
    panic::catch_unwind(work).map_err(|payload| {
        let remembered = LAST.take();
        let panic = remembered.unwrap_or_else(|| Panic {
            message: text(payload.as_ref()).to_owned(),
            location: None,
            backtrace: None,
        });
        // A payload whose destructor panics too must not take the process with it.
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(payload)));
        panic
    })
}

fn text(payload: &(dyn std::any::Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or(NO_TEXT)
}

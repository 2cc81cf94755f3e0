//! Where a child stops being a copy of its parent's program.

use crate::child;
use crate::error::StartError;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use procession_shm::family::{self, births};
use std::ffi::OsString;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a child finds as its last argument but one; the last is the control socket's number, followed
/// by the family's id if that has to know of a child whose parent is killed before it can tell.
pub(crate) const MARKER: &str = "--procession-child";

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Makes it possible to start processes. Call it as the first line of `main`.
///
/// In a process that the library started, `init` does that process's work and exits; it returns
/// only in the program that the user started. `#[procession::main]` calls it, and
/// [`enable_in_tests!`](crate::enable_in_tests) has it called in test programs, whose `main`
/// cannot be changed. What the program does before `init`, every child does too, with two arguments
/// more than the program has: nothing may be shared there, and a parser of arguments comes later. A
/// child that fails before it gets here is [`Cause::BeforeInit`](crate::Cause::BeforeInit) or
/// [`StartError::BeforeInit`](crate::StartError::BeforeInit).
pub fn init() {
    INITIALISED.store(true, Ordering::Relaxed);
    if let Some((control, family)) = control() {
        child::run(control, family.as_deref());
    }
}

/// Reports whether [`init`] was called.
pub(crate) fn check() -> Result<(), StartError> {
    if INITIALISED.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(StartError::NotInitialised)
}

/// Takes the control socket, if this process is a child.
fn control() -> Option<(OwnedFd, Option<String>)> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let text = marked(&args)?.to_str().unwrap_or_default();
    let (number, family) = match text.split_once(BETWEEN) {
        Some((number, family)) => (number, Some(family.to_owned())),
        None => (text, None),
    };
    let number = number.parse::<RawFd>().ok().filter(|&number| number > 2);
    let missing = || child::refuse_aloud("its control socket is missing");
    Some((number.and_then(take).unwrap_or_else(missing), family))
}

/// Stands between the control socket's number and the family's id.
const BETWEEN: char = ':';

/// Returns the argument behind the marker of a child that this process starts.
pub(crate) fn number(control: RawFd) -> String {
    match births::may_be_inherited().then(family::joined).flatten() {
        Some(family) => format!("{control}{BETWEEN}{}", family.id()),
        None => control.to_string(),
    }
}

/// Returns what stands behind the marker, if the arguments end with a marker.
fn marked(args: &[OsString]) -> Option<&OsString> {
    let [.., marker, number] = args else {
        return None;
    };
    (marker == MARKER).then_some(number)
}

/// Returns the arguments that the user gave to the program.
pub(crate) fn own_arguments() -> Vec<OsString> {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if marked(&args).is_some() {
        args.truncate(args.len() - 2);
    }
    args
}

fn take(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: it is only asked whether the descriptor is open, and told to stay in this process.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    // SAFETY: the parent put the socket there for this function, which takes it once, before
    // anything else in this process could have opened a file or taken the descriptor.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Calls [`init`](crate::init) in a test program, before its `main`.
///
/// Put it once into each file in `tests/`, and into `lib.rs` under `#[cfg(test)]`.
///
/// # Examples
///
/// ```
/// use procession_process::Process;
///
/// procession_process::enable_in_tests!();
///
/// // Under `#[test]` in a test program; here it is `main` that does not call `init`.
/// fn main() {
///     let process = Process::spawn(|| 3 + 4, ()).unwrap();
///     assert_eq!(process.join().unwrap(), 7);
/// }
/// ```
#[macro_export]
macro_rules! enable_in_tests {
    () => {
        const _: () = {
            extern "C" fn before_main() {
                $crate::init();
            }
            // SAFETY: the loader calls each entry of this section once, with C's convention.
            #[used]
            #[unsafe(link_section = ".init_array")]
            static BEFORE_MAIN: extern "C" fn() = before_main;
        };
    };
}

//! Code of the program's, where its panic must end nothing.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code of the program's, such as a callback, a hook, a destructor or its logger, on a thread of the
/// library's or in a destructor. Its panic, of which the panic hook has told, ends here; then there is no result.
///
/// # Examples
///
/// ```
/// use procession_os::shield::shield;
///
/// assert_eq!(shield(|| 3 + 4), Some(7));
/// # std::panic::set_hook(Box::new(|_| ()));
/// assert_eq!(shield(|| panic!("of no consequence")), None::<()>);
/// ```
pub fn shield<R>(work: impl FnOnce() -> R) -> Option<R> {
    // The drop of the payload may panic too.
    let ran = catch_unwind(AssertUnwindSafe(work)).map_err(mem::forget);
    ran.ok()
}

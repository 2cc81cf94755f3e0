//! What a program that is started does not inherit.

use nix::spawn::PosixSpawnFileActions;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::transmute;
use std::ptr;
use std::sync::OnceLock;

/// The signature of `posix_spawn_file_actions_addclosefrom_np`.
type AddCloseFrom = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, c_int) -> c_int;

/// Has the new program's descriptors from `lowest` on closed, whatever their numbers; returns
/// false, and changes nothing, where the C library cannot do that, as glibc cannot before 2.34.
///
/// Closing them one by one is no substitute: a number above the limit of open files, as a
/// descriptor has that was opened before the limit was lowered, is refused by
/// `posix_spawn_file_actions_addclose`, and one that another thread opens meanwhile is missed.
///
/// # Errors
///
/// If there is no memory.
///
/// # Examples
///
/// ```
/// use nix::spawn::PosixSpawnFileActions;
///
/// let mut actions = PosixSpawnFileActions::init()?;
/// let supported = procession_os::spawn::close_from(&mut actions, 3)?;
/// # let _ = supported;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn close_from(actions: &mut PosixSpawnFileActions, lowest: c_int) -> io::Result<bool> {
    let Some(add) = add_close_from() else {
        return Ok(false);
    };
    // `PosixSpawnFileActions` is a transparent wrapper of the C library's type.
    let actions = ptr::from_mut(actions).cast::<libc::posix_spawn_file_actions_t>();
    // SAFETY: the actions are initialised and nobody else's during the call, and the function has
    // this signature wherever it exists.
    match unsafe { add(actions, lowest) } {
        0 => Ok(true),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Finds the function by its name, so that this program runs with a C library without it.
fn add_close_from() -> Option<AddCloseFrom> {
    static FOUND: OnceLock<Option<AddCloseFrom>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let name = c"posix_spawn_file_actions_addclosefrom_np";
        // SAFETY: the name is a C string, and looking it up calls nothing.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: what the C library has under this name is a function of this signature, and a
        // null pointer is `None`.
        unsafe { transmute::<*mut c_void, Option<AddCloseFrom>>(found) }
    })
}

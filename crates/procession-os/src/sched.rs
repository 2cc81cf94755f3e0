//! How a thread is scheduled.

use nix::errno::Errno;
use std::ffi::c_int;
use std::io;

/// The scheduling of a thread: its policy, nice value, priority, and its priority for input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduling {
    attributes: Attributes,
    input_output: c_int,
}

/// What the kernel calls `sched_attr`, in its first version.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks for the priority of a thread, not of a group or a user.
const IOPRIO_WHO_PROCESS: c_int = 1;

/// Returns how the calling thread is scheduled.
///
/// # Errors
///
/// What `sched_getattr` reports.
///
/// # Examples
///
/// ```
/// use procession_os::sched::scheduling;
///
/// assert_eq!(scheduling()?, scheduling()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn scheduling() -> io::Result<Scheduling> {
    let mut attributes = Attributes::default();
    let size = size_of::<Attributes>();
    let (own, at, flags) = (0, &raw mut attributes, 0);
    // SAFETY: the kernel writes at most `size` bytes, which is how long the attributes are.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, own, at, size, flags) };
    Errno::result(got)?;
    // SAFETY: this call takes numbers only.
    let input_output = unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, own) };
    Ok(Scheduling {
        attributes,
        // A kernel without such priorities reports an error, which is as good a value.
        input_output: input_output as c_int,
    })
}

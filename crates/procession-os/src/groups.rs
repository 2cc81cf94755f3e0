//! The groups of a thread.

use nix::errno::Errno;
use std::io;
use std::ptr::null_mut;

/// Returns the supplementary groups of the calling thread, by number.
///
/// # Errors
///
/// What `getgroups` reports.
///
/// # Examples
///
/// ```
/// use procession_os::groups::supplementary;
///
/// assert_eq!(supplementary()?, supplementary()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn supplementary() -> io::Result<Vec<u32>> {
    loop {
        // SAFETY: with a length of zero nothing is written.
        let count = Errno::result(unsafe { libc::getgroups(0, null_mut()) })?;
        let mut groups = vec![0; count as usize];
        if count == 0 {
            return Ok(groups);
        }
        // SAFETY: the kernel writes as many as there is room for, or none at all.
        match Errno::result(unsafe { libc::getgroups(count, groups.as_mut_ptr()) }) {
            Ok(count) => {
                groups.truncate(count as usize);
                return Ok(groups);
            }
            // Another thread has given the process more of them meanwhile.
            Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

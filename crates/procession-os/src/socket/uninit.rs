//! Reading into memory that need not be made zero first.

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

pub(super) fn recv(
    fd: BorrowedFd<'_>,
    room: &mut [MaybeUninit<u8>],
    flags: MsgFlags,
) -> Result<usize, Errno> {
    // SAFETY: the kernel writes to the room only, no more than it holds.
    let received = unsafe {
        libc::recv(
            fd.as_raw_fd(),
            room.as_mut_ptr().cast(),
            room.len(),
            flags.bits(),
        )
    };
    Errno::result(received).map(isize::cast_unsigned)
}

pub(super) fn read(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes to the room only, no more than it holds.
    let read = unsafe { libc::read(fd.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
    Errno::result(read).map(isize::cast_unsigned)
}

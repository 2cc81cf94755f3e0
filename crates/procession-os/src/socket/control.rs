//! The descriptors beside the bytes.

use super::{MAX_FDS, Received};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Room for one `SCM_RIGHTS` of [`MAX_FDS`] descriptors, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// The kernel's `cmsghdr`: a `size_t` and two `int`.
const HEADER_LEN: usize = size_of::<usize>() + 2 * size_of::<i32>();
const CONTROL_LEN: usize = HEADER_LEN + (MAX_FDS * size_of::<RawFd>()).next_multiple_of(8);

pub(super) fn recvmsg(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: MsgFlags,
) -> Result<Received, Errno> {
    let mut control = Control([0; CONTROL_LEN]);
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
    let mut bufs = [IoSliceMut::new(buf)];
    let received = socket::recvmsg::<()>(fd.as_raw_fd(), &mut bufs, Some(&mut control.0), flags)?;
    let (len, flags) = (received.bytes, received.flags);
    let fds = raw_rights(&control.0)
        // SAFETY: the kernel has just put these numbers into this process's table for this call,
        // and nobody else has seen them.
        .map(|raw| unsafe { OwnedFd::from_raw_fd(raw) })
        .collect();
    Ok(Received {
        len,
        fds,
        truncated: flags.contains(MsgFlags::MSG_CTRUNC),
    })
}

/// Returns the descriptor numbers in a control buffer that was zero before the kernel filled it.
///
/// nix hides them all when some were lost; those that arrived would stay open for ever.
fn raw_rights(control: &[u8]) -> impl Iterator<Item = RawFd> {
    headers(control)
        .filter(|(level, kind, _)| (*level, *kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS))
        .flat_map(|(.., data)| {
            data.as_chunks::<4>()
                .0
                .iter()
                .copied()
                .map(RawFd::from_ne_bytes)
        })
}

/// Returns level, type and data of each control message.
fn headers(mut control: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    std::iter::from_fn(move || {
        let (len, rest) = control.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::from_ne_bytes(*len);
        // What the kernel did not fill is zero, which is less than any header's length.
        let data = control.get(HEADER_LEN..len)?;
        control = control.get(len.next_multiple_of(8)..).unwrap_or_default();
        Some((i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind), data))
    })
}

//! Segments for processes of another user.
//!
//! A segment is a file of the user who made it, which nobody else may open. What is encoded for a
//! process that will be another user's gets an entry for that user in the file's access control list.
//! Nobody is let in beside that user. Who may open a slab may read and write all that lies in it, so no other
//! user is let into one: what is made for another user has a segment of its own.

use crate::name::Name;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::geteuid;
use std::cell::Cell;
use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::{fs, io};

thread_local! {
    static RECIPIENT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Lets `user` open what `act` makes, and the segments whose handles it encodes.
///
/// That user can change them, as every process of the family can, and their sizes, which no process of
/// the family does. Nothing else is opened to that user. So what is small, such as a lock, has a segment of its own if it
/// is made in `act`; if it was made elsewhere, it shares its memory with other things, and encoding its handle
/// for another user is an error.
///
/// # Examples
///
/// ```
/// use procession_shm::{Value, grant_to};
/// use procession_wire::{Kind, Message};
///
/// let value = grant_to(65534, || Value::new(7))?;
/// let message = grant_to(65534, || Message::encode(Kind(0x99), &value))?;
/// # drop(message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn grant_to<R>(user: u32, act: impl FnOnce() -> R) -> R {
    /// Takes it back also if `act` panics.
    struct Before(Option<u32>);

    impl Drop for Before {
        fn drop(&mut self) {
            RECIPIENT.set(self.0);
        }
    }

    let _before = Before(RECIPIENT.replace(Some(user)));
    act()
}

/// Returns whether what this thread makes is for a user who is not `this`.
pub(crate) fn is_for_other_than(this: u32) -> bool {
    RECIPIENT.get().is_some_and(|user| user != this)
}

/// Lets the recipient of what this thread encodes open the segment, if it is another user.
pub(crate) fn to_recipient(name: Name) -> io::Result<()> {
    match RECIPIENT.get() {
        Some(user) => grant(name, user),
        None => Ok(()),
    }
}

/// The kernel's name for the list.
const LIST: &std::ffi::CStr = c"system.posix_acl_access";
/// What the list begins with.
const VERSION: u32 = 2;

/// Whom an entry is for.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;

/// The permissions to read and write.
const BOTH: u16 = 6;
/// Stands where an entry is not for a certain user.
const NO_ID: u32 = u32::MAX;

/// An entry: whom it is for, what is permitted, and which user.
type Entry = (u16, u16, u32);

fn grant(name: Name, user: u32) -> io::Result<()> {
    let path = name.file_path();
    let owner = fs::symlink_metadata(&path)?.uid();
    if owner == user {
        return Ok(());
    }
    let this = geteuid();
    let may_grant = this.is_root() || this.as_raw() == owner;
    if name.cell.is_some() && may_grant {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it lies in memory with other small things, which user {user} could then change: make it inside \
                 `grant_to({user}, ..)`, which gives it memory of its own"
            ),
        ));
    }
    let path = CString::new(path)?;
    let mut users: Vec<u32> = read(&path)?;
    if users.contains(&user) {
        return Ok(());
    }
    users.push(user);
    // The kernel wants them in order.
    users.sort_unstable();
    let mut entries: Vec<Entry> = vec![(OWNER, BOTH, NO_ID)];
    entries.extend(users.iter().map(|&user| (USER, BOTH, user)));
    entries.extend([(GROUP, 0, NO_ID), (MASK, BOTH, NO_ID), (OTHERS, 0, NO_ID)]);
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let (value, len) = (list.as_ptr().cast(), list.len());
    // SAFETY: the kernel reads two strings that end, and the list, all of which outlive the call.
    let done = unsafe { libc::setxattr(path.as_ptr(), LIST.as_ptr(), value, len, 0) };
    match Errno::result(done) {
        Err(Errno::EPERM) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it belongs to user {owner}, which this process is not: make what children share after \
                 the program has changed its user, or leave the change to the children \
                 (`Process::builder().user(..)`)"
            ),
        )),
        done => Ok(done.map(drop)?),
    }
}

/// Returns the users who have been let in.
fn read(path: &CString) -> io::Result<Vec<u32>> {
    let mut list = [0_u8; 4096];
    let (value, len) = (list.as_mut_ptr().cast(), list.len());
    // SAFETY: the kernel reads two strings that end, and writes at most as much as there is room.
    let got = unsafe { libc::getxattr(path.as_ptr(), LIST.as_ptr(), value, len) };
    match Errno::result(got) {
        Ok(len) => {
            let entries = list[..len.cast_unsigned()].get(4..).unwrap_or_default();
            let entries = entries.chunks_exact(8);
            let user = |entry: &[u8]| match *entry {
                [tag, 0, _, _, a, b, c, d] if u16::from(tag) == USER => {
                    Some(u32::from_le_bytes([a, b, c, d]))
                }
                _ => None,
            };
            Ok(entries.filter_map(user).collect())
        }
        Err(Errno::ENODATA) => Ok(Vec::new()),
        Err(errno) => Err(errno.into()),
    }
}

//! The capabilities of a thread.

use nix::errno::Errno;
use std::ffi::{c_int, c_ulong};
use std::io;

/// Sets of capabilities, as bit masks, of a thread; see `capabilities(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that are in force.
    pub effective: u64,
    /// Those that can be put into force.
    pub permitted: u64,
    /// Those that a program may keep that is started in this one's place.
    pub inheritable: u64,
}

/// What the kernel calls the third version, with two words for each set.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

impl Header {
    const OWN: Self = Self {
        version: VERSION,
        pid: 0,
    };
}

/// The lower or the upper words of the three sets.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Capabilities {
    /// Returns those of the calling thread.
    ///
    /// # Errors
    ///
    /// What `capget` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::capabilities::Capabilities;
    ///
    /// let mine = Capabilities::now()?;
    /// assert_eq!(mine.effective & !mine.permitted, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn now() -> io::Result<Self> {
        let (mut header, mut words) = (Header::OWN, [Words::default(); 2]);
        // SAFETY: the kernel reads one header and writes two groups of words, for this version.
        let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
        Errno::result(got)?;
        let whole =
            |word: fn(&Words) -> u32| u64::from(word(&words[0])) | u64::from(word(&words[1])) << 32;
        Ok(Self {
            effective: whole(|words| words.effective),
            permitted: whole(|words| words.permitted),
            inheritable: whole(|words| words.inheritable),
        })
    }

    /// Gives them to the calling thread, which must be permitted all of them.
    ///
    /// # Errors
    ///
    /// What `capset` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::capabilities::Capabilities;
    ///
    /// let mine = Capabilities::now()?;
    /// Capabilities { effective: 0, ..mine }.set()?;
    /// assert_eq!(Capabilities::now()?.effective, 0);
    /// mine.set()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set(self) -> io::Result<()> {
        let words = [0, 32].map(|shift| Words {
            effective: (self.effective >> shift) as u32,
            permitted: (self.permitted >> shift) as u32,
            inheritable: (self.inheritable >> shift) as u32,
        });
        let mut header = Header::OWN;
        // SAFETY: the kernel reads one header and two groups of words, for this version.
        let set = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
        Errno::result(set)?;
        Ok(())
    }
}

/// Returns those capabilities in `set` that a program keeps that is started in the calling thread's
/// place.
///
/// # Errors
///
/// What `prctl` reports.
///
/// # Examples
///
/// ```
/// use procession_os::capabilities::{Capabilities, kept_on_exec};
///
/// let inheritable = Capabilities::now()?.inheritable;
/// assert_eq!(kept_on_exec(inheritable)? & !inheritable, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn kept_on_exec(set: u64) -> io::Result<u64> {
    let mut kept = 0;
    for member in members(set) {
        if ambient(libc::PR_CAP_AMBIENT_IS_SET, member)? == 1 {
            kept |= 1 << member;
        }
    }
    Ok(kept)
}

/// Has a program that is started in this one's place keep the capabilities in `set`, or keeps it from
/// that. They must be permitted and inheritable.
///
/// # Errors
///
/// What `prctl` reports.
pub fn keep_on_exec(set: u64, keep: bool) -> io::Result<()> {
    let operation = if keep {
        libc::PR_CAP_AMBIENT_RAISE
    } else {
        libc::PR_CAP_AMBIENT_LOWER
    };
    members(set).try_for_each(|member| ambient(operation, member).map(drop))
}

fn members(set: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |member| set >> member & 1 == 1)
}

fn ambient(operation: c_int, member: u32) -> io::Result<c_int> {
    let (operation, member, zero) = (operation as c_ulong, c_ulong::from(member), 0 as c_ulong);
    // SAFETY: this call takes numbers only.
    let done = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, operation, member, zero, zero) };
    Ok(Errno::result(done)?)
}

//! The file that all processes append to.
//!
//! A descriptor that is open for appending is all that processes need to share: for each write the
//! kernel locks the file, moves to its end and copies the bytes. Two records cannot mix as long as
//! each is one write, and what was written is the kernel's, whoever dies next.

use crate::error::LogError;
use procession_os::file_size::within_limit;
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many records this process could not write.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Whether the last write of this process stopped in the middle of a line.
static TORN: AtomicBool = AtomicBool::new(false);

/// Returns how many records this process could not write, or not to their end, because the disk
/// was full, the file had reached a limit of its size (`ulimit -f`), or it failed.
///
/// # Examples
///
/// ```
/// assert_eq!(procession_log::lost(), 0);
/// ```
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// A file that is open for appending, in every process through the same open file description.
#[derive(Debug, Clone)]
pub(crate) struct LogFile(Arc<File>);

impl LogFile {
    /// Opens a file, and makes it if there is none.
    pub(crate) fn open(path: PathBuf) -> Result<Self, LogError> {
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        let file = opened.map_err(|source| LogError::Open { path, source })?;
        Ok(Self(Arc::new(file)))
    }

    /// Appends a whole record with one write.
    ///
    /// Where a record did not fit on the disk, what was begun stays; the next one begins on a line
    /// of its own.
    pub(crate) fn append(&self, mut record: String) {
        let torn = TORN.load(Ordering::Relaxed);
        if torn {
            record.insert(0, '\n');
        }
        match write_all(&self.0, record.as_bytes()) {
            Ok(()) if torn => TORN.store(false, Ordering::Relaxed),
            Ok(()) => {}
            Err(left) => {
                LOST.fetch_add(1, Ordering::Relaxed);
                TORN.fetch_or(left < record.len(), Ordering::Relaxed);
            }
        }
    }
}

/// Writes with one call, and with further ones only if the kernel took a part; fails with the
/// number of bytes that are left.
fn write_all(mut file: &File, mut bytes: &[u8]) -> Result<(), usize> {
    while !bytes.is_empty() {
        match within_limit(|| file.write(bytes)) {
            Ok(0) => return Err(bytes.len()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(bytes.len()),
        }
    }
    Ok(())
}

impl Serialize for LogFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for LogFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fd = handle::deserialize_fd(deserializer)?;
        Ok(Self(Arc::new(File::from(fd))))
    }
}

//! The file that a socket with a path has.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A socket's file, removed when this is dropped, by the process that made it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: which file it is, whatever its name.
    identity: (u64, u64),
    pid: u32,
}

impl SocketFile {
    /// Takes charge of the file that a socket of this process was just bound to.
    pub(super) fn made(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
            pid: std::process::id(),
        })
    }

    /// Removes it if it is still the one that was made.
    pub(super) fn remove(&self) {
        let is_ours = identity(&self.path).is_ok_and(|found| found == self.identity);
        if is_ours && self.pid == std::process::id() {
            // If it cannot be removed, the next listener replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

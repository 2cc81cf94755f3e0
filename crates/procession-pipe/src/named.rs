//! Named pipes: processes that know only a path meet there.

mod error;
mod rendezvous;

pub use error::NamedPipeError;

use crate::{Deadline, PipeReader, PipeWriter};
use nix::sys::stat::Mode;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A pipe in the file system.
///
/// It holds no data: what is written goes to whoever has the other end open at that time. It stays
/// after both ends were closed, until [`remove`](Self::remove), and serves the next conversation.
///
/// # Examples
///
/// ```
/// use procession_pipe::NamedPipe;
/// use std::io::{Read, Write};
/// use std::thread;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("talk");
///
/// let pipe = NamedPipe::create(&path)?.remove_on_drop(true);
/// let writer = thread::spawn({
///     let path = path.clone();
///     move || {
///         let mut writer = NamedPipe::at(&path)?.open_writer(None)?;
///         writer.write_all(b"hello")?;
///         anyhow::Ok(())
///     }
/// });
/// let mut text = String::new();
/// pipe.open_reader(None)?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
///
/// writer.join().expect("no panic")?;
/// drop(pipe);
/// assert!(!NamedPipe::exists(&path));
/// # anyhow::Ok(())
/// ```
#[derive(Debug)]
pub struct NamedPipe {
    path: PathBuf,
    identity: Identity,
    /// The process that removes it on drop: not a forked copy of that one.
    removed_by: Option<u32>,
}

/// Which file it is, whatever its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl NamedPipe {
    /// Makes a named pipe that only this user can open (mode 0600, less what the umask takes).
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](NamedPipeError::AlreadyExists) if anything is at `path`,
    /// [`MissingDirectory`](NamedPipeError::MissingDirectory),
    /// [`PermissionDenied`](NamedPipeError::PermissionDenied),
    /// [`InvalidPath`](NamedPipeError::InvalidPath), and [`Io`](NamedPipeError::Io) for the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{NamedPipe, NamedPipeError};
    ///
    /// let refused = NamedPipe::create("/no/such/directory/pipe");
    /// assert!(matches!(refused, Err(NamedPipeError::MissingDirectory(_))));
    /// ```
    pub fn create(path: impl AsRef<Path>) -> Result<Self, NamedPipeError> {
        let path = checked(path.as_ref())?;
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|errno| NamedPipeError::on_create(&path, errno.into()))?;
        Self::at(path)
    }

    /// Takes the named pipe that is at `path`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](NamedPipeError::NotFound) if there is nothing,
    /// [`NotAPipe`](NamedPipeError::NotAPipe) if there is something else,
    /// [`PermissionDenied`](NamedPipeError::PermissionDenied),
    /// [`InvalidPath`](NamedPipeError::InvalidPath), and [`Io`](NamedPipeError::Io) for the rest.
    pub fn at(path: impl AsRef<Path>) -> Result<Self, NamedPipeError> {
        let path = checked(path.as_ref())?;
        let identity = identify(&path)?;
        Ok(Self {
            path,
            identity,
            removed_by: None,
        })
    }

    /// Returns whether a named pipe is at `path`.
    ///
    /// False also if that cannot be found out; [`at`](Self::at) says why.
    pub fn exists(path: impl AsRef<Path>) -> bool {
        Self::at(path).is_ok()
    }

    /// Returns the path, made absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the end that is read, and waits until a writer has opened the other, for ever if
    /// `timeout` is `None`.
    ///
    /// A writer that came, wrote and went before this call returns is not missed. One that comes at
    /// the moment at which the time runs out can find the pipe broken when it writes.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](NamedPipeError::TimedOut) if no writer came in time;
    /// [`NotFound`](NamedPipeError::NotFound), [`NotAPipe`](NamedPipeError::NotAPipe),
    /// [`PermissionDenied`](NamedPipeError::PermissionDenied) and [`Io`](NamedPipeError::Io) if it
    /// cannot be opened, or not any more.
    ///
    /// # When the other side is gone
    ///
    /// A writer that died before it came is waited for like any other.
    pub fn open_reader(&self, timeout: Option<Duration>) -> Result<PipeReader, NamedPipeError> {
        rendezvous::reader(&self.path, Deadline::after_opt(timeout))
    }

    /// Opens the end that is written, and waits until a reader has opened the other, for ever if
    /// `timeout` is `None`.
    ///
    /// # Errors
    ///
    /// As [`open_reader`](Self::open_reader).
    ///
    /// # When the other side is gone
    ///
    /// A reader that died before it came is waited for like any other.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{NamedPipe, NamedPipeError};
    /// use std::time::Duration;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("nobody");
    ///
    /// let pipe = NamedPipe::create(path)?;
    /// let nobody = pipe.open_writer(Some(Duration::from_millis(1)));
    /// assert!(matches!(nobody, Err(NamedPipeError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_writer(&self, timeout: Option<Duration>) -> Result<PipeWriter, NamedPipeError> {
        rendezvous::writer(&self.path, Deadline::after_opt(timeout))
    }

    /// Says whether the pipe is removed when this value is dropped; it is not unless asked for.
    ///
    /// A process that is killed drops nothing.
    #[must_use = "the setting is in the value returned"]
    pub fn remove_on_drop(mut self, remove: bool) -> Self {
        self.removed_by = remove.then(std::process::id);
        self
    }

    /// Removes the pipe from the file system. Ends that are open stay usable.
    ///
    /// # Errors
    ///
    /// [`NotFound`](NamedPipeError::NotFound) if it is not there any more, even if another has
    /// taken its place, which is left alone;
    /// [`PermissionDenied`](NamedPipeError::PermissionDenied) and [`Io`](NamedPipeError::Io).
    pub fn remove(mut self) -> Result<(), NamedPipeError> {
        self.removed_by = None;
        self.unlink()
    }

    fn unlink(&self) -> Result<(), NamedPipeError> {
        if identify(&self.path)? != self.identity {
            return Err(NamedPipeError::NotFound(self.path.clone()));
        }
        fs::remove_file(&self.path).map_err(|error| NamedPipeError::on_use(&self.path, error))
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        if self.removed_by == Some(std::process::id()) {
            // Nobody is left to be told; that it is gone already is no failure.
            let _ = self.unlink();
        }
    }
}

/// Returns the path made absolute, so that it means the same after a change of directory.
fn checked(path: &Path) -> Result<PathBuf, NamedPipeError> {
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(NamedPipeError::InvalidPath(path.to_owned()));
    }
    std::path::absolute(path).map_err(|_| NamedPipeError::InvalidPath(path.to_owned()))
}

fn identify(path: &Path) -> Result<Identity, NamedPipeError> {
    let metadata = fs::metadata(path).map_err(|error| NamedPipeError::on_use(path, error))?;
    if !metadata.file_type().is_fifo() {
        return Err(NamedPipeError::NotAPipe(path.to_owned()));
    }
    Ok(Identity(metadata.dev(), metadata.ino()))
}

//! What can go wrong with a named pipe.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A named pipe could not be made, opened or removed; each variant holds its path.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum NamedPipeError {
    /// The path is empty, or holds a NUL byte.
    #[error("{0:?} cannot be a path: it is empty or holds a NUL byte")]
    InvalidPath(PathBuf),
    /// There is a file at the path, which may be a named pipe.
    #[error("{0:?} exists already; take a pipe that is there with `NamedPipe::at`")]
    AlreadyExists(PathBuf),
    /// The directory in which the pipe was to be made does not exist.
    #[error("the directory of {0:?} does not exist")]
    MissingDirectory(PathBuf),
    /// There is no pipe at the path.
    #[error("there is no named pipe at {0:?}")]
    NotFound(PathBuf),
    /// There is a file at the path which is no named pipe.
    #[error("{0:?} is not a named pipe")]
    NotAPipe(PathBuf),
    /// This user may not do that.
    #[error("no permission for {0:?}")]
    PermissionDenied(PathBuf),
    /// Nobody opened the other end in time.
    #[error("nobody opened the other end of {0:?} in time")]
    TimedOut(PathBuf),
    /// Something else is wrong with the path or the file system.
    #[error("{path:?}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the kernel reported.
        source: io::Error,
    },
}

procession_os::debug_in_words!(NamedPipeError {
    InvalidPath,
    AlreadyExists,
    MissingDirectory,
    NotFound,
    NotAPipe,
    PermissionDenied,
    TimedOut,
    Io
});

impl NamedPipeError {
    /// What it means that `path` cannot be made.
    pub(super) fn on_create(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::AlreadyExists => Self::AlreadyExists(path.to_owned()),
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                Self::MissingDirectory(path.to_owned())
            }
            _ => Self::other(path, error),
        }
    }

    /// What it means that `path` cannot be examined, opened or removed.
    pub(super) fn on_use(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound(path.to_owned()),
            _ => Self::other(path, error),
        }
    }

    fn other(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::PermissionDenied => Self::PermissionDenied(path.to_owned()),
            ErrorKind::TimedOut => Self::TimedOut(path.to_owned()),
            _ => Self::Io {
                path: path.to_owned(),
                source,
            },
        }
    }
}

//! What the tests of this crate share: a log in a program of its own.
//!
//! A process can have one logger, so each log under test is installed by a child process.

use procession_process::{Process, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with the path of a log file in it.
pub(crate) struct Log {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Log {
    /// Makes the folder; the file is made by whoever installs the log.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().join("test.log");
        Self {
            _folder: folder,
            path,
        }
    }

    /// Returns what was written.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("the log was installed")
    }
}

/// Runs `program` in a process of its own.
pub(crate) fn run<F, A, M>(program: F, args: A) -> F::Output
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    let process = Process::spawn(program, args).expect("a process can be started");
    process.join().expect("the program does not fail")
}

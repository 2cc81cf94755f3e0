//! The Pythons of this machine.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// What every script begins with.
///
/// A Python before 3.13 unlinks at its exit what it merely attached, unless the resource tracker
/// is told to forget it; later ones are asked with `track=False`, except for lists.
const PRELUDE: &str = r#"
import os, sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList

def forget(block):
    resource_tracker.unregister(block._name, "shared_memory")
    return block

def attach(name):
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    return forget(SharedMemory(name))

def attach_list(name):
    items = ShareableList(name=name)
    forget(items.shm)
    return items

def say(*what):
    print(*what, flush=True)

def wait():
    assert sys.stdin.readline()

tracker = lambda: resource_tracker._resource_tracker._pid or 0
"#;

/// An interpreter of Python 3.8 or later.
#[derive(Debug)]
pub(crate) struct Python {
    path: PathBuf,
    /// Major and minor.
    pub(crate) version: (u32, u32),
}

/// Returns all that are found, one of each version; prints a note if there is none.
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
pub(crate) fn all() -> &'static [Python] {
    static ALL: OnceLock<Vec<Python>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let found = candidates().into_iter().filter_map(probe);
        let by_version: BTreeMap<_, _> = found.map(|python| (python.version, python)).collect();
        by_version.into_values().collect()
    });
    if all.is_empty() {
        eprintln!("there is no Python 3.8 or later: nothing was tested against it");
    }
    all
}

/// Whatever may be one: those of the version manager, and the one that is called `python3`.
fn candidates() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pyenv")));
    let versions = root.map(|root| fs::read_dir(root.join("versions")));
    let managed = versions.into_iter().flatten().flatten().flatten();
    let managed = managed.map(|version| version.path().join("bin/python3"));
    managed.chain([PathBuf::from("python3")]).collect()
}

fn probe(path: PathBuf) -> Option<Python> {
    let script = "import sys; print(*sys.version_info[:2])";
    let output = Command::new(&path).args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    let version = (major.parse().ok()?, minor.parse().ok()?);
    (version >= (3, 8)).then_some(Python { path, version })
}

impl Python {
    /// Runs a script to its end and returns what it said.
    pub(crate) fn run(&self, script: &str, args: &[&str]) -> String {
        let output = self.command(script, args).output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}: {complaints}", self.version);
        assert_eq!(complaints, "", "{:?}", self.version);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts a script that waits for what it is told.
    pub(crate) fn start(&self, script: &str, args: &[&str]) -> Running {
        let mut command = self.command(script, args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn command(&self, script: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(["-c", &format!("{PRELUDE}\n{script}")])
            .args(args);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// A script that runs; killed and reaped when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Returns the next line that the script says.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        let len = self.stdout.read_line(&mut line).unwrap();
        assert_ne!(len, 0, "the script ended without a word");
        line.trim_end().to_owned()
    }

    /// Lets the script go on from its `wait()`.
    pub(crate) fn go_on(&mut self) {
        writeln!(self.stdin, "go on").unwrap();
    }

    /// Kills and reaps it.
    pub(crate) fn kill9(&mut self) {
        procession_testkit::kill9(self.child.id());
        self.child.wait().unwrap();
    }

    /// Waits until it has ended well.
    pub(crate) fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

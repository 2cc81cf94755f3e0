//! The Pythons of this machine, for tests that talk to real ones.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// An interpreter of Python 3.8 or later.
#[derive(Debug, Clone)]
pub struct Python {
    path: PathBuf,
    /// Major and minor.
    pub version: (u32, u32),
    prelude: &'static str,
}

/// Returns all that are found, one of each version, with what every script begins with; prints a
/// note if there is none.
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
pub fn all(prelude: &'static str) -> Vec<Python> {
    static FOUND: OnceLock<BTreeMap<(u32, u32), PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let candidates = candidates().into_iter();
        candidates.filter_map(probe).collect()
    });
    if found.is_empty() {
        eprintln!("there is no Python 3.8 or later: nothing was tested against it");
    }
    let pythons = found.iter().map(|(&version, path)| Python {
        path: path.clone(),
        version,
        prelude,
    });
    pythons.collect()
}

/// Whatever may be one: those of the version manager, and those on the path.
fn candidates() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pyenv")));
    let managed = entries(root.map(|root| root.join("versions")));
    let managed = managed.map(|version| version.join("bin/python3"));
    let path = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = env::split_paths(&path).collect();
    let on_path = directories.into_iter().flat_map(|it| entries(Some(it)));
    managed.chain(on_path.filter(|it| is_named(it))).collect()
}

fn entries(directory: Option<PathBuf>) -> impl Iterator<Item = PathBuf> {
    let read = directory.and_then(|directory| fs::read_dir(directory).ok());
    read.into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

/// Returns whether a file is called `python3`, with or without a minor version.
fn is_named(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix("python3"));
    rest.is_some_and(|rest| {
        let minor = rest.strip_prefix('.').unwrap_or(rest);
        minor.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn probe(path: PathBuf) -> Option<((u32, u32), PathBuf)> {
    let script = "import sys; print(*sys.version_info[:2])";
    let output = Command::new(&path).args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    let version = (major.parse().ok()?, minor.parse().ok()?);
    (version >= (3, 8)).then_some((version, path))
}

/// For a script that takes no arguments.
pub const NO_ARGUMENTS: &[&str] = &[];

impl Python {
    /// Runs a script to its end and returns what it said.
    pub fn run(&self, script: &str, args: &[impl AsRef<OsStr>]) -> String {
        let output = self.command(script, args).output().expect("it starts");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}: {complaints}", self.version);
        assert_eq!(complaints, "", "{:?}", self.version);
        let said = String::from_utf8(output.stdout).expect("it writes text");
        said.trim().to_owned()
    }

    /// Starts a script that is told when to go on.
    pub fn start(&self, script: &str, args: &[impl AsRef<OsStr>]) -> Running {
        let mut command = self.command(script, args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        Running {
            stdin: child.stdin.take().expect("it has a stdin"),
            stdout: BufReader::new(child.stdout.take().expect("it has a stdout")),
            child,
        }
    }

    fn command(&self, script: &str, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.path);
        let script = format!("{}\n{script}", self.prelude);
        command.args(["-c", &script]).args(args);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// A script that runs; killed and reaped when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Returns the next line that the script says.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        let len = self.stdout.read_line(&mut line).expect("it writes text");
        assert_ne!(len, 0, "the script ended without a word");
        line.trim_end().to_owned()
    }

    /// Writes a line for the script to read.
    pub fn go_on(&mut self) {
        writeln!(self.stdin, "go on").expect("the script reads");
    }

    /// Kills and reaps it.
    pub fn kill9(&mut self) {
        crate::kill9(self.child.id());
        self.child.wait().expect("it is reaped");
    }

    /// Waits until it has ended, and asserts that it has ended well.
    pub fn end(mut self) {
        let ended = self.child.wait().expect("it is reaped");
        assert!(ended.success(), "the script failed: {ended}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

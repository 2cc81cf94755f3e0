//! The same work in Python.

use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::io::Write;
use std::process::Command;
use tempfile::NamedTempFile;

/// A Python that can be measured.
pub(crate) struct Python {
    program: String,
    /// As it introduces itself, `Python 3.11.7`.
    pub(crate) version: String,
}

/// Finds the Python that `PYTHON` names, or `python3`.
pub(crate) fn find() -> Option<Python> {
    let program = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&program).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output
        .status
        .success()
        .then_some(Python { program, version })
}

impl Python {
    /// Runs a program with arguments that prints the nanoseconds of one operation.
    ///
    /// It is run from a file, as programs are: a child of a program without a file has nothing to
    /// import before it can begin, and starts in half the time.
    pub(crate) fn nanoseconds(&self, program: &str, args: &[&str]) -> Result<f64> {
        let printed = self.run(program, args)?;
        let [nanoseconds] = printed[..] else {
            bail!("{} printed {printed:?}", self.program);
        };
        Ok(nanoseconds)
    }

    /// Runs a program with arguments that prints numbers.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<Vec<f64>> {
        let mut file = NamedTempFile::with_suffix(".py")?;
        file.write_all(program.as_bytes())?;
        let output = Command::new(&self.program)
            .arg(file.path())
            .args(args)
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} failed: {words}", self.program);
        let printed = String::from_utf8(output.stdout)?;
        let numbers = printed.split_whitespace().map(str::parse);
        numbers
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} printed {printed:?}", self.program))
    }
}

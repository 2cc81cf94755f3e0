//! The same work in Python.

use anyhow::{Context, Result, ensure};
use std::env;
use std::process::Command;

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
    /// Runs a program that prints the nanoseconds of one operation.
    pub(crate) fn nanoseconds(&self, program: &str) -> Result<f64> {
        let output = Command::new(&self.program).args(["-c", program]).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} failed: {words}", self.program);
        let printed = String::from_utf8(output.stdout)?;
        printed
            .trim()
            .parse()
            .with_context(|| format!("{} printed {printed:?}", self.program))
    }
}

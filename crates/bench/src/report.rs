//! The figures, and where they go.

use crate::chart;
use crate::figures::{Figures, Measured};
use crate::python::Python;
use anyhow::Result;
use std::fs;
use std::path::Path;

/// The first line of the table.
pub(crate) fn heading(python: Option<&Python>) -> String {
    let python = python.map_or("no Python", |python| &python.version);
    format!(
        "{:<42} {:>30} {:>34} {:>7}",
        "nanoseconds: median (min to max)", "procession", python, "ratio"
    )
}

/// A row of the table.
pub(crate) fn line(row: &Measured) -> String {
    let python = row.python.map(show).unwrap_or_default();
    let ratio = row
        .ratio()
        .map(|ratio| format!("{ratio:.1}x"))
        .unwrap_or_default();
    format!(
        "{:<42} {:>30} {python:>34} {ratio:>7}",
        row.name,
        show(row.ours)
    )
}

fn show(figures: Figures) -> String {
    let Figures { min, median, max } = figures;
    format!("{median:.1} ({min:.1} to {max:.1})")
}

/// Writes the JSON and the chart.
pub(crate) fn write(rows: &[Measured]) -> Result<()> {
    let folder = Path::new("target/bench");
    fs::create_dir_all(folder)?;
    fs::write(folder.join("bench.json"), serde_json::to_vec_pretty(rows)?)?;
    fs::write(folder.join("bench.svg"), chart::svg(rows))?;
    Ok(())
}

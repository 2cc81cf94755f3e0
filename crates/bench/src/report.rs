//! The figures, and where they go.

use crate::chart;
use crate::python::Python;
use anyhow::Result;
use serde::Serialize;
use std::fs;
use std::path::Path;

/// Nanoseconds of one operation, over all rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figures {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

/// What a row cost.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) ours: Figures,
    pub(crate) python: Option<Figures>,
}

impl Figures {
    /// Summarises at least one figure.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let last = figures.len() - 1;
        Self {
            min: figures[0],
            median: figures[last / 2],
            max: figures[last],
        }
    }

    /// Summarises figures, if there are any.
    pub(crate) fn some(figures: Vec<f64>) -> Option<Self> {
        (!figures.is_empty()).then(|| Self::of(figures))
    }
}

impl Measured {
    /// How many times as long Python takes.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.python.map(|python| python.median / self.ours.median)
    }
}

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
    fs::write(
        folder.join("shared-memory.json"),
        serde_json::to_vec_pretty(rows)?,
    )?;
    fs::write(folder.join("shared-memory.svg"), chart::svg(rows))?;
    Ok(())
}

//! What the rounds of a row come to.

use serde::Serialize;

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

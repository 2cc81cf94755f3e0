//! The figures as a picture: two bars a row, on a logarithmic scale.

use crate::figures::{Figures, Measured};
use std::fmt::Write;

const ROW: f64 = 44.0;
const LEFT: f64 = 300.0;
/// The width of a factor of ten.
const DECADE: f64 = 90.0;

/// Draws the rows.
pub(crate) fn svg(rows: &[Measured]) -> String {
    let height = ROW.mul_add(f64::from(rows.len() as u32), 40.0);
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='860' height='{height}' \
         font-family='sans-serif' font-size='12'>\n"
    );
    for (i, row) in rows.iter().enumerate() {
        let top = ROW.mul_add(f64::from(i as u32), 20.0);
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x='8' y='{}'>{}</text>",
            top + 20.0,
            row.name.replace('<', "&lt;")
        );
        svg += &bar(top + 4.0, row.ours, "#2a6f97", "procession");
        svg += &row
            .python
            .map(|python| bar(top + 20.0, python, "#e9c46a", "CPython"))
            .unwrap_or_default();
    }
    svg + "</svg>\n"
}

fn bar(top: f64, figures: Figures, colour: &str, who: &str) -> String {
    let width = figures.median.max(1.0).log10().mul_add(DECADE, 1.0);
    let text = LEFT + width + 6.0;
    format!(
        "<rect x='{LEFT}' y='{top}' width='{width:.1}' height='14' fill='{colour}'/>\
         <text x='{text:.1}' y='{}'>{who} {:.1} ns</text>\n",
        top + 12.0,
        figures.median
    )
}

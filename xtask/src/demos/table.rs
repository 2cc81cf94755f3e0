//! Prints the demos and their results as a table.

use crate::output::say;
use std::time::Duration;

/// The rows' names and lessons, and how wide the columns must be to hold them.
pub(super) struct Table {
    rows: Vec<(&'static str, String)>,
    name: usize,
    lesson: usize,
}

impl Table {
    pub(super) fn new(rows: Vec<(&'static str, String)>) -> Self {
        let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let name = widest(&mut rows.iter().map(|(name, _)| name.len()));
        let lesson = widest(&mut rows.iter().map(|(_, lesson)| lesson.chars().count()));
        Self { rows, name, lesson }
    }

    /// Prints every name and lesson, without results.
    pub(super) fn list(&self) {
        for (name, lesson) in &self.rows {
            say!("{name:<width$}  {lesson}", width = self.name);
        }
    }

    /// Prints the line above the results.
    pub(super) fn header(&self) {
        say!("{}", self.line("name", "what it teaches", "result", "time"));
    }

    /// Prints the result of one demo.
    pub(super) fn row(&self, name: &str, passed: bool, took: Duration) {
        let lesson = self.rows.iter().find(|(known, _)| *known == name);
        let lesson = lesson.map_or("", |(_, lesson)| lesson.as_str());
        let result = if passed { "passed" } else { "FAILED" };
        say!(
            "{}",
            self.line(
                name,
                lesson,
                result,
                &format!("{:.3} s", took.as_secs_f64())
            )
        );
    }

    fn line(&self, name: &str, lesson: &str, result: &str, time: &str) -> String {
        let (wide, wider) = (self.name, self.lesson);
        format!("{name:<wide$}  {lesson:<wider$}  {result:<6}  {time:>8}")
    }
}

/// Prints a titled text under a row, indented so that it cannot be taken for another row.
pub(super) fn block(title: &str, text: &str) {
    if text.is_empty() {
        say!("    {title}: nothing");
        return;
    }
    say!("    {title}:");
    for line in text.lines() {
        say!("    | {line}");
    }
}

/// Prints titled points under a row; a point may have several lines.
pub(super) fn list(title: &str, points: &[String]) {
    let points: Vec<String> = points
        .iter()
        .map(|point| point.replace('\n', "\n  "))
        .collect();
    block(title, &format!("- {}", points.join("\n- ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let table = Table::new(vec![
            ("a", "short".to_owned()),
            ("abc", "a long lesson".to_owned()),
        ]);
        let (one, two) = (
            table.line("a", "short", "passed", "1 s"),
            table.line("abc", "a long lesson", "FAILED", "12 s"),
        );
        assert_eq!(one, "a    short          passed       1 s");
        assert_eq!(one.len(), two.len());
    }
}

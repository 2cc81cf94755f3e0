//! `cargo xtask tidy`: the invariants that no compiler checks.
//!
//! Each rule is a file here and a line in [`RULES`]; it looks at a [`Tree`] and returns what is
//! wrong. What is Rust structure is asked of the parsed source ([`source`]), not of its text.

mod attributes;
mod conformance;
mod edges;
mod errors;
mod foreign;
mod header;
mod manifest;
mod printing;
mod readme;
mod size;
mod source;
mod tree;
mod unsafety;
mod words;

use crate::output::say;
use std::fmt;

use crate::workspace;
use tree::Tree;

/// A rule: returns every place where the tree does not keep it.
type Rule = fn(&Tree) -> Vec<Violation>;

/// All rules.
const RULES: &[Rule] = &[
    header::check,
    unsafety::check,
    edges::check,
    size::check,
    readme::check,
    manifest::check,
    foreign::check,
    printing::check,
    attributes::check,
    errors::check,
    words::check,
    conformance::check,
];

/// A place where a rule is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, relative to the root of the workspace.
    path: String,
    /// The line, counted from 1.
    line: usize,
    /// What is wrong and what to do.
    what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks every rule and prints what is wrong; returns the status to exit with.
pub(crate) fn run() -> anyhow::Result<u8> {
    let mut tree = Tree::load(&workspace::root(), workspace::packages()?)?;
    tree.foreign = workspace::foreign()?;
    let violations = violations(&tree);
    for violation in &violations {
        say!("{violation}");
    }
    match violations.len() {
        0 => say!(
            "tidy: {} rules hold for {} files",
            RULES.len(),
            tree.texts.len()
        ),
        count => say!("tidy: {count} to mend"),
    }
    Ok(u8::from(!violations.is_empty()))
}

/// Returns what is wrong anywhere, by file and line.
fn violations(tree: &Tree) -> Vec<Violation> {
    let mut violations = tree.unreadable.clone();
    violations.extend(RULES.iter().flat_map(|rule| rule(tree)));
    violations.sort_unstable();
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_told_by_file_and_line() {
        let tree = Tree::of(&[
            ("xtask/src/b.rs", "//! B.\n#[ignore]\nfn f() {}\n"),
            ("xtask/src/a.rs", "//! A.\nfn f( {\n"),
        ]);
        let told: Vec<String> = violations(&tree).iter().map(ToString::to_string).collect();
        assert!(told[2].starts_with("xtask/src/a.rs:"), "{told:?}");
        assert!(told[2].contains("does not parse"), "{told:?}");
        assert!(told[3].starts_with("xtask/src/b.rs:2: "), "{told:?}");
    }
}

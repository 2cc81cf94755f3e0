//! Rule: every Rust file opens with `//!`, what it is for.

use super::Violation;
use super::tree::Tree;

/// Returns the files that do not say what they are for.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let silent = |lines: &[String]| !lines.first().is_some_and(|line| line.starts_with("//! "));
    let sources = tree.sources.iter().filter(|source| silent(&source.lines));
    sources
        .map(|source| {
            let what = "does not open with `//!`: say in its first line what the file is for";
            Violation::new(&source.path, 1, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::of(&[("examples/src/bin/a.rs", text)])).len()
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert_eq!(count("//! Shares an array.\nfn main() {}\n"), 0);
        assert_eq!(count("// Shares an array.\nfn main() {}\n"), 1);
        assert_eq!(count("\n//! Shares an array.\n"), 1);
        assert_eq!(count("//!\n"), 1);
        assert_eq!(count(""), 1);
    }
}

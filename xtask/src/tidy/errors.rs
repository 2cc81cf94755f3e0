//! Rule: what `unwrap` prints of an error are its words.

use super::Violation;
use super::attributes::attributes;
use super::source::{Source, Token};
use super::tree::Tree;

/// Returns every error of a published crate that derives `Debug`, which shows names and no words.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let published = |source: &&Source| {
        let mut packages = tree.crates().filter(|package| package.published);
        packages.any(|package| source.path.starts_with(&format!("{}/", package.folder)))
    };
    let mut violations = Vec::new();
    for source in tree.libraries().filter(published) {
        for attribute in attributes(&source.tokens).into_iter().filter(derives_both) {
            let line = attribute[0].line();
            if !source.is_test_line(line) {
                let what = "an error derives `Debug`: use `procession_os::debug_in_words!`";
                violations.push(Violation::new(&source.path, line, what));
            }
        }
    }
    violations
}

fn derives_both(attribute: &&[Token]) -> bool {
    let has = |name: &str| attribute.iter().any(|token| token.text == name);
    attribute
        .first()
        .is_some_and(|first| first.text == "derive")
        && has("Debug")
        && has("Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let text = format!("//! A file.\n{text}");
        check(&Tree::of(&[("crates/procession-pool/src/a.rs", &text)]))
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn an_error_shows_its_words() {
        assert_eq!(
            lines("#[derive(Debug, thiserror::Error)]\nenum E {}\n"),
            [2]
        );
        assert!(lines("#[derive(Clone, thiserror::Error)]\nenum E {}\n").is_empty());
        assert!(lines("#[derive(Debug, Clone)]\nenum E {}\n").is_empty());
    }
}

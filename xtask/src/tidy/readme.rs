//! Rule: the project and every published crate have a README, the project's of a readable length.
//!
//! A registry shows a crate's README alone, so what is beside it in the project is no aim of its links.

use std::ops::RangeInclusive;

use super::Violation;
use super::tree::Tree;

/// How many lines the project's README has.
const LENGTH: RangeInclusive<usize> = 120..=220;

/// Returns the READMEs that are missing, too short or too long.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let lines = tree
        .text("README.md")
        .map_or(0, |text| text.lines().count());
    let what = format!(
        "has {lines} lines: it should have {} to {}",
        LENGTH.start(),
        LENGTH.end()
    );
    let project = (!LENGTH.contains(&lines)).then(|| Violation::new("README.md", 1, what));
    let crates = tree.crates().filter(|package| package.published);
    let missing = crates
        .map(|package| format!("{}/README.md", package.folder))
        .filter_map(|path| {
            let is_missing = tree.text(&path).is_none_or(|text| text.trim().is_empty());
            is_missing
                .then(|| Violation::new(&path, 1, "is missing: a published crate has a README"))
        });
    let relative = tree.crates().filter(|package| package.published);
    let relative = relative.flat_map(|package| relative_links(tree, &package.folder));
    project.into_iter().chain(missing).chain(relative).collect()
}

/// Returns the links of a crate's README that lead to another file of the project.
fn relative_links(tree: &Tree, folder: &str) -> Vec<Violation> {
    let path = format!("{folder}/README.md");
    let lines = tree.text(&path).unwrap_or_default().lines();
    let is_relative = |line: &str| {
        let aims = line.split("](").skip(1);
        aims.into_iter()
            .any(|aim| !aim.starts_with("https://") && !aim.starts_with('#'))
    };
    let what = "links to a file that is not there on the registry: link to https://docs.rs";
    lines
        .enumerate()
        .filter(|(_, line)| is_relative(line))
        .map(|(index, _)| Violation::new(&path, index + 1, what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(readme: usize, own: &str) -> usize {
        let readme = "A line.\n".repeat(readme);
        check(&Tree::of(&[
            ("README.md", &readme),
            ("crates/a/README.md", own),
        ]))
        .len()
    }

    #[test]
    fn the_readme_has_a_readable_length() {
        assert_eq!((told(119, "A."), told(120, "A.")), (1, 0));
        assert_eq!((told(220, "A."), told(221, "A.")), (0, 1));
    }

    #[test]
    fn a_registry_has_one_readme_alone() {
        assert_eq!(told(150, "A [b](https://docs.rs/b), [above](#above)."), 0);
        assert_eq!(told(150, "Part of [b](../../README.md)."), 1);
    }

    #[test]
    fn every_published_crate_has_one() {
        assert_eq!(told(150, ""), 1);
        let mut tree = Tree::of(&[("crates/a/src/lib.rs", "//! A.\n")]);
        assert_eq!(check(&tree).len(), 2);
        tree.packages[0].published = false;
        assert_eq!(check(&tree).len(), 1);
    }
}

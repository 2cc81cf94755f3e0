//! Rule: a published crate can be published, and found and read where it is.
//!
//! Cargo drops a dependency for tests that has no version from the manifest that it publishes. One
//! that has a version stays, has to be published first, and stops everything where the two crates
//! need each other.

use super::Violation;
use super::tree::Tree;
use crate::workspace::Package;

/// What the crates are built for, and so what their documentation is built for.
const SYSTEMS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// The categories of the registry that fit crates like these; it refuses any that it does not know.
const CATEGORIES: &[&str] = &[
    "concurrency",
    "data-structures",
    "development-tools",
    "development-tools::debugging",
    "encoding",
    "memory-management",
    "network-programming",
    "os::linux-apis",
    "os::unix-apis",
];

/// The most keywords and categories that the registry takes.
const MOST: usize = 5;

/// The longest keyword that the registry takes.
const LONGEST: usize = 20;

/// The texts of the licences, which go into each package.
const LICENCES: &[&str] = &["LICENSE-MIT", "LICENSE-APACHE"];

/// Returns what keeps a crate from being published, or found.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let published = || tree.crates().filter(|package| package.published);
    published()
        .flat_map(|package| {
            let alike = published().filter(|other| other.keywords == package.keywords);
            let what = wrong_with(tree, package, alike.count() > 1);
            let manifest = format!("{}/Cargo.toml", package.folder);
            what.into_iter()
                .map(move |what| Violation::new(&manifest, 1, what))
        })
        .collect()
}

fn wrong_with(tree: &Tree, package: &Package, has_others_keywords: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let ours = |name: &&String| tree.packages.iter().any(|package| package.name == **name);
    for name in package.versioned_for_tests.iter().filter(ours) {
        wrong.push(format!(
            "{name} is wanted for tests with a version: write `{name} = {{ path = \"../{name}\" }}`"
        ));
    }
    let documentation = documentation_of(&package.name);
    if package.documentation.as_ref() != Some(&documentation) {
        wrong.push(format!("its documentation is at {documentation}"));
    }
    if package.documented_for != SYSTEMS {
        wrong.push(format!(
            "`targets` of [package.metadata.docs.rs] should be {SYSTEMS:?}"
        ));
    }
    if has_others_keywords {
        wrong.push("has the keywords of another crate: say what this one is for".to_owned());
    }
    if !(1..=MOST).contains(&package.keywords.len())
        || !package.keywords.iter().all(|word| is_keyword(word))
    {
        wrong.push(format!(
            "has other than 1 to {MOST} keywords of at most {LONGEST} letters"
        ));
    }
    let is_known = |category: &String| CATEGORIES.contains(&category.as_str());
    if !(1..=MOST).contains(&package.categories.len()) || !package.categories.iter().all(is_known) {
        wrong.push(format!(
            "has other than 1 to {MOST} categories of {CATEGORIES:?}"
        ));
    }
    let pages = format!("#![doc(html_root_url = \"{documentation}/latest\")]");
    let library = tree.text(&format!("{}/src/lib.rs", package.folder));
    let is_below = |other: &Package| other.dependencies.contains(&package.name);
    let is_shown = tree.crates().filter(|other| other.published).any(is_below);
    if is_shown && !library.unwrap_or_default().contains(&pages) {
        wrong.push(format!(
            "src/lib.rs should have `{pages}`: another crate that shows its items links there"
        ));
    }
    for licence in LICENCES {
        if tree.text(&format!("{}/{licence}", package.folder)) != tree.text(licence) {
            wrong.push(format!("{licence} beside it should link to the project's"));
        }
    }
    wrong
}

fn documentation_of(name: &str) -> String {
    format!("https://docs.rs/{name}")
}

/// Tells whether the registry takes this as a keyword.
fn is_keyword(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-+".contains(c);
    word.len() <= LONGEST && word.starts_with(char::is_alphanumeric) && word.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::package;
    use super::*;

    fn good(name: &str) -> Package {
        Package {
            documentation: Some(documentation_of(name)),
            documented_for: SYSTEMS.iter().map(ToString::to_string).collect(),
            keywords: vec![name.to_owned()],
            categories: vec!["concurrency".to_owned()],
            ..package(name, &[])
        }
    }

    fn told(packages: Vec<Package>) -> Vec<String> {
        let text = |path: &str| (path.to_owned(), "Do as you like.".to_owned());
        let beside = packages.iter().flat_map(|package| {
            let path = |licence: &&str| text(&format!("{}/{licence}", package.folder));
            let pages = documentation_of(&package.name) + "/latest";
            let library = format!("#![doc(html_root_url = \"{pages}\")]");
            let library = (format!("{}/src/lib.rs", package.folder), library);
            LICENCES.iter().map(path).chain([library])
        });
        let tree = Tree {
            texts: LICENCES
                .iter()
                .map(|licence| text(licence))
                .chain(beside)
                .collect(),
            packages,
            ..Tree::default()
        };
        check(&tree)
            .into_iter()
            .map(|violation| violation.what)
            .collect()
    }

    fn told_of(spoil: impl FnOnce(&mut Package)) -> Vec<String> {
        let mut spoilt = good("a");
        spoil(&mut spoilt);
        told(vec![spoilt, good("b")])
    }

    #[test]
    fn a_crate_that_can_be_published_is_well() {
        assert!(told_of(|_| ()).is_empty());
    }

    #[test]
    fn a_versioned_dependency_for_tests_is_told_if_it_is_ours() {
        assert!(told_of(|a| a.versioned_for_tests = vec!["b".to_owned()])[0].contains("../b"));
        assert!(told_of(|a| a.versioned_for_tests = vec!["serde".to_owned()]).is_empty());
    }

    #[test]
    fn what_the_registry_refuses_is_told() {
        let word = |word: &str| vec![word.to_owned()];
        assert_eq!(told_of(|a| a.keywords = Vec::new()).len(), 1);
        assert_eq!(
            told_of(|a| a.keywords = word("a-word-of-more-letters")).len(),
            1
        );
        assert_eq!(told_of(|a| a.keywords = word("two words")).len(), 1);
        assert_eq!(told_of(|a| a.categories = word("processes")).len(), 1);
    }

    #[test]
    fn each_crate_has_its_own_words_and_pages() {
        assert_eq!(told_of(|a| a.keywords = good("b").keywords).len(), 2);
        assert_eq!(told_of(|a| a.documentation = None).len(), 1);
        assert_eq!(told_of(|a| a.documented_for = Vec::new()).len(), 1);
    }

    #[test]
    fn a_package_without_the_licences_is_told() {
        let tree = Tree {
            texts: vec![("LICENSE-MIT".to_owned(), "Do as you like.".to_owned())],
            packages: vec![good("a")],
            ..Tree::default()
        };
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn a_crate_whose_items_another_shows_says_where_its_pages_are() {
        let facade = Package {
            dependencies: vec!["a".to_owned()],
            ..good("facade")
        };
        let text = |path: &str| (path.to_owned(), String::new());
        let tree = Tree {
            texts: vec![text("crates/a/src/lib.rs")],
            packages: vec![good("a"), facade],
            ..Tree::default()
        };
        let told = check(&tree);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].what.contains("https://docs.rs/a/latest"),
            "{told:?}"
        );
    }
}

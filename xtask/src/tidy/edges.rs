//! Rule: the crates depend on each other as `ARCHITECTURE.md` draws it, and nothing points back.
//!
//! What a crate uses for its tests only is free.

use super::Violation;
use super::tree::Tree;
use crate::workspace::Package;

/// Which crates each crate may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("procession-macros", &[]),
    ("procession-os", &[]),
    ("procession-wire", &["procession-os"]),
    ("procession-shm", &["procession-os", "procession-wire"]),
    ("procession-testkit", &["procession-shm", "procession-wire"]),
    (
        "procession-sync",
        &["procession-os", "procession-wire", "procession-shm"],
    ),
    (
        "procession-queue",
        &[
            "procession-os",
            "procession-wire",
            "procession-shm",
            "procession-sync",
        ],
    ),
    (
        "procession-pipe",
        &["procession-os", "procession-wire", "procession-shm"],
    ),
    (
        "procession-process",
        &[
            "procession-os",
            "procession-wire",
            "procession-shm",
            "procession-pipe",
        ],
    ),
    (
        "procession-manager",
        &[
            "procession-macros",
            "procession-os",
            "procession-wire",
            "procession-shm",
            "procession-sync",
            "procession-pipe",
            "procession-process",
        ],
    ),
    (
        "procession-pool",
        &[
            "procession-os",
            "procession-wire",
            "procession-shm",
            "procession-queue",
            "procession-pipe",
            "procession-process",
        ],
    ),
    (
        "procession-log",
        &[
            "procession-os",
            "procession-wire",
            "procession-pipe",
            "procession-process",
        ],
    ),
    (
        "procession",
        &[
            "procession-macros",
            "procession-os",
            "procession-wire",
            "procession-shm",
            "procession-sync",
            "procession-queue",
            "procession-pipe",
            "procession-process",
            "procession-manager",
            "procession-pool",
            "procession-log",
        ],
    ),
];

/// Returns the edges that the table does not allow, and the published crates that it lacks.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let ours: Vec<&str> = tree
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    tree.crates()
        .flat_map(|package| check_crate(tree, package, &ours))
        .collect()
}

fn check_crate(tree: &Tree, package: &Package, ours: &[&str]) -> Vec<Violation> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
        let what = "a published crate without a row in xtask/src/tidy/edges.rs: add one";
        return Vec::from_iter(
            package
                .published
                .then(|| Violation::new(&manifest, 1, what)),
        );
    };
    let dependencies = package.dependencies.iter().map(String::as_str);
    dependencies
        .filter(|name| ours.contains(name) && !allowed.contains(name))
        .map(|name| {
            let line = line_of(tree.text(&manifest).unwrap_or_default(), name);
            let what = format!(
                "{} may not depend on {name}: move what both need into a crate below both",
                package.name
            );
            Violation::new(&manifest, line, what)
        })
        .collect()
}

/// Returns the first line of a manifest that names the dependency.
fn line_of(manifest: &str, name: &str) -> usize {
    let names = |line: &str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    manifest
        .lines()
        .position(names)
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::package;
    use super::*;

    fn told(packages: Vec<Package>, texts: Vec<(String, String)>) -> Vec<Violation> {
        check(&Tree {
            texts,
            packages,
            ..Tree::default()
        })
    }

    #[test]
    fn edges_of_the_table_are_allowed() {
        let packages = vec![
            package("procession-os", &["nix"]),
            package("procession-shm", &["procession-os", "serde"]),
            package("procession", &["procession-shm"]),
        ];
        assert!(told(packages, Vec::new()).is_empty());
    }

    #[test]
    fn an_edge_that_points_back_is_told_with_its_line() {
        let packages = vec![
            package("procession-os", &["procession-shm"]),
            package("procession-shm", &[]),
        ];
        let manifest = "[dependencies]\nnix = \"1\"\nprocession-shm.workspace = true\n";
        let path = "crates/procession-os/Cargo.toml";
        let told = told(packages, vec![(path.to_owned(), manifest.to_owned())]);
        assert_eq!(
            (told.len(), told[0].path.as_str(), told[0].line),
            (1, path, 3)
        );
    }

    #[test]
    fn nothing_depends_on_the_facade() {
        let packages = vec![
            package("procession-pool", &["procession"]),
            package("procession", &[]),
        ];
        assert_eq!(told(packages, Vec::new()).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_row_unless_it_stays_at_home() {
        let mut new = package("procession-new", &["procession"]);
        assert!(
            told(vec![new.clone()], Vec::new())[0]
                .what
                .contains("without a row")
        );
        new.published = false;
        assert!(told(vec![new], Vec::new()).is_empty());
    }

    #[test]
    fn every_crate_in_the_table_stands_above_what_it_uses() {
        for (place, (name, allowed)) in EDGES.iter().enumerate() {
            let below = &EDGES[..place];
            for edge in *allowed {
                assert!(
                    below.iter().any(|(lower, _)| lower == edge),
                    "{name} -> {edge}"
                );
            }
        }
    }
}

//! Rule: what the published crates are built with has licences that they can be given on under, and
//! is there once.

use super::Violation;
use super::tree::Tree;

/// The licences that ask no more of those who give the code on than ours do.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// What is there in several versions, and why.
const SEVERAL: &[(&str, &str)] = &[
    ("bitflags", "shared_memory 0.12 has an old nix"),
    ("embedded-io", "postcard 1.1 names both in its features"),
    ("getrandom", "shared_memory 0.12 has an old rand"),
    ("memoffset", "shared_memory 0.12 has an old nix"),
    ("nix", "shared_memory 0.12 has an old one"),
    ("rand_core", "shared_memory 0.12 has an old rand"),
    ("syn", "not every derive macro has come to version 3"),
];

/// Where the versions are chosen.
const LOCK: &str = "Cargo.lock";

/// Returns the packages with other licences, and those in several versions for no known reason.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let told = |what: String| Violation::new(LOCK, 1, what);
    let licences = tree.foreign.iter().filter_map(|foreign| {
        let licence = foreign.license.as_deref().unwrap_or("no licence");
        let what = format!(
            "{} has {licence}: see xtask/src/tidy/foreign.rs",
            foreign.name
        );
        (!is_accepted(licence)).then(|| told(what))
    });
    let mut several: Vec<&str> = (tree.foreign.windows(2))
        .filter(|pair| pair[0].name == pair[1].name)
        .map(|pair| pair[0].name.as_str())
        .collect();
    several.dedup();
    let known = |name: &&str| SEVERAL.iter().any(|(known, _)| known == name);
    let new = several.iter().filter(|name| !known(name)).map(|name| {
        told(format!(
            "{name} is built in several versions (`cargo tree -d -e normal,build`): take one, or \
             add the reason to xtask/src/tidy/foreign.rs"
        ))
    });
    let gone = |(name, _): &&(&str, &str)| !several.contains(name) && !tree.foreign.is_empty();
    let stale = SEVERAL.iter().filter(gone).map(|(name, reason)| {
        told(format!(
            "{name} is there once now: its row in xtask/src/tidy/foreign.rs can go ({reason})"
        ))
    });
    licences.chain(new).chain(stale).collect()
}

/// Tells whether one of the alternatives of a licence expression is made of accepted licences.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    either(&mut expression.trim()) == Some(true)
}

/// Reads `a OR b ..` from the front; `None` if it is no expression.
fn either(rest: &mut &str) -> Option<bool> {
    let mut accepted = both(rest)?;
    while take(rest, "OR ") {
        accepted |= both(rest)?;
    }
    Some(accepted)
}

/// Reads `a AND b ..`, which binds more than `OR`.
fn both(rest: &mut &str) -> Option<bool> {
    let mut accepted = one(rest)?;
    while take(rest, "AND ") {
        accepted &= one(rest)?;
    }
    Some(accepted)
}

/// Reads a licence, with its exception if there is one, or an expression in parentheses.
fn one(rest: &mut &str) -> Option<bool> {
    if take(rest, "(") {
        let accepted = either(rest)?;
        return take(rest, ")").then_some(accepted);
    }
    let ends = [" OR ", " AND ", ")"];
    let end = ends.iter().filter_map(|end| rest.find(end)).min();
    let (licence, behind) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = behind.trim_start();
    Some(LICENCES.contains(&licence.trim()))
}

fn take(rest: &mut &str, word: &str) -> bool {
    let Some(behind) = rest.strip_prefix(word) else {
        return false;
    };
    *rest = behind.trim_start();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Foreign;

    fn told(packages: &[(&str, &str, &str)]) -> Vec<String> {
        let several = SEVERAL
            .iter()
            .flat_map(|(name, _)| [(*name, "1", "MIT"), (*name, "2", "MIT")]);
        let mut foreign: Vec<Foreign> = (packages.iter().copied().chain(several))
            .map(|(name, version, license)| Foreign {
                name: name.to_owned(),
                version: version.to_owned(),
                license: (!license.is_empty()).then(|| license.to_owned()),
            })
            .collect();
        foreign.sort_unstable();
        let tree = Tree {
            foreign,
            ..Tree::default()
        };
        check(&tree)
            .into_iter()
            .map(|violation| violation.what)
            .collect()
    }

    #[test]
    fn an_alternative_of_accepted_licences_is_enough() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "GPL-3.0 OR MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "GPL-3.0 AND ISC OR MIT AND Zlib",
        ] {
            assert!(is_accepted(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR GPL-3.0) AND GPL-3.0",
            "MITX",
            "(MIT",
        ] {
            assert!(!is_accepted(bad), "{bad}");
        }
    }

    #[test]
    fn a_licence_that_is_not_accepted_is_told() {
        assert!(told(&[("a", "1", "MIT")]).is_empty());
        assert!(told(&[("a", "1", "GPL-3.0")])[0].starts_with("a has GPL-3.0"));
        assert!(told(&[("a", "1", "")])[0].starts_with("a has no licence"));
    }

    #[test]
    fn a_second_version_is_told_once() {
        let versions = [("a", "1", "MIT"), ("a", "2", "MIT"), ("a", "3", "MIT")];
        assert_eq!(told(&versions).len(), 1);
    }

    #[test]
    fn a_row_that_nothing_needs_is_told() {
        let foreign = vec![Foreign {
            name: "a".to_owned(),
            version: "1".to_owned(),
            license: Some("MIT".to_owned()),
        }];
        let tree = Tree {
            foreign,
            ..Tree::default()
        };
        assert_eq!(check(&tree).len(), SEVERAL.len());
    }
}

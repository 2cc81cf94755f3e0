//! Rule: `ARCHITECTURE.md` draws which crates depend on which, as their manifests have it.
//!
//! Cargo itself lets nothing point back. What is drawn is what a change has to change too if it adds an
//! edge, so that none comes to be in passing. What a crate uses for its tests only is free.

use super::Violation;
use super::tree::Tree;
use crate::workspace::Package;

/// Where the drawing is: a block of code that begins with this line, then a line for each crate, below
/// those that it depends on.
const DRAWN: (&str, &str) = ("ARCHITECTURE.md", "```edges");

/// Returns the crates whose edges differ from what is drawn.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let drawn = drawn(tree.text(DRAWN.0).unwrap_or_default());
    let published = || tree.crates().filter(|package| package.published);
    let told = |line, what| Violation::new(DRAWN.0, line, what);
    let unknown = drawn
        .iter()
        .filter(|row| published().all(|package| short(&package.name) != row.name))
        .map(|row| told(row.line, format!("`{}` is no published crate", row.name)));
    let differing = published().filter_map(|package| {
        let edges = edges(package, tree);
        let found = drawn.iter().find(|row| row.name == short(&package.name));
        let line = found.map_or(1, |row| row.line);
        let same = found.is_some_and(|row| row.below == edges);
        let name = short(&package.name);
        let what = format!("the manifests say `{name}: {}`", edges.join(" "));
        (!same).then(|| told(line, what))
    });
    unknown.chain(differing).collect()
}

/// A line of the drawing.
struct Row<'a> {
    name: &'a str,
    below: Vec<&'a str>,
    line: usize,
}

fn drawn(text: &str) -> Vec<Row<'_>> {
    let lines = text.lines().enumerate();
    lines
        .skip_while(|(_, line)| *line != DRAWN.1)
        .skip(1)
        .take_while(|(_, line)| *line != "```")
        .filter_map(|(index, line)| {
            let (name, below) = line.split_once(':')?;
            let mut below: Vec<&str> = below.split_whitespace().collect();
            below.sort_unstable();
            let line = index + 1;
            Some(Row { name, below, line })
        })
        .collect()
}

/// Returns the names of the workspace's crates that this one depends on, in their order.
fn edges<'a>(package: &'a Package, tree: &'a Tree) -> Vec<&'a str> {
    let ours = |name: &&String| tree.packages.iter().any(|package| package.name == **name);
    let mut edges: Vec<&str> = package
        .dependencies
        .iter()
        .filter(ours)
        .map(|name| short(name))
        .collect();
    edges.sort_unstable();
    edges
}

fn short(name: &str) -> &str {
    name.strip_prefix("procession-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::package;
    use super::*;

    fn told(drawing: &str, packages: Vec<Package>) -> Vec<(usize, String)> {
        let text = format!("# Text\n\n```edges\n{drawing}```\n\nmore: text\n");
        let tree = Tree {
            texts: vec![(DRAWN.0.to_owned(), text)],
            packages,
            ..Tree::default()
        };
        let violations = check(&tree).into_iter();
        violations.map(|told| (told.line, told.what)).collect()
    }

    fn house() -> Vec<Package> {
        vec![
            package("procession-os", &["nix"]),
            package("procession-shm", &["serde", "procession-os"]),
            package("procession", &["procession-shm", "procession-os"]),
        ]
    }

    #[test]
    fn what_is_drawn_as_it_is_is_right() {
        let drawing = "os:\nshm: os\nprocession: os shm\n";
        assert_eq!(told(drawing, house()), []);
    }

    #[test]
    fn an_edge_more_or_less_is_told_with_its_line() {
        for (drawing, line) in [
            ("os: shm\nshm: os\nprocession: os shm\n", 4),
            ("os:\nshm:\nprocession: os shm\n", 5),
            ("os:\nshm: os\nprocession: shm\n", 6),
        ] {
            let told = told(drawing, house());
            assert_eq!((told.len(), told[0].0), (1, line));
            assert!(told[0].1.contains("the manifests say"));
        }
    }

    #[test]
    fn a_crate_that_is_not_drawn_is_told_unless_it_stays_at_home() {
        let mut packages = house();
        packages.push(package("procession-new", &["procession"]));
        let drawing = "os:\nshm: os\nprocession: os shm\n";
        assert_eq!(told(drawing, packages.clone()).len(), 1);
        packages[3].published = false;
        assert_eq!(told(drawing, packages), []);
    }

    #[test]
    fn a_crate_that_is_drawn_and_not_there_is_told() {
        let drawing = "os:\nold: os\nshm: os\nprocession: os shm\n";
        let told = told(drawing, house());
        assert_eq!(told, [(5, "`old` is no published crate".to_owned())]);
    }
}

//! Rule: every row of `CONFORMANCE.tsv` names tests that exist and name the row, or says why not.
//!
//! A row is an id, an area, a behaviour in one line, the tests that show it (`path::name`, with
//! spaces between), and, where there is no test or not of all of it, the reason.

use super::Violation;
use super::tree::Tree;

/// The table, in the root of the workspace.
const TABLE: &str = "CONFORMANCE.tsv";
/// Its first line.
const HEAD: &str = "id\tarea\tbehaviour\ttest\twhy not";

/// A row of the table.
struct Row<'a> {
    line: usize,
    id: &'a str,
    behaviour: &'a str,
    tests: &'a str,
    why_not: &'a str,
}

/// Returns what is wrong with the table.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(text) = tree.text(TABLE) else {
        return vec![Violation::new(TABLE, 1, "is missing")];
    };
    let mut violations = Vec::new();
    if text.lines().next() != Some(HEAD) {
        let what = format!("the first line should be {HEAD:?}");
        violations.push(Violation::new(TABLE, 1, what));
    }
    let mut known: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let Some(row) = row(index + 1, line) else {
            let what = "a row has five columns with tabs between";
            violations.push(Violation::new(TABLE, index + 1, what));
            continue;
        };
        let wrong = wrong(tree, &row, known.contains(&row.id));
        violations.extend(wrong.map(|what| Violation::new(TABLE, row.line, what)));
        known.push(row.id);
    }
    violations
}

fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let mut columns = text.split('\t');
    let row = Row {
        line,
        id: columns.next()?,
        behaviour: columns.nth(1)?,
        tests: columns.next()?,
        why_not: columns.next()?,
    };
    columns.next().is_none().then_some(row)
}

/// Returns what is wrong with a row.
fn wrong<'a>(tree: &'a Tree, row: &'a Row<'a>, is_known: bool) -> impl Iterator<Item = String> {
    let id = row.id;
    let twice = is_known.then(|| format!("{id} stands here twice"));
    let empty = (id.is_empty() || row.behaviour.is_empty())
        .then(|| "a row has an id and a behaviour".to_owned());
    let open = (row.tests.is_empty() && row.why_not.is_empty())
        .then(|| format!("{id} has neither a test nor a reason why not"));
    let tests = row.tests.split_whitespace();
    let tests = tests.filter_map(move |test| wrong_test(tree, id, test));
    twice.into_iter().chain(empty).chain(open).chain(tests)
}

/// Returns what is wrong with one of a row's tests, if something is.
fn wrong_test(tree: &Tree, id: &str, test: &str) -> Option<String> {
    let Some((path, name)) = test.split_once("::") else {
        return Some(format!("`{test}` should be `path::name`"));
    };
    let Some(source) = tree.text(path) else {
        return Some(format!(
            "{id} names a test in `{path}`, which does not exist"
        ));
    };
    if !source.contains(&format!("fn {name}(")) {
        return Some(format!("{id} names `{name}`, which is not in {path}"));
    }
    if !above(source, name).any(|line| line.trim_start().starts_with("//") && line.contains(id)) {
        return Some(format!(
            "`{name}` in {path} does not name {id} in a comment above it"
        ));
    }
    None
}

/// Returns the attributes and comments over a function, from below.
fn above<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let at = text.find(&format!("fn {name}(")).unwrap_or(0);
    // What stands before it in its own line is its visibility.
    let line = text[..at].rfind('\n').unwrap_or(0);
    let lines = text[..line].lines().rev();
    lines
        .skip_while(|line| line.trim().is_empty())
        .take_while(|line| line.trim_start().starts_with(['#', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rows: &str) -> Vec<String> {
        let table = format!("{HEAD}\n{rows}");
        let tests = "//! Tests.\n\n// ABC-001, ABC-002: both.\n#[test]\nfn it_works() {}\n\nfn helper() {}\n\n// ABC-004\npub(crate) fn case() {}\n";
        let tree = Tree::of(&[(TABLE, &table), ("crates/a/tests/a.rs", tests)]);
        check(&tree).into_iter().map(|told| told.what).collect()
    }

    #[test]
    fn a_row_with_its_test_or_a_reason_is_fine() {
        assert!(told("ABC-001\ta\tworks\tcrates/a/tests/a.rs::it_works\t\n").is_empty());
        assert!(told("ABC-002\ta\tworks\tcrates/a/tests/a.rs::it_works\tin part\n").is_empty());
        assert!(told("ABC-003\ta\tworks\t\tthere is no such thing\n").is_empty());
        assert!(told("ABC-004\ta\tworks\tcrates/a/tests/a.rs::case\t\n").is_empty());
    }

    #[test]
    fn a_test_that_does_not_exist_is_told() {
        let path = "crates/a/tests/a.rs";
        for test in [
            "crates/a/tests/b.rs::it_works",
            &format!("{path}::it_fails"),
            "it_works",
        ] {
            assert_eq!(
                told(&format!("ABC-001\ta\tworks\t{test}\t\n")).len(),
                1,
                "{test}"
            );
        }
        let two = told(&format!(
            "ABC-001\ta\tworks\t{path}::it_works {path}::gone\t\n"
        ));
        assert!(two[0].contains("`gone`"), "{two:?}");
    }

    #[test]
    fn a_test_that_does_not_name_its_row_is_told() {
        let path = "crates/a/tests/a.rs";
        let other = told(&format!("ABC-003\ta\tworks\t{path}::it_works\t\n"));
        assert!(other[0].contains("does not name ABC-003"), "{other:?}");
        assert_eq!(
            told(&format!("ABC-001\ta\tworks\t{path}::helper\t\n")).len(),
            1
        );
    }

    #[test]
    fn rows_of_another_shape_are_told() {
        assert_eq!(
            told("ABC-001\ta\tworks\t\t\n"),
            ["ABC-001 has neither a test nor a reason why not"]
        );
        assert_eq!(told("ABC-001\ta\tworks\n").len(), 1);
        assert_eq!(told("ABC-001\ta\tworks\t\tno\tmore\n").len(), 1);
        assert_eq!(
            told("ABC-001\ta\tworks\t\tno\nABC-001\ta\tworks\t\tno\n").len(),
            1
        );
        assert_eq!(told("\ta\tworks\t\tno\n").len(), 1);
    }

    #[test]
    fn a_table_without_its_head_is_told() {
        assert_eq!(check(&Tree::of(&[(TABLE, "id\n")])).len(), 1);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}

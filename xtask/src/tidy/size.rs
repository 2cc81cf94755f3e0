//! Rule: files and functions stay as short as those of the code that this project learns from.

use super::Violation;
use super::source::Source;
use super::tree::Tree;

/// The most lines of a file that is not a test, documentation included.
const FILE: usize = 900;
/// The most lines of nine library files in ten.
const MOST_FILES: usize = 500;
/// The most lines of the median library file.
const MEDIAN_FILE: usize = 200;
/// The most lines between the braces of a function outside tests.
const FUNCTION: usize = 60;
/// The most lines of nine library functions in ten.
const MOST_FUNCTIONS: usize = 22;
/// The most lines of the median library function.
const MEDIAN_FUNCTION: usize = 6;
/// The most lines of code in the facade's root.
const FACADE: usize = 45;

/// The facade's root.
const FACADE_ROOT: &str = "crates/procession/src/lib.rs";

/// Something that was measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Measured {
    size: usize,
    path: String,
    line: usize,
    /// How to name it to the user.
    name: String,
}

/// Returns what is too long, and where too much is long.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let measured = || tree.sources.iter().filter(|source| !source.is_test);
    let mut violations = too_long(measured().map(file), "file", FILE);
    violations.extend(too_long(
        measured().flat_map(functions),
        "function",
        FUNCTION,
    ));
    let files = tree.libraries().map(file).collect();
    violations.extend(spread(files, "file", MEDIAN_FILE, MOST_FILES));
    let functions = tree.libraries().flat_map(functions).collect();
    violations.extend(spread(
        functions,
        "function",
        MEDIAN_FUNCTION,
        MOST_FUNCTIONS,
    ));
    violations.extend(tree.sources.iter().filter_map(facade));
    violations
}

fn file(source: &Source) -> Measured {
    Measured {
        size: source.lines.len(),
        path: source.path.clone(),
        line: 1,
        name: source.path.clone(),
    }
}

/// Measures the functions of a file that are not for tests.
fn functions(source: &Source) -> Vec<Measured> {
    let functions = source.functions().into_iter();
    functions
        .filter(|function| !source.is_test_line(function.line))
        .map(|function| Measured {
            size: function.body,
            path: source.path.clone(),
            line: function.line,
            name: format!("{} in {}", function.name, source.path),
        })
        .collect()
}

/// Returns those that are longer than any may be.
fn too_long(measured: impl Iterator<Item = Measured>, what: &str, most: usize) -> Vec<Violation> {
    measured
        .filter(|one| one.size > most)
        .map(|one| {
            let what = format!(
                "a {what} of {} lines, more than {most}: split it by subject",
                one.size
            );
            Violation::new(&one.path, one.line, what)
        })
        .collect()
}

/// Compares the median and the ninth tenth with what they may be.
fn spread(mut all: Vec<Measured>, what: &str, median: usize, most: usize) -> Vec<Violation> {
    all.sort_unstable();
    let limits = [(50, median), (90, most)];
    let share = |(percent, limit)| share_too_long(&all, what, percent, limit);
    limits.into_iter().filter_map(share).collect()
}

/// Tells of the longest in that share of the sorted if it is longer than the limit.
fn share_too_long(
    sorted: &[Measured],
    what: &str,
    percent: usize,
    limit: usize,
) -> Option<Violation> {
    let rank = (sorted.len() * percent).div_ceil(100);
    let last = &sorted[rank.checked_sub(1)?];
    let longest = sorted.iter().rev().take(3);
    let longest: Vec<String> = longest
        .map(|one| format!("{} ({})", one.name, one.size))
        .collect();
    let what = format!(
        "{percent}% of the library's {what}s have up to {} lines, more than {limit}: split the \
         longest, {}",
        last.size,
        longest.join(", ")
    );
    (last.size > limit).then(|| Violation::new(&last.path, last.line, what))
}

/// Counts the facade's code: what is neither empty nor a comment.
fn facade(source: &Source) -> Option<Violation> {
    let is_code = |line: &&String| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let code = source.lines.iter().filter(is_code).count();
    let what = format!("{code} lines of code, more than {FACADE}: the facade only re-exports");
    (source.path == FACADE_ROOT && code > FACADE).then(|| Violation::new(&source.path, 1, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> String {
        "//! A file.\n".repeat(lines)
    }

    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines))
    }

    fn told(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|violation| violation.what)
            .collect()
    }

    #[test]
    fn no_file_is_too_long() {
        assert!(told("examples/src/a.rs", &text(900)).is_empty());
        assert_eq!(told("examples/src/a.rs", &text(901)).len(), 1);
        assert!(told("crates/a/tests/a.rs", &text(901)).is_empty());
    }

    #[test]
    fn no_function_is_too_long() {
        assert!(told("xtask/src/a.rs", &function(60)).is_empty());
        assert_eq!(told("xtask/src/a.rs", &function(61)).len(), 1);
        assert!(told("xtask/src/a.rs", &format!("#[test]\n{}", function(61))).is_empty());
    }

    #[test]
    fn half_of_the_library_is_short() {
        let (short, long) = (text(200), text(201));
        let a = |name: &'static str, text| (name, text);
        let even = [
            a("crates/a/src/a.rs", short.as_str()),
            a("crates/a/src/b.rs", &long),
        ];
        assert!(check(&Tree::of(&even)).is_empty());
        let most = [even[0], even[1], a("crates/a/src/c.rs", &long)];
        let told = check(&Tree::of(&most));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].what.starts_with("50%"));
    }

    #[test]
    fn nine_functions_in_ten_are_not_long() {
        let library = |long: usize| {
            let short = function(6).repeat(10 - long);
            told(
                "crates/a/src/a.rs",
                &format!("{short}{}", function(23).repeat(long)),
            )
        };
        assert!(library(0).is_empty() && library(1).is_empty());
        assert_eq!(library(2).len(), 1);
        assert!(library(2)[0].starts_with("90%"));
    }

    #[test]
    fn the_facade_has_little_code() {
        let code = |lines: usize| format!("//! F.\n\n// Why.\n{}", "pub use a::b;\n".repeat(lines));
        assert!(told(FACADE_ROOT, &code(45)).is_empty());
        assert_eq!(told(FACADE_ROOT, &code(46)).len(), 1);
        assert!(told("crates/procession-os/src/lib.rs", &code(46)).is_empty());
    }
}

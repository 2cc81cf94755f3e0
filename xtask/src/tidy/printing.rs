//! Rule: a published crate never prints and never ends the process.

use super::Violation;
use super::source::{Source, Token};
use super::tree::Tree;

/// The macros that print.
const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// A file that may do one of the forbidden things.
struct Exception {
    path: &'static str,
    word: &'static str,
    reason: &'static str,
}

impl Exception {
    /// Asks to remove an exception that nothing needs any more.
    fn is_stale(&self) -> Violation {
        let Self { path, word, reason } = self;
        let what = format!(
            "no `{word}` is here, so its exception in xtask/src/tidy/printing.rs can go ({reason})"
        );
        Violation::new(path, 1, what)
    }
}

/// Every exception, with its reason.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        path: "crates/procession-os/src/lifetime.rs",
        word: "exit",
        reason: "a copy of a process ends without what the C library would do at that one's exit",
    },
    Exception {
        path: "crates/procession-process/src/child.rs",
        word: "exit",
        reason: "a started process ends inside `init`: what follows it runs in the parent only",
    },
    Exception {
        path: "crates/procession-process/src/child.rs",
        word: "eprintln",
        reason: "a child that cannot reach its parent has nobody else to tell why it ends",
    },
];

/// Returns where a published crate prints or exits, tests left out, and stale exceptions.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let published = |source: &&Source| {
        let mut packages = tree.crates().filter(|package| package.published);
        packages.any(|package| source.path.starts_with(&format!("{}/", package.folder)))
    };
    let sources = tree.libraries().filter(published);
    sources.flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<Violation> {
    let found: Vec<(usize, &str)> = (0..source.tokens.len())
        .filter_map(|place| forbidden(&source.tokens, place))
        .filter(|(line, _)| !source.is_test_line(*line))
        .collect();
    let here = || {
        EXCEPTIONS
            .iter()
            .filter(|exception| exception.path == source.path)
    };
    let excepted = |word: &str| here().any(|exception| exception.word == word);
    let told = found
        .iter()
        .filter(|(_, word)| !excepted(word))
        .map(|(line, word)| {
            let what = format!("`{word}` in a library: return an error or the text instead");
            Violation::new(&source.path, *line, what)
        });
    let stale = here().filter(|exception| found.iter().all(|(_, word)| *word != exception.word));
    told.chain(stale.map(Exception::is_stale)).collect()
}

/// Returns the line and the word if a library may not do what stands here.
fn forbidden(tokens: &[Token], place: usize) -> Option<(usize, &str)> {
    let token = &tokens[place];
    let is_so = prints(tokens, place) || exits(tokens, place);
    is_so.then(|| (token.line(), token.text.trim_start_matches('_')))
}

/// Tells whether a printing macro is called here.
fn prints(tokens: &[Token], place: usize) -> bool {
    PRINTING.contains(&tokens[place].text.as_str())
        && tokens.get(place + 1).is_some_and(|next| next.text == "!")
}

/// Tells whether this is `process::exit` or an `_exit`.
fn exits(tokens: &[Token], place: usize) -> bool {
    match tokens[place].text.as_str() {
        "_exit" => true,
        "exit" => {
            let before: Vec<&str> = tokens[..place]
                .iter()
                .rev()
                .take(3)
                .map(|token| token.text.as_str())
                .collect();
            matches!(before[..], [":", ":", "process" | "libc"])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_in(path: &str, text: &str) -> Vec<usize> {
        let text = format!("//! A file.\n{text}");
        check(&Tree::of(&[(path, &text)]))
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    fn lines(text: &str) -> Vec<usize> {
        lines_in("crates/procession-pool/src/a.rs", text)
    }

    #[test]
    fn a_library_does_not_print() {
        assert_eq!(
            lines("fn f() {\n    println!(\"a\");\n    dbg!(1);\n}\n"),
            [3, 4]
        );
        assert_eq!(
            lines("macro_rules! m {\n    () => { eprintln!(\"a\") };\n}\n"),
            [3]
        );
        assert!(
            lines("/// ```\n/// println!(\"a\");\n/// ```\nfn f() { println(\"print!\") }\n")
                .is_empty()
        );
    }

    #[test]
    fn a_library_does_not_exit() {
        assert_eq!(lines("fn f() {\n    std::process::exit(1)\n}\n"), [3]);
        assert_eq!(lines("fn f() {\n    libc::_exit(1)\n}\n"), [3]);
        assert!(lines("fn f() { self.exit(); exit_status(); room::exit() }\n").is_empty());
    }

    #[test]
    fn tests_and_programs_print() {
        assert!(
            lines("#[cfg(test)]\nmod tests {\n    fn f() { println!(\"a\"); }\n}\n").is_empty()
        );
        let prints = "fn f() { println!(\"a\"); }\n";
        assert!(lines_in("crates/procession-pool/tests/a.rs", prints).is_empty());
        assert!(lines_in("examples/src/bin/a.rs", prints).is_empty());
    }

    #[test]
    fn exceptions_are_for_one_thing_in_one_file() {
        let [exit, print] = ["    std::process::exit(0);\n", "    eprintln!(\"a\");\n"];
        let body = |lines: &str| format!("fn f() {{\n{lines}}}\n");
        let both = body(&[exit, print].concat());
        let path = "crates/procession-process/src/child.rs";
        assert!(lines_in(path, &both).is_empty());
        assert_eq!(
            lines_in(path, &body(&[exit, print, "    dbg!(1);\n"].concat())),
            [5]
        );
        assert_eq!(
            lines_in("crates/procession-process/src/task.rs", &both),
            [3, 4]
        );
    }

    #[test]
    fn an_exception_that_nothing_needs_is_told() {
        let path = "crates/procession-process/src/child.rs";
        assert_eq!(lines_in(path, "fn f() { std::process::exit(0) }\n"), [1]);
    }
}

//! Rule: `unsafe` stands only where it is meant to, and always with the reason.
//!
//! Clippy looks for the reason too, but for blocks only, and not inside macros.

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Lit, Meta};

use super::Violation;
use super::source::{Source, Token};
use super::tree::Tree;

/// The crates that may have `unsafe` code.
const MAY: &[&str] = &[
    "procession-call",
    "procession-dict",
    "procession-os",
    "procession-process",
    "procession-queue",
    "procession-shm",
    "procession-sync",
];

/// Returns the `unsafe` that is in a wrong place or lacks its reason, and the crates that do not
/// forbid it.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations: Vec<Violation> = tree.sources.iter().flat_map(check_file).collect();
    violations.extend(tree.sources.iter().filter_map(permissive));
    violations
}

/// Tells whether the file belongs to a crate that may have `unsafe` code, or to the integration
/// tests of any crate and what they share: those may do what a test must.
fn may(path: &str) -> bool {
    let Some((name, inside)) = path
        .strip_prefix("crates/")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    MAY.contains(&name) || name == "procession-testkit" || inside.starts_with("tests/")
}

/// Asks the root of a crate that may not have `unsafe` code to forbid it.
fn permissive(source: &Source) -> Option<Violation> {
    let forbids = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => {
            list.path.is_ident("forbid") && list.tokens.to_string() == "unsafe_code"
        }
        _ => false,
    };
    let is_root = source.is_library() && source.path.ends_with("/src/lib.rs");
    let asked = is_root && !may(&source.path) && !source.syntax.attrs.iter().any(forbids);
    let what = "the crate may not have unsafe code: add `#![forbid(unsafe_code)]`";
    asked.then(|| Violation::new(&source.path, 1, what))
}

fn check_file(source: &Source) -> Vec<Violation> {
    let mut violations = undocumented_functions(source);
    let statements = Statements::of(source);
    for (place, token) in source.tokens.iter().enumerate() {
        if token.text != "unsafe" {
            continue;
        }
        let mut wrong =
            |what: String| violations.push(Violation::new(&source.path, token.line(), what));
        if !may(&source.path) {
            wrong(format!(
                "`unsafe` outside {}: build on these crates instead",
                MAY.join(", ")
            ));
        } else if let Some(kind) = needs_a_fact(&source.tokens, place)
            && !has_fact(source, token, &statements)
        {
            wrong(format!(
                "unsafe {kind} without a reason: say above it in a `// SAFETY:` comment which \
                 fact makes it sound"
            ));
        }
    }
    violations
}

/// Returns what kind of `unsafe` this is, if it is one that somebody must answer for here.
fn needs_a_fact(tokens: &[Token], place: usize) -> Option<&'static str> {
    match tokens.get(place + 1)?.text.as_str() {
        "{" => Some("block"),
        "impl" => Some("impl"),
        "(" => Some("attribute"),
        _ => None,
    }
}

/// Tells whether a `SAFETY:` comment stands in the line, above it, or above its statement.
fn has_fact(source: &Source, token: &Token, statements: &Statements) -> bool {
    let line = source.lines.get(token.line() - 1);
    let in_line = line.is_some_and(|text| text.contains("SAFETY:"));
    let mut places = [Some(token.line()), statements.begin(token.begin)]
        .into_iter()
        .flatten();
    in_line || places.any(|begin| has_fact_above(&source.lines, begin))
}

/// Tells whether the comment above the line has a `SAFETY:`; attributes may stand between.
fn has_fact_above(lines: &[String], line: usize) -> bool {
    let above = lines
        .iter()
        .take(line - 1)
        .rev()
        .map(|text| text.trim_start());
    above
        .skip_while(|text| text.starts_with("#["))
        .take_while(|text| text.starts_with("//"))
        .any(|text| text.contains("SAFETY:"))
}

/// Asks every `unsafe fn` and `unsafe trait` for a `# Safety` section.
fn undocumented_functions(source: &Source) -> Vec<Violation> {
    let functions = source.functions().into_iter();
    let declared = functions.filter(|function| function.is_unsafe && !function.is_of_a_trait);
    let mut asked: Vec<(usize, String, bool)> = declared
        .map(|f| {
            (
                f.line,
                format!("unsafe fn `{}`", f.name),
                has_safety_section(f.attributes),
            )
        })
        .collect();
    let mut declarations = Declarations::default();
    declarations.visit_file(&source.syntax);
    asked.extend(declarations.found);
    asked.retain(|(_, _, documented)| !documented);
    let what = "without a `# Safety` section: say in its documentation what the caller must see to";
    asked
        .iter()
        .map(|(line, who, _)| Violation::new(&source.path, *line, format!("{who} {what}")))
        .collect()
}

/// Tells whether the documentation has a section `# Safety`.
fn has_safety_section(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => {
                matches!(&literal.lit, Lit::Str(t) if t.value().contains("# Safety"))
            }
            _ => false,
        },
        _ => false,
    })
}

/// Collects what a trait declares as unsafe, and unsafe traits: line, name, whether documented.
#[derive(Default)]
struct Declarations {
    found: Vec<(usize, String, bool)>,
}

impl<'a> Visit<'a> for Declarations {
    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        if item.unsafety.is_some() {
            let who = format!("unsafe trait `{}`", item.ident);
            self.found.push((
                item.ident.span().start().line,
                who,
                has_safety_section(&item.attrs),
            ));
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if item.sig.unsafety.is_some() && item.default.is_none() {
            let who = format!("unsafe fn `{}`", item.sig.ident);
            let line = item.sig.ident.span().start().line;
            self.found
                .push((line, who, has_safety_section(&item.attrs)));
        }
    }
}

/// Collects where every statement, arm and item begins and ends.
#[derive(Default)]
struct Statements {
    found: Vec<(LineColumn, LineColumn)>,
}

impl Statements {
    fn of(source: &Source) -> Self {
        let mut statements = Self::default();
        statements.visit_file(&source.syntax);
        statements
    }

    fn note(&mut self, node: &impl Spanned) {
        let span = node.span();
        self.found.push((span.start(), span.end()));
    }

    /// Returns the line in which the innermost of them around this place begins.
    ///
    /// What stands inside a macro belongs to the statement that calls the macro.
    fn begin(&self, place: LineColumn) -> Option<usize> {
        let around = self
            .found
            .iter()
            .filter(|(begin, end)| (*begin..*end).contains(&place));
        around
            .map(|(begin, _)| *begin)
            .max()
            .map(|begin| begin.line)
    }
}

impl<'a> Visit<'a> for Statements {
    fn visit_stmt(&mut self, statement: &'a syn::Stmt) {
        self.note(statement);
        visit::visit_stmt(self, statement);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        self.note(arm);
        visit::visit_arm(self, arm);
    }

    fn visit_item(&mut self, item: &'a syn::Item) {
        self.note(item);
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        self.note(item);
        visit::visit_impl_item(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines where something is wrong in a file of a crate that may be unsafe.
    fn lines(text: &str) -> Vec<usize> {
        let text = format!("//! A file.\n{text}");
        let tree = Tree::of(&[("crates/procession-os/src/a.rs", &text)]);
        check(&tree)
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn only_some_crates_have_unsafe_code() {
        let text = "//! A file.\n// SAFETY: it is.\nfn f() { unsafe { g() } }\n";
        let told = |path| check(&Tree::of(&[(path, text)]));
        assert!(told("crates/procession-shm/src/a.rs").is_empty());
        assert!(
            told("crates/procession-pool/src/a.rs")[0]
                .what
                .contains("outside")
        );
        assert!(told("crates/procession-pool/tests/a.rs").is_empty());
        assert_eq!(told("examples/src/bin/a.rs").len(), 1);
    }

    #[test]
    fn unsafe_in_text_and_names_is_nothing() {
        let text = "//! unsafe { }\n/// `unsafe {}`\nfn f() { r#\"unsafe {}\"#; unsafe_code() }\n";
        assert!(check(&Tree::of(&[("xtask/src/a.rs", text)])).is_empty());
    }

    #[test]
    fn other_crates_forbid_it() {
        let told = |path, text| check(&Tree::of(&[(path, text)])).len();
        assert_eq!(told("crates/procession-pool/src/lib.rs", "//! A.\n"), 1);
        assert_eq!(
            told(
                "crates/procession-pool/src/lib.rs",
                "//! A.\n#![forbid(unsafe_code)]\n"
            ),
            0
        );
        assert_eq!(
            told(
                "crates/procession-pool/src/lib.rs",
                "//! A.\n#![deny(unsafe_code)]\n"
            ),
            1
        );
        assert_eq!(told("crates/procession-os/src/lib.rs", "//! A.\n"), 0);
        assert_eq!(told("crates/procession-pool/src/pool.rs", "//! A.\n"), 0);
    }

    #[test]
    fn a_block_has_its_fact() {
        assert_eq!(lines("fn f() {\n    unsafe { g() }\n}\n"), [3]);
        assert!(lines("fn f() {\n    // SAFETY: true.\n    unsafe { g() }\n}\n").is_empty());
        assert!(
            lines("fn f() {\n    // SAFETY: long,\n    // and true.\n    unsafe { g() }\n}\n")
                .is_empty()
        );
        assert_eq!(
            lines("fn f() {\n    // SAFETY: true.\n\n    unsafe { g() }\n}\n"),
            [5]
        );
        assert_eq!(
            lines("fn f() {\n    // It is safe.\n    unsafe { g() }\n}\n"),
            [4]
        );
    }

    #[test]
    fn the_fact_may_stand_above_the_statement() {
        let call = "    let x = h(\n        unsafe { g() },\n    );\n";
        assert!(lines(&format!("fn f() {{\n    // SAFETY: true.\n{call}}}\n")).is_empty());
        assert_eq!(lines(&format!("fn f() {{\n{call}}}\n")), [4]);
        let test = call.replace("let x = h", "assert!");
        assert!(lines(&format!("fn f() {{\n    // SAFETY: true.\n{test}}}\n")).is_empty());
        assert_eq!(lines(&format!("fn f() {{\n{test}}}\n")), [4]);
        let arm = "        1 => h(\n            unsafe { g() },\n        ),\n        _ => 2,\n";
        let matched = |fact: &str| format!("fn f() {{\n    match x {{\n{fact}{arm}    }}\n}}\n");
        assert!(lines(&matched("        // SAFETY: true.\n")).is_empty());
        assert_eq!(lines(&matched("")), [5]);
        assert_eq!(
            lines("fn f() {\n    // SAFETY: true.\n    h();\n    unsafe { g() }\n}\n"),
            [5]
        );
    }

    #[test]
    fn an_impl_has_its_fact() {
        assert_eq!(lines("unsafe impl Send for X {}\n"), [2]);
        assert!(lines("// SAFETY: true.\nunsafe impl Send for X {}\n").is_empty());
        assert!(lines("// SAFETY: true.\n#[cfg(unix)]\nunsafe impl Send for X {}\n").is_empty());
        assert_eq!(
            lines("// SAFETY: true.\nunsafe impl Send for X {}\nunsafe impl Sync for X {}\n"),
            [4]
        );
    }

    #[test]
    fn macros_and_attributes_are_looked_into() {
        assert_eq!(
            lines("macro_rules! m {\n    () => { unsafe { g() } };\n}\n"),
            [3]
        );
        assert_eq!(lines("#[unsafe(no_mangle)]\nfn f() {}\n"), [2]);
        assert!(lines("// SAFETY: true.\n#[unsafe(no_mangle)]\nfn f() {}\n").is_empty());
    }

    #[test]
    fn an_unsafe_function_tells_the_callers_duty() {
        assert_eq!(lines("unsafe fn f() {}\n"), [2]);
        assert!(
            lines("/// F.\n///\n/// # Safety\n///\n/// Be careful.\nunsafe fn f() {}\n").is_empty()
        );
        assert_eq!(lines("unsafe trait T {}\n"), [2]);
        assert_eq!(
            lines("trait T {\n    unsafe fn f();\n    unsafe fn g() {}\n}\n"),
            [4, 3]
        );
        assert!(lines("impl T for X {\n    unsafe fn f() {}\n}\n").is_empty());
        assert!(lines("type F = unsafe fn();\n").is_empty());
    }
}

//! One Rust file, parsed.

use std::ops::RangeInclusive;
use std::path::Path;

use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item};

use super::Violation;

/// A Rust file in the forms in which the rules want it.
pub(super) struct Source {
    /// Its path, relative to the root of the workspace.
    pub(super) path: String,
    /// Its lines.
    pub(super) lines: Vec<String>,
    /// Its tokens, those inside macros too, without comments.
    pub(super) tokens: Vec<Token>,
    /// Its syntax tree; what stands inside macros is not in it.
    pub(super) syntax: syn::File,
    /// Whether all of it is for tests only.
    pub(super) is_test: bool,
    test_lines: Vec<RangeInclusive<usize>>,
}

/// A token and its place.
#[derive(Debug)]
pub(super) struct Token {
    /// The token; a bracket is a token of its own.
    pub(super) text: String,
    /// Where it begins.
    pub(super) begin: LineColumn,
}

impl Token {
    fn new(text: impl Into<String>, span: Span) -> Self {
        let (text, begin) = (text.into(), span.start());
        Self { text, begin }
    }

    /// Returns the line that it begins in, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.begin.line
    }
}

/// A function with a body.
pub(super) struct Function<'a> {
    /// Its name.
    pub(super) name: String,
    /// The line of its name, counted from 1.
    pub(super) line: usize,
    /// The lines between its braces.
    pub(super) body: usize,
    /// Whether it is an `unsafe fn`.
    pub(super) is_unsafe: bool,
    /// Whether a trait, not this place, says what it does.
    pub(super) is_of_a_trait: bool,
    /// Its attributes and documentation.
    pub(super) attributes: &'a [Attribute],
}

impl Source {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// Where the text stops being Rust.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Violation> {
        let refuse = |line: usize, why: String| {
            Violation::new(path, line, format!("does not parse as Rust: {why}"))
        };
        let syntax = syn::parse_file(text)
            .map_err(|error| refuse(error.span().start().line, error.to_string()))?;
        let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            refuse(error.span().start().line, error.to_string())
        })?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut tests = TestItems::default();
        tests.visit_file(&syntax);
        Ok(Self {
            path: path.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            tokens,
            is_test: is_test_path(path),
            test_lines: tests.lines,
            syntax,
        })
    }

    /// Tells whether it is part of a crate's library or program.
    pub(super) fn is_library(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.next() == Some("crates") && parts.nth(1) == Some("src")
    }

    /// Tells whether the line is compiled for tests only.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// Returns the functions that have a body and do not stand inside a macro.
    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let mut functions = Functions::default();
        functions.visit_file(&self.syntax);
        functions.found
    }

    /// Returns how the paths of the files begin that its `#[cfg(test)] mod name;` stand for.
    pub(super) fn test_files(&self) -> Vec<String> {
        let path = Path::new(&self.path);
        let own = path.file_stem().unwrap_or_default().to_string_lossy();
        let beside = path.parent().unwrap_or(path);
        let folder = match &*own {
            "lib" | "main" | "mod" => beside.to_owned(),
            own => beside.join(own),
        };
        let modules = self.syntax.items.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => Some(
                folder
                    .join(module.ident.to_string())
                    .to_string_lossy()
                    .into_owned(),
            ),
            _ => None,
        });
        modules
            .flat_map(|module| [format!("{module}.rs"), format!("{module}/")])
            .collect()
    }
}

/// Tells whether the path is in a folder that cargo builds for tests and benchmarks only.
fn is_test_path(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches"))
}

/// Writes the tokens of a stream one after the other, entering every bracket.
fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    for tree in stream {
        if let TokenTree::Group(group) = tree {
            let (open, close) = match group.delimiter() {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::None => ("", ""),
            };
            into.push(Token::new(open, group.span_open()));
            flatten(group.stream(), into);
            into.push(Token::new(close, group.span_close()));
        } else {
            into.push(Token::new(tree.to_string(), tree.span()));
        }
    }
}

/// Tells whether an item with these attributes is compiled for tests only.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let meta = &attribute.meta;
        match meta {
            syn::Meta::Path(path) => path.is_ident("test"),
            syn::Meta::List(list) if list.path.is_ident("cfg") => {
                let condition = list.tokens.to_string().replace(' ', "");
                condition == "test" || condition.starts_with("all(test,")
            }
            _ => false,
        }
    })
}

/// Collects the lines of the items that are for tests only.
#[derive(Default)]
struct TestItems {
    lines: Vec<RangeInclusive<usize>>,
}

impl TestItems {
    fn note(&mut self, attributes: &[Attribute], node: &impl Spanned) {
        if is_for_tests(attributes) {
            self.lines
                .push(node.span().start().line..=node.span().end().line);
        }
    }
}

impl<'a> Visit<'a> for TestItems {
    fn visit_item(&mut self, item: &'a Item) {
        self.note(attributes_of(item), item);
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.note(&function.attrs, function);
        visit::visit_impl_item_fn(self, function);
    }
}

/// Returns the attributes of an item of a kind that tests consist of.
fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        _ => &[],
    }
}

/// Collects the functions of a file.
#[derive(Default)]
struct Functions<'a> {
    found: Vec<Function<'a>>,
}

impl<'a> Functions<'a> {
    fn note(
        &mut self,
        signature: &syn::Signature,
        block: &Block,
        attributes: &'a [Attribute],
        is_of_a_trait: bool,
    ) {
        self.found.push(Function {
            name: signature.ident.to_string(),
            line: signature.ident.span().start().line,
            body: body_lines(block),
            is_unsafe: signature.unsafety.is_some(),
            is_of_a_trait,
            attributes,
        });
    }
}

impl<'a> Visit<'a> for Functions<'a> {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.note(&function.sig, &function.block, &function.attrs, false);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, implementation: &'a syn::ItemImpl) {
        let is_of_a_trait = implementation.trait_.is_some();
        for item in &implementation.items {
            if let syn::ImplItem::Fn(function) = item {
                self.note(
                    &function.sig,
                    &function.block,
                    &function.attrs,
                    is_of_a_trait,
                );
            }
        }
        visit::visit_item_impl(self, implementation);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.note(&function.sig, block, &function.attrs, false);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// Counts the lines between the braces; a body in the line of its braces is one line.
fn body_lines(block: &Block) -> usize {
    let braces = block.brace_token.span;
    let lines = braces.close().start().line - braces.open().start().line;
    match lines {
        0 => usize::from(!block.stmts.is_empty()),
        lines => lines - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
//! A file.
fn empty() {}
fn one() { 1 }
fn two() {
    1;
    2
}
#[cfg(test)]
mod tests {
    #[test]
    fn t() {}
}
impl Drop for X {
    fn drop(&mut self) {}
}
macro_rules! m { () => { unsafe { \"unsafe\" } }; } // unsafe
";

    fn source() -> Source {
        Source::parse("crates/a/src/lib.rs", TEXT).unwrap()
    }

    #[test]
    fn functions_are_measured() {
        let source = source();
        let found: Vec<(String, usize, usize)> = source
            .functions()
            .into_iter()
            .map(|f| (f.name, f.line, f.body))
            .collect();
        let expected = [
            ("empty", 2, 0),
            ("one", 3, 1),
            ("two", 4, 2),
            ("t", 11, 0),
            ("drop", 14, 0),
        ];
        assert_eq!(
            found,
            expected.map(|(name, line, body)| (name.to_owned(), line, body))
        );
        assert!(source.functions()[4].is_of_a_trait);
    }

    #[test]
    fn lines_for_tests_are_known() {
        let source = source();
        assert!(!source.is_test_line(7));
        assert!(source.is_test_line(8) && source.is_test_line(12));
        assert!(!source.is_test_line(13));
    }

    #[test]
    fn tokens_inside_macros_are_seen_and_text_is_not() {
        let is_unsafe = |token: &&Token| token.text == "unsafe";
        assert_eq!(source().tokens.iter().filter(is_unsafe).count(), 1);
    }

    #[test]
    fn only_code_of_crates_is_library() {
        let is_library = |path| Source::parse(path, "//! A file.\n").unwrap().is_library();
        assert!(is_library("crates/a/src/lib.rs"));
        assert!(!is_library("crates/a/tests/t.rs"));
        assert!(!is_library("examples/src/lib.rs"));
    }

    #[test]
    fn what_may_be_compiled_otherwise_is_not_a_test() {
        let is_test = |condition: &str| {
            let text = format!("//! A file.\n#[cfg({condition})]\nfn f() {{}}\n");
            Source::parse("crates/a/src/lib.rs", &text)
                .unwrap()
                .is_test_line(3)
        };
        assert!(is_test("test") && is_test("all(test, unix)"));
        assert!(!is_test("not(test)") && !is_test("any(test, unix)") && !is_test("unix"));
    }
}

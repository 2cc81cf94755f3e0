//! Rule: no lint is silenced without a reason, and no test is switched off.

use super::Violation;
use super::source::Token;
use super::tree::Tree;

/// Returns every `allow`, every `expect` without a reason, and every `ignore`.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in &tree.sources {
        for attribute in attributes(&source.tokens) {
            let Some(first) = attribute.first() else {
                continue;
            };
            let found = wrong(attribute);
            violations.extend(found.map(|what| Violation::new(&source.path, first.line(), what)));
        }
    }
    violations
}

/// Returns what is wrong with an attribute, if something is.
fn wrong(attribute: &[Token]) -> Option<&'static str> {
    if names(attribute, "allow") {
        Some("a lint is allowed: mend it, or write `#[expect(.., reason = \"..\")]`")
    } else if names(attribute, "expect") && !attribute.iter().any(|token| token.text == "reason") {
        Some("a lint is expected without a reason: add `reason = \"..\"`")
    } else if names(attribute, "ignore") {
        Some("a test is ignored: make it pass, or remove it")
    } else {
        None
    }
}

/// Tells whether this is the attribute of that name, be it under a condition.
fn names(attribute: &[Token], name: &str) -> bool {
    let is_first = attribute.first().is_some_and(|token| token.text == name);
    let is_conditional = attribute
        .first()
        .is_some_and(|token| token.text == "cfg_attr");
    let follows_comma = |pair: &[Token]| pair[0].text == "," && pair[1].text == name;
    is_first || is_conditional && attribute.windows(2).any(follows_comma)
}

/// Returns what stands in the brackets of each `#[..]` and `#![..]`, those inside macros too.
pub(super) fn attributes(tokens: &[Token]) -> Vec<&[Token]> {
    let is = |place: usize, text: &str| tokens.get(place).is_some_and(|token| token.text == text);
    let opening = |place: usize| {
        let bracket = if is(place + 1, "!") {
            place + 2
        } else {
            place + 1
        };
        (is(place, "#") && is(bracket, "[")).then_some(bracket + 1)
    };
    (0..tokens.len())
        .filter_map(opening)
        .map(|begin| inside(&tokens[begin..]))
        .collect()
}

/// Returns the tokens up to the bracket that closes what was opened before them.
fn inside(tokens: &[Token]) -> &[Token] {
    let mut depth = 1_usize;
    for (place, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "[" => depth += 1,
            "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &tokens[..place];
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let text = format!("//! A file.\n{text}");
        check(&Tree::of(&[("xtask/src/a.rs", &text)]))
            .iter()
            .map(|found| found.line)
            .collect()
    }

    #[test]
    fn lints_are_not_allowed() {
        assert_eq!(lines("#![allow(dead_code)]\n"), [2]);
        assert_eq!(
            lines("\n#[allow(dead_code, reason = \"r\")]\nfn f() {}\n"),
            [3]
        );
        assert_eq!(
            lines("#[cfg_attr(test, allow(dead_code))]\nfn f() {}\n"),
            [2]
        );
        assert_eq!(
            lines("fn f() {\n    quote! { #[allow(unused)] };\n}\n"),
            [3]
        );
        assert!(
            lines("/// #[allow(dead_code)]\nfn allow() { \"#[allow(x)]\"; allow(); [allow()]; }\n")
                .is_empty()
        );
    }

    #[test]
    fn an_expected_lint_has_a_reason() {
        assert_eq!(lines("#[expect(dead_code)]\nfn f() {}\n"), [2]);
        assert!(lines("#[expect(dead_code, reason = \"later\")]\nfn f() {}\n").is_empty());
        assert!(lines("#[should_panic(expected = \"x\")]\nfn f() {}\n").is_empty());
    }

    #[test]
    fn tests_are_not_ignored() {
        assert_eq!(lines("#[test]\n#[ignore = \"slow\"]\nfn f() {}\n"), [3]);
        assert_eq!(lines("#[cfg_attr(miri, ignore)]\nfn f() {}\n"), [2]);
        assert!(lines("#[serde(ignore)]\nstruct S;\n").is_empty());
    }
}

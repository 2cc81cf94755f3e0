//! The links on the pages that rustdoc made.
//!
//! Rustdoc checks a link where it is written. A page of the facade shows items of other crates, and
//! what those link to need not be on any page there: rustdoc then leaves the brackets as text, or
//! writes a path that leads nowhere, and does not say so.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Returns what leads nowhere on the pages of a crate in the folder that rustdoc filled.
///
/// # Errors
///
/// When there are no pages, or one cannot be read.
pub(crate) fn broken(docs: &Path, krate: &str) -> anyhow::Result<Vec<String>> {
    let mut pages = Vec::new();
    find_pages(&docs.join(krate), &mut pages)?;
    pages.sort_unstable();
    let mut broken = Vec::new();
    for page in pages {
        let text = read(&page)?;
        let name = page.strip_prefix(docs)?.display();
        let links = values_of(&text, "href").filter(|link| leads_nowhere(&page, &text, link));
        broken.extend(links.map(|link| format!("{name}: `{link}` leads nowhere")));
        let texts = unresolved(&text);
        broken.extend(texts.map(|text| format!("{name}: [`{text}`] is text, not a link")));
    }
    Ok(broken)
}

fn find_pages(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find_pages(&path, into)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            into.push(path);
        }
    }
    Ok(())
}

fn read(page: &Path) -> anyhow::Result<String> {
    fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))
}

/// Tells whether a link of this page leads to a file or a place that is not there. What lies
/// outside the folder of the pages is not looked at.
fn leads_nowhere(page: &Path, text: &str, link: &str) -> bool {
    let is_elsewhere = link
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphabetic()));
    if is_elsewhere {
        return false;
    }
    let (path, place) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() {
        return !has_place(text, place);
    }
    let target = page.parent().unwrap_or(page).join(path);
    let is_source = path.split('/').any(|part| part == "src");
    match fs::read_to_string(&target) {
        Ok(text) => !is_source && !is_redirection(&text) && !has_place(&text, place),
        // A font or a picture.
        Err(_) => !target.is_file(),
    }
}

/// Tells whether the page sends its reader on, and the place with it: it stands where an item is
/// defined, in a private module, for the page of where it is public.
fn is_redirection(text: &str) -> bool {
    values_of(text, "http-equiv").any(|kind| kind == "refresh")
}

fn has_place(text: &str, place: &str) -> bool {
    place.is_empty() || values_of(text, "id").any(|id| id == place)
}

/// Returns the values of an attribute, wherever it stands.
fn values_of<'a>(text: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices('"').filter_map(move |(at, _)| {
        let before = text[..at].strip_suffix('=')?.strip_suffix(attribute)?;
        before
            .ends_with(char::is_whitespace)
            .then(|| text[at + 1..].split('"').next().unwrap_or_default())
    })
}

/// Returns the codes that stand in brackets and are no links: intra-doc links without an end.
fn unresolved(text: &str) -> impl Iterator<Item = &str> {
    text.split("[<code>")
        .skip(1)
        .filter_map(|rest| rest.split_once("</code>]"))
        .map(|(code, _)| code)
        .filter(|code| !code.contains('<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_in(page: &str) -> Vec<String> {
        let docs = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = docs.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/struct.A.html", page);
        write("b/index.html", r#"<h2 id="there">"#);
        write(
            "b/moved.html",
            r#"<meta http-equiv="refresh" content="0;URL=index.html">"#,
        );
        write("src/b/lib.rs.html", "");
        broken(docs.path(), "a").unwrap()
    }

    #[test]
    fn links_that_lead_somewhere_are_well() {
        let page = r##"<a id="here" href="../b/index.html"><a href="../b/index.html#there">
            <a href="#here"><a class="x" href="https://example.org/no#where"><a href="#">
            <a href="../b/moved.html#there"><a href="../src/b/lib.rs.html#1-9"><code>[x]</code>"##;
        assert!(broken_in(page).is_empty(), "{:?}", broken_in(page));
    }

    #[test]
    fn what_leads_nowhere_is_told_with_its_page() {
        let page = r##"<a href="self"><a href="#there"><a href="../b/index.html#no">"##;
        let told = broken_in(page);
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[0], "a/struct.A.html: `self` leads nowhere");
    }

    #[test]
    fn an_intra_doc_link_that_stayed_text_is_told() {
        let told = broken_in("<p>see [<code>Channel</code>] and <code>[u8]</code></p>");
        assert_eq!(told, ["a/struct.A.html: [`Channel`] is text, not a link"]);
    }

    #[test]
    fn a_crate_without_pages_is_an_error() {
        let docs = tempfile::tempdir().unwrap();
        assert!(broken(docs.path(), "a").is_err());
    }
}

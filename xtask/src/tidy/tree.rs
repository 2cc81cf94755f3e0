//! The files of the workspace, read and parsed once for all rules.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::Violation;
use super::source::Source;
use crate::workspace::{Foreign, Package};

/// What the rules look at.
#[derive(Default)]
pub(super) struct Tree {
    /// Every text file: its path relative to the root, and its text.
    pub(super) texts: Vec<(String, String)>,
    /// Those of them that are Rust, parsed.
    pub(super) sources: Vec<Source>,
    /// Those that should be Rust and are not.
    pub(super) unreadable: Vec<Violation>,
    /// The packages of the workspace.
    pub(super) packages: Vec<Package>,
    /// The packages of others that the published ones are built with, by name.
    pub(super) foreign: Vec<Foreign>,
}

impl Tree {
    /// Reads every text file below the root, but not what git or cargo made.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be read.
    pub(super) fn load(root: &Path, packages: Vec<Package>) -> anyhow::Result<Self> {
        let mut texts = Vec::new();
        read_folder(root, root, &mut texts)?;
        texts.sort_unstable();
        Ok(Self::parse(texts, packages))
    }

    fn parse(texts: Vec<(String, String)>, packages: Vec<Package>) -> Self {
        let mut tree = Self {
            texts,
            packages,
            ..Self::default()
        };
        for (path, text) in tree.texts.iter().filter(|(path, _)| is_rust(path)) {
            match Source::parse(path, text) {
                Ok(source) => tree.sources.push(source),
                Err(violation) => tree.unreadable.push(violation),
            }
        }
        let for_tests: Vec<String> = tree.sources.iter().flat_map(Source::test_files).collect();
        for source in &mut tree.sources {
            source.is_test |= for_tests.iter().any(|path| source.path.starts_with(path));
        }
        tree
    }

    /// Returns the parsed files of the crates' libraries, those for tests only left out.
    pub(super) fn libraries(&self) -> impl Iterator<Item = &Source> {
        self.sources
            .iter()
            .filter(|source| source.is_library() && !source.is_test)
    }

    /// Returns the packages in `crates/`.
    pub(super) fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.folder.starts_with("crates/"))
    }

    /// Returns the text of a file, if it is there.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let found = self.texts.iter().find(|(known, _)| known == path);
        found.map(|(_, text)| text.as_str())
    }

    /// Returns a tree of these files, for tests; each folder in `crates/` is a published package.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let texts = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let mut tree = Self::parse(texts.collect(), Vec::new());
        for (path, _) in files {
            let mut parts = path.split('/');
            if let (Some("crates"), Some(name)) = (parts.next(), parts.next()) {
                tree.packages.push(tests::package(name, &[]));
            }
        }
        tree.packages.dedup_by(|one, other| one.name == other.name);
        tree
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

/// Reads the text files of a folder and of all below it.
fn read_folder(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if is_generated(&path) {
            continue;
        }
        if kind.is_dir() {
            read_folder(root, &path, into)?;
        } else if path.is_file()
            && let Ok(text) = String::from_utf8(read(&path)?)
        {
            let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
            into.push((relative, text));
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Tells whether git or cargo made this; git has a file where a work tree is linked to another,
/// and cargo tags its folders.
fn is_generated(path: &Path) -> bool {
    path.ends_with(".git") || path.ends_with("target") || path.join("CACHEDIR.TAG").exists()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a published package in `crates/`, for tests.
    pub(crate) fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            published: true,
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn text_is_read_and_what_is_generated_is_not() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("README.md", b"text");
        write("crates/a/src/lib.rs", b"//! A.\n");
        write("logo.png", &[0xff, 0xfe]);
        write("target/debug/build.rs", b"fn main() {}");
        write("other-target/CACHEDIR.TAG", b"");
        write("other-target/x.rs", b"fn main() {}");
        let tree = Tree::load(root.path(), Vec::new()).unwrap();
        let paths: Vec<&str> = tree.texts.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["README.md", "crates/a/src/lib.rs"]);
        assert_eq!(tree.sources.len(), 1);
        assert_eq!(tree.text("README.md"), Some("text"));
    }

    #[test]
    fn files_of_a_test_module_are_tests() {
        let tree = Tree::of(&[
            (
                "crates/a/src/lib.rs",
                "//! A.\nmod b;\n#[cfg(test)]\nmod tests;\n",
            ),
            ("crates/a/src/b.rs", "//! B.\n#[cfg(test)]\nmod inner;\n"),
            ("crates/a/src/tests.rs", "//! T.\n"),
            ("crates/a/src/tests/more.rs", "//! T.\n"),
            ("crates/a/src/b/inner.rs", "//! T.\n"),
            ("crates/a/src/inner.rs", "//! Not a test.\n"),
            ("crates/a/tests/c.rs", "//! T.\n"),
        ]);
        let libraries: Vec<&str> = tree
            .libraries()
            .map(|source| source.path.as_str())
            .collect();
        assert_eq!(
            libraries,
            [
                "crates/a/src/lib.rs",
                "crates/a/src/b.rs",
                "crates/a/src/inner.rs"
            ]
        );
    }
}

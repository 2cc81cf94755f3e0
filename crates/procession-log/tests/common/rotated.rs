//! A log whose file is changed for a new one after a few records.

use std::fs;
use std::path::{Path, PathBuf};

/// How large a file becomes.
pub(crate) const LIMIT: u64 = 2000;

/// Sets up a log that changes its file often.
pub(crate) fn install(path: PathBuf, keep: usize) {
    let builder = procession_log::builder()
        .file(path)
        .format("%(processName)s|%(message)s|");
    let builder = builder.filter("info").rotate_at(LIMIT).keep(keep);
    builder.install().expect("the file can be opened");
}

/// Returns the texts of all files, the oldest first. A number may have been left out by a process that was
/// killed while it renamed the files.
pub(crate) fn files(path: &Path) -> Vec<String> {
    let folder = path.parent().expect("it is in a folder");
    let names = fs::read_dir(folder).expect("it is there");
    let number = |path: &PathBuf| path.extension()?.to_str()?.parse::<usize>().ok();
    let paths = names.map(|entry| entry.expect("it can be read").path());
    let mut old: Vec<_> = paths
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    old.sort();
    let paths = old.into_iter().rev().map(|(_, path)| path);
    let all = paths.chain([path.to_owned()]);
    all.filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// The text of a record, of many lengths.
pub(crate) fn body(record: usize) -> String {
    format!("{record}:{}", "x".repeat(record % 97))
}

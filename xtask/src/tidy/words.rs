//! Rule: no file names a place on one machine, or promises to be finished later.

use super::Violation;
use super::tree::Tree;

/// Folders that exist on one machine only.
///
/// Written in parts, as the marks below, so that this file keeps the rule itself.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// Marks of unfinished work.
const MARKS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Returns the lines of any text file that have such a word.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let lines = tree.texts.iter().flat_map(|(path, text)| {
        text.lines()
            .enumerate()
            .map(move |(index, line)| (path, index + 1, line))
    });
    lines
        .filter_map(|(path, line, text)| Some(Violation::new(path, line, wrong(text)?)))
        .collect()
}

/// Returns what is wrong with a line, if something is.
fn wrong(line: &str) -> Option<String> {
    if let Some(place) = PLACES.iter().find(|place| stands_alone(line, place)) {
        return Some(format!(
            "`{place}` is a place on one machine: use a relative path"
        ));
    }
    let mark = MARKS.iter().find(|mark| stands_alone(line, mark))?;
    Some(format!(
        "`{mark}`: finish it, or open an issue and say nothing here"
    ))
}

/// Tells whether the word is in the line and not a part of a longer word or path.
fn stands_alone(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let ends = word.ends_with('/') || !after.is_some_and(is_word);
        ends && !before.is_some_and(|c| is_word(c) || word.starts_with('/') && c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> usize {
        check(&Tree::of(&[("notes.txt", text)])).len()
    }

    #[test]
    fn a_place_on_one_machine_is_told() {
        for place in PLACES {
            assert_eq!(told(&format!("see {place}main")), 1);
            assert_eq!(told(&format!("\"{place}main\"")), 1);
            assert_eq!(told(&format!("src{place}main and .{place}x")), 0);
        }
        assert_eq!(told("/dev/shm/ and /tmp/ and /proc/self/"), 0);
    }

    #[test]
    fn a_mark_of_unfinished_work_is_told() {
        for mark in MARKS {
            assert_eq!(told(&format!("fine\n// {mark}: later")), 1);
            assert_eq!(told(&format!("{mark}S")), 0);
            assert_eq!(told(&mark.to_lowercase()), 0);
        }
    }
}

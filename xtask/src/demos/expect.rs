//! The vocabulary in which a demo's output is promised.

/// What the lines on standard output must be.
///
/// Every form accounts for every line: one line too many is as wrong as one too few.
#[derive(Clone, Copy)]
pub(super) enum Expect {
    /// Exactly these lines, in this order.
    Lines(&'static [&'static str]),
    /// Some blocks of lines, the blocks in any order, then the last lines.
    ///
    /// No line of a block may stand inside another: this is what a lock promises.
    Blocks {
        blocks: [&'static [&'static str]; 2],
        last: &'static [&'static str],
    },
    /// The ordered lines in their order, the others anywhere before, between or after them.
    Woven {
        ordered: &'static [&'static str],
        anywhere: &'static [&'static str],
    },
    /// Whatever the function accepts.
    By(fn(&[&str]) -> Result<(), String>),
}

impl Expect {
    /// Compares the text with what was promised.
    ///
    /// # Errors
    ///
    /// What was expected and where the text differs, for the user to read.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let lines: Vec<&str> = text.lines().collect();
        match self {
            Self::Lines(expected) => exactly(expected, &lines),
            Self::Blocks {
                blocks: [one, two],
                last,
            } => in_either_order(one, two, last, &lines),
            Self::Woven { ordered, anywhere } => woven(ordered, anywhere, &lines),
            Self::By(check) => check(&lines),
        }
    }
}

/// Accepts exactly the expected lines.
pub(super) fn exactly(expected: &[&str], found: &[&str]) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let same = expected
        .iter()
        .zip(found)
        .take_while(|(e, f)| e == f)
        .count();
    let at = |lines: &[&str]| match lines.get(same) {
        Some(line) => format!("`{line}`"),
        None => "the end".to_owned(),
    };
    Err(format!(
        "line {}: expected {}, found {}; expected in all:\n{}",
        same + 1,
        at(expected),
        at(found),
        expected.join("\n")
    ))
}

/// Accepts the two blocks one after the other, whichever comes first, then the last lines.
fn in_either_order(
    one: &[&str],
    two: &[&str],
    last: &[&str],
    found: &[&str],
) -> Result<(), String> {
    let forwards = [one, two, last].concat();
    let backwards = [two, one, last].concat();
    if forwards == found {
        return Ok(());
    }
    exactly(&backwards, found)
        .map_err(|why| format!("{why}\nor the same with the two blocks exchanged"))
}

/// Accepts the ordered lines in their order with the others in any place.
fn woven(ordered: &[&str], anywhere: &[&str], found: &[&str]) -> Result<(), String> {
    let (mut others, in_order): (Vec<&str>, Vec<&str>) =
        found.iter().partition(|line| anywhere.contains(line));
    exactly(ordered, &in_order)?;
    others.sort_unstable();
    let mut expected = anywhere.to_vec();
    expected.sort_unstable();
    exactly(&expected, &others).map_err(|why| format!("among the lines of no fixed place, {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: Expect = Expect::Blocks {
        blocks: [&["a1", "a2"], &["b1", "b2"]],
        last: &["end"],
    };
    const WOVEN: Expect = Expect::Woven {
        ordered: &["1", "2"],
        anywhere: &["x", "x"],
    };

    #[test]
    fn lines_are_compared_one_by_one() {
        let expect = Expect::Lines(&["7", "56"]);
        assert!(expect.check("7\n56\n").is_ok());
        assert!(
            expect
                .check("7\n57\n")
                .unwrap_err()
                .starts_with("line 2: expected `56`, found `57`")
        );
        assert!(expect.check("7\n").unwrap_err().contains("found the end"));
        assert!(
            expect
                .check("7\n56\n\n")
                .unwrap_err()
                .contains("expected the end")
        );
        assert!(expect.check("").is_err());
    }

    #[test]
    fn blocks_come_in_either_order() {
        assert!(BLOCKS.check("a1\na2\nb1\nb2\nend").is_ok());
        assert!(BLOCKS.check("b1\nb2\na1\na2\nend").is_ok());
    }

    #[test]
    fn blocks_are_not_interleaved() {
        assert!(BLOCKS.check("a1\nb1\na2\nb2\nend").is_err());
        assert!(BLOCKS.check("a2\na1\nb1\nb2\nend").is_err());
        assert!(BLOCKS.check("a1\na2\na1\na2\nend").is_err());
        assert!(BLOCKS.check("end\na1\na2\nb1\nb2").is_err());
    }

    #[test]
    fn woven_lines_keep_their_order_and_number() {
        assert!(WOVEN.check("x\n1\nx\n2").is_ok());
        assert!(WOVEN.check("1\n2\nx\nx").is_ok());
        assert!(WOVEN.check("2\n1\nx\nx").is_err());
        assert!(
            WOVEN
                .check("1\nx\n2")
                .unwrap_err()
                .contains("no fixed place")
        );
        assert!(WOVEN.check("1\nx\nx\nx\n2").is_err());
        assert!(WOVEN.check("1\nx\nx\ny\n2").is_err());
    }
}

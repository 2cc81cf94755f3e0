//! What the commands print.
//!
//! The macros of the standard library panic when the reader has gone, as that of a pipe to `head`
//! has. Here the rest of the output is dropped, and the command goes on: what it does besides
//! printing, and its exit status, are wanted all the same.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Prints a line to standard output, as `println` does, for a reader that may have gone.
macro_rules! say {
    ($($part:tt)*) => {
        $crate::output::line(&mut $crate::output::standard(std::io::stdout()), format_args!($($part)*))
    };
}

/// Prints a line to standard error, for a reader that may have gone.
macro_rules! complain {
    ($($part:tt)*) => {
        $crate::output::line(&mut $crate::output::standard(std::io::stderr()), format_args!($($part)*))
    };
}

pub(crate) use {complain, say};

/// Returns a standard stream, or in a test nothing: a test is quiet.
pub(crate) fn standard(stream: impl Write + 'static) -> Box<dyn Write> {
    if cfg!(test) {
        return Box::new(io::sink());
    }
    Box::new(stream)
}

/// Writes a line in one piece.
pub(crate) fn line(to: &mut dyn Write, text: Arguments<'_>) {
    // Whether anybody reads it is not this command's concern.
    let _ = to.write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_panic() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        line(&mut writer, format_args!("{}", 1));
    }

    #[test]
    fn a_line_ends() {
        let mut written = Vec::new();
        line(&mut written, format_args!("{} {}", 1, 2));
        assert_eq!(written, b"1 2\n");
    }
}

//! Why a value cannot be written or read, in the words of whoever found out.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// The error of the serializers and deserializers here.
///
/// Postcard's own has no room for the words of the value's `Serialize` or `Deserialize`. They are
/// in a box, so that the result of each call stays in registers.
#[derive(Debug)]
pub(crate) struct Problem(Box<Words>);

#[derive(Debug)]
struct Words(String);

impl Problem {
    #[cold]
    pub(crate) fn new(words: &str) -> Self {
        Self(Box::new(Words(words.into())))
    }

    /// Returns what was said, and what can be done about it where that is known.
    pub(crate) fn into_words(self) -> String {
        match self.0.0 {
            words if words == NOT_UTF_8 => words + " (an `OsString` can be sent instead)",
            words => words,
        }
    }
}

/// What serde says of a path that it cannot write.
const NOT_UTF_8: &str = "path contains invalid UTF-8 characters";

impl From<postcard::Error> for Problem {
    #[cold]
    #[inline(never)]
    fn from(error: postcard::Error) -> Self {
        Self::new(&error.to_string())
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.0)
    }
}

impl Error for Problem {}

impl serde::ser::Error for Problem {
    #[cold]
    fn custom<T: Display>(words: T) -> Self {
        Self::new(&words.to_string())
    }
}

impl serde::de::Error for Problem {
    #[cold]
    fn custom<T: Display>(words: T) -> Self {
        Self::new(&words.to_string())
    }
}

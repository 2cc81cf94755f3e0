//! How errors show themselves to whoever unwraps them.

use std::error::Error;
use std::fmt::{self, Formatter};

/// Writes an error as its name, its sentence, and the sentence of each source that does not stand in
/// the one above it already.
///
/// # Errors
///
/// What the formatter reports.
pub fn write(f: &mut Formatter<'_>, name: &str, error: &dyn Error) -> fmt::Result {
    let mut above = error.to_string();
    write!(f, "{name}: {above}")?;
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !above.contains(&words) {
            write!(f, ": {words}")?;
        }
        above = words;
        next = source.source();
    }
    Ok(())
}

/// Implements `Debug` for an error type with its words, because what `unwrap` and a `main` that
/// returns an error print is the first that a user sees of it.
///
/// An enum is named by its variant, which are all listed here, a struct by itself.
///
/// # Examples
///
/// ```
/// #[derive(thiserror::Error)]
/// enum Refused {
///     #[error("there is no room for {0} more")]
///     Full(u32),
///     #[error("nobody is here: come back later")]
///     Closed,
/// }
///
/// procession_os::debug_in_words!(Refused { Full, Closed });
/// assert_eq!(format!("{:?}", Refused::Full(7)), "Full: there is no room for 7 more");
/// ```
#[macro_export]
macro_rules! debug_in_words {
    ($type:ident $(<$($parameter:ident),*>)? { $($variant:ident),* $(,)? }) => {
        impl $(<$($parameter),*>)? ::std::fmt::Debug for $type $(<$($parameter),*>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let name = match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                };
                $crate::words::write(f, name, self)
            }
        }
    };
    ($type:ident) => {
        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::words::write(f, stringify!($type), self)
            }
        }
    };
}

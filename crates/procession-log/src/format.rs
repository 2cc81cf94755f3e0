//! Python's `%`-style format of a record.
//!
//! ```text
//! format     = { text | "%%" | conversion }
//! conversion = "%(" attribute ")" { "-" | "0" } [ width ] [ "." [ precision ] ] ( "s" | "d" | "f" )
//! ```
//!
//! It is read once, where the log is set up, so that nothing can be wrong with it when something is
//! logged.

use crate::error::FormatError;
use crate::field::{Attribute, Conversion, Field};
use crate::origin::Origin;
use serde::{Deserialize, Serialize};

/// What most records fit in, so that the line is seldom moved while it grows.
const USUAL_LINE: usize = 256;

/// A format that was read and found right.
///
/// It travels as its text, and is read again at the other side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Format {
    /// As the user wrote it.
    text: String,
    /// What it means.
    pieces: Vec<Piece>,
}

/// A part of a line.
#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Field(Field),
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    ///
    /// [`FormatError`] for the first thing that is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            pieces.push(Piece::Text(before.to_owned()));
            let (piece, left) = piece(after)?;
            pieces.push(piece);
            rest = left;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if !pieces.iter().any(|piece| matches!(piece, Piece::Field(_))) {
            return Err(FormatError::Constant);
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// Writes a record as it goes into the file, with the line break that ends it.
    pub(crate) fn line(&self, origin: &Origin<'_>) -> String {
        let mut line = String::with_capacity(USUAL_LINE);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field(field) => field.push(origin, &mut line),
            }
        }
        line.push('\n');
        line
    }
}

impl TryFrom<String> for Format {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        Self::parse(&text)
    }
}

impl From<Format> for String {
    fn from(format: Format) -> Self {
        format.text
    }
}

/// Reads what follows a percent sign; returns it and what is left.
fn piece(text: &str) -> Result<(Piece, &str), FormatError> {
    if let Some(rest) = text.strip_prefix('%') {
        return Ok((Piece::Text('%'.into()), rest));
    }
    let named = text.strip_prefix('(').ok_or(FormatError::Unnamed)?;
    let incomplete = || FormatError::Incomplete(named.to_owned());
    let (name, rest) = named.split_once(')').ok_or_else(incomplete)?;
    let attribute =
        Attribute::named(name).ok_or_else(|| FormatError::Attribute(name.to_owned()))?;
    let (flags, rest) = leading(rest, |c| matches!(c, '-' | '0'));
    let (width, rest) = number(rest, name)?;
    let (precision, rest) = precision(rest, name)?;
    let letter = rest.chars().next().ok_or_else(incomplete)?;
    let conversion = conversion(attribute, name, letter)?;
    let (left, zeros) = (flags.contains('-'), flags.contains('0'));
    let field = Field {
        attribute,
        conversion,
        left,
        zeros,
        width,
        precision,
    };
    Ok((Piece::Field(field), &rest[letter.len_utf8()..]))
}

/// Reads the letter that ends a conversion, and checks that the attribute can be converted so.
fn conversion(attribute: Attribute, name: &str, letter: char) -> Result<Conversion, FormatError> {
    let conversion = match letter {
        's' => return Ok(Conversion::Text),
        'd' => Conversion::Integer,
        'f' => Conversion::Fraction,
        conversion => {
            let attribute = name.to_owned();
            return Err(FormatError::Conversion {
                attribute,
                conversion,
            });
        }
    };
    if attribute.is_text() {
        return Err(FormatError::NotANumber(name.to_owned()));
    }
    Ok(conversion)
}

/// Reads `.` and what may follow it; a point alone means zero, as in Python.
fn precision<'a>(text: &'a str, name: &str) -> Result<(Option<u16>, &'a str), FormatError> {
    let Some(rest) = text.strip_prefix('.') else {
        return Ok((None, text));
    };
    let (precision, rest) = number(rest, name)?;
    Ok((Some(precision), rest))
}

/// Reads a number; nothing means zero.
fn number<'a>(text: &'a str, name: &str) -> Result<(u16, &'a str), FormatError> {
    let (number, rest) = leading(text, |c| c.is_ascii_digit());
    if number.is_empty() {
        return Ok((0, rest));
    }
    let number = number
        .parse()
        .map_err(|_| FormatError::TooWide(name.to_owned()))?;
    Ok((number, rest))
}

/// Splits off the longest beginning of which each character is `wanted`.
fn leading(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

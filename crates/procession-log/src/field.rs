//! One conversion of a format: which attribute, and how it looks.
//!
//! Python's rules, as far as they can be seen in a log: text is cut to the precision and padded to
//! the width, in characters; a number is text of at least so many digits, or of so many places;
//! zeros go between sign and digits, and nowhere if the padding is to the right.

use crate::moment::Moment;
use crate::origin::{Origin, level_name, level_number};
use std::borrow::Cow;
use std::fmt::{Arguments, Write};

/// An attribute of Python's `LogRecord`.
///
/// What each is here stands in a table in the crate's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Asctime,
    Created,
    Filename,
    LevelName,
    LevelNumber,
    Line,
    Message,
    Millis,
    Module,
    Name,
    Path,
    Process,
    ProcessName,
    RelativeCreated,
    Thread,
    ThreadName,
}

/// The type that is wanted of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// `s`
    Text,
    /// `d`
    Integer,
    /// `f`
    Fraction,
}

/// A conversion as the format has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) attribute: Attribute,
    pub(crate) conversion: Conversion,
    /// Whether the padding goes to the right.
    pub(crate) left: bool,
    /// Whether a number is padded with zeros.
    pub(crate) zeros: bool,
    /// The least number of characters, 0 if none was given.
    pub(crate) width: u16,
    /// What it means depends on the conversion.
    pub(crate) precision: Option<u16>,
}

/// The value of an attribute, before it is converted.
enum Value<'a> {
    Asctime(Moment),
    Text(&'a str),
    Owned(Cow<'a, str>),
    Message(&'a Arguments<'a>),
    Integer(u64),
    Fraction(f64),
}

impl Attribute {
    /// Finds an attribute by Python's name for it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "asctime" => Self::Asctime,
            "created" => Self::Created,
            "filename" => Self::Filename,
            "levelname" => Self::LevelName,
            "levelno" => Self::LevelNumber,
            "lineno" => Self::Line,
            "message" => Self::Message,
            "module" => Self::Module,
            "msecs" => Self::Millis,
            "name" => Self::Name,
            "pathname" => Self::Path,
            "process" => Self::Process,
            "processName" => Self::ProcessName,
            "relativeCreated" => Self::RelativeCreated,
            "thread" => Self::Thread,
            "threadName" => Self::ThreadName,
            _ => return None,
        })
    }

    /// Returns whether it has no number that could be converted.
    pub(crate) fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Created
                | Self::LevelNumber
                | Self::Line
                | Self::Millis
                | Self::Process
                | Self::RelativeCreated
                | Self::Thread
        )
    }

    /// Returns what this record has for it.
    fn value<'a>(self, origin: &Origin<'a>) -> Value<'a> {
        let record = origin.record;
        match self {
            Self::Asctime => Value::Asctime(origin.moment),
            Self::Created => Value::Fraction(origin.moment.seconds()),
            Self::Filename => Value::Text(origin.filename()),
            Self::LevelName => Value::Text(level_name(record.level())),
            Self::LevelNumber => Value::Integer(level_number(record.level())),
            Self::Line => Value::Integer(record.line().unwrap_or(0).into()),
            Self::Message => Value::Message(record.args()),
            Self::Millis => Value::Fraction(origin.moment.millis().into()),
            Self::Module => Value::Text(record.module_path().unwrap_or("Unknown module")),
            Self::Name => Value::Text(record.target()),
            Self::Path => Value::Text(origin.path()),
            Self::Process => Value::Integer(origin.pid().into()),
            Self::ProcessName => Value::Text(origin.process()),
            Self::RelativeCreated => Value::Fraction(origin.moment.millis_since(origin.start)),
            Self::Thread => Value::Integer(origin.tid()),
            Self::ThreadName => Value::Owned(origin.thread()),
        }
    }
}

impl Field {
    /// Appends the attribute of this record.
    pub(crate) fn push(&self, origin: &Origin<'_>, line: &mut String) {
        let plain = self.width == 0 && self.precision.is_none();
        match (self.conversion, self.attribute.value(origin)) {
            (Conversion::Integer, value) => self.push_integer(value.integer(), line),
            (Conversion::Fraction, value) => self.push_fraction(value.fraction(), line),
            (Conversion::Text, value) if plain => value.push(line),
            (Conversion::Text, value) => {
                let mut text = String::new();
                value.push(&mut text);
                self.push_text(&text, line);
            }
        }
    }

    /// Appends text, cut to the precision and padded.
    fn push_text(&self, text: &str, line: &mut String) {
        let precision = self.precision.map_or(usize::MAX, usize::from);
        let cut = text.char_indices().nth(precision);
        self.pad(&text[..cut.map_or(text.len(), |(end, _)| end)], line);
    }

    /// Appends text, padded with spaces.
    fn pad(&self, text: &str, line: &mut String) {
        let width = self.width.into();
        // A string takes whatever is written to it, here and below.
        let _ = if self.left {
            write!(line, "{text:<width$}")
        } else {
            write!(line, "{text:>width$}")
        };
    }

    /// Appends an integer of at least as many digits as the precision says.
    fn push_integer(&self, number: i64, line: &mut String) {
        let least = self.precision.unwrap_or(1).into();
        let digits = format!("{:0least$}", number.unsigned_abs());
        self.push_number(number < 0, &digits, line);
    }

    /// Appends a fraction of as many places as the precision says, or six.
    fn push_fraction(&self, number: f64, line: &mut String) {
        let places = self.precision.unwrap_or(6).into();
        self.push_number(number < 0.0, &format!("{:.places$}", number.abs()), line);
    }

    /// Appends a number that was made text, padded with spaces or zeros.
    fn push_number(&self, negative: bool, digits: &str, line: &mut String) {
        let sign = if negative { "-" } else { "" };
        if self.left || !self.zeros {
            return self.pad(&format!("{sign}{digits}"), line);
        }
        let width = usize::from(self.width).saturating_sub(sign.len());
        let _ = write!(line, "{sign}{digits:0>width$}");
    }
}

impl Value<'_> {
    /// Appends the value as Python's `str` shows it.
    fn push(&self, out: &mut String) {
        let _ = match self {
            Self::Asctime(moment) => moment.write_asctime(out),
            Self::Text(text) => out.write_str(text),
            Self::Owned(text) => out.write_str(text),
            // A value whose own `Display` reports an error is written as far as it came.
            Self::Message(message) => out.write_fmt(**message),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Fraction(number) => write!(out, "{number:?}"),
        };
    }

    /// Returns the number without its fraction; text has none, and is refused where a format is
    /// read.
    fn integer(&self) -> i64 {
        match *self {
            Self::Integer(number) => number.cast_signed(),
            Self::Fraction(number) => number as i64,
            _ => 0,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "Python's conversion has this precision too"
    )]
    fn fraction(&self) -> f64 {
        match *self {
            Self::Integer(number) => number as f64,
            Self::Fraction(number) => number,
            _ => 0.0,
        }
    }
}

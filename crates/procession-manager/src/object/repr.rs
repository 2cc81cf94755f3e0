//! The text of a value, as Python's `repr` writes it.

use super::Object;
use std::fmt::{self, Display, Formatter, Write};

impl Display for Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&float(*value)),
            Self::Str(text) => f.write_str(&quoted(text)),
            Self::Bytes(bytes) => f.write_str(&quoted_bytes(bytes)),
            Self::List(items) => write!(f, "[{}]", join(items)),
            Self::Tuple(items) if items.len() == 1 => write!(f, "({},)", items[0]),
            Self::Tuple(items) => write!(f, "({})", join(items)),
            Self::Set(items) if items.is_empty() => f.write_str("set()"),
            Self::Set(items) => write!(f, "{{{}}}", join(items)),
            Self::Dict(items) => {
                let pair = |(key, value)| format!("{key}: {value}");
                write!(f, "{{{}}}", join(items.iter().map(pair)))
            }
        }
    }
}

/// Writes the items with commas between them.
pub(crate) fn join<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    texts.join(", ")
}

/// Both languages write the shortest digits that mean the number, and go over to exponents at the
/// same sizes; they differ in how an exponent looks.
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    if value.is_nan() {
        return "nan".to_owned();
    }
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Writes a text between the quotes that need the fewest escapes.
fn quoted(text: &str) -> String {
    let quote = quote(text.contains('\''), text.contains('"'));
    let escaped = text.chars().map(|c| escape(c, quote));
    format!("{quote}{}{quote}", escaped.collect::<String>())
}

fn quoted_bytes(bytes: &[u8]) -> String {
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let escaped = bytes.iter().map(|&byte| match byte {
        0x7f.. => format!("\\x{byte:02x}"),
        _ => escape(byte.into(), quote),
    });
    format!("b{quote}{}{quote}", escaped.collect::<String>())
}

fn quote(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn escape(c: char, quote: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\\' => "\\\\".to_owned(),
        _ if c == quote => format!("\\{c}"),
        _ if is_printable(c) => c.to_string(),
        '\0'..='\u{ff}' => format!("\\x{:02x}", u32::from(c)),
        '\u{100}'..='\u{ffff}' => format!("\\u{:04x}", u32::from(c)),
        _ => format!("\\U{:08x}", u32::from(c)),
    }
}

/// Asks the standard library, which has the same table as Python. The first character of a text is
/// also escaped if it combines with what is before it; so it is not the first.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut text = String::from("-");
    text.push(c);
    let mut shown = String::new();
    let written = write!(shown, "{}", text.escape_debug());
    written.is_ok() && shown == text
}

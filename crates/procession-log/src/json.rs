//! A record as a line of JSON.

use crate::origin::{Origin, level_name};
use log::kv::{self, Key, VisitSource};
use std::fmt::{self, Write};

/// Returns a record as a line, with the line break that ends it.
pub(crate) fn line(origin: &Origin<'_>) -> String {
    let record = origin.record;
    let mut line = Object::new();
    line.text("time", origin.moment.rfc3339());
    line.text("level", level_name(record.level()));
    line.text("target", record.target());
    line.text("process", origin.process());
    line.plain("pid", origin.pid());
    line.text("thread", origin.thread());
    line.plain("tid", origin.tid());
    if let Some(module) = record.module_path() {
        line.text("module", module);
    }
    if let Some(file) = record.file() {
        line.text("file", file);
    }
    if let Some(number) = record.line() {
        line.plain("line", number);
    }
    line.text("message", record.args());
    let mut fields = Object::new();
    // What a source has before it fails is kept.
    let _ = record.key_values().visit(&mut fields);
    if !fields.is_empty() {
        line.plain("fields", fields.end());
    }
    let mut line = line.end();
    line.push('\n');
    line
}

/// An object, member by member.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn key(&mut self, key: &str) {
        if !self.is_empty() {
            self.0.push(',');
        }
        self.quoted(key);
        self.0.push(':');
    }

    /// Appends a member whose value is shown as JSON has it.
    fn plain(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        // A string takes whatever is written to it, here and below.
        let _ = write!(self.0, "{value}");
    }

    /// Appends a member that is text.
    fn text(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        self.quoted(value);
    }

    /// A value whose own `Display` reports an error is written as far as it came.
    fn quoted(&mut self, value: impl fmt::Display) {
        self.0.push('"');
        let _ = write!(Escaped(&mut self.0), "{value}");
        self.0.push('"');
    }
}

impl<'kvs> VisitSource<'kvs> for Object {
    /// What is no number, no truth and no text is the text as which it is shown.
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let key = key.as_str();
        if let Some(value) = value.to_bool() {
            self.plain(key, value);
        } else if let Some(value) = value.to_u64() {
            self.plain(key, value);
        } else if let Some(value) = value.to_i64() {
            self.plain(key, value);
        } else if let Some(value) = value.to_f64().filter(|value| value.is_finite()) {
            self.plain(key, value);
        } else {
            self.text(key, value);
        }
        Ok(())
    }
}

/// Text within quotes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                c if c.is_control() => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

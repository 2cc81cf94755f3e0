//! The environment variables of a child.

use crate::error::StartError;
use procession_os::environ;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, ErrorKind::InvalidInput};
use std::os::unix::ffi::OsStrExt;

/// What is to be different from this process's environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    clear: bool,
    /// A value of `None` removes the variable.
    variables: Vec<(OsString, Option<OsString>)>,
}

/// What is there to be overwritten.
const ROOM: &str = "PROCESSION_ROOM";
/// The longest value of it; the kernel allows 128 KiB.
const LONGEST: usize = 100_000;
/// The room that there is at most. Of an environment that needs more, not everything is shown.
pub(crate) const MOST_ROOM: usize = 512 * 1024;

/// All variables of a process, as the kernel has them: `NAME=value` and a zero, for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Environment(Vec<u8>);

impl Changes {
    pub(crate) fn set(&mut self, name: &OsStr, value: Option<&OsStr>) {
        self.variables.retain(|(known, _)| known != name);
        let value = value.map(OsStr::to_owned);
        self.variables.push((name.to_owned(), value));
    }

    pub(crate) fn clear(&mut self) {
        self.clear = true;
        self.variables.clear();
    }

    /// Refuses what cannot be a variable.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let has_nul = |value: &Option<OsString>| {
            value
                .as_ref()
                .is_some_and(|value| value.as_bytes().contains(&0))
        };
        let bad = |(name, value): &(OsString, Option<OsString>)| !is_name(name) || has_nul(value);
        match self.variables.iter().find(|variable| bad(variable)) {
            None => Ok(()),
            Some((name, _)) => {
                let words = format!(
                    "`{}` or its value has a NUL, or the name a `=`",
                    name.display()
                );
                Err(StartError::system("set a variable")(io::Error::new(
                    InvalidInput,
                    words,
                )))
            }
        }
    }

    /// Returns whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.variables.is_empty()
    }

    /// Applies the changes to this process's environment.
    pub(crate) fn apply(&self) -> Environment {
        let own = (!self.clear).then(env::vars_os).into_iter().flatten();
        let changed = |name: &OsStr| self.variables.iter().any(|(known, _)| known == name);
        let kept = own.filter(|(name, _)| !changed(name));
        let set = self.variables.iter().cloned();
        let set = set.filter_map(|(name, value)| Some((name, value?)));
        let mut all = Environment::default();
        for (name, value) in kept.chain(set).filter(|(name, _)| is_name(name)) {
            all.push(name.as_bytes(), value.as_bytes());
        }
        all
    }
}

/// Whether it can be the name of a variable.
fn is_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty() && !bytes.contains(&b'=') && !bytes.contains(&0)
}

impl Environment {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, b"=", value, b"\0"] {
            self.0.extend_from_slice(part);
        }
    }

    /// Returns each variable as `NAME=value`.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let entries = self.0.split_inclusive(|&byte| byte == 0);
        entries.filter_map(|entry| entry.split_last().map(|(_, entry)| entry))
    }

    /// Returns how much room the variables need where the kernel shows them.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns what the program is started with whose copies show environments of up to `room` bytes:
    /// these variables, which are there until it serves, and something more to be overwritten.
    pub(crate) fn with_room(mut self, room: usize) -> Self {
        let mut left = room.min(MOST_ROOM).saturating_sub(self.len());
        while left > 0 {
            let len = left.min(LONGEST);
            self.push(ROOM.as_bytes(), &vec![b'.'; len]);
            left -= len;
        }
        self
    }

    /// Removes what is there to be overwritten. This process must have no other thread.
    pub(crate) fn forget_room() {
        change(ROOM.as_ref(), None);
    }

    /// Removes all variables, and shows none. This process must have no other thread.
    pub(crate) fn end() {
        Self::default().take_up_anew();
    }

    /// Replaces the environment of this process, which has not looked at it since it was started.
    /// It must have no other thread.
    pub(crate) fn take_up_anew(self) {
        // SAFETY: this process has one thread, and nothing in it has been told of a variable.
        let installed = unsafe { environ::install(&self.0) };
        if !installed.unwrap_or(false) {
            self.take_up();
        }
    }

    /// Replaces this process's environment, and shows the new one; variables that stay as they are
    /// stay where they are. It must have no other thread.
    pub(crate) fn take_up(self) {
        for (name, _) in env::vars_os() {
            change(&name, None);
        }
        for entry in self.entries() {
            // A name has a byte at least.
            let equals = entry.iter().skip(1).position(|&byte| byte == b'=');
            let (name, value) = entry.split_at(equals.map_or(entry.len(), |at| at + 1));
            let value = value.get(1..).unwrap_or_default();
            change(OsStr::from_bytes(name), Some(OsStr::from_bytes(value)));
        }
        show();
    }
}

/// The bytes in one piece: each start has them.
impl Serialize for Environment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Environment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an environment")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Environment, E> {
        Ok(Environment(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Environment, E> {
        Ok(Environment(bytes))
    }
}

/// Shows the environment that this process has, and no other, to those who ask the kernel for it.
/// It must have no other thread.
pub(crate) fn show() {
    // SAFETY: this process has one thread.
    if matches!(unsafe { environ::is_shown() }, Ok(true)) {
        return;
    }
    let environment = Changes::default().apply();
    let entries: Vec<&[u8]> = environment.entries().collect();
    // SAFETY: this process has one thread, and every variable that it still has is an entry.
    let shown = unsafe { environ::show(&entries) };
    // Without `/proc` nobody sees anything.
    drop(shown);
}

fn change(name: &OsStr, value: Option<&OsStr>) {
    match value {
        // SAFETY: a process that is being set up has one thread, so nobody reads the environment
        // meanwhile.
        Some(value) => unsafe { env::set_var(name, value) },
        // SAFETY: as above.
        None => unsafe { env::remove_var(name) },
    }
}

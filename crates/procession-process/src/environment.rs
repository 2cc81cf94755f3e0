//! The environment variables of a child.

use crate::error::StartError;
use procession_os::environ;
use serde::{Deserialize, Serialize};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind::InvalidInput};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

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

/// All variables of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Environment(Vec<(Vec<u8>, Vec<u8>)>);

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
        let all = kept.chain(set);
        let bytes = |(name, value): (OsString, OsString)| (name.into_vec(), value.into_vec());
        Environment(all.filter(|(name, _)| is_name(name)).map(bytes).collect())
    }
}

/// Whether it can be the name of a variable.
fn is_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty() && !bytes.contains(&b'=') && !bytes.contains(&0)
}

impl Environment {
    /// Returns each variable as the kernel wants it, `NAME=value`.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0
            .iter()
            .map(|(name, value)| [name.as_slice(), value].join(&b'='))
    }

    /// Returns how much room the variables need where the kernel shows them.
    pub(crate) fn len(&self) -> usize {
        let lens = self.0.iter();
        lens.map(|(name, value)| name.len() + value.len() + 2).sum()
    }

    /// Returns what the program is started with whose copies show environments of up to `room` bytes:
    /// these variables, which are there until it serves, and something more to be overwritten.
    pub(crate) fn with_room(mut self, room: usize) -> Self {
        let mut left = room.min(MOST_ROOM).saturating_sub(self.len());
        while left > 0 {
            let len = left.min(LONGEST);
            self.0.push((ROOM.into(), vec![b'.'; len]));
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
        Self(Vec::new()).take_up();
    }

    /// Replaces this process's environment, and shows the new one. It must have no other thread.
    pub(crate) fn take_up(self) {
        for (name, _) in env::vars_os() {
            change(&name, None);
        }
        for (name, value) in self.0 {
            let (name, value) = (OsString::from_vec(name), OsString::from_vec(value));
            change(&name, Some(&value));
        }
        show();
    }
}

/// Shows the environment that this process has, and no other, to those who ask the kernel for it.
/// It must have no other thread.
pub(crate) fn show() {
    let entries: Vec<Vec<u8>> = Changes::default().apply().entries().collect();
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

//! The environment variables of a child.

use crate::error::StartError;
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

    /// Replaces this process's environment. It must have no other thread.
    pub(crate) fn take_up(self) {
        for (name, _) in env::vars_os() {
            change(&name, None);
        }
        for (name, value) in self.0 {
            let (name, value) = (OsString::from_vec(name), OsString::from_vec(value));
            change(&name, Some(&value));
        }
    }
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

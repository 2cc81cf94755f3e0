//! The user and the group that a child is to have.

use crate::error::StartError;
use crate::rights::Rights;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::io;

/// A user or a group, by its name or its number.
///
/// # Examples
///
/// ```
/// use procession_process::Account;
///
/// assert_eq!(Account::from("daemon"), Account::Name("daemon".to_owned()));
/// assert_eq!(Account::from(65534), Account::Number(65534));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Account {
    /// As the system's list has it.
    Name(String),
    /// As the kernel has it.
    Number(u32),
}

impl From<u32> for Account {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Account {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Account {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// Whom a child is to belong to, if not to its parent's user and group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owner {
    pub(crate) user: Option<Account>,
    pub(crate) group: Option<Account>,
}

impl Owner {
    /// Returns what a child may do that has this owner; `None` if it is as its parent.
    pub(crate) fn rights(&self) -> Result<Option<Rights>, StartError> {
        if self.user.is_none() && self.group.is_none() {
            return Ok(None);
        }
        let mut rights = Rights::now().map_err(StartError::system("read its own rights"))?;
        if let Some(user) = &self.user {
            user.become_user(&mut rights)
                .map_err(StartError::system("find the user"))?;
        }
        if let Some(group) = &self.group {
            let number = group
                .group()
                .map_err(StartError::system("find the group"))?;
            rights.set_group(number.as_raw());
        }
        Ok(Some(rights))
    }
}

impl Account {
    /// Sets the user, and the groups that the system's list gives it.
    fn become_user(&self, rights: &mut Rights) -> io::Result<()> {
        let (number, known) = match self {
            Self::Name(name) => {
                let user = User::from_name(name)?.ok_or_else(|| unknown(name))?;
                (user.uid, Some(user))
            }
            Self::Number(number) => {
                let number = Uid::from_raw(*number);
                (number, User::from_uid(number)?)
            }
        };
        let groups = match known {
            Some(user) => {
                rights.set_group(user.gid.as_raw());
                getgrouplist(&CString::new(user.name)?, user.gid)?
            }
            None => Vec::new(),
        };
        rights.set_user(
            number.as_raw(),
            groups.into_iter().map(Gid::as_raw).collect(),
        );
        Ok(())
    }

    fn group(&self) -> io::Result<Gid> {
        match self {
            Self::Name(name) => Ok(Group::from_name(name)?.ok_or_else(|| unknown(name))?.gid),
            Self::Number(number) => Ok(Gid::from_raw(*number)),
        }
    }
}

fn unknown(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no `{name}`"))
}

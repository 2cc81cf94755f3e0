//! Changing the file for a new one, by any process, while others write.
//!
//! The process that finds the file full, or its day over, locks the file itself (`flock`, which the kernel
//! gives up for a process that dies), renames it, makes a new one, and counts the change in the page that all
//! processes share. The others look at that count before each record, and open the new file by its name.
//!
//! Killed at any point, it leaves a state that the next process completes. Files are only ever renamed to
//! names that are free, the oldest excepted; where a number was left free, fewer files are moved. Where no
//! file has the name, whoever needs it makes it. The size and the day in the page are what leads a process
//! here; they are corrected last, so that they go on leading here until all else is done.

use crate::moment::Moment;
use crate::shared::Shared;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use procession_wire::Fd;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// When a file is changed for a new one, and how many old ones stay.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Rules {
    pub(crate) bytes: Option<u64>,
    pub(crate) daily: bool,
    pub(crate) keep: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let keep = usize::MAX;
        Self {
            bytes: None,
            daily: false,
            keep,
        }
    }
}

impl Rules {
    /// Returns whether there is any.
    pub(crate) fn is_any(self) -> bool {
        self.bytes.is_some() || self.daily
    }
}

/// The folder of a file, and its name there: what finds it whatever the process's directory is, and with
/// whatever root.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: Arc<OwnedFd>,
    name: OsString,
}

impl Place {
    /// Finds the folder of a path.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let folder = File::open(parent.unwrap_or(Path::new(".")))?;
        Ok(Self {
            folder: Arc::new(folder.into()),
            name: name.to_owned(),
        })
    }

    /// Returns the folder and the name, as they travel.
    pub(crate) fn parts(&self) -> (Fd<&OwnedFd>, &[u8]) {
        (Fd(&*self.folder), self.name.as_bytes())
    }

    /// Makes one of what has arrived.
    pub(crate) fn from_parts(Fd(folder): Fd<OwnedFd>, name: Vec<u8>) -> Self {
        Self {
            folder: Arc::new(folder),
            name: OsString::from_vec(name),
        }
    }

    /// Opens the file that has the name now, for appending; makes it if there is none.
    pub(crate) fn open(&self) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        let file = openat(&self.folder, self.name.as_os_str(), flags, EVERYONE)?;
        Ok(file.into())
    }

    /// Returns whether it is this file that has the name.
    fn is(&self, file: &Metadata) -> bool {
        let found = fstatat(&self.folder, self.name.as_os_str(), AtFlags::empty());
        found.is_ok_and(|found| (found.st_dev, found.st_ino) == (file.dev(), file.ino()))
    }

    /// Returns the name with something behind it.
    fn with(&self, suffix: impl AsRef<str>) -> OsString {
        let mut name = self.name.clone();
        name.push(".");
        name.push(suffix.as_ref());
        name
    }

    fn exists(&self, name: &OsStr) -> bool {
        fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match renameat(&self.folder, from, &self.folder, to) {
            // Another process has moved it, or removed it.
            Err(Errno::ENOENT) => Ok(()),
            renamed => Ok(renamed?),
        }
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.folder, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Changes the file for a new one if it is time, and counts the change in any case.
    ///
    /// Returns false if another process is doing so.
    pub(crate) fn rotate(
        &self,
        rules: Rules,
        len: usize,
        now: Moment,
        shared: &Shared,
    ) -> io::Result<bool> {
        let file = self.open()?;
        if file.try_lock().is_err() {
            return Ok(false);
        }
        let changed = self.change(&file, rules, len, now, shared);
        // A copy of this process, made by another thread meanwhile, would keep it locked.
        let _ = file.unlock();
        changed
    }

    fn change(
        &self,
        file: &File,
        rules: Rules,
        len: usize,
        now: Moment,
        shared: &Shared,
    ) -> io::Result<bool> {
        let old = file.metadata()?;
        // It may have been changed before it was locked.
        if !self.is(&old) {
            return Ok(false);
        }
        let full = |most: u64| old.len() + len as u64 > most;
        let day_end = shared.day_end();
        // A file that is not the one of that day was made by a process that was killed before it said so.
        let is_over = rules.daily && now.unix_seconds() >= day_end && shared.is_day_of(old.ino());
        let mut current = old.clone();
        if old.len() > 0 && (is_over || rules.bytes.is_some_and(full)) {
            let last = if is_over {
                day_end - 1
            } else {
                now.unix_seconds()
            };
            self.move_away(rules, Moment::from_unix_seconds(last))?;
            let new = self.open()?;
            // Whoever may write to the old file may write to the new one.
            let _ = new.set_permissions(old.permissions());
            current = new.metadata()?;
        }
        shared.generation().fetch_add(1, Ordering::Release);
        shared.size().store(current.len(), Ordering::Relaxed);
        if rules.daily {
            shared.set_day(now.end_of_day(), current.ino());
        }
        Ok(true)
    }

    fn move_away(&self, rules: Rules, last: Moment) -> io::Result<()> {
        if rules.keep == 0 {
            return self.remove(&self.name);
        }
        if rules.daily {
            self.date(last)?;
            return self.remove_oldest(rules.keep);
        }
        self.shift(rules.keep)
    }

    /// Renames the file to `.1`, what has that name to `.2`, and so on.
    fn shift(&self, keep: usize) -> io::Result<()> {
        let numbered = |number: usize| self.with(number.to_string());
        let is_free = |number: &usize| !self.exists(&numbered(*number));
        let free = (1..keep).find(is_free).unwrap_or(keep);
        for number in (1..free).rev() {
            self.rename(&numbered(number), &numbered(number + 1))?;
        }
        self.rename(&self.name, &numbered(1))
    }

    /// Renames the file to its day, with a number behind it if there is one of that day already.
    fn date(&self, day: Moment) -> io::Result<()> {
        let date = day.date();
        for number in 0.. {
            let to = match number {
                0 => self.with(&date),
                _ => self.with(format!("{date}.{number}")),
            };
            let name = self.name.as_os_str();
            let flags = RenameFlags::RENAME_NOREPLACE;
            match renameat2(&self.folder, name, &self.folder, to.as_os_str(), flags) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                // A file system that knows no such flag.
                Err(Errno::EINVAL) if !self.exists(&to) => return self.rename(name, &to),
                Err(Errno::EEXIST | Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Removes the files of the oldest days.
    fn remove_oldest(&self, keep: usize) -> io::Result<()> {
        if keep == usize::MAX {
            return Ok(());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut folder = Dir::openat(&self.folder, ".", flags, Mode::empty())?;
        let mut dated = Vec::new();
        for entry in folder.iter() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            dated.extend(self.part(&name).map(|part| (part, name)));
        }
        dated.sort();
        let many = dated.len().saturating_sub(keep);
        let oldest = dated.into_iter().take(many);
        oldest
            .map(|(_, name)| name)
            .try_for_each(|name| self.remove(&name))
    }

    /// Returns the day and the number of an old file; `None` of a name of another form.
    fn part(&self, name: &OsStr) -> Option<(String, u64)> {
        let suffix = name.as_bytes().strip_prefix(self.name.as_bytes())?;
        let suffix = std::str::from_utf8(suffix).ok()?.strip_prefix('.')?;
        let (date, number) = match suffix.split_once('.') {
            Some((date, number)) => (date, number.parse().ok()?),
            None => (suffix, 0),
        };
        let digit = |(at, c): (usize, char)| match at {
            4 | 7 => c == '-',
            _ => c.is_ascii_digit(),
        };
        (date.len() == 10 && date.char_indices().all(digit)).then(|| (date.to_owned(), number))
    }
}

/// The rights of a new file, of which the umask takes some away.
const EVERYONE: Mode = Mode::S_IRUSR
    .union(Mode::S_IWUSR)
    .union(Mode::S_IRGRP)
    .union(Mode::S_IWGRP)
    .union(Mode::S_IROTH)
    .union(Mode::S_IWOTH);

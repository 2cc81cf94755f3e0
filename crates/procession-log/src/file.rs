//! The file that all processes append to.
//!
//! A descriptor that is open for appending is all that processes need to share: for each write the
//! kernel locks the file, moves to its end and copies the bytes. Two records cannot mix as long as
//! each is one write, and what was written is the kernel's, whoever dies next. What a process leaves of a record
//! that is killed within the write is a line of its own (`turn.rs`).

use crate::error::LogError;
use crate::moment::Moment;
use crate::rotate::{Place, Rules};
use crate::shared::Shared;
use crate::trouble;
use crate::turn::Turn;
use procession_os::file_size::within_limit;
use procession_wire::Fd;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How many records this process could not write.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How long the old file is written to when a new one cannot be had.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it is written to while another process makes the new one.
const SHORT_PAUSE: Duration = Duration::from_millis(2);

/// Returns how many records this process could not write, or not to their end, because the disk
/// was full, the file had reached a limit of its size (`ulimit -f`), or it failed.
///
/// The first such record of all processes is told of on standard error too, with the reason.
///
/// # Examples
///
/// ```
/// assert_eq!(procession_log::lost(), 0);
/// ```
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts a record that could not be written, and tells of the first.
pub(crate) fn lose(shared: &Shared, sink: u64, error: &io::Error) {
    LOST.fetch_add(1, Ordering::Relaxed);
    trouble::tell(shared, sink, "records are lost", error);
}

/// A file that is open for appending.
#[derive(Debug, Clone)]
pub(crate) struct LogFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: RwLock<Arc<Current>>,
    rotation: Option<Rotation>,
}

#[derive(Debug)]
struct Rotation {
    rules: Rules,
    place: Place,
    /// When it is tried again after it was not possible.
    pause: trouble::Pause,
}

/// The file that is written to.
#[derive(Debug)]
struct Current {
    file: File,
    /// How often the file had been changed for another when this one was opened.
    generation: u64,
}

impl LogFile {
    /// Opens a file, and makes it if there is none.
    pub(crate) fn open(
        path: PathBuf,
        truncate: bool,
        rules: Rules,
        shared: &Shared,
    ) -> Result<Self, LogError> {
        let opened = || -> io::Result<Self> {
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            if truncate {
                file.set_len(0)?;
            }
            let rotation = rules.is_any().then(|| Place::of(&path)).transpose()?;
            let rotation = rotation.map(|place| Rotation::new(rules, place));
            let found = file.metadata()?;
            shared.size().store(found.len(), Ordering::Relaxed);
            let begun = if found.len() > 0 {
                Moment::from_unix_seconds(found.mtime().cast_unsigned())
            } else {
                Moment::now()
            };
            shared.set_day(begun.end_of_day(), found.ino());
            Ok(Self::of(file, 0, rotation))
        };
        opened().map_err(|source| LogError::Open { path, source })
    }

    fn of(file: File, generation: u64, rotation: Option<Rotation>) -> Self {
        let current = RwLock::new(Arc::new(Current { file, generation }));
        Self(Arc::new(Inner { current, rotation }))
    }

    /// Appends a whole record with one write.
    ///
    /// Where a record did not fit on the disk, what was begun stays; the next one begins on a line
    /// of its own.
    pub(crate) fn append(&self, record: &str, now: Moment, shared: &Shared) {
        // Of all that follows, so that nobody writes to a file that was changed for a new one.
        let _turn = Turn::take(shared);
        let Some(rotation) = &self.0.rotation else {
            write(&self.current(), record, shared);
            return;
        };
        if rotation.is_due(shared, record.len(), now) {
            rotation.rotate(record.len(), now, shared);
        }
        let current = self.newest(rotation, shared);
        let written = write(&current, record, shared);
        shared.size().fetch_add(written, Ordering::Relaxed);
        // This thread may have been stopped for so long that the file was removed before it was written to.
        let changed = shared.generation().load(Ordering::Acquire) != current.generation;
        if changed && current.file.metadata().is_ok_and(|file| file.nlink() == 0) {
            write(&self.newest(rotation, shared), record, shared);
        }
    }

    /// Returns the file that has the name now, as far as this process can have it.
    fn newest(&self, rotation: &Rotation, shared: &Shared) -> Arc<Current> {
        // The count comes first: a file that is opened afterwards is that one, or a newer one.
        let generation = shared.generation().load(Ordering::Acquire);
        let current = self.current();
        if current.generation == generation || rotation.pause.is_on() {
            return current;
        }
        match rotation.place.open() {
            Ok(file) => {
                let new = Arc::new(Current { file, generation });
                self.set_current(&new);
                new
            }
            Err(error) => {
                rotation.pause.begin(PAUSE);
                let what = "the log's new file cannot be opened";
                trouble::tell(shared, trouble::ROTATION, what, &error);
                current
            }
        }
    }

    fn current(&self) -> Arc<Current> {
        let current = self.0.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up a file, unless another thread has taken up a newer one.
    fn set_current(&self, new: &Arc<Current>) {
        let current = self.0.current.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        if current.generation < new.generation {
            *current = Arc::clone(new);
        }
    }
}

impl Rotation {
    fn new(rules: Rules, place: Place) -> Self {
        let pause = trouble::Pause::default();
        Self {
            rules,
            place,
            pause,
        }
    }

    /// Changes the file for a new one, if that can be done now.
    fn rotate(&self, len: usize, now: Moment, shared: &Shared) {
        match self.place.rotate(self.rules, len, now, shared) {
            Ok(true) => {}
            Ok(false) => self.pause.begin(SHORT_PAUSE),
            Err(error) => {
                self.pause.begin(PAUSE);
                let what = "the log's file cannot be changed for a new one";
                trouble::tell(shared, trouble::ROTATION, what, &error);
            }
        }
    }

    /// Returns whether it seems to be time for a new file: so says the page that all processes share.
    fn is_due(&self, shared: &Shared, len: usize, now: Moment) -> bool {
        let size = shared.size().load(Ordering::Relaxed);
        let full = |most| size > 0 && size.saturating_add(len as u64) > most;
        let over = || now.unix_seconds() >= shared.day_end();
        let due = self.rules.bytes.is_some_and(full) || (self.rules.daily && over());
        due && !self.pause.is_on()
    }
}

/// Writes a record, and returns how many bytes of it are in the file.
///
/// The rest of one that the kernel took a part of is not written behind it, where another process may have
/// written meanwhile. It is written again as a whole, on a line of its own; and if that fails, the next record of
/// any process is.
fn write(current: &Current, record: &str, shared: &Shared) -> u64 {
    let mut total = 0;
    for is_last in [false, true] {
        let torn = shared.torn().load(Ordering::Relaxed) != 0;
        let within = torn && ends_within_line(&current.file);
        let begun_anew = within.then(|| format!("\n{record}"));
        let line = begun_anew.as_deref().unwrap_or(record);
        let error = match write_once(&current.file, line.as_bytes()) {
            Ok(written) => {
                total += written as u64;
                let whole = written == line.len();
                if whole == torn {
                    shared.torn().store(u64::from(!whole), Ordering::Relaxed);
                }
                if whole {
                    return total;
                }
                ErrorKind::WriteZero.into()
            }
            Err(error) => error,
        };
        // What was cut short is tried once more, and the error of that says why.
        if is_last || total == 0 {
            lose(shared, trouble::FILE, &error);
            return total;
        }
    }
    total
}

/// Returns whether the file ends in the middle of a line, as far as this process may read it.
fn ends_within_line(file: &File) -> bool {
    let last = || -> io::Result<Option<u8>> {
        let Some(last) = file.metadata()?.len().checked_sub(1) else {
            return Ok(None);
        };
        let mut byte = [0];
        // It is open for appending alone.
        let file = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        file.read_exact_at(&mut byte, last)?;
        Ok(Some(byte[0]))
    };
    last().map_or(true, |last| last.is_some_and(|last| last != b'\n'))
}

/// Writes with one call; returns how many bytes the kernel took.
fn write_once(mut sink: impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match within_limit(|| sink.write(bytes)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

/// Writes with one call, and with further ones only if the kernel took a part.
pub(crate) fn write_all(mut sink: impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write_once(&mut sink, bytes)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

impl Serialize for LogFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let current = self.current();
        let rotation = self.0.rotation.as_ref();
        let rotation = rotation.map(|it| (it.rules, it.place.parts()));
        (Fd(&current.file), current.generation, rotation).serialize(serializer)
    }
}

/// A file as it arrives.
type Arrived = (Fd<OwnedFd>, u64, Option<(Rules, (Fd<OwnedFd>, Vec<u8>))>);

impl<'de> Deserialize<'de> for LogFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (Fd(file), generation, rotation) = Arrived::deserialize(deserializer)?;
        let rotation = rotation
            .map(|(rules, (folder, name))| Rotation::new(rules, Place::from_parts(folder, name)));
        Ok(Self::of(file.into(), generation, rotation))
    }
}

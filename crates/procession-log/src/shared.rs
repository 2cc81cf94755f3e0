//! What all processes of a log share: one page of words.
//!
//! | words | what |
//! |---|---|
//! | 0 | the filter in force: its number, whether it has rules, the least severe level of them |
//! | 1 | how often the file was changed for another |
//! | 2 | about how many bytes are in the file |
//! | 3 | when its day ends, in seconds since 1970, and a part of its inode's number |
//! | 4 | a bit for each trouble that was told of |
//! | 5 | the process that changes the filter |
//! | 6 | whether the file may end in the middle of a line |
//! | 7 | the process that writes to the file |
//! | 16.., 264.. | the texts of two filters, of which one is in force |
//!
//! A filter is written where the one in force does not lie, and one store puts it in force: a process that
//! is killed in between has changed nothing. Readers copy the text, and look afterwards whether it is still
//! the one that is in force.

use crate::error::{FilterError, LogError};
use crate::filter::{Filter, Here};
use log::{Level, LevelFilter};
use procession_os::identity::Identity;
use procession_os::own_pid;
use procession_os::table::Table;
use procession_process::current_process;
use procession_wire::handle;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

const FILTER: usize = 0;
const GENERATION: usize = 1;
const SIZE: usize = 2;
const DAY: usize = 3;
const TOLD: usize = 4;
const CHANGER: usize = 5;
const TORN: usize = 6;
const WRITER: usize = 7;
const TEXTS: [usize; 2] = [16, 264];
/// How many bytes a filter's text can have.
const TEXT: usize = (TEXTS[1] - TEXTS[0] - 1) * 8;

/// In the word of the filter: the level, and whether there are rules beside it.
const LEVEL: u64 = 0x7;
const RULES: u64 = 0x8;
/// How far the number of the filter is moved in its word.
const NUMBER: u32 = 4;

/// In the word of the day: how many bits are the inode's.
const INODE: u32 = 24;
const INODE_MASK: u64 = (1 << INODE) - 1;

/// How long a change of the filter waits for another one, which takes no time unless its process was
/// stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// The page, and what this process knows of the filter in it.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Table,
    known: RwLock<Option<Known>>,
}

/// The filter that a process has read.
#[derive(Debug)]
struct Known {
    word: u64,
    /// A copy of the process has another name.
    process: u32,
    here: Here,
}

impl Shared {
    /// Makes the page, with this filter in force.
    pub(crate) fn new(filter: &Filter) -> Result<Self, LogError> {
        let table = Table::new(c"procession-log").map_err(LogError::Share)?;
        let shared = Self::of(table);
        shared.set_filter(filter)?;
        Ok(shared)
    }

    fn of(table: Table) -> Self {
        let known = RwLock::new(None);
        Self(Arc::new(Inner { table, known }))
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.0.table.words()[index]
    }

    /// How often the file was changed for another.
    pub(crate) fn generation(&self) -> &AtomicU64 {
        self.word(GENERATION)
    }

    /// About how many bytes are in the file.
    pub(crate) fn size(&self) -> &AtomicU64 {
        self.word(SIZE)
    }

    /// Whether the file may end in the middle of a line, as the last write to it may have been cut short.
    pub(crate) fn torn(&self) -> &AtomicU64 {
        self.word(TORN)
    }

    /// The process that writes to the file.
    pub(crate) fn writer(&self) -> &AtomicU64 {
        self.word(WRITER)
    }

    /// Returns when the day of the file ends.
    pub(crate) fn day_end(&self) -> u64 {
        self.word(DAY).load(Ordering::Relaxed) >> INODE
    }

    /// Returns whether it is that file's day, as far as a part of the inode's number says.
    pub(crate) fn is_day_of(&self, inode: u64) -> bool {
        self.word(DAY).load(Ordering::Relaxed) & INODE_MASK == inode & INODE_MASK
    }

    /// Says when the day of this file ends. Both are one word, so that no kill comes between them.
    pub(crate) fn set_day(&self, end: u64, inode: u64) {
        let word = end << INODE | inode & INODE_MASK;
        self.word(DAY).store(word, Ordering::Relaxed);
    }

    /// Returns whether this is the first process that has this trouble to tell of.
    pub(crate) fn is_news(&self, trouble: u64) -> bool {
        self.word(TOLD).fetch_or(trouble, Ordering::Relaxed) & trouble == 0
    }

    /// Returns whether a record of this level and target is written in this process.
    #[inline]
    pub(crate) fn allows(&self, level: Level, target: &str) -> bool {
        let word = self.word(FILTER).load(Ordering::Acquire);
        if level as u64 > word & LEVEL {
            return false;
        }
        word & RULES == 0 || level <= self.level(word, target)
    }

    #[cold]
    fn level(&self, word: u64, target: &str) -> LevelFilter {
        let process = own_pid();
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.word == word
            && known.process == process
        {
            return known.here.level(target);
        }
        drop(known);
        let (word, filter) = self.read();
        let here = filter.in_process(current_process().name());
        let level = here.level(target);
        let known = Known {
            word,
            process,
            here,
        };
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        level
    }

    /// Returns the filter in force, and its word.
    fn read(&self) -> (u64, Filter) {
        loop {
            let word = self.word(FILTER).load(Ordering::Acquire);
            let text = self.text(TEXTS[(word >> NUMBER) as usize % 2]);
            // What was read above is not newer than what is read below.
            fence(Ordering::Acquire);
            if self.word(FILTER).load(Ordering::Relaxed) == word {
                // Text that is no filter was written by something else: the level counts alone.
                let filter = text.parse().unwrap_or_else(|_| Filter {
                    level: level_of(word),
                    rules: Vec::new(),
                });
                return (word, filter);
            }
        }
    }

    /// Returns the filter in force.
    pub(crate) fn filter(&self) -> Filter {
        self.read().1
    }

    /// Puts a filter in force, in all processes.
    pub(crate) fn set_filter(&self, filter: &Filter) -> Result<(), FilterError> {
        let text = filter.to_string();
        if text.len() > TEXT {
            return Err(FilterError::TooLong);
        }
        self.begin_change()?;
        let word = self.word(FILTER).load(Ordering::Relaxed);
        let number = (word >> NUMBER).wrapping_add(1);
        self.put_text(TEXTS[number as usize % 2], &text);
        let rules = if filter.rules.is_empty() { 0 } else { RULES };
        let new = number << NUMBER | rules | filter.least() as u64;
        // The text comes first: a process that sees the word finds the text.
        self.word(FILTER).store(new, Ordering::Release);
        self.word(CHANGER).store(0, Ordering::Release);
        Ok(())
    }

    /// Becomes the one thread that changes the filter. One whose process died in it has left the filter
    /// as it was.
    fn begin_change(&self) -> Result<(), FilterError> {
        let me = Identity::of_this_process().to_word();
        let start = Instant::now();
        let changer = self.word(CHANGER);
        loop {
            let found = changer.load(Ordering::Relaxed);
            let is_free = Identity::from_word(found).is_none_or(|other| !other.is_alive());
            let order = (Ordering::Acquire, Ordering::Relaxed);
            if is_free
                && changer
                    .compare_exchange(found, me, order.0, order.1)
                    .is_ok()
            {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(FilterError::Busy);
            }
            thread::yield_now();
        }
    }

    fn text(&self, at: usize) -> String {
        let len = self.word(at).load(Ordering::Relaxed).min(TEXT as u64) as usize;
        let words = (at + 1..).take(len.div_ceil(8));
        let bytes = words.flat_map(|at| self.word(at).load(Ordering::Relaxed).to_le_bytes());
        String::from_utf8_lossy(&bytes.take(len).collect::<Vec<u8>>()).into_owned()
    }

    fn put_text(&self, at: usize, text: &str) {
        // A reader that sees any of these words sees afterwards that another filter is in force.
        fence(Ordering::Release);
        self.word(at).store(text.len() as u64, Ordering::Relaxed);
        for (at, bytes) in (at + 1..).zip(text.as_bytes().chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.word(at)
                .store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
    }
}

fn level_of(word: u64) -> LevelFilter {
    let at = |level: &LevelFilter| *level as u64 == word & LEVEL;
    LevelFilter::iter().find(at).unwrap_or(LevelFilter::Trace)
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0.table.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fd = handle::deserialize_fd(deserializer)?;
        Table::open(fd).map(Self::of).map_err(de::Error::custom)
    }
}

//! The records of children, brought to the logger of the process that installed the log.
//!
//! A record lies in a queue in shared memory when the call that logs returns. One thread of the process that
//! installed the log takes them out and gives them to its logger. The queue is bounded, so a logger that stands
//! still costs no memory without a limit; who logs waits for it once, for a moment, and not again before there is
//! room.

use crate::error::LogError;
use crate::file::lose;
use crate::origin::{Origin, Other};
use crate::shared::Shared;
use crate::trouble;
use log::kv::{self, Key, VisitSource};
use log::{Level, Record};
use procession_os::shield::shield;
use procession_process::at_exit;
use procession_queue::{GetError, PutError, Queue};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many records may be on their way.
const CAPACITY: usize = 8192;
/// How many are taken out at once.
const BATCH: usize = 256;
/// How long a record waits for room, if those before it found some.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a process that exits waits until its logger has taken what is on its way.
const AT_EXIT: Duration = Duration::from_secs(5);

/// What the queue carries.
#[derive(Debug, Serialize, Deserialize)]
enum Item {
    Record(Sent),
    /// All before it has been given to the logger when it comes out.
    Mark(u64),
}

/// A record on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    level: u8,
    target: String,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    message: String,
    from: Other,
    fields: Vec<(String, Field)>,
}

/// A value that belongs to a record.
#[derive(Debug, Serialize, Deserialize)]
enum Field {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
}

/// The end of the queue that takes records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Forward {
    queue: Queue<Item>,
    /// Whether the last record found no room.
    #[serde(skip)]
    stalled: Arc<AtomicBool>,
}

impl Forward {
    /// Puts a record, or counts it as lost.
    pub(crate) fn put(&self, origin: &Origin<'_>, shared: &Shared) {
        let patience = if self.stalled.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let put = self
            .queue
            .put_timeout(&Item::Record(sent(origin)), patience);
        let full = matches!(put, Err(PutError::Full));
        if full != (patience == Duration::ZERO) {
            self.stalled.store(full, Ordering::Relaxed);
        }
        if let Err(error) = put {
            lose(shared, trouble::FORWARD, &io::Error::other(error));
        }
    }

    /// Makes the queue, and starts the thread that gives records to the logger of this process.
    pub(crate) fn start() -> Result<Self, LogError> {
        let share = |error| LogError::Share(io::Error::other(error));
        let queue = Queue::bounded(CAPACITY).map_err(|error| share(Box::new(error)))?;
        let taken = queue.clone();
        let thread = thread::Builder::new().name("procession-log".to_owned());
        thread
            .spawn(move || take(&taken))
            .map_err(LogError::Share)?;
        let ended = queue.clone();
        // After all children have ended.
        at_exit(i32::MIN, move || end(&ended)).map_err(LogError::Share)?;
        let stalled = Arc::default();
        Ok(Self { queue, stalled })
    }

    /// Waits until the logger has been given what was put before.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let start = Instant::now();
        let mark = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let put = self.queue.put_timeout(&Item::Mark(mark), timeout);
        put.is_ok() && PROGRESS.reaches(mark, timeout.saturating_sub(start.elapsed()))
    }
}

/// Has what is in the queue given to the logger; nothing is put any more.
fn end(queue: &Queue<Item>) {
    if queue.shutdown().is_ok() {
        PROGRESS.reaches(u64::MAX, AT_EXIT);
    }
}

/// How far the thread has come.
struct Progress {
    mark: Mutex<u64>,
    changed: Condvar,
}

static PROGRESS: Progress = Progress {
    mark: Mutex::new(0),
    changed: Condvar::new(),
};

impl Progress {
    fn set(&self, mark: u64) {
        let mut now = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        // Two threads that flush may have put their marks in the other order.
        *now = (*now).max(mark);
        self.changed.notify_all();
    }

    fn reaches(&self, mark: u64, timeout: Duration) -> bool {
        let now = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(now, timeout, |now| *now < mark);
        let (now, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *now >= mark
    }
}

/// Gives records to the logger until nothing is put any more.
fn take(queue: &Queue<Item>) {
    GIVES.set(true);
    loop {
        match queue.get_many(BATCH) {
            Ok(items) => items.into_iter().for_each(handle),
            Err(GetError::Closed(_) | GetError::Fault(_)) => break,
            // It was written over, and is gone.
            Err(_) => {}
        }
    }
    PROGRESS.set(u64::MAX);
}

fn handle(item: Item) {
    match item {
        Item::Record(sent) => {
            // The logger is the program's.
            shield(|| give(&sent));
        }
        Item::Mark(mark) => PROGRESS.set(mark),
    }
}

/// Gives a record to the logger of this process, with where it comes from among its fields.
fn give(sent: &Sent) {
    let from = &sent.from;
    let mut fields: Vec<(&str, kv::Value<'_>)> = vec![
        ("process", from.process.as_str().into()),
        ("pid", from.pid.into()),
        ("thread", from.thread.as_str().into()),
        ("tid", from.tid.into()),
    ];
    fields.extend(
        sent.fields
            .iter()
            .map(|(key, field)| (&**key, field.value())),
    );
    let levels = Level::iter();
    let level = levels.into_iter().find(|level| *level as u8 == sent.level);
    let fields = fields.as_slice();
    let mut record = Record::builder();
    record.level(level.unwrap_or(Level::Error));
    record.target(&sent.target).key_values(&fields);
    record.module_path(sent.module.as_deref());
    record.file(sent.file.as_deref()).line(sent.line);
    let logger = log::logger();
    if logger.enabled(record.build().metadata()) {
        logger.log(&record.args(format_args!("{}", sent.message)).build());
    }
}

thread_local! {
    static GIVES: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the calling thread is the one that gives records to the logger. What that panics of
/// would come to it again.
pub(crate) fn is_giving() -> bool {
    GIVES.try_with(Cell::get).unwrap_or(false)
}

fn sent(origin: &Origin<'_>) -> Sent {
    let record = origin.record;
    let mut message = String::new();
    // A value whose own `Display` reports an error is sent as far as it came.
    let _ = std::fmt::write(&mut message, *record.args());
    let mut fields = Fields(Vec::new());
    // What a source has before it fails is kept.
    let _ = record.key_values().visit(&mut fields);
    Sent {
        level: record.level() as u8,
        target: record.target().to_owned(),
        module: record.module_path().map(str::to_owned),
        file: record.file().map(str::to_owned),
        line: record.line(),
        message,
        from: origin.from(),
        fields: fields.0,
    }
}

struct Fields(Vec<(String, Field)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.0.push((key.to_string(), Field::of(&value)));
        Ok(())
    }
}

impl Field {
    fn of(value: &kv::Value<'_>) -> Self {
        let number = || value.to_u64().map(Self::Unsigned);
        let bool = value.to_bool().map(Self::Bool);
        let signed = || value.to_i64().map(Self::Signed);
        let float = || value.to_f64().map(Self::Float);
        let known = bool.or_else(number).or_else(signed).or_else(float);
        known.unwrap_or_else(|| Self::Text(value.to_string()))
    }

    fn value(&self) -> kv::Value<'_> {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Unsigned(value) => (*value).into(),
            Self::Signed(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        }
    }
}

impl Origin<'_> {
    fn from(&self) -> Other {
        Other {
            process: self.process().to_owned(),
            pid: self.pid(),
            thread: self.thread().into_owned(),
            tid: self.tid(),
        }
    }
}

//! Choosing where records go and how they look.

use crate::error::LogError;
use crate::file::LogFile;
use crate::filter::{Filter, USUAL};
use crate::format::Format;
use crate::logger::{Sinks, Style};
use crate::rotate::Rules;
use crate::setup::{Also, Setup, install, install_forward};
use crate::shared::Shared;
use log::LevelFilter;
use std::path::PathBuf;

/// The format unless [`Builder::format`] says otherwise: that of Python's `multiprocessing`.
pub const DEFAULT_FORMAT: &str = "[%(levelname)s/%(processName)s] %(message)s";

/// Begins to set up the log; the same as `Builder::default()`.
///
/// # Examples
///
/// ```
/// use procession_log::LogError;
///
/// let refused = procession_log::builder().level(log::LevelFilter::Debug).install();
/// assert!(matches!(refused, Err(LogError::NoSink)));
/// ```
pub fn builder() -> Builder {
    Builder::default()
}

/// The settings of the log.
///
/// See the [crate's documentation](crate) for what the format can show.
#[derive(Debug, Clone)]
#[must_use = "nothing is logged before `install`"]
pub struct Builder {
    file: Option<PathBuf>,
    truncate: bool,
    rules: Rules,
    stderr: bool,
    forward: bool,
    also: Also,
    /// None for JSON.
    format: Option<String>,
    level: LevelFilter,
    filter: String,
}

impl Default for Builder {
    /// No file, [`DEFAULT_FORMAT`], and the level `Warn`, as in Python.
    fn default() -> Self {
        Self {
            file: None,
            truncate: false,
            rules: Rules::default(),
            stderr: false,
            forward: false,
            also: Also::default(),
            format: Some(DEFAULT_FORMAT.to_owned()),
            level: USUAL,
            filter: String::new(),
        }
    }
}

impl Builder {
    /// Names the file. It is made if there is none, and appended to if there is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// fs::write(&path, "what an earlier run wrote\n")?;
    /// procession_log::builder().file(&path).install()?;
    /// log::error!("what this one writes");
    /// assert_eq!(fs::read_to_string(&path)?.lines().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Empties the file when the log is installed, as Python's `filemode="w"` does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// fs::write(&path, "what an earlier run wrote\n")?;
    /// procession_log::builder().file(&path).truncate().install()?;
    /// assert_eq!(fs::read_to_string(&path)?, "");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn truncate(mut self) -> Self {
        self.truncate = true;
        self
    }

    /// Changes the file for a new one before it becomes larger than this, as Python's
    /// `RotatingFileHandler` does: `app.log` becomes `app.log.1`, that becomes `app.log.2`, and so on.
    ///
    /// A record that alone is larger has a file of its own. The limit is exceeded by what
    /// other processes write while one makes the new file.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// procession_log::builder().file(&path).format("%(message)s").rotate_at(10).keep(2).install()?;
    /// for word in ["first", "second", "third", "fourth"] {
    ///     log::error!("{word}");
    /// }
    /// assert_eq!(fs::read_to_string(&path)?, "fourth\n");
    /// assert_eq!(fs::read_to_string(folder.path().join("app.log.1"))?, "third\n");
    /// assert_eq!(fs::read_to_string(folder.path().join("app.log.2"))?, "second\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rotate_at(mut self, bytes: u64) -> Self {
        self.rules.bytes = Some(bytes);
        self
    }

    /// Changes the file for a new one when its day is over, in local time: `app.log` becomes
    /// `app.log.2026-11-30`, and `app.log.2026-11-30.1` if there is one of that day.
    ///
    /// A file that an earlier run left is of the day on which it was written to last. With
    /// [`rotate_at`](Self::rotate_at) too, a day has several files, of which the one without a number is the
    /// first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::{self, File};
    /// # use std::time::{Duration, SystemTime};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// fs::write(&path, "long ago\n")?;
    /// let long_ago = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    /// File::open(&path)?.set_modified(long_ago)?;
    ///
    /// procession_log::builder().file(&path).format("%(message)s").rotate_daily().install()?;
    /// log::error!("today");
    /// assert_eq!(fs::read_to_string(&path)?, "today\n");
    /// assert_eq!(fs::read_dir(folder.path())?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rotate_daily(mut self) -> Self {
        self.rules.daily = true;
        self
    }

    /// Removes the oldest files, so that no more than `files` of them stay beside the one that is written
    /// to; [`rotate_at`](Self::rotate_at) has an example.
    pub fn keep(mut self, files: usize) -> Self {
        self.rules.keep = files;
        self
    }

    /// Writes the records to the standard error of each process too, or instead of a file.
    ///
    /// A reader that does not read holds up who logs, as it holds up who prints. A pipe without a reader
    /// does not: the records are [lost](crate::lost).
    ///
    /// # Examples
    ///
    /// ```
    /// procession_log::builder().stderr().install()?;
    /// log::warn!("this is printed");
    /// # Ok::<(), procession_log::LogError>(())
    /// ```
    pub fn stderr(mut self) -> Self {
        self.stderr = true;
        self
    }

    /// Has the records of other processes come to the logger that is installed in this one already, whatever
    /// it is, with `process`, `pid`, `thread` and `tid` among their [fields](log::kv).
    ///
    /// A record is in shared memory, out of its process, when the call that logs returns; a thread of this
    /// process gives it to the logger. [`flush`](crate::flush) waits for that, and so does the exit of this
    /// process. What [`file`](Self::file) and [`stderr`](Self::stderr) name gets the records of the other
    /// processes besides; this one's go where its logger puts them.
    ///
    /// Records that the logger does not take in time are [lost](crate::lost), once there are some thousand:
    /// who logs waits for it for a fifth of a second, once. Because of the thread this process cannot be
    /// copied, so its children are not started by [`Fork`](procession_process::StartMethod::Fork).
    ///
    /// # When the other side is gone
    ///
    /// When this process has ended, what detached processes log is lost but for the other sinks.
    ///
    /// # Examples
    ///
    /// ```
    /// use log::{LevelFilter, Log, Metadata, Record};
    /// use procession_process::Process;
    /// use std::sync::Mutex;
    /// use std::time::Duration;
    ///
    /// /// Stands for any logger.
    /// struct Kept(Mutex<Vec<String>>);
    ///
    /// impl Log for Kept {
    ///     fn enabled(&self, _: &Metadata) -> bool {
    ///         true
    ///     }
    ///     fn log(&self, record: &Record) {
    ///         let process = record.key_values().get("process".into());
    ///         let text = format!("{}: {}", process.unwrap(), record.args());
    ///         self.0.lock().unwrap().push(text);
    ///     }
    ///     fn flush(&self) {}
    /// }
    ///
    /// static KEPT: Kept = Kept(Mutex::new(Vec::new()));
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// log::set_logger(&KEPT)?;
    /// log::set_max_level(LevelFilter::Info);
    /// procession_log::builder().forward().level(LevelFilter::Info).install()?;
    ///
    /// Process::spawn(|| log::info!("hello"), ())?.join()?;
    /// assert!(procession_log::flush(Duration::from_secs(10)));
    /// assert_eq!(*KEPT.0.lock()?, ["Process-1: hello"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn forward(mut self) -> Self {
        self.forward = true;
        self
    }

    /// Makes a panic in any process a record of level `error`, with the target `procession::panic`, also if
    /// it is caught. It is reported elsewhere as before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// let format = "%(processName)s %(message)s";
    /// procession_log::builder().file(&path).format(format).panics().install()?;
    /// assert!(Process::spawn(|| assert!(1 > 2, "oh"), ())?.join().is_err());
    /// let text = fs::read_to_string(&path)?;
    /// assert!(text.starts_with("Process-1 thread 'MainThread' panicked at "));
    /// assert!(text.ends_with(": oh\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn panics(mut self) -> Self {
        self.also.panics = true;
        self
    }

    /// Makes the end of a process by a signal or with another exit code than zero, of a pool's worker for
    /// example, a record of level `warn` of the process that started it, with the target `procession::end`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// let builder = procession_log::builder().file(&path).format("%(message)s");
    /// builder.ends().install()?;
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// process.kill()?;
    /// let pid = process.pid();
    /// assert!(process.join().is_err());
    /// let expected = format!("`Process-1` (pid {pid}) was killed by SIGKILL (signal 9)\n");
    /// assert_eq!(fs::read_to_string(&path)?, expected);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ends(mut self) -> Self {
        self.also.ends = true;
        self
    }

    /// Writes each record as a line of JSON, instead of by a format.
    ///
    /// The members are `time` (RFC 3339, in UTC), `level`, `target`, `process`, `pid`, `thread`, `tid`,
    /// `module`, `file` and `line` where they are known, `message`, and `fields` for the keys and values that
    /// the record has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// procession_log::builder().file(&path).json().install()?;
    /// log::error!(retries = 3; "the disk\nis full");
    ///
    /// let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    /// assert_eq!(line["process"], "MainProcess");
    /// assert_eq!(line["message"], "the disk\nis full");
    /// assert_eq!(line["fields"]["retries"], 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json(mut self) -> Self {
        self.format = None;
        self
    }

    /// Says how a record looks; a line break follows it in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// let format = "%(levelno)03d|%(levelname)-8s|%(processName).4s|%(message)s";
    /// procession_log::builder().file(&path).format(format).install()?;
    /// log::error!("oh");
    /// assert_eq!(fs::read_to_string(&path)?, "040|ERROR   |Main|oh\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Says which records are written: those of this level and the more severe ones.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// let quiet = procession_log::builder().file(&path).level(log::LevelFilter::Error);
    /// quiet.install()?;
    /// log::warn!("not written");
    /// assert_eq!(fs::read_to_string(&path)?, "");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// Says which records are written, by target and by process: directives, separated by commas.
    ///
    /// | directive | for |
    /// |---|---|
    /// | `info` | all; the same as [`level`](Self::level) |
    /// | `my_app::db=debug` | the target `my_app::db` and those below it, as `my_app::db::pool` |
    /// | `[worker-*]=debug` | processes whose name matches; `*` stands for any text |
    /// | `[worker-1]my_app=trace` | both |
    ///
    /// What is for a process counts before what is for all, then the longer target, then what comes last.
    /// [`set_filter`](crate::set_filter) changes it in all processes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// let builder = procession_log::builder().file(&path).format("%(message)s");
    /// builder.filter("error, noisy=off, [MainProcess]db=debug").install()?;
    /// log::debug!(target: "db::pool", "one");
    /// log::error!(target: "noisy", "not written");
    /// log::warn!("not written");
    /// log::error!("two");
    /// assert_eq!(fs::read_to_string(&path)?, "one\ntwo\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(mut self, directives: impl Into<String>) -> Self {
        self.filter = directives.into();
        self
    }

    /// Makes this process, and every process that it starts from now on, log to the file.
    ///
    /// Without rotation the file is opened once: if it is renamed or removed, records still go to it, not to
    /// a new file of that name.
    ///
    /// # Errors
    ///
    /// - [`LogError::NoSink`] if nothing was named where records are to go;
    /// - [`LogError::Format`] if the format is wrong;
    /// - [`LogError::Filter`] if the filter is wrong;
    /// - [`LogError::Open`] if the file cannot be opened for appending;
    /// - [`LogError::Share`] if there is no descriptor or memory for what the processes share;
    /// - [`LogError::Installed`] if this process has a logger already, or forwards to one;
    /// - [`LogError::NoLogger`] if this process has none to forward to;
    /// - [`LogError::Routine`] if this crate is linked as a dynamic library.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.log");
    /// procession_log::builder().file(&path).install()?;
    /// log::warn!("the disk is nearly full");
    /// log::info!("not written at this level");
    ///
    /// let written = fs::read_to_string(&path)?;
    /// assert_eq!(written, "[WARNING/MainProcess] the disk is nearly full\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn install(self) -> Result<(), LogError> {
        let style = match &self.format {
            Some(format) => Style::Format(Format::parse(format)?),
            None => Style::Json,
        };
        let filter = self.parsed_filter()?;
        if self.file.is_none() && !self.stderr && !self.forward {
            return Err(LogError::NoSink);
        }
        let shared = Shared::new(&filter)?;
        let (truncate, rules) = (self.truncate, self.rules);
        let open = |path| LogFile::open(path, truncate, rules, &shared);
        let file = self.file.map(open).transpose()?;
        let stderr = self.stderr;
        let setup = Setup {
            sinks: Sinks {
                style,
                file,
                stderr,
                forward: None,
            },
            shared,
            level: LevelFilter::Trace,
            also: self.also,
        };
        if self.forward {
            install_forward(setup)
        } else {
            install(setup)
        }
    }

    /// Returns the filter, with the level of the builder for what it does not speak of.
    fn parsed_filter(&self) -> Result<Filter, LogError> {
        let level = self.level.as_str();
        Ok(format!("{level},{}", self.filter).parse()?)
    }
}

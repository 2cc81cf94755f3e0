//! Choosing where records go and how they look.

use crate::error::LogError;
use crate::file::LogFile;
use crate::filter::{Filter, USUAL};
use crate::format::Format;
use crate::logger::{Sinks, Style};
use crate::rotate::Rules;
use crate::setup::{Setup, install};
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
    format: String,
    json: bool,
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
            format: DEFAULT_FORMAT.to_owned(),
            json: false,
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
        self.json = true;
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
        self.format = format.into();
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
    /// - [`LogError::Installed`] if this process has a logger already;
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
        let style = if self.json {
            Style::Json
        } else {
            Style::Format(Format::parse(&self.format)?)
        };
        let filter = self.parsed_filter()?;
        if self.file.is_none() && !self.stderr {
            return Err(LogError::NoSink);
        }
        let shared = Shared::new(&filter)?;
        let (truncate, rules) = (self.truncate, self.rules);
        let open = |path| LogFile::open(path, truncate, rules, &shared);
        let file = self.file.map(open).transpose()?;
        let stderr = self.stderr;
        install(Setup {
            sinks: Sinks {
                style,
                file,
                stderr,
            },
            shared,
            level: LevelFilter::Trace,
        })
    }

    /// Returns the filter, with the level of the builder for what it does not speak of.
    fn parsed_filter(&self) -> Result<Filter, LogError> {
        let level = self.level.as_str();
        Ok(format!("{level},{}", self.filter).parse()?)
    }
}

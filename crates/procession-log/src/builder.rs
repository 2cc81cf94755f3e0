//! Choosing where records go and how they look.

use crate::error::LogError;
use crate::file::LogFile;
use crate::format::Format;
use crate::setup::{Setup, install};
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
/// assert!(matches!(refused, Err(LogError::NoFile)));
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
    format: String,
    level: LevelFilter,
}

impl Default for Builder {
    /// No file, [`DEFAULT_FORMAT`], and the level `Warn`, as in Python.
    fn default() -> Self {
        Self {
            file: None,
            format: DEFAULT_FORMAT.to_owned(),
            level: LevelFilter::Warn,
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

    /// Makes this process, and every process that it starts from now on, log to the file.
    ///
    /// The file is opened once: if it is renamed or removed, records still go to it, not to a new
    /// file of that name.
    ///
    /// # Errors
    ///
    /// - [`LogError::NoFile`] if no file was named;
    /// - [`LogError::Format`] if the format is wrong;
    /// - [`LogError::Open`] if the file cannot be opened for appending;
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
        let format = Format::parse(&self.format)?;
        let path = self.file.ok_or(LogError::NoFile)?;
        let file = LogFile::open(path)?;
        install(Setup {
            file,
            format,
            level: self.level,
        })
    }
}

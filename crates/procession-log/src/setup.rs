//! What a process needs to log as its parent does.

use crate::error::LogError;
use crate::events;
use crate::forward::Forward;
use crate::logger::{Logger, Sinks};
use crate::shared::Shared;
use log::LevelFilter;
use procession_process::{StartMethod, current_process, inherit};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is handed from process to process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) sinks: Sinks,
    pub(crate) shared: Shared,
    /// Encoded as the level that is in force when the child is started.
    #[serde(serialize_with = "level_in_force", deserialize_with = "level")]
    pub(crate) level: LevelFilter,
    pub(crate) also: Also,
}

/// What becomes a record without a call of the `log` crate's macros.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Also {
    pub(crate) panics: bool,
    pub(crate) ends: bool,
}

impl Also {
    fn begin(self) {
        if self.panics {
            events::log_panics();
        }
        if self.ends {
            events::log_ends();
        }
    }
}

/// Sets up the log here, and in every process that is started from now on.
///
/// Until the last step nothing is logged, so that an error leaves nothing half done.
pub(crate) fn install(setup: Setup) -> Result<(), LogError> {
    let logger = Logger::make(setup.sinks.clone(), setup.shared.clone());
    let logger = logger.ok_or(LogError::Installed)?;
    let (level, also) = (setup.level, setup.also);
    log::set_logger(logger).map_err(|_| LogError::Installed)?;
    inherit(install_in_child, setup)?;
    log::set_max_level(level);
    also.begin();
    Ok(())
}

/// Sets up the log in every process that is started from now on. This process has a logger of its own, to
/// which their records go.
pub(crate) fn install_forward(mut setup: Setup) -> Result<(), LogError> {
    if log::max_level() == LevelFilter::Off {
        return Err(LogError::NoLogger);
    }
    if Logger::get().is_some() {
        return Err(LogError::Installed);
    }
    setup.sinks.forward = Some(Forward::start()?);
    let also = setup.also;
    let logger = Logger::make(setup.sinks.clone(), setup.shared.clone());
    logger.ok_or(LogError::Installed)?;
    inherit(install_in_child, setup)?;
    also.begin();
    Ok(())
}

/// What each child calls before its task. If it fails, the child's task does not run, and whoever
/// joins it is told.
fn install_in_child(setup: Setup) -> anyhow::Result<()> {
    // A copy of its parent logs as the parent does already.
    if current_process().start_method() == Some(StartMethod::Fork) {
        return Ok(inherit(install_in_child, setup)?);
    }
    Ok(install(setup)?)
}

/// Encodes the level that this process has now, not the one of its installation.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn level_in_force<S: Serializer>(_: &LevelFilter, serializer: S) -> Result<S::Ok, S::Error> {
    log::max_level().as_str().serialize(serializer)
}

/// Decodes a level.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LevelFilter, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(de::Error::custom)
}

//! What a child takes up before its task.

use crate::account::Owner;
use crate::environment::{self, Changes, Environment};
use crate::error::StartError;
use crate::limits::Limits;
use crate::method::{StartMethod, start_method};
use crate::rights::Rights;
use crate::stdio::{Ends, Plan, Streams};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chdir, fchdir, setpgid, setsid};
use procession_os::parent;
use procession_wire::Fd;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the builder of a process was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    pub(crate) environment: Changes,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) streams: Streams,
    pub(crate) limits: Limits,
    pub(crate) group: Option<u32>,
    pub(crate) detached: bool,
    pub(crate) ignore_interrupts: bool,
    pub(crate) owner: Owner,
}

/// The same, as the child is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) method: StartMethod,
    pub(crate) default_method: StartMethod,
    pub(crate) detached: bool,
    /// What the child may do; `None` for a copy, which has its parent's rights.
    pub(crate) rights: Option<Rights>,
    /// What it may do after it has joined the family, if it is to be another user.
    pub(crate) owner: Option<Rights>,
    /// `None` if the child has the right one from its start.
    pub(crate) environment: Option<Environment>,
    /// The parent's working directory, where the child has another.
    parent_directory: Option<Fd>,
    directory: Option<Vec<u8>>,
    streams: Option<Plan>,
    limits: Limits,
    group: Option<u32>,
    /// The parent's process group, where the child has another.
    parent_group: Option<u32>,
    ignore_interrupts: bool,
}

impl Choices {
    /// Opens what there is to open for a child that is started by `method`.
    pub(crate) fn settings(&self, method: StartMethod) -> Result<(Settings, Ends), StartError> {
        self.environment.check()?;
        let (plan, ends) = self.streams.plan(method)?;
        let elsewhere = method == StartMethod::ForkServer;
        let parent_directory = elsewhere
            .then(here)
            .transpose()
            .map_err(StartError::system("open the working directory"))?;
        let directory = self
            .directory
            .clone()
            .map(|path| OsString::from(path).into_vec());
        let settings = Settings {
            method,
            default_method: start_method(),
            detached: self.detached,
            rights: None,
            owner: self.owner.rights()?,
            environment: self.environment_for(method),
            parent_directory: parent_directory.map(Fd),
            directory,
            streams: Some(plan),
            limits: self.limits,
            group: self.group,
            parent_group: elsewhere.then(|| nix::unistd::getpgrp().as_raw().cast_unsigned()),
            ignore_interrupts: self.ignore_interrupts,
        };
        Ok((settings, ends))
    }

    /// Returns the environment, if the child does not have it from its start.
    fn environment_for(&self, method: StartMethod) -> Option<Environment> {
        match method {
            StartMethod::Spawn => None,
            StartMethod::Fork => (!self.environment.is_empty()).then(|| self.environment.apply()),
            StartMethod::ForkServer => Some(self.environment.apply()),
        }
    }
}

/// Opens the working directory, which may have lost its name.
fn here() -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(".", flags, Mode::empty())?)
}

/// A setting could not be taken up.
#[derive(thiserror::Error)]
#[error("cannot {step}: {source}")]
pub(crate) struct SettingError {
    step: Cow<'static, str>,
    source: io::Error,
}

procession_os::debug_in_words!(SettingError);

fn cannot<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SettingError {
    move |error| SettingError {
        step: Cow::Borrowed(step),
        source: error.into(),
    }
}

impl Settings {
    /// Returns settings that have something of everything that has no descriptor.
    pub(crate) fn sample() -> Self {
        Self {
            method: StartMethod::ForkServer,
            default_method: StartMethod::ForkServer,
            detached: false,
            rights: None,
            owner: None,
            environment: Some(Environment::default()),
            parent_directory: None,
            directory: None,
            streams: Some(Plan::NOWHERE),
            limits: Limits::default(),
            group: None,
            parent_group: Some(0),
            ignore_interrupts: false,
        }
    }

    /// Takes up what the parent chose, but for the limits. The process must have no other thread.
    pub(crate) fn take_up(&mut self) -> Result<(), SettingError> {
        if let Some(streams) = self.streams.take() {
            streams
                .take_up()
                .map_err(cannot("take up the standard streams"))?;
        }
        match self.environment.take() {
            Some(environment) if self.method == StartMethod::ForkServer => {
                environment.take_up_anew();
            }
            Some(environment) => environment.take_up(),
            // What the parent has removed is not to be seen in its copy.
            None if self.method == StartMethod::Fork => environment::show(),
            None => {}
        }
        self.change_directory()?;
        // Before the terminal's interrupts reach it in the parent's group.
        if self.ignore_interrupts {
            parent::ignore_interrupts().map_err(cannot("ignore interrupts"))?;
        }
        self.join_group()
    }

    /// Takes up the limits. After that, nothing more is received.
    pub(crate) fn limit(&self) -> Result<(), SettingError> {
        self.limits.take_up().map_err(cannot("limit its resources"))
    }

    /// Returns the user that the parent chose.
    pub(crate) fn user(&self) -> Option<u32> {
        self.owner.as_ref().map(Rights::user)
    }

    /// Becomes the user that the parent chose.
    pub(crate) fn change_owner(&mut self) -> Result<(), SettingError> {
        let Some(rights) = self.owner.take() else {
            return Ok(());
        };
        rights.take_up().map_err(cannot("become another user"))?;
        if !self.detached {
            // The kernel has forgotten it. A parent that has ended meanwhile has closed the socket.
            let parent = parent::pid();
            parent::die_with(parent).map_err(cannot("end with its parent"))?;
        }
        Ok(())
    }

    fn change_directory(&mut self) -> Result<(), SettingError> {
        if let Some(Fd(directory)) = self.parent_directory.take() {
            fchdir(directory).map_err(cannot("change to the parent's directory"))?;
        }
        let Some(directory) = self.directory.take() else {
            return Ok(());
        };
        let path = Path::new(OsStr::from_bytes(&directory));
        chdir(path).map_err(|error| SettingError {
            step: Cow::Owned(format!("change to the directory `{}`", path.display())),
            source: error.into(),
        })
    }

    /// A detached process leads a session, and so a group, of its own.
    fn join_group(&self) -> Result<(), SettingError> {
        if self.detached {
            return setsid().map(drop).map_err(cannot("begin a session"));
        }
        let own = Pid::from_raw(0);
        if let Some(group) = self.group {
            let group = Pid::from_raw(group.cast_signed());
            return setpgid(own, group).map_err(cannot("join the process group"));
        }
        let Some(group) = self.parent_group else {
            return Ok(());
        };
        let group = Pid::from_raw(group.cast_signed());
        // A parent that has begun a session since leaves its child a group of its own.
        setpgid(own, group)
            .or_else(|_| setpgid(own, own))
            .map_err(cannot("join the parent's process group"))
    }
}

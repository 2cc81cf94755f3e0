//! A server that cannot be asked, in the errors that the built-in types share with those in shared
//! memory.

use crate::error::ManagerError;
use nix::errno::Errno;
use procession_queue::{
    Fault, GetError, JoinError, PutError, PutManyError, StateError, TaskDoneError,
};
use procession_sync::{AcquireError, BarrierError, LockError, PermitError};

impl From<ManagerError> for LockError {
    fn from(error: ManagerError) -> Self {
        let errno = match error {
            ManagerError::Gone => return Self::Gone,
            ManagerError::Io(error) => error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
            ManagerError::NoSuchObject => Errno::ENOENT,
            ManagerError::NotAdmitted(_) => Errno::EACCES,
            ManagerError::Busy => Errno::EAGAIN,
            _ => Errno::EPROTO,
        };
        Self::Unreachable(errno)
    }
}

impl<G> From<ManagerError> for AcquireError<G> {
    fn from(error: ManagerError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ManagerError> for PermitError {
    fn from(error: ManagerError) -> Self {
        Self::Lock(error.into())
    }
}

impl From<ManagerError> for BarrierError {
    fn from(error: ManagerError) -> Self {
        Self::Lock(error.into())
    }
}

impl From<ManagerError> for Fault {
    fn from(error: ManagerError) -> Self {
        Self::Server(Box::new(error))
    }
}

impl From<ManagerError> for PutError {
    fn from(error: ManagerError) -> Self {
        match error {
            ManagerError::Encode(error) => Self::Encode(error),
            error => Self::Fault(error.into()),
        }
    }
}

impl From<ManagerError> for PutManyError {
    fn from(error: ManagerError) -> Self {
        let error = error.into();
        Self { put: 0, error }
    }
}

impl From<ManagerError> for GetError {
    fn from(error: ManagerError) -> Self {
        match error {
            ManagerError::Decode(error) => Self::Decode(error),
            error => Self::Fault(error.into()),
        }
    }
}

macro_rules! faults {
    ($($error:ident)*) => {
        $(impl From<ManagerError> for $error {
            fn from(error: ManagerError) -> Self {
                Self::Fault(error.into())
            }
        })*
    };
}

faults!(StateError TaskDoneError JoinError);

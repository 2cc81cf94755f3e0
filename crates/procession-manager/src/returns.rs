//! What a function that runs in the server may return.

use crate::error::ManagerError;
use crate::refusal::{Refusal, Sent};
use procession_call::{Failure, Fallible, Plain};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// What a hosted object's function returns: something serde can carry, or an
/// [`anyhow::Result`] of that, whose error then arrives as
/// [`Failure::Failed`](procession_call::Failure::Failed).
///
/// The parameter tells the cases apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot come back from the manager's server",
    note = "a function that runs there returns an owned value that implements `Serialize` and \
            `Deserialize`, or an `anyhow::Result` of one"
)]
pub trait Returns<Kind> {
    /// What the caller gets.
    type Output;

    /// What travels.
    type Sent: Serialize + DeserializeOwned;

    /// Prepares the value for the way back.
    ///
    /// # Errors
    ///
    /// What the function itself returned as an error.
    fn send(self) -> Result<Self::Sent, Failure>;

    /// Makes the value of what travelled.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Refused`] where a built-in object refused.
    fn receive(sent: Self::Sent) -> Result<Self::Output, ManagerError>;
}

impl<R: Serialize + DeserializeOwned> Returns<Plain<R>> for R {
    type Output = R;
    type Sent = R;

    fn send(self) -> Result<R, Failure> {
        Ok(self)
    }

    fn receive(sent: R) -> Result<R, ManagerError> {
        Ok(sent)
    }
}

impl<R: Serialize + DeserializeOwned> Returns<Fallible<R>> for anyhow::Result<R> {
    type Output = R;
    type Sent = R;

    fn send(self) -> Result<R, Failure> {
        Ok(self?)
    }

    fn receive(sent: R) -> Result<R, ManagerError> {
        Ok(sent)
    }
}

/// The function belongs to a built-in object, which may refuse.
#[derive(Debug)]
pub struct Refusable<R>(PhantomData<fn() -> R>);

impl<R: Serialize + DeserializeOwned> Returns<Refusable<R>> for Result<R, Refusal> {
    type Output = R;
    type Sent = Result<R, Sent>;

    fn send(self) -> Result<Result<R, Sent>, Failure> {
        Ok(self.map_err(Sent::from))
    }

    fn receive(sent: Result<R, Sent>) -> Result<R, ManagerError> {
        sent.map_err(|refusal| ManagerError::Refused(refusal.into()))
    }
}

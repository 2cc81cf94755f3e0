//! What stands in for a value in shared memory.

use procession_shm::ShmError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;
use std::sync::Arc;

/// A handle to a value that all have in common.
#[derive(Debug)]
pub(crate) struct Shared<T>(Arc<T>);

/// What a value lies in.
pub(crate) struct Segment;

impl<T> Shared<T> {
    pub(crate) fn new_apart(value: T) -> Result<Self, ShmError> {
        Ok(Self(Arc::new(value)))
    }

    pub(crate) fn segment(&self) -> Segment {
        Segment
    }
}

impl Segment {
    pub(crate) fn unlink(&self) {}
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(
            "a worker of the model has it already",
        ))
    }
}

impl<'de, T> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(
            "a worker of the model has it already",
        ))
    }
}

//! What can be in a shared collection.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that a built-in collection can hold: anything that serde can carry, proxies and other
/// handles among them.
///
/// It is implemented for all such types. Operations that return a copy need [`Clone`] too.
pub trait Item: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Item for T {}

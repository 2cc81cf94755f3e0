//! What can be in a shared collection.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that a built-in collection can hold: anything that serde can carry and that can be
/// copied, proxies and other handles among them.
///
/// It is implemented for all such types.
pub trait Item: Serialize + DeserializeOwned + Clone + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + 'static> Item for T {}

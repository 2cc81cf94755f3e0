//! Dicts whose size is known beforehand.

use crate::home::Plan;
use crate::store::Store;
use crate::{Dict, Set};
use procession_shm::{SegmentKind, ShmError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a new dict, or set, begins with; made by [`Dict::builder`] and [`Set::builder`].
///
/// Whatever is said here, the dict grows when it must.
///
/// # Examples
///
/// ```
/// use procession_dict::Dict;
///
/// let dict = Dict::builder()
///     .capacity(10_000)
///     .bytes_each(256)
///     .stripes(64)
///     .create::<String, Vec<u8>>()?;
/// dict.insert("a", vec![1, 2, 3])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `create` or `create_set`"]
pub struct DictBuilder {
    capacity: usize,
    bytes_each: usize,
    stripes: usize,
}

impl DictBuilder {
    pub(crate) fn new() -> Self {
        Self {
            capacity: 0,
            bytes_each: 128,
            stripes: 16,
        }
    }

    /// Has room for so many keys from the start, which the dict keeps when it is emptied. At first none.
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }

    /// Says how many bytes a key and its value are taken to need, 40 of which are the dict's own; it
    /// decides how much memory the [capacity](Self::capacity) is. At first 128.
    pub fn bytes_each(mut self, bytes: usize) -> Self {
        self.bytes_each = bytes.max(40);
        self
    }

    /// Has so many locks: processes that use keys of different locks are not in each other's way. At
    /// first 16, at most 256; rounded up to a power of two.
    ///
    /// The keys of a lock that have outgrown the dict's own memory have a segment of their own.
    pub fn stripes(mut self, stripes: usize) -> Self {
        self.stripes = stripes;
        self
    }

    /// Makes the dict.
    ///
    /// # Errors
    ///
    /// As [`Dict::new`].
    pub fn create<K, V>(&self) -> Result<Dict<K, V>, ShmError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        Ok(Dict::of(Store::create(SegmentKind::DICT, self.plan())?))
    }

    /// Makes the set.
    ///
    /// # Errors
    ///
    /// As [`Set::new`].
    pub fn create_set<T: Serialize + DeserializeOwned>(&self) -> Result<Set<T>, ShmError> {
        Ok(Set::of(Store::create(SegmentKind::SET, self.plan())?))
    }

    fn plan(&self) -> Plan {
        Plan::new(self.stripes, self.capacity, self.bytes_each)
    }
}

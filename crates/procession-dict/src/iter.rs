//! Iterating over keys.

use crate::snapshot::Snapshot;
use crate::{DictError, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::vec;

/// An iterator over the keys that a [`Dict`](crate::Dict), or the values that a [`Set`](crate::Set),
/// had at the moment when it was made.
pub struct Keys<K> {
    bytes: Vec<u8>,
    /// Where in the bytes each key is.
    ranges: vec::IntoIter<Range<usize>>,
    /// Why there are none.
    error: Option<DictError>,
    _key: PhantomData<fn() -> K>,
}

impl<K> Keys<K> {
    pub(crate) fn of<V>(snapshot: Result<Snapshot<V>, DictError>) -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        let (keys, error) = match snapshot {
            Ok(snapshot) => (snapshot.into_keys(), None),
            Err(error) => (Default::default(), Some(error)),
        };
        let (bytes, ranges) = keys;
        Self {
            bytes,
            ranges: ranges.into_iter(),
            error,
            _key: PhantomData,
        }
    }
}

impl<K: DeserializeOwned> Iterator for Keys<K> {
    type Item = Result<K, DictError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let range = self.ranges.next()?;
        Some(codec::read_key(&self.bytes[range]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.ranges.len() + usize::from(self.error.is_some());
        (left, Some(left))
    }
}

impl<K: DeserializeOwned> ExactSizeIterator for Keys<K> {}

impl<K> fmt::Debug for Keys<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("left", &self.ranges.len())
            .finish_non_exhaustive()
    }
}

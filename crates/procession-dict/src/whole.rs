//! All keys of a [`Dict`] at one moment.

use crate::DictError;
use crate::dict::Dict;
use crate::iter::Keys;
use crate::snapshot::{Item, Snapshot};
use indexmap::IndexMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::Hash;

impl<K, V> Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Returns how many keys there are at one moment.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// assert_eq!(dict.len()?, 2);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn len(&self) -> Result<usize, DictError> {
        self.store.len(self.store.patience())
    }

    /// Returns whether there is no key at one moment.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<u8, u8>::new()?;
    /// assert!(dict.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> Result<bool, DictError> {
        Ok(self.len()? == 0)
    }

    /// Takes everything out, in one step, and gives the memory back that the dict has grown to.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # When the other side is gone
    ///
    /// A process that is killed in it has taken out some of the keys.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// dict.clear()?;
    /// assert!(dict.is_empty()?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn clear(&self) -> Result<(), DictError> {
        self.store.clear()
    }

    /// Returns a copy of all keys of one moment, in the order in which they were inserted.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(2, 'b'), (1, 'a')])?;
    /// assert_eq!(dict.keys()?, [2, 1]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn keys(&self) -> Result<Vec<K>, DictError> {
        self.iter().collect()
    }

    /// Returns a copy of all values of one moment, in the order of the keys.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(2, 'b'), (1, 'a')])?;
    /// assert_eq!(dict.values()?, ['b', 'a']);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn values(&self) -> Result<Vec<V>, DictError> {
        let items = Snapshot::of(&self.store, true)?.items::<K>();
        items.map(|item| Ok(item?.value)).collect()
    }

    /// Returns a copy of all keys of one moment, each with its value, in the order in which they were
    /// inserted.
    ///
    /// All locks of the dict are held while the bytes are copied, and not while they are decoded.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(2, 'b'), (1, 'a')])?;
    /// assert_eq!(dict.items()?, [(2, 'b'), (1, 'a')]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn items(&self) -> Result<Vec<(K, V)>, DictError> {
        let items = Snapshot::of(&self.store, true)?.items();
        let pair = |item: Result<Item<K, V>, _>| item.map(|item| (item.key, item.value));
        items.map(pair).collect()
    }

    /// Returns a copy of the dict as it is at one moment.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(2, 'b'), (1, 'a')])?;
    /// assert_eq!(dict.copy()?.get_index(0), Some((&2, &'b')));
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn copy(&self) -> Result<IndexMap<K, V>, DictError>
    where
        K: Eq + Hash,
    {
        Ok(self.items()?.into_iter().collect())
    }

    /// Returns a copy of the dict as it is at one moment, with these keys and values put in, and leaves
    /// the dict as it is: Python's `|`.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// let both = dict.union([(2, 'x'), (3, 'c')])?;
    /// assert!(both.into_iter().eq([(1, 'a'), (2, 'x'), (3, 'c')]));
    /// assert_eq!(dict.get(2)?, Some('b'));
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[doc(alias = "|")]
    pub fn union(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
    ) -> Result<IndexMap<K, V>, DictError>
    where
        K: Eq + Hash,
    {
        let mut all = self.copy()?;
        all.extend(items);
        Ok(all)
    }

    /// Iterates over the keys of the moment of this call, in the order in which they were inserted.
    ///
    /// If they could not be copied, the error is the first item and the last.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// for key in &dict {
    ///     assert!(dict.remove(key?)?.is_some());
    /// }
    /// assert!(dict.is_empty()?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn iter(&self) -> Keys<K> {
        Keys::of(Snapshot::of(&self.store, false))
    }
}

impl<K, V> IntoIterator for &Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    type Item = Result<K, DictError>;
    type IntoIter = Keys<K>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

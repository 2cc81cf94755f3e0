//! Steps of a [`Dict`] for many keys.

use crate::DictError;
use crate::dict::Dict;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl<K, V> Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Returns copies of the values under these keys, in one step.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// assert_eq!(dict.get_many([2, 3])?, [Some('b'), None]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn get_many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<V>>, DictError> {
        self.store.get_many(keys)
    }

    /// Takes these keys and their values out, in one step.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # When the other side is gone
    ///
    /// A process that is killed in it has taken out some of them.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// assert_eq!(dict.remove_many([2, 3, 2])?, [Some('b'), None, None]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn remove_many(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<V>>, DictError> {
        self.store.remove_many(keys)
    }

    /// Puts several values under their keys, all in one step; the last one of equal keys counts.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert). What cannot be encoded is found before anything is changed; if
    /// memory runs out, those before are there.
    ///
    /// # When the other side is gone
    ///
    /// A process that is killed in it has put some of them.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a')])?;
    /// dict.extend([(1, 'b'), (2, 'c')])?;
    /// assert_eq!(dict.values()?, ['b', 'c']);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[doc(alias = "update")]
    pub fn extend(&self, items: impl IntoIterator<Item = (K, V)>) -> Result<(), DictError> {
        self.store.extend(items)
    }

    /// As [`extend`](Self::extend), under the name that Python has for it.
    ///
    /// # Errors
    ///
    /// As [`extend`](Self::extend).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a')])?;
    /// dict.update([(1, 'b')])?;
    /// assert_eq!(dict.get(1)?, Some('b'));
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn update(&self, items: impl IntoIterator<Item = (K, V)>) -> Result<(), DictError> {
        self.extend(items)
    }

    /// Takes out all keys for which `keep` says no.
    ///
    /// `keep` is asked about the keys of one moment, without any lock, and once more about a key that
    /// was changed before it could be taken out.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items((0..10).map(|n| (n, n * n)))?;
    /// dict.retain(|_, square| square % 2 == 0)?;
    /// assert_eq!(dict.keys()?, [0, 2, 4, 6, 8]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<(), DictError> {
        self.store.retain(|key, value| keep(key, value))
    }
}

//! Steps of a [`Dict`] that depend on what is under the key.

use crate::DictError;
use crate::dict::Dict;
use crate::store::Next;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl<K, V> Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Returns a copy of the value under a key, which is put there if there is none: Python's
    /// `setdefault`.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<String, i64>::new()?;
    /// assert_eq!(dict.get_or_insert("a", 1)?, 1);
    /// assert_eq!(dict.get_or_insert("a", 2)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "setdefault")]
    pub fn get_or_insert(&self, key: impl Into<K>, value: impl Into<V>) -> Result<V, DictError> {
        let value = value.into();
        self.get_or_insert_with(key, || value)
    }

    /// Returns a copy of the value under a key, and puts what `make` returns there if there is none.
    ///
    /// `make` is called without any lock. If another process is faster meanwhile, it is the other one's
    /// value that is returned.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<String, Vec<u8>>::new()?;
    /// assert_eq!(dict.get_or_insert_with("a", || vec![1, 2])?, [1, 2]);
    /// assert_eq!(dict.get_or_insert_with("a", || panic!("it is there"))?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_insert_with(
        &self,
        key: impl Into<K>,
        make: impl FnOnce() -> V,
    ) -> Result<V, DictError> {
        let (mut make, mut own) = (Some(make), None);
        let (_, found) = self.store.decide(&key.into(), |found, _| {
            if let Some(value) = found {
                return Ok((Next::Leave, Some(value)));
            }
            if let Some(make) = make.take() {
                own = Some(make());
            }
            let value = own.as_ref().map(|value| self.store.value(value));
            Ok((value.transpose()?.map_or(Next::Leave, Next::Put), None))
        })?;
        // It is the one or the other.
        found.or(own).ok_or(DictError::Damaged("there is no value"))
    }

    /// Changes the value under a key in one step, by a function that also takes a value; several go as a
    /// tuple. Returns what the function does; `None` if the key is not there.
    ///
    /// The function changes a copy, without any lock, and is called again if another process has changed
    /// the key meanwhile: it should be short, and do nothing else that must happen only once. A
    /// change that is overtaken for more than a millisecond has others wait for it, for some milliseconds each.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # When the other side is gone
    ///
    /// A process that is killed in the function has changed nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([("a".to_owned(), 5)])?;
    /// assert_eq!(dict.update_with("a", |count, by| { *count += by; *count }, 2)?, Some(7));
    /// assert_eq!(dict.update_with("b", |count, by| *count += by, 2)?, None);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn update_with<A: Clone, R>(
        &self,
        key: impl Into<K>,
        mut change: impl FnMut(&mut V, A) -> R,
        args: A,
    ) -> Result<Option<R>, DictError> {
        let (_, result) = self.store.decide(&key.into(), |value, _| {
            let Some(mut value) = value else {
                return Ok((Next::Leave, None));
            };
            let result = change(&mut value, args.clone());
            Ok((Next::Put(self.store.value(&value)?), Some(result)))
        })?;
        Ok(result)
    }

    /// Changes what is under a key in one step, whether it is there or not: `change` is shown a copy of
    /// the value, or `None`, and what it leaves is put there, or the key is taken out if it leaves `None`.
    /// Returns what `change` returns.
    ///
    /// It is called as the function of [`update_with`](Self::update_with) is.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # When the other side is gone
    ///
    /// A process that is killed in `change` has changed nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<String, u64>::new()?;
    /// for word in ["a", "b", "a"] {
    ///     dict.alter(word, |count| *count.get_or_insert(0) += 1)?;
    /// }
    /// assert_eq!(dict.get("a")?, Some(2));
    /// let taken = dict.alter("a", Option::take)?;
    /// assert_eq!((taken, dict.get("a")?), (Some(2), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alter<R>(
        &self,
        key: impl Into<K>,
        mut change: impl FnMut(&mut Option<V>) -> R,
    ) -> Result<R, DictError> {
        let (_, result) = self.store.decide(&key.into(), |mut value, _| {
            let was_there = value.is_some();
            let result = change(&mut value);
            let next = match &value {
                Some(value) => Next::Put(self.store.value(value)?),
                None if was_there => Next::Remove,
                None => Next::Leave,
            };
            Ok((next, result))
        })?;
        Ok(result)
    }

    /// Takes a key and its value out in one step, if it is there and `condition` says so of the value.
    ///
    /// `condition` runs without any lock, and again if another process has changed the key meanwhile.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([("a".to_owned(), 1)])?;
    /// assert_eq!(dict.pop_if("a", |value| *value > 1)?, None);
    /// assert_eq!(dict.pop_if("a", |value| *value > 0)?, Some(1));
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[doc(alias = "remove_if")]
    pub fn pop_if(
        &self,
        key: impl Into<K>,
        mut condition: impl FnMut(&V) -> bool,
    ) -> Result<Option<V>, DictError> {
        let (removed, ()) = self.store.decide(&key.into(), |value, _| {
            let is_due = value.as_ref().is_some_and(&mut condition);
            Ok((if is_due { Next::Remove } else { Next::Leave }, ()))
        })?;
        Ok(removed)
    }

    /// Puts `new` under the key, or takes the key out if that is `None`, if what is there is `expected`,
    /// where `None` is nothing; returns whether it was.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<String, u64>::new()?;
    /// assert!(dict.compare_and_swap("a", None, Some(7))?);
    /// assert!(dict.compare_and_swap("a", Some(7), Some(8))?);
    /// assert!(!dict.compare_and_swap("a", Some(7), None)?);
    /// assert_eq!(dict.get("a")?, Some(8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_swap(
        &self,
        key: impl Into<K>,
        expected: Option<V>,
        new: Option<V>,
    ) -> Result<bool, DictError>
    where
        V: PartialEq,
    {
        let (_, is_expected) = self.store.decide(&key.into(), |value, _| {
            if value != expected {
                return Ok((Next::Leave, false));
            }
            let next = match &new {
                Some(new) => Next::Put(self.store.value(new)?),
                None => Next::Remove,
            };
            Ok((next, true))
        })?;
        Ok(is_expected)
    }
}

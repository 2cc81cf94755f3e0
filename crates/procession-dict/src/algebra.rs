//! A set and other values: union, intersection, difference.
//!
//! Two values are the same if their encodings are. What concerns the whole set is of one moment.

use crate::snapshot::Snapshot;
use crate::{DictError, Set, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;

/// Values, each once, with their encodings.
struct Distinct<T> {
    items: Vec<(Vec<u8>, T)>,
    encodings: HashSet<Vec<u8>>,
}

impl<T: Serialize + DeserializeOwned> Distinct<T> {
    fn of(values: impl IntoIterator<Item = T>) -> Result<Self, DictError> {
        let (mut items, mut encodings) = (Vec::new(), HashSet::new());
        for value in values {
            let mut bytes = Vec::new();
            codec::key(&value, &mut bytes)?;
            if encodings.insert(bytes.clone()) {
                items.push((bytes, value));
            }
        }
        Ok(Self { items, encodings })
    }

    /// Takes the values whose encodings are not among these.
    fn without(self, encodings: &HashSet<&[u8]>) -> impl Iterator<Item = T> {
        let items = self.items.into_iter();
        items.filter_map(|(bytes, value)| (!encodings.contains(&*bytes)).then_some(value))
    }
}

impl<T: Serialize + DeserializeOwned> Set<T> {
    /// Keeps the values that are among these, in one step.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2, 3])?;
    /// set.intersection_update([3, 1, 7])?;
    /// assert_eq!(set.to_vec()?, [1, 3]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn intersection_update(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(), DictError> {
        self.store.keep_only(&Distinct::of(values)?.encodings)
    }

    /// Takes out the values that are among these, in one step.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2, 3])?;
    /// set.difference_update([3, 7])?;
    /// assert_eq!(set.to_vec()?, [1, 2]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn difference_update(&self, values: impl IntoIterator<Item = T>) -> Result<(), DictError> {
        self.store.remove_many(values).map(drop)
    }

    /// Takes out the values that are among these, and adds the others of these, in one step.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2, 3])?;
    /// set.symmetric_difference_update([3, 7, 7])?;
    /// assert_eq!(set.to_vec()?, [1, 2, 7]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn symmetric_difference_update(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(), DictError> {
        let values = Distinct::of(values)?.items.into_iter();
        self.store
            .toggle(values.map(|(_, value)| (value, ())).collect())
    }

    /// Returns the values, and those of these that are not among them.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert_eq!(set.union([2, 9, 0])?, [1, 2, 9, 0]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn union(&self, values: impl IntoIterator<Item = T>) -> Result<Vec<T>, DictError> {
        let (own, others) = (self.snapshot()?, Distinct::of(values)?);
        let mut all = decoded(own.key_bytes())?;
        all.extend(others.without(&own.key_bytes().collect()));
        Ok(all)
    }

    /// Returns the values that are among these.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2, 3])?;
    /// assert_eq!(set.intersection([3, 1, 9])?, [1, 3]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn intersection(&self, values: impl IntoIterator<Item = T>) -> Result<Vec<T>, DictError> {
        let (own, others) = (self.snapshot()?, Distinct::of(values)?);
        decoded(
            own.key_bytes()
                .filter(|key| others.encodings.contains(*key)),
        )
    }

    /// Returns the values that are not among these.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2, 3])?;
    /// assert_eq!(set.difference([3, 1, 9])?, [2]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn difference(&self, values: impl IntoIterator<Item = T>) -> Result<Vec<T>, DictError> {
        let (own, others) = (self.snapshot()?, Distinct::of(values)?);
        decoded(
            own.key_bytes()
                .filter(|key| !others.encodings.contains(*key)),
        )
    }

    /// Returns the values that are either in the set or among these.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2, 3])?;
    /// assert_eq!(set.symmetric_difference([3, 1, 9])?, [2, 9]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn symmetric_difference(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<Vec<T>, DictError> {
        let (own, others) = (self.snapshot()?, Distinct::of(values)?);
        let is_own_alone = |key: &&[u8]| !others.encodings.contains(*key);
        let mut either = decoded(own.key_bytes().filter(is_own_alone))?;
        either.extend(others.without(&own.key_bytes().collect()));
        Ok(either)
    }

    /// Returns whether none of the values is among these.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert!(set.is_disjoint([3])? && !set.is_disjoint([3, 2])?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn is_disjoint(&self, values: impl IntoIterator<Item = T>) -> Result<bool, DictError> {
        let (own, others) = (self.snapshot()?, Distinct::of(values)?);
        Ok(!own.key_bytes().any(|key| others.encodings.contains(key)))
    }

    /// Returns whether all values are among these.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert!(set.is_subset([3, 2, 1])? && !set.is_subset([2])?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn is_subset(&self, values: impl IntoIterator<Item = T>) -> Result<bool, DictError> {
        let (own, others) = (self.snapshot()?, Distinct::of(values)?);
        Ok(own.key_bytes().all(|key| others.encodings.contains(key)))
    }

    /// Returns whether all of these are in the set.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert!(set.is_superset([2])? && !set.is_superset([2, 3])?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn is_superset(&self, values: impl IntoIterator<Item = T>) -> Result<bool, DictError> {
        let found = self.store.get_many(values)?;
        Ok(found.iter().all(Option::is_some))
    }

    fn snapshot(&self) -> Result<Snapshot<()>, DictError> {
        Snapshot::of(&self.store, false)
    }
}

fn decoded<'a, T: DeserializeOwned>(
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<T>, DictError> {
    keys.map(codec::read_key).collect()
}

//! The set.

use crate::builder::DictBuilder;
use crate::iter::Keys;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::{DictError, debug};
use procession_os::wait::Deadline;
use procession_shm::{SegmentKind, ShmError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A hash set in shared memory: a [`Dict`](crate::Dict) of which there are only the keys.
///
/// All that is said there of keys, handles, steps and what happens when a process is killed or stopped
/// is so here.
///
/// # Examples
///
/// ```
/// use procession_dict::Set;
///
/// let seen = Set::<String>::new()?;
/// assert!(seen.add("a")?);
/// assert!(!seen.add("a")?, "it is there");
/// assert!(seen.contains(&"a".to_owned())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Set<T> {
    pub(crate) store: Store<T, ()>,
}

impl Set<()> {
    /// Describes a set whose size is known beforehand; see [`DictBuilder`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::builder().capacity(1000).create_set::<u64>()?;
    /// assert!(set.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> DictBuilder {
        DictBuilder::new()
    }
}

impl<T: Serialize + DeserializeOwned> Set<T> {
    /// Makes an empty set, which grows when it must.
    ///
    /// # Errors
    ///
    /// As [`Dict::new`](crate::Dict::new).
    pub fn new() -> Result<Self, ShmError> {
        DictBuilder::new().create_set()
    }

    /// Makes a set of values.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new) and [`update`](Self::update).
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([3, 1, 3])?;
    /// assert_eq!(set.to_vec()?, [3, 1]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn from_items(items: impl IntoIterator<Item = T>) -> Result<Self, DictError> {
        let set = Self::new()?;
        set.update(items)?;
        Ok(set)
    }

    pub(crate) fn of(store: Store<T, ()>) -> Self {
        Self { store }
    }

    /// Adds a value; false if it was there.
    ///
    /// # Errors
    ///
    /// As [`Dict::insert`](crate::Dict::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::<u64>::new()?;
    /// assert!(set.add(7_u64)? && !set.add(7_u64)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[doc(alias = "insert")]
    pub fn add(&self, value: impl Into<T>) -> Result<bool, DictError> {
        Ok(self.store.insert(&value.into(), &())?.is_none())
    }

    /// Takes a value out, if it is there; returns whether it was.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert!(set.discard(&1)? && !set.discard(&1)?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[doc(alias = "remove")]
    pub fn discard(&self, value: &T) -> Result<bool, DictError> {
        Ok(self.store.remove(value)?.is_some())
    }

    /// Takes the value out that was put in last, if there is one.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert_eq!(set.pop()?, Some(2));
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn pop(&self) -> Result<Option<T>, DictError> {
        Ok(self.store.pop()?.map(|(value, ())| value))
    }

    /// Returns whether a value is there.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// assert!(set.contains(&1)? && !set.contains(&3)?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[inline]
    pub fn contains(&self, value: &T) -> Result<bool, DictError> {
        self.store.contains(value)
    }

    /// Adds all of these values, in one step.
    ///
    /// # Errors
    ///
    /// As [`Dict::extend`](crate::Dict::extend).
    ///
    /// # When the other side is gone
    ///
    /// A process that is killed in it has added some of them.
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::<u64>::new()?;
    /// set.update([1, 2])?;
    /// assert_eq!(set.len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "extend")]
    pub fn update(&self, values: impl IntoIterator<Item = T>) -> Result<(), DictError> {
        self.store
            .extend(values.into_iter().map(|value| (value, ())))
    }

    /// Takes out all values for which `keep` says no, as [`Dict::retain`](crate::Dict::retain).
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items(0..10)?;
    /// set.retain(|number| number % 3 == 0)?;
    /// assert_eq!(set.to_vec()?, [0, 3, 6, 9]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn retain(&self, mut keep: impl FnMut(&T) -> bool) -> Result<(), DictError> {
        self.store.retain(|value, ()| keep(value))
    }

    /// Returns how many values there are at one moment.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    pub fn len(&self) -> Result<usize, DictError> {
        self.store.len(self.store.patience())
    }

    /// Returns whether there is no value at one moment.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    pub fn is_empty(&self) -> Result<bool, DictError> {
        Ok(self.len()? == 0)
    }

    /// Takes everything out, as [`Dict::clear`](crate::Dict::clear).
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([1, 2])?;
    /// set.clear()?;
    /// assert!(set.is_empty()?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn clear(&self) -> Result<(), DictError> {
        self.store.clear()
    }

    /// Returns a copy of all values of one moment, in the order in which they were put in.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    pub fn to_vec(&self) -> Result<Vec<T>, DictError> {
        self.iter().collect()
    }

    /// Iterates over the values of the moment of this call, in the order in which they were put in.
    ///
    /// If they could not be copied, the error is the first item and the last.
    ///
    /// # Examples
    ///
    /// ```
    /// let set = procession_dict::Set::from_items([3, 1, 2])?;
    /// let sum = set.iter().sum::<Result<i32, _>>()?;
    /// assert_eq!(sum, 6);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn iter(&self) -> Keys<T> {
        Keys::of(Snapshot::of(&self.store, false))
    }

    /// Waits until a value is there.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # When the other side is gone
    ///
    /// If all processes have ended that could put it in, it waits for another one to come.
    ///
    /// # Examples
    ///
    /// ```
    /// let done = procession_dict::Set::<u64>::new()?;
    /// let same = done.clone();
    /// let worker = std::thread::spawn(move || same.add(7_u64).unwrap());
    /// done.wait_for(7_u64)?;
    /// # worker.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for(&self, value: impl Into<T>) -> Result<(), DictError> {
        self.store
            .wait_for(&value.into(), Deadline::NEVER)
            .map(drop)
    }

    /// Waits until a value is there, for `timeout` at the longest; returns whether it is.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # When the other side is gone
    ///
    /// As [`wait_for`](Self::wait_for), until the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let done = procession_dict::Set::<u64>::new()?;
    /// assert!(!done.wait_for_timeout(7_u64, Duration::from_millis(5))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_timeout(
        &self,
        value: impl Into<T>,
        timeout: Duration,
    ) -> Result<bool, DictError> {
        let found = self
            .store
            .wait_for(&value.into(), Deadline::after(timeout))?;
        Ok(found.is_some())
    }
}

impl<T> Set<T> {
    /// Returns a handle to the same set whose calls wait for `timeout` at the longest for a lock that
    /// another thread holds, as [`Dict::with_timeout`](crate::Dict::with_timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.store.timeout = Some(timeout);
        self
    }
}

impl<T: Serialize + DeserializeOwned> IntoIterator for &Set<T> {
    type Item = Result<T, DictError>;
    type IntoIter = Keys<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Clone for Set<T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
        }
    }
}

/// Shows how many values there are.
impl<T> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::show(f, "Set", &self.store)
    }
}

/// Encodes a handle; only into a message to another process.
impl<T> Serialize for Set<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.store.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let store = Store::deserialize(deserializer, SegmentKind::SET)?;
        Ok(Self { store })
    }
}

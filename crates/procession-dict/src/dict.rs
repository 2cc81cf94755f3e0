//! The dict.

use crate::DictError;
use crate::builder::DictBuilder;
use crate::debug;
use crate::iter::Keys;
use crate::snapshot::{Item, Snapshot};
use crate::store::{Next, Store};
use indexmap::IndexMap;
use procession_os::wait::Deadline;
use procession_shm::{SegmentKind, ShmError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// A hash map in shared memory, which all processes that have a handle read and change directly.
///
/// Keys and values are anything that serde can carry; what goes in and comes out are copies. Two keys
/// are the same if their encodings are, which is so for numbers, texts, tuples, structs and enums of
/// them, and for what else has one encoding for equal keys (a `HashSet` has not). A value may have
/// handles to shared things in it, to another dict for instance. Values can be up to a gibibyte large;
/// those of more than 64 KiB have memory of their own.
///
/// Each operation is one step to all processes. Iterations go over the keys of one moment, in the order
/// in which they were inserted; a key that is there already keeps its place when it is inserted again.
///
/// A clone is another handle to the same dict. So is what is decoded from a message into which a dict
/// was encoded: give it to other processes as an argument of a task, in a message, in a value of
/// another dict. The memory goes when the last handle of all is gone.
///
/// Keys and values are given as anything that turns into them, so that a `Dict<String, _>` takes texts
/// as they are. A number may need its type: `dict.insert("a", 1_u64)`. A manager's `Dict` has the same
/// methods; it holds its values in a process of its own, so that a function can run on them there.
///
/// # When the other side is gone
///
/// A process that is killed at any moment leaves each key with its old value or with the new one, and
/// blocks nobody. One that is *stopped* (by a signal, or in a debugger) in the middle of an operation
/// holds the lock of some of the keys for as long. Calls wait until it goes on; those of a handle
/// [with a timeout](Self::with_timeout) give up with [`DictError::Held`].
///
/// # Examples
///
/// ```
/// use procession_dict::Dict;
///
/// let dict = Dict::<String, u64>::new()?;
/// assert_eq!(dict.insert("a", 1_u64)?, None);
/// assert_eq!(dict.insert("a", 2_u64)?, Some(1));
/// dict.update_with("a", |count, by| *count += by, 3)?;
/// assert_eq!(dict.items()?, [("a".to_owned(), 5)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dict<K, V> {
    store: Store<K, V>,
}

impl Dict<(), ()> {
    /// Describes a dict whose size is known beforehand; see [`DictBuilder`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_dict::Dict;
    ///
    /// let dict = Dict::builder().capacity(1000).create::<u64, f64>()?;
    /// assert!(dict.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> DictBuilder {
        DictBuilder::new()
    }
}

impl<K, V> Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Makes an empty dict, which grows when it must.
    ///
    /// # Errors
    ///
    /// [`ShmError::OutOfMemory`] if `/dev/shm` is full, [`ShmError::Family`] or [`ShmError::System`] if
    /// the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<u64, String>::new()?;
    /// dict.insert(7_u64, "seven")?;
    /// assert_eq!(dict.get(7_u64)?.as_deref(), Some("seven"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Result<Self, ShmError> {
        DictBuilder::new().create()
    }

    /// Makes a dict of keys and values.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new) and [`extend`](Self::extend).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_dict::Dict;
    ///
    /// let dict = Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// assert_eq!(dict.len()?, 2);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn from_items(items: impl IntoIterator<Item = (K, V)>) -> Result<Self, DictError> {
        let dict = Self::new()?;
        dict.extend(items)?;
        Ok(dict)
    }

    /// Puts a value under a key, and returns the value that was there.
    ///
    /// # Errors
    ///
    /// [`DictError::Encode`], [`DictError::Key`], [`DictError::TooLarge`], [`DictError::Descriptors`],
    /// [`DictError::Memory`]: nothing was changed. [`DictError::Decode`] if it was, and the value that was
    /// there cannot be decoded. For the others see [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::<String, i64>::new()?;
    /// assert_eq!(dict.insert("a", 1)?, None);
    /// assert_eq!(dict.insert("a", 2)?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn insert(&self, key: impl Into<K>, value: impl Into<V>) -> Result<Option<V>, DictError> {
        self.store.insert(&key.into(), &value.into())
    }

    /// Returns a copy of the value under a key, if there is one.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([("a".to_owned(), 1)])?;
    /// assert_eq!(dict.get("a")?, Some(1));
    /// assert_eq!(dict.get("b")?, None);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[inline]
    pub fn get(&self, key: impl Into<K>) -> Result<Option<V>, DictError> {
        self.store.get(&key.into())
    }

    /// Takes a key and its value out, if it is there.
    ///
    /// # Errors
    ///
    /// [`DictError`]. With [`DictError::Decode`] it was taken out, and is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([("a".to_owned(), 1)])?;
    /// assert_eq!(dict.remove("a")?, Some(1));
    /// assert_eq!(dict.remove("a")?, None);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn remove(&self, key: impl Into<K>) -> Result<Option<V>, DictError> {
        self.store.remove(&key.into())
    }

    /// Takes the key and its value out that was inserted last, if there is one.
    ///
    /// It looks at all keys for that, with all locks of the dict.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([(1, 'a'), (2, 'b')])?;
    /// assert_eq!(dict.pop()?, Some((2, 'b')));
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[doc(alias = "popitem")]
    pub fn pop(&self) -> Result<Option<(K, V)>, DictError> {
        self.store.pop()
    }

    /// Returns whether the key is there.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_items([("a".to_owned(), 1)])?;
    /// assert!(dict.contains_key("a")?);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    pub fn contains_key(&self, key: impl Into<K>) -> Result<bool, DictError> {
        self.store.contains(&key.into())
    }

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

    /// Waits until a key is there, and returns a copy of its value.
    ///
    /// # Errors
    ///
    /// [`DictError`].
    ///
    /// # When the other side is gone
    ///
    /// If all processes have ended that could insert the key, it waits for another one to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_dict::Dict;
    ///
    /// let dict = Dict::<String, u64>::new()?;
    /// let same = dict.clone();
    /// let inserter = std::thread::spawn(move || same.insert("answer", 42_u64).unwrap());
    /// assert_eq!(dict.wait_for("answer")?, 42);
    /// # inserter.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for(&self, key: impl Into<K>) -> Result<V, DictError> {
        let found = self.store.wait_for(&key.into(), Deadline::NEVER)?;
        found.ok_or(DictError::Damaged("a wait without end has ended"))
    }

    /// Waits until a key is there, for `timeout` at the longest; `None` if it was not there until then,
    /// or a stopped process held its lock.
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
    /// let dict = procession_dict::Dict::<String, u64>::new()?;
    /// assert_eq!(dict.wait_for_timeout("answer", Duration::from_millis(5))?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_timeout(
        &self,
        key: impl Into<K>,
        timeout: Duration,
    ) -> Result<Option<V>, DictError> {
        self.store.wait_for(&key.into(), Deadline::after(timeout))
    }
}

impl<K, V> Dict<K, V> {
    pub(crate) fn of(store: Store<K, V>) -> Self {
        Self { store }
    }

    /// Returns a handle to the same dict whose calls wait for `timeout` at the longest for a lock that
    /// another thread holds.
    ///
    /// Locks are held for less than a microsecond, or for as long as it takes to copy the dict, unless
    /// their holder is stopped. A handle that this one is encoded into waits for as long as it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let dict = procession_dict::Dict::<u64, u64>::new()?.with_timeout(Duration::from_secs(10));
    /// assert_eq!(dict.get(7_u64)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.store.timeout = Some(timeout);
        self
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

impl<K, V> Clone for Dict<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.store.clone())
    }
}

/// Shows how many keys there are.
impl<K, V> fmt::Debug for Dict<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::show(f, "Dict", &self.store)
    }
}

/// Encodes a handle; only into a message to another process.
impl<K, V> Serialize for Dict<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.store.serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Dict<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Store::deserialize(deserializer, SegmentKind::DICT).map(Self::of)
    }
}

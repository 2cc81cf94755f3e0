//! The dict: what it is, and its steps for one key. Those that depend on what is there are in `compound`,
//! those for many keys in `many`, and those for all of one moment in `whole`.

use crate::DictError;
use crate::builder::DictBuilder;
use crate::debug;
use crate::store::Store;
use procession_os::wait::Deadline;
use procession_shm::{SegmentKind, ShmError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
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
    pub(crate) store: Store<K, V>,
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

    /// Makes a dict with the same value under each of these keys: Python's `fromkeys`. A value that is a
    /// handle is the same shared thing under all of them.
    ///
    /// # Errors
    ///
    /// As [`from_items`](Self::from_items).
    ///
    /// # Examples
    ///
    /// ```
    /// let dict = procession_dict::Dict::from_keys(["a".to_owned(), "b".to_owned()], 7)?;
    /// assert_eq!(dict.values()?, [7, 7]);
    /// # Ok::<(), procession_dict::DictError>(())
    /// ```
    #[doc(alias = "fromkeys")]
    pub fn from_keys(keys: impl IntoIterator<Item = K>, value: V) -> Result<Self, DictError>
    where
        V: Clone,
    {
        Self::from_items(keys.into_iter().map(|key| (key, value.clone())))
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

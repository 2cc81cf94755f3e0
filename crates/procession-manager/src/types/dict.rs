//! A dict: keys and values, in the order in which the keys were put in.

use super::item::Item;
use crate::error::ManagerError;
use crate::object::Object;
use crate::refusal::{Refusal, Result};
use crate::returns::Returns;
use indexmap::IndexMap;
use procession_macros::shared;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::Hash;

/// The dict in the server.
pub(crate) struct HostedDict<K, V> {
    items: IndexMap<K, V>,
}

impl<K: Eq + Hash, V> HostedDict<K, V> {
    pub(super) fn new(items: Vec<(K, V)>) -> Self {
        Self {
            items: items.into_iter().collect(),
        }
    }
}

/// A dict that lives in a manager's server: keys and values, in the order in which the keys were
/// put in.
///
/// Keys and values are given as anything that turns into them, so that a
/// `Dict<Object, Object>` takes numbers and texts as they are. With other types a number may need
/// its type: `dict.insert("a", 1_u64)`.
///
/// Each operation is one step to all processes. Several at once are a function that runs in the
/// server: [`with`](Dict::with) and [`call`](Dict::call). What comes back is a copy, unless the
/// values are handles.
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, Object};
///
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let dict = manager.dict::<Object, Object>()?;
/// dict.insert(1, "1")?;
/// dict.insert("2", 2)?;
/// dict.insert(0.25, Object::None)?;
/// assert_eq!(dict.get("2")?, Some(2.into()));
/// assert_eq!(dict.repr()?, "{1: '1', '2': 2, 0.25: None}");
///
/// let words = manager.dict::<String, u64>()?;
/// for word in ["a", "b", "a"] {
///     words.call(|words, word| *words.entry(word).or_insert(0) += 1, word.to_owned())?;
/// }
/// assert_eq!(words.items()?, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
/// # Ok(())
/// # }
/// ```
#[shared(proxy = "Dict", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl<K: Item + Clone + Eq + Hash, V: Item> HostedDict<K, V> {
    pub(crate) fn insert_pair(&mut self, key: K, value: V) -> Option<V> {
        self.items.insert(key, value)
    }

    pub(crate) fn get_or_insert_pair(&mut self, key: K, value: V) -> V
    where
        V: Clone,
    {
        self.items.entry(key).or_insert(value).clone()
    }

    pub(crate) fn get_by(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.items.get(key).cloned()
    }

    pub(crate) fn remove_by(&mut self, key: &K) -> Option<V> {
        self.items.shift_remove(key)
    }

    pub(crate) fn contains_key_of(&self, key: &K) -> bool {
        self.items.contains_key(key)
    }

    pub(crate) fn update_from(&mut self, items: Vec<(K, V)>) {
        self.items.extend(items);
    }

    /// Returns the key at a place of a dict that has had the same size since the iteration began.
    pub(crate) fn key_at(&self, index: usize, len: usize) -> Result<Option<K>> {
        if self.items.len() != len {
            return Err(Refusal::Resized);
        }
        Ok(self.items.get_index(index).map(|(key, _)| key.clone()))
    }

    /// Takes the last key and its value out, if there is one.
    pub fn pop(&mut self) -> Option<(K, V)> {
        self.items.pop()
    }

    /// Returns a copy of all keys.
    pub fn keys(&self) -> Vec<K> {
        self.items.keys().cloned().collect()
    }

    /// Returns a copy of all values.
    pub fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        self.items.values().cloned().collect()
    }

    /// Returns a copy of all keys, each with its value.
    pub fn items(&self) -> Vec<(K, V)>
    where
        V: Clone,
    {
        self.items.clone().into_iter().collect()
    }

    /// Returns a copy of the dict.
    pub fn copy(&self) -> IndexMap<K, V>
    where
        V: Clone,
    {
        self.items.clone()
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

impl<K: Item + Clone + Eq + Hash, V: Item> Dict<K, V> {
    /// Puts a value under a key, and returns the value that was there.
    ///
    /// A key that is there already keeps its place.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<String, i64>()?;
    /// assert_eq!(dict.insert("a", 1)?, None);
    /// assert_eq!(dict.insert("a", 2)?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert(
        &self,
        key: impl Into<K>,
        value: impl Into<V>,
    ) -> std::result::Result<Option<V>, ManagerError> {
        self.insert_pair(key.into(), value.into())
    }

    /// Returns a copy of the value under a key, which is put there if there is none: Python's
    /// `setdefault`.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<String, i64>()?;
    /// assert_eq!(dict.get_or_insert("a", 1)?, 1);
    /// assert_eq!(dict.get_or_insert("a", 2)?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_insert(
        &self,
        key: impl Into<K>,
        value: impl Into<V>,
    ) -> std::result::Result<V, ManagerError>
    where
        V: Clone,
    {
        self.get_or_insert_pair(key.into(), value.into())
    }

    /// Returns a copy of the value under a key, if there is one.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([("a".to_owned(), 1)])?;
    /// assert_eq!(dict.get("a")?, Some(1));
    /// assert_eq!(dict.get("b")?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, key: impl Into<K>) -> std::result::Result<Option<V>, ManagerError>
    where
        V: Clone,
    {
        self.get_by(&key.into())
    }

    /// Takes a key and its value out, if it is there; the others keep their order.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([("a".to_owned(), 1)])?;
    /// assert_eq!(dict.remove("a")?, Some(1));
    /// assert_eq!(dict.remove("a")?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove(&self, key: impl Into<K>) -> std::result::Result<Option<V>, ManagerError> {
        self.remove_by(&key.into())
    }

    /// Returns whether the key is there.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([("a".to_owned(), 1)])?;
    /// assert!(dict.contains_key("a")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn contains_key(&self, key: impl Into<K>) -> std::result::Result<bool, ManagerError> {
        self.contains_key_of(&key.into())
    }

    /// Puts several values under their keys, all in one step.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([(1, "a".to_owned())])?;
    /// dict.update([(1, "b".to_owned()), (2, "c".to_owned())])?;
    /// assert_eq!(dict.values()?, ["b", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
    ) -> std::result::Result<(), ManagerError> {
        self.update_from(items.into_iter().collect())
    }

    /// Iterates over the keys; each step is one call.
    ///
    /// If the size changes meanwhile, the next step is [`Refusal::Resized`] and the last. For the
    /// keys as they are now, iterate over [`keys`](Self::keys).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([(1, "a".to_owned()), (2, "b".to_owned())])?;
    /// for key in &dict {
    ///     assert!(dict.get(key?)?.is_some());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> DictIter<'_, K, V> {
        DictIter {
            dict: self,
            state: IterState::Start,
        }
    }

    /// Runs `function` on the keys and values, in the server, in one step.
    ///
    /// # Errors
    ///
    /// As [`Proxy::with`](crate::Proxy::with).
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the call.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([(1, 10), (2, 20)])?;
    /// assert_eq!(dict.with(|items| items.values().sum::<i32>())?, 30);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with<R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut IndexMap<K, V>) -> R + Copy + 'static,
    ) -> std::result::Result<R::Output, ManagerError> {
        self.as_ref().with(move |dict| function(&mut dict.items))
    }

    /// As [`with`](Self::with), for a function that takes a value too; several go as a tuple.
    ///
    /// # Errors
    ///
    /// As [`Proxy::call`](crate::Proxy::call).
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends during the call.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<String, u64>()?;
    /// dict.call(|items, key| *items.entry(key).or_insert(0) += 1, "a".to_owned())?;
    /// assert_eq!(dict.get("a")?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<A: Serialize + DeserializeOwned, R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut IndexMap<K, V>, A) -> R + Copy + 'static,
        args: A,
    ) -> std::result::Result<R::Output, ManagerError> {
        self.as_ref()
            .call(move |dict, args| function(&mut dict.items, args), args)
    }

    /// Returns the text of the dict, as Python writes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict_from([("a".to_owned(), 1.5)])?;
    /// assert_eq!(dict.repr()?, "{'a': 1.5}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn repr(&self) -> std::result::Result<String, ManagerError>
    where
        K: Into<Object>,
        V: Clone + Into<Object>,
    {
        Ok(Object::from(self.copy()?).to_string())
    }
}

impl<'a, K: Item + Clone + Eq + Hash, V: Item> IntoIterator for &'a Dict<K, V> {
    type Item = std::result::Result<K, ManagerError>;
    type IntoIter = DictIter<'a, K, V>;

    fn into_iter(self) -> DictIter<'a, K, V> {
        self.iter()
    }
}

/// An iterator over the keys of a [`Dict`].
#[derive(Debug)]
pub struct DictIter<'a, K: Item + Clone + Eq + Hash, V: Item> {
    dict: &'a Dict<K, V>,
    state: IterState,
}

#[derive(Debug, Clone, Copy)]
enum IterState {
    /// The size is not known yet.
    Start,
    Within {
        next: usize,
        len: usize,
    },
    End,
}

impl<K: Item + Clone + Eq + Hash, V: Item> DictIter<'_, K, V> {
    fn step(&mut self) -> std::result::Result<Option<K>, ManagerError> {
        let (next, len) = match std::mem::replace(&mut self.state, IterState::End) {
            IterState::Start => (0, self.dict.len()?),
            IterState::Within { next, len } => (next, len),
            IterState::End => return Ok(None),
        };
        let key = self.dict.key_at(next, len)?;
        if key.is_some() {
            self.state = IterState::Within {
                next: next + 1,
                len,
            };
        }
        Ok(key)
    }
}

impl<K: Item + Clone + Eq + Hash, V: Item> Iterator for DictIter<'_, K, V> {
    type Item = std::result::Result<K, ManagerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

//! A dict: keys and values, in the order in which the keys were put in.

use super::item::Item;
use crate::error::ManagerError;
use crate::object::Object;
use crate::refusal::{Refusal, Result};
use indexmap::IndexMap;
use procession_macros::shared;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::Hash;
use std::iter::FusedIterator;

/// The dict in the server.
pub(crate) struct HostedDict<K, V> {
    items: IndexMap<K, V>,
}

impl<K: Eq + Hash, V> HostedDict<K, V> {
    pub(super) fn from_keys(keys: Vec<K>, value: V) -> Self
    where
        V: Clone,
    {
        let item = |key| (key, value.clone());
        Self {
            items: keys.into_iter().map(item).collect(),
        }
    }

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
#[shared(proxy = "Dict", lend(items: IndexMap<K, V>), local(compare_and_swap), crate = "crate")]
impl<K: Item + Clone + Eq + Hash, V: Item> HostedDict<K, V> {
    /// Puts a value under a key, and returns the value that was there.
    ///
    /// A key that is there already keeps its place.
    pub fn insert(&mut self, key: impl Into<K>, value: impl Into<V>) -> Option<V> {
        self.items.insert(key.into(), value.into())
    }

    /// Returns a copy of the value under a key, which is put there if there is none: Python's
    /// `setdefault`.
    #[doc(alias = "setdefault")]
    pub fn get_or_insert(&mut self, key: impl Into<K>, value: impl Into<V>) -> V
    where
        V: Clone,
    {
        let entry = self.items.entry(key.into());
        entry.or_insert_with(|| value.into()).clone()
    }

    /// Returns a copy of the value under a key, if it is there.
    pub fn get(&self, key: impl Into<K>) -> Option<V>
    where
        V: Clone,
    {
        self.items.get(&key.into()).cloned()
    }

    /// Returns copies of the values under these keys, in one step.
    pub fn get_many(&self, keys: impl IntoIterator<Item = K>) -> Vec<Option<V>>
    where
        V: Clone,
    {
        let value = |key| self.items.get(&key).cloned();
        keys.into_iter().map(value).collect()
    }

    /// Takes a key and its value out, if it is there; the others keep their order.
    pub fn remove(&mut self, key: impl Into<K>) -> Option<V> {
        self.items.shift_remove(&key.into())
    }

    /// Takes these keys and their values out, in one step.
    pub fn remove_many(&mut self, keys: impl IntoIterator<Item = K>) -> Vec<Option<V>> {
        let remove = |key| self.items.shift_remove(&key);
        keys.into_iter().map(remove).collect()
    }

    /// Returns whether the key is there.
    pub fn contains_key(&self, key: impl Into<K>) -> bool {
        self.items.contains_key(&key.into())
    }

    /// Puts several values under their keys, all in one step: Python's `|=`.
    #[doc(alias = "|=")]
    pub fn update(&mut self, items: impl IntoIterator<Item = (K, V)>) {
        self.items.extend(items);
    }

    /// As [`update`](Dict::update), under the name that Rust has for it.
    pub fn extend(&mut self, items: impl IntoIterator<Item = (K, V)>) {
        self.items.extend(items);
    }

    /// Puts `new` under the key, or takes the key out if that is `None`, if what is there is
    /// `expected`, where `None` is nothing; returns whether it was.
    pub fn compare_and_swap(
        &mut self,
        key: impl Into<K>,
        expected: Option<V>,
        new: Option<V>,
    ) -> bool
    where
        V: PartialEq,
    {
        let key = key.into();
        let is_expected = self.items.get(&key) == expected.as_ref();
        match new {
            Some(new) if is_expected => drop(self.items.insert(key, new)),
            None if is_expected => drop(self.items.shift_remove(&key)),
            _ => {}
        }
        is_expected
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

    /// Returns a copy of the dict with these keys and values put in, and leaves the dict as it is:
    /// Python's `|`.
    #[doc(alias = "|")]
    pub fn union(&self, items: impl IntoIterator<Item = (K, V)>) -> IndexMap<K, V>
    where
        V: Clone,
    {
        let mut all = self.items.clone();
        all.extend(items);
        all
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
    /// Changes the value under a key in one step, by a function that also takes a value; several go
    /// as a tuple. Returns what the function does; `None` if the key is not there.
    ///
    /// # Errors
    ///
    /// [`ManagerError`]; `Call` if the function panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession::ManagerError> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let words = manager.dict::<String, u64>()?;
    /// assert_eq!(words.get_or_insert_with("a", || 5)?, 5);
    /// assert_eq!(words.update_with("a", |count, by| { *count += by; *count }, 2)?, Some(7));
    /// assert_eq!(words.pop_if("a", |count| *count > 10)?, None);
    /// assert!(words.compare_and_swap("a", Some(7), Some(8))?);
    /// words.retain(|_, count| *count > 10)?;
    /// assert!(words.is_empty()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_with<A, R>(
        &self,
        key: impl Into<K>,
        change: impl Fn(&mut V, A) -> R + Copy + Send + 'static,
        args: A,
    ) -> std::result::Result<Option<R>, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let change = move |items: &mut IndexMap<K, V>, (key, args): (K, A)| {
            items.get_mut(&key).map(|value| change(value, args))
        };
        self.call(change, (key.into(), args))
    }

    /// Returns a copy of the value under a key; if there is none, what `make` makes in the server is
    /// put there.
    ///
    /// # Errors
    ///
    /// As [`update_with`](Self::update_with).
    pub fn get_or_insert_with(
        &self,
        key: impl Into<K>,
        make: impl Fn() -> V + Copy + Send + 'static,
    ) -> std::result::Result<V, ManagerError>
    where
        V: Clone,
    {
        let find =
            move |items: &mut IndexMap<K, V>, key: K| items.entry(key).or_insert_with(make).clone();
        self.call(find, key.into())
    }

    /// Changes what is under a key in one step, whether it is there or not: `change` is shown the value,
    /// or `None`, and what it leaves is put there, or the key is taken out if it leaves
    /// `None`. A key that is there keeps its place.
    ///
    /// # Errors
    ///
    /// As [`update_with`](Self::update_with); the key is out if the function panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession::ManagerError> {
    /// # procession::init();
    /// let manager = procession::Manager::start()?;
    /// let words = manager.dict::<String, u64>()?;
    /// for word in ["a", "b", "a"] {
    ///     words.alter(word, |count| *count.get_or_insert(0) += 1)?;
    /// }
    /// assert_eq!(words.get("a")?, Some(2));
    /// assert_eq!(words.alter("a", Option::take)?, Some(2));
    /// assert_eq!(words.keys()?, ["b"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn alter<R>(
        &self,
        key: impl Into<K>,
        change: impl Fn(&mut Option<V>) -> R + Copy + Send + 'static,
    ) -> std::result::Result<R, ManagerError>
    where
        R: Serialize + DeserializeOwned,
    {
        let alter = move |items: &mut IndexMap<K, V>, key: K| {
            let Some(place) = items.get_index_of(&key) else {
                let mut value = None;
                let result = change(&mut value);
                items.extend(value.map(|value| (key, value)));
                return result;
            };
            let mut value = items.shift_remove_index(place).map(|(_, value)| value);
            let result = change(&mut value);
            if let Some(value) = value {
                items.shift_insert(place, key, value);
            }
            result
        };
        self.call(alter, key.into())
    }

    /// Takes a key and its value out if it is there and `predicate` is true of the value.
    ///
    /// # Errors
    ///
    /// As [`update_with`](Self::update_with).
    pub fn pop_if(
        &self,
        key: impl Into<K>,
        predicate: impl Fn(&V) -> bool + Copy + Send + 'static,
    ) -> std::result::Result<Option<V>, ManagerError> {
        let pop = move |items: &mut IndexMap<K, V>, key: K| {
            let is_meant = items.get(&key).is_some_and(predicate);
            is_meant.then(|| items.shift_remove(&key)).flatten()
        };
        self.call(pop, key.into())
    }

    /// Keeps the keys for which `keep` is true, in one step.
    ///
    /// # Errors
    ///
    /// As [`update_with`](Self::update_with).
    pub fn retain(
        &self,
        keep: impl Fn(&K, &V) -> bool + Copy + Send + 'static,
    ) -> std::result::Result<(), ManagerError> {
        self.with(move |items| items.retain(|key, value| keep(key, value)))
    }

    /// Iterates over the keys, from either end; each step is one call. Python's `reversed` is
    /// [`rev`](Iterator::rev).
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
        /// The place behind the last key that is left.
        back: usize,
        len: usize,
    },
    End,
}

/// Which end of what is left a key is taken from.
#[derive(Debug, Clone, Copy)]
enum Side {
    Front,
    Back,
}

impl<K: Item + Clone + Eq + Hash, V: Item> DictIter<'_, K, V> {
    fn step(&mut self, from: Side) -> std::result::Result<Option<K>, ManagerError> {
        let (next, back, len) = match std::mem::replace(&mut self.state, IterState::End) {
            IterState::Start => {
                let len = self.dict.len()?;
                (0, len, len)
            }
            IterState::Within { next, back, len } => (next, back, len),
            IterState::End => return Ok(None),
        };
        let (index, next, back) = match from {
            // There is no key at this place; but the call tells whether the size has changed.
            _ if next == back => (len, next, back),
            Side::Front => (next, next + 1, back),
            Side::Back => (back - 1, next, back - 1),
        };
        let key = self.dict.key_at(index, len)?;
        if key.is_some() {
            self.state = IterState::Within { next, back, len };
        }
        Ok(key)
    }
}

impl<K: Item + Clone + Eq + Hash, V: Item> Iterator for DictIter<'_, K, V> {
    type Item = std::result::Result<K, ManagerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Side::Front).transpose()
    }
}

impl<K: Item + Clone + Eq + Hash, V: Item> DoubleEndedIterator for DictIter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(Side::Back).transpose()
    }
}

impl<K: Item + Clone + Eq + Hash, V: Item> FusedIterator for DictIter<'_, K, V> {}

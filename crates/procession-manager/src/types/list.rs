//! A list.

use super::indexed::{Indexed, iterator};
use super::item::Item;
use super::slice::{At, Slice};
use crate::error::ManagerError;
use crate::object::Object;
use crate::refusal::{Refusal, Result};
use procession_macros::shared;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::collections::BTreeSet;
use std::iter::repeat_n;

/// The list in the server.
pub(crate) struct HostedList<T> {
    items: Vec<T>,
}

impl<T> HostedList<T> {
    pub(super) fn new(items: Vec<T>) -> Self {
        Self { items }
    }
}

/// A list that lives in a manager's server.
///
/// Each operation is one step to all processes. Several at once are a function that runs in the
/// server: [`with`](List::with) and [`call`](List::call). What comes back is a copy, unless the
/// items are handles: a list of lists is a list of proxies, whose changes all processes see.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let list = manager.list::<i64>()?;
/// list.extend([3, 1, 2])?;
/// list.append(4)?;
/// assert_eq!(list.get(1)?, Some(1));
/// assert_eq!(list.index(&2)?, Some(2));
/// list.sort()?;
/// assert_eq!(list.slice(1..3)?, [2, 3]);
/// let largest = list.with(|items| items.iter().copied().max())?;
/// assert_eq!(largest, Some(4));
/// # Ok(())
/// # }
/// ```
#[shared(proxy = "List", local(sort_any), lend(items: Vec<T>), crate = "crate")]
impl<T: Item> HostedList<T> {
    /// Adds an item at the end.
    pub fn append(&mut self, item: T) {
        self.items.push(item);
    }

    /// Adds items at the end, all in one step.
    pub fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
    }

    /// Puts an item before the one at `index`; at the end if that is the length.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if `index` is beyond the length; otherwise as every
    /// call.
    pub fn insert(&mut self, index: impl Into<At>, item: T) -> Result<()> {
        let gap = index.into().gap(self.items.len())?;
        self.items.insert(gap, item);
        Ok(())
    }

    /// Takes the last item out, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Takes the item at `index` out: Python's `pop(index)`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    pub fn remove(&mut self, index: impl Into<At>) -> Result<T> {
        let place = index.into().check(self.items.len())?;
        Ok(self.items.remove(place))
    }

    /// Takes the first item out that is equal to `item`; false if there is none: Python's `remove`.
    pub fn remove_item(&mut self, item: &T) -> bool
    where
        T: Clone + PartialEq,
    {
        let place = self.index(item);
        place.is_some_and(|place| {
            self.items.remove(place);
            true
        })
    }

    /// Returns a copy of the item at `index`, if there is one.
    pub fn get(&self, index: impl Into<At>) -> Option<T>
    where
        T: Clone,
    {
        let place = index.into().place(self.items.len())?;
        self.items.get(place).cloned()
    }

    /// Returns copies of the items at these places, in one step.
    pub fn get_many(&self, indices: &[usize]) -> Vec<Option<T>>
    where
        T: Clone,
    {
        let item = |index: &usize| self.items.get(*index).cloned();
        indices.iter().map(item).collect()
    }

    /// Puts an item in the place of the one at `index`, which is returned.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    pub fn set(&mut self, index: impl Into<At>, item: T) -> Result<T> {
        let place = index.into().check(self.items.len())?;
        Ok(std::mem::replace(&mut self.items[place], item))
    }

    /// Puts several items in their places, in one step: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) for the first index at which there is nothing;
    /// otherwise as every call.
    pub fn set_many(&mut self, items: impl IntoIterator<Item = (usize, T)>) -> Result<()> {
        let items: Vec<(usize, T)> = items.into_iter().collect();
        for (index, _) in &items {
            At::from(*index).check(self.items.len())?;
        }
        for (index, item) in items {
            self.items[index] = item;
        }
        Ok(())
    }

    /// Puts `new` in the place of the item at `index` if that is equal to `expected`; returns whether
    /// it was.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    pub fn compare_and_swap(&mut self, index: impl Into<At>, expected: &T, new: T) -> Result<bool>
    where
        T: Clone + PartialEq,
    {
        let place = index.into().check(self.items.len())?;
        let is_expected = self.items[place] == *expected;
        if is_expected {
            self.items[place] = new;
        }
        Ok(is_expected)
    }

    /// Returns the place of the first item that is equal to `item`.
    pub fn index(&self, item: &T) -> Option<usize>
    where
        T: Clone + PartialEq,
    {
        self.items.iter().position(|one| one == item)
    }

    /// Returns how many items are equal to `item`.
    pub fn count(&self, item: &T) -> usize
    where
        T: Clone + PartialEq,
    {
        self.items.iter().filter(|one| *one == item).count()
    }

    /// Returns whether an item is equal to `item`.
    pub fn contains(&self, item: &T) -> bool
    where
        T: Clone + PartialEq,
    {
        self.items.contains(item)
    }

    /// Turns the order round.
    pub fn reverse(&mut self) {
        self.items.reverse();
    }

    pub(crate) fn sort_any(&mut self)
    where
        T: Ord,
    {
        self.items.sort();
    }

    pub(crate) fn sort_known(&mut self) -> bool {
        sort_known(&mut self.items)
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns a copy of all items.
    pub fn to_vec(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.items.clone()
    }

    /// Returns a copy of the items in a range, or in a [`Slice`] with a step, as many of them as
    /// there are. Negative bounds count from the end.
    pub fn slice(&self, slice: impl Into<Slice>) -> Vec<T>
    where
        T: Clone,
    {
        let places = slice.into().places(self.items.len());
        places.map(|place| self.items[place].clone()).collect()
    }

    /// Puts items in the place of those in a range, as many as there are; with a step they must be as
    /// many as before.
    ///
    /// # Errors
    ///
    /// [`Refusal::Length`](crate::Refusal::Length) if they are not; otherwise as every call.
    pub fn set_slice(
        &mut self,
        slice: impl Into<Slice>,
        items: impl IntoIterator<Item = T>,
    ) -> Result<()> {
        let slice = slice.into();
        if let Some(range) = slice.range(self.items.len()) {
            self.items.splice(range, items);
            return Ok(());
        }
        let items: Vec<T> = items.into_iter().collect();
        let places = slice.places(self.items.len());
        let (len, expected) = (items.len(), places.clone().count());
        if len != expected {
            return Err(Refusal::Length { len, expected });
        }
        for (place, item) in places.zip(items) {
            self.items[place] = item;
        }
        Ok(())
    }

    /// Takes the items in a range out, and returns them: Python's `del`.
    pub fn remove_slice(&mut self, slice: impl Into<Slice>) -> Vec<T> {
        let places: BTreeSet<usize> = slice.into().places(self.items.len()).collect();
        let mut place = 0;
        let taken = self.items.extract_if(.., |_| {
            place += 1;
            places.contains(&(place - 1))
        });
        taken.collect()
    }

    /// Makes the list that many times as long, by copies of itself: Python's `*=`.
    #[doc(alias = "*=")]
    pub fn repeat(&mut self, times: usize)
    where
        T: Clone,
    {
        self.items = self.repeated(times);
    }

    /// Returns the items with others behind them, and leaves the list as it is: Python's `+`.
    #[doc(alias = "+")]
    pub fn concat(&self, items: impl IntoIterator<Item = T>) -> Vec<T>
    where
        T: Clone,
    {
        let mut all = self.items.clone();
        all.extend(items);
        all
    }

    /// Returns the items that many times, and leaves the list as it is: Python's `*`.
    #[doc(alias = "*")]
    pub fn repeated(&self, times: usize) -> Vec<T>
    where
        T: Clone,
    {
        repeat_n(&self.items, times).flatten().cloned().collect()
    }

    /// Takes all items out.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

/// Sorts numbers, strings and the like; false if the items are something else.
///
/// A server knows of a type that is not written out in its program only what all items have. What these can
/// do beside that is known here.
#[expect(
    clippy::ptr_arg,
    reason = "a slice cannot be recognised as one of a type"
)]
fn sort_known<T: 'static>(items: &mut Vec<T>) -> bool {
    macro_rules! sort {
        ($($item:ty)*) => {
            $(if let Some(items) = (items as &mut dyn Any).downcast_mut::<Vec<$item>>() {
                items.sort();
                return true;
            })*
        };
    }
    sort!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char String Vec<u8>);
    false
}

impl<T: Item> List<T> {
    /// Sorts the items; equal ones stay in their order.
    ///
    /// # Errors
    ///
    /// [`ManagerError`]; [`ManagerError::Elsewhere`] in a program that has
    /// [connected](crate::Manager::connect) to the manager, if the items are no integers, strings or the like.
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
    /// let list = manager.list_from([3, 1, 2])?;
    /// list.sort()?;
    /// assert_eq!(list.to_vec()?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sort(&self) -> std::result::Result<(), ManagerError>
    where
        T: Ord,
    {
        if !self.as_ref().remote().is_elsewhere() {
            self.sort_any()
        } else if self.sort_known()? {
            Ok(())
        } else {
            Err(ManagerError::Elsewhere(
                "the manager in another program does not know in which order these items come: sort a copy",
            ))
        }
    }

    /// Sorts the items by what `key` makes of them; equal ones stay in their order.
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
    /// let list = manager.list_from([-3_i32, 1, 2])?;
    /// list.sort_by_key(|item| item.abs())?;
    /// assert_eq!(list.to_vec()?, [1, 2, -3]);
    /// list.retain(|item| *item > 0)?;
    /// assert_eq!(list.pop_if(|item| *item == 2)?, Some(2));
    /// assert_eq!(list.update_with(-1, |item, by| { *item += by; *item }, 5)?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sort_by_key<K: Ord>(
        &self,
        key: impl Fn(&T) -> K + Copy + Send + 'static,
    ) -> std::result::Result<(), ManagerError> {
        self.with(move |items| items.sort_by_key(key))
    }

    /// Keeps the items for which `keep` is true, in one step.
    ///
    /// # Errors
    ///
    /// As [`sort_by_key`](Self::sort_by_key).
    pub fn retain(
        &self,
        keep: impl Fn(&T) -> bool + Copy + Send + 'static,
    ) -> std::result::Result<(), ManagerError> {
        self.with(move |items| items.retain(keep))
    }

    /// Takes the last item out if there is one and `predicate` is true of it.
    ///
    /// # Errors
    ///
    /// As [`sort_by_key`](Self::sort_by_key).
    pub fn pop_if(
        &self,
        predicate: impl Fn(&T) -> bool + Copy + Send + 'static,
    ) -> std::result::Result<Option<T>, ManagerError> {
        self.with(move |items| items.pop_if(|item| predicate(item)))
    }

    /// Changes the item at `index` in one step, by a function that also takes a value; several go as a
    /// tuple.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`] if there is none; otherwise as [`sort_by_key`](Self::sort_by_key).
    pub fn update_with<A, R>(
        &self,
        index: impl Into<At>,
        change: impl Fn(&mut T, A) -> R + Copy + Send + 'static,
        args: A,
    ) -> std::result::Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let change = move |items: &mut Vec<T>, (index, args): (At, A)| -> Result<R> {
            let place = index.check(items.len())?;
            Ok(change(&mut items[place], args))
        };
        self.call(change, (index.into(), args))
    }

    /// Iterates over the list as it is at each step: what is added meanwhile is seen.
    ///
    /// Each step is one call. For the list as it is now, iterate over [`to_vec`](Self::to_vec). From
    /// the end ([`rev`](Iterator::rev), Python's `reversed`) it begins at what is the last item then.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list_from([1, 2])?;
    /// for item in list.iter() {
    ///     if list.len()? < 4 {
    ///         list.append(10 * item?)?;
    ///     }
    /// }
    /// assert_eq!(list.to_vec()?, [1, 2, 10, 20]);
    /// assert_eq!(list.iter().rev().collect::<Result<Vec<_>, _>>()?, [20, 10, 2, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> ListIter<'_, T>
    where
        T: Clone,
    {
        ListIter::new(self)
    }

    /// Returns the text of the list, as Python writes it.
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
    /// let list = manager.list_from(["it's".to_owned(), "so".to_owned()])?;
    /// assert_eq!(list.repr()?, r#"["it's", 'so']"#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn repr(&self) -> std::result::Result<String, ManagerError>
    where
        T: Clone + Into<Object>,
    {
        Ok(Object::from(self.to_vec()?).to_string())
    }
}

impl<T: Item + Clone> Indexed for List<T> {
    type Item = T;

    fn length(&self) -> std::result::Result<usize, ManagerError> {
        self.len()
    }

    fn at(&self, place: usize) -> std::result::Result<Option<T>, ManagerError> {
        self.get(place)
    }
}

iterator! {
    /// An iterator over a [`List`], from either end.
    ListIter of List
}

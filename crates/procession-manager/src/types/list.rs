//! A list.

use super::item::Item;
use crate::error::ManagerError;
use crate::object::Object;
use crate::refusal::{Refusal, Result};
use crate::returns::Returns;
use procession_macros::shared;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::ops::Range;

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
#[shared(proxy = "List", local(sort_any), crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
impl<T: Item> HostedList<T> {
    /// Adds an item at the end.
    pub fn append(&mut self, item: T) {
        self.items.push(item);
    }

    pub(crate) fn extend_from(&mut self, items: Vec<T>) {
        self.items.extend(items);
    }

    /// Puts an item before the one at `index`; at the end if that is the length.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if `index` is above the length; otherwise as every
    /// call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn insert(&mut self, index: usize, item: T) -> Result<()> {
        let len = self.items.len();
        if index > len {
            return Err(Refusal::Index { index, len });
        }
        self.items.insert(index, item);
        Ok(())
    }

    /// Takes the last item out, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Takes the item at `index` out.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn remove(&mut self, index: usize) -> Result<T> {
        self.check(index)?;
        Ok(self.items.remove(index))
    }

    /// Returns a copy of the item at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<T>
    where
        T: Clone,
    {
        self.items.get(index).cloned()
    }

    /// Puts an item in the place of the one at `index`, which is returned.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn set(&mut self, index: usize, item: T) -> Result<T> {
        self.check(index)?;
        Ok(std::mem::replace(&mut self.items[index], item))
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

    /// Returns a copy of the items in `range`, as many of them as there are.
    pub fn slice(&self, range: Range<usize>) -> Vec<T>
    where
        T: Clone,
    {
        let end = range.end.min(self.items.len());
        self.items
            .get(range.start..end)
            .unwrap_or_default()
            .to_vec()
    }

    /// Takes all items out.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    fn check(&self, index: usize) -> Result<()> {
        let len = self.items.len();
        if index < len {
            Ok(())
        } else {
            Err(Refusal::Index { index, len })
        }
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

    /// Adds items at the end, all in one step.
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
    /// let list = manager.list_from([1])?;
    /// list.extend(2..4)?;
    /// assert_eq!(list.to_vec()?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn extend(
        &self,
        items: impl IntoIterator<Item = T>,
    ) -> std::result::Result<(), ManagerError> {
        self.extend_from(items.into_iter().collect())
    }

    /// Iterates over the list as it is at each step: what is added meanwhile is seen.
    ///
    /// Each step is one call. For the list as it is now, iterate over [`to_vec`](Self::to_vec).
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
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> ListIter<'_, T>
    where
        T: Clone,
    {
        ListIter {
            list: self,
            next: Some(0),
        }
    }

    /// Runs `function` on the items, in the server, in one step.
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
    /// let list = manager.list_from([1, 2, 3, 4])?;
    /// let even = list.with(|items| items.extract_if(.., |item| *item % 2 == 0).collect::<Vec<_>>())?;
    /// assert_eq!((even, list.to_vec()?), (vec![2, 4], vec![1, 3]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with<R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut Vec<T>) -> R + Copy + 'static,
    ) -> std::result::Result<R::Output, ManagerError> {
        self.as_ref().with(move |list| function(&mut list.items))
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
    /// let list = manager.list_from([1, 2])?;
    /// list.call(|items, (index, by)| items[index] += by, (0_usize, 10))?;
    /// assert_eq!(list.to_vec()?, [11, 2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<A: Serialize + DeserializeOwned, R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut Vec<T>, A) -> R + Copy + 'static,
        args: A,
    ) -> std::result::Result<R::Output, ManagerError> {
        self.as_ref()
            .call(move |list, args| function(&mut list.items, args), args)
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

impl<'a, T: Item + Clone> IntoIterator for &'a List<T> {
    type Item = std::result::Result<T, ManagerError>;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

/// An iterator over a [`List`].
#[derive(Debug)]
pub struct ListIter<'a, T: Item> {
    list: &'a List<T>,
    /// `None` once the end was seen: the iterator stays at its end.
    next: Option<usize>,
}

impl<T: Item + Clone> Iterator for ListIter<'_, T> {
    type Item = std::result::Result<T, ManagerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next.take()?;
        let item = self.list.get(index).transpose()?;
        self.next = item.is_ok().then_some(index + 1);
        Some(item)
    }
}

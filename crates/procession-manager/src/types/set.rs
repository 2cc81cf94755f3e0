//! A set.

use super::item::Item;
use crate::error::ManagerError;
use crate::object::Object;
use indexmap::IndexSet;
use procession_macros::shared;
use std::hash::Hash;

/// The set in the server.
pub(crate) struct HostedSet<T> {
    items: IndexSet<T>,
}

impl<T: Eq + Hash> HostedSet<T> {
    pub(super) fn new(items: Vec<T>) -> Self {
        Self {
            items: items.into_iter().collect(),
        }
    }
}

/// A set that lives in a manager's server: each item once, in the order in which they were put in.
///
/// Each operation is one step to all processes. Several at once are a function that runs in the
/// server: [`with`](Set::with) and [`call`](Set::call). The operations with other items take whatever
/// can be iterated over, and go over the wire once.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession::ManagerError> {
/// # procession::init();
/// let manager = procession::Manager::start()?;
/// let set = manager.set_from([1, 2, 3])?;
/// assert!(set.add(4)? && !set.add(4)?);
/// assert!(set.contains(&2)?);
/// assert_eq!(set.union([9, 1])?, [1, 2, 3, 4, 9]);
/// assert_eq!(set.intersection([9, 1])?, [1]);
/// assert_eq!(set.difference([9, 1])?, [2, 3, 4]);
/// assert_eq!(set.symmetric_difference([9, 1])?, [2, 3, 4, 9]);
/// assert!(set.is_superset([1, 2])? && set.is_disjoint([7])?);
/// set.difference_update([1, 2])?;
/// assert!(set.discard(&3)?);
/// assert_eq!(set.repr()?, "{4}");
/// # Ok(())
/// # }
/// ```
#[shared(proxy = "Set", lend(items: IndexSet<T>), crate = "crate")]
impl<T: Item + Clone + Eq + Hash> HostedSet<T> {
    /// Adds an item; false if it was there.
    pub fn add(&mut self, item: impl Into<T>) -> bool {
        self.items.insert(item.into())
    }

    /// Takes an item out, if it is there; the others keep their order.
    #[doc(alias = "remove")]
    pub fn discard(&mut self, item: &T) -> bool {
        self.items.shift_remove(item)
    }

    /// Takes the last item out, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Returns whether the item is there.
    pub fn contains(&self, item: &T) -> bool {
        self.items.contains(item)
    }

    /// Adds all of these items.
    #[doc(alias = "extend")]
    pub fn update(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
    }

    /// Keeps the items that are among these.
    pub fn intersection_update(&mut self, items: impl IntoIterator<Item = T>) {
        let others: IndexSet<T> = items.into_iter().collect();
        self.items.retain(|item| others.contains(item));
    }

    /// Takes out the items that are among these.
    pub fn difference_update(&mut self, items: impl IntoIterator<Item = T>) {
        let others: IndexSet<T> = items.into_iter().collect();
        self.items.retain(|item| !others.contains(item));
    }

    /// Takes out the items that are among these, and adds the others of these.
    pub fn symmetric_difference_update(&mut self, items: impl IntoIterator<Item = T>) {
        self.items = self.symmetric(items);
    }

    /// Returns the items, and those of these that are not among them.
    pub fn union(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut all = self.items.clone();
        all.extend(items);
        all.into_iter().collect()
    }

    /// Returns the items that are among these.
    pub fn intersection(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let others: IndexSet<T> = items.into_iter().collect();
        self.items.intersection(&others).cloned().collect()
    }

    /// Returns the items that are not among these.
    pub fn difference(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let others: IndexSet<T> = items.into_iter().collect();
        self.items.difference(&others).cloned().collect()
    }

    /// Returns the items that are either in the set or among these.
    pub fn symmetric_difference(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        self.symmetric(items)
    }

    /// Returns whether none of the items is among these.
    pub fn is_disjoint(&self, items: impl IntoIterator<Item = T>) -> bool {
        !items.into_iter().any(|item| self.items.contains(&item))
    }

    /// Returns whether all items are among these.
    pub fn is_subset(&self, items: impl IntoIterator<Item = T>) -> bool {
        let others: IndexSet<T> = items.into_iter().collect();
        self.items.is_subset(&others)
    }

    /// Returns whether all of these are in the set.
    pub fn is_superset(&self, items: impl IntoIterator<Item = T>) -> bool {
        items.into_iter().all(|item| self.items.contains(&item))
    }

    /// Returns a copy of all items.
    #[doc(alias = "copy")]
    pub fn to_vec(&self) -> Vec<T> {
        self.items.iter().cloned().collect()
    }

    /// Iterates over the items as they are now, which are fetched in batches.
    pub fn items(&self) -> impl Iterator<Item = T> {
        self.items.iter().cloned()
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes all items out.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    fn symmetric<C: FromIterator<T>>(&self, items: impl IntoIterator<Item = T>) -> C {
        let others: IndexSet<T> = items.into_iter().collect();
        self.items.symmetric_difference(&others).cloned().collect()
    }
}

impl<T: Item + Clone + Eq + Hash> Set<T> {
    /// Keeps the items for which `keep` is true, in one step.
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
    /// let set = manager.set_from(0..6)?;
    /// set.retain(|item| item % 2 == 0)?;
    /// assert_eq!(set.to_vec()?, [0, 2, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn retain(
        &self,
        keep: impl Fn(&T) -> bool + Copy + Send + 'static,
    ) -> Result<(), ManagerError> {
        self.with(move |items| items.retain(keep))
    }

    /// Returns the text of the set, as Python writes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    pub fn repr(&self) -> Result<String, ManagerError>
    where
        T: Into<Object>,
    {
        let items = self.to_vec()?.into_iter().map(Into::into);
        Ok(Object::Set(items.collect()).to_string())
    }
}

//! An array, whose length does not change.

use super::indexed::{Indexed, iterator};
use super::item::Item;
use super::slice::{At, Slice};
use crate::error::ManagerError;
use crate::refusal::{Refusal, Result};
use procession_macros::shared;

/// The array in the server.
pub(crate) struct HostedArray<T> {
    elements: Box<[T]>,
}

impl<T> HostedArray<T> {
    pub(super) fn new(elements: Vec<T>) -> Self {
        Self {
            elements: elements.into(),
        }
    }
}

/// An array that lives in a manager's server.
///
/// Its elements can be of any type that travels. Numbers that many processes read and write are
/// better in shared memory, in the array of `procession-shm`, which needs no server.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let array = manager.array([0; 3])?;
/// array.set(1, 5)?;
/// array.call(|array, by| array[1] += by, 2)?;
/// assert_eq!(array.to_vec()?, [0, 7, 0]);
/// assert!(array.set(3, 1).is_err());
/// # Ok(())
/// # }
/// ```
#[shared(proxy = "Array", lend(elements: [T]), crate = "crate")]
impl<T: Item> HostedArray<T> {
    /// Returns a copy of the element at `index`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn get(&self, index: impl Into<At>) -> Result<T>
    where
        T: Clone,
    {
        let place = index.into().check(self.elements.len())?;
        Ok(self.elements[place].clone())
    }

    /// Changes the element at `index`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`](crate::ManagerError::Gone).
    pub fn set(&mut self, index: impl Into<At>, value: T) -> Result<()> {
        let place = index.into().check(self.elements.len())?;
        self.elements[place] = value;
        Ok(())
    }

    /// Changes the element at `index` and returns the one before.
    ///
    /// # Errors
    ///
    /// [`Refusal::Index`](crate::Refusal::Index) if there is none; otherwise as every call.
    pub fn swap(&mut self, index: impl Into<At>, value: T) -> Result<T> {
        let place = index.into().check(self.elements.len())?;
        Ok(std::mem::replace(&mut self.elements[place], value))
    }

    /// Changes the elements in a range, or in a [`Slice`] with a step: all of them, in one step.
    ///
    /// # Errors
    ///
    /// [`Refusal::Length`](crate::Refusal::Length) if there are more or fewer places than values;
    /// otherwise as every call.
    pub fn set_slice(
        &mut self,
        slice: impl Into<Slice>,
        values: impl IntoIterator<Item = T>,
    ) -> Result<()> {
        let values: Vec<T> = values.into_iter().collect();
        let places = slice.into().places(self.elements.len());
        let (len, expected) = (values.len(), places.clone().count());
        if len != expected {
            return Err(Refusal::Length { len, expected });
        }
        for (place, value) in places.zip(values) {
            self.elements[place] = value;
        }
        Ok(())
    }

    /// Returns how many elements are equal to `value`.
    pub fn count(&self, value: &T) -> usize
    where
        T: Clone + PartialEq,
    {
        self.elements.iter().filter(|one| *one == value).count()
    }

    /// Returns the place of the first element that is equal to `value`.
    pub fn index(&self, value: &T) -> Option<usize>
    where
        T: Clone + PartialEq,
    {
        self.elements.iter().position(|element| element == value)
    }

    /// Returns how many elements there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Returns whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Returns a copy of all elements.
    pub fn to_vec(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.elements.to_vec()
    }

    /// Returns a copy of the elements in a range, or in a [`Slice`] with a step, as many of them as
    /// there are. Negative bounds count from the end.
    pub fn slice(&self, slice: impl Into<Slice>) -> Vec<T>
    where
        T: Clone,
    {
        let places = slice.into().places(self.elements.len());
        places.map(|place| self.elements[place].clone()).collect()
    }

    /// Makes all elements equal to `value`.
    pub fn fill(&mut self, value: T)
    where
        T: Clone,
    {
        self.elements.fill(value);
    }
}

impl<T: Item> Array<T> {
    /// Iterates over the elements, each as it is when its turn comes.
    ///
    /// Each step is one call, and [`rev`](Iterator::rev) begins at the end. For all elements at one moment, iterate over
    /// [`to_vec`](Self::to_vec).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let array = manager.array([1, 2, 3])?;
    /// let mut sum = 0;
    /// for element in &array {
    ///     sum += element?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> ArrayIter<'_, T>
    where
        T: Clone,
    {
        ArrayIter::new(self)
    }
}

impl<T: Item + Clone> Indexed for Array<T> {
    type Item = T;

    fn length(&self) -> std::result::Result<usize, ManagerError> {
        self.len()
    }

    fn at(&self, place: usize) -> std::result::Result<Option<T>, ManagerError> {
        match self.get(place) {
            Err(ManagerError::Refused(Refusal::Index { .. })) => Ok(None),
            element => element.map(Some),
        }
    }
}

iterator! {
    /// An iterator over an [`Array`], from either end.
    ArrayIter of Array
}

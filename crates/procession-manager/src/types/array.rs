//! An array, whose length does not change.

use super::item::Item;
use crate::error::ManagerError;
use crate::refusal::{Refusal, Result};
use crate::returns::Returns;
use procession_macros::shared;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;

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
#[shared(proxy = "Array", crate = "crate")]
#[expect(
    unreachable_pub,
    reason = "the proxy's methods are as visible as these"
)]
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
    pub fn get(&self, index: usize) -> Result<T>
    where
        T: Clone,
    {
        let element = self.elements.get(index).cloned();
        element.ok_or(Refusal::Index {
            index,
            len: self.elements.len(),
        })
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
    pub fn set(&mut self, index: usize, value: T) -> Result<()> {
        let len = self.elements.len();
        let element = self
            .elements
            .get_mut(index)
            .ok_or(Refusal::Index { index, len })?;
        *element = value;
        Ok(())
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

    /// Returns a copy of the elements in `range`, as many of them as there are.
    pub fn slice(&self, range: Range<usize>) -> Vec<T>
    where
        T: Clone,
    {
        let end = range.end.min(self.elements.len());
        self.elements
            .get(range.start..end)
            .unwrap_or_default()
            .to_vec()
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
    /// Each step is one call. For all elements at one moment, iterate over
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
        ArrayIter {
            array: self,
            next: Some(0),
        }
    }

    /// Runs `function` on the elements, in the server, in one step.
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
    /// let array = manager.array([3, 1, 2])?;
    /// array.with(|elements| elements.sort())?;
    /// assert_eq!(array.to_vec()?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with<R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut [T]) -> R + Copy + 'static,
    ) -> std::result::Result<R::Output, ManagerError> {
        self.as_ref()
            .with(move |array| function(&mut array.elements))
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
    /// let array = manager.array([1, 2])?;
    /// array.call(|elements, (i, j): (usize, usize)| elements.swap(i, j), (0, 1))?;
    /// assert_eq!(array.to_vec()?, [2, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<A: Serialize + DeserializeOwned, R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut [T], A) -> R + Copy + 'static,
        args: A,
    ) -> std::result::Result<R::Output, ManagerError> {
        self.as_ref()
            .call(move |array, args| function(&mut array.elements, args), args)
    }
}

impl<'a, T: Item + Clone> IntoIterator for &'a Array<T> {
    type Item = std::result::Result<T, ManagerError>;
    type IntoIter = ArrayIter<'a, T>;

    fn into_iter(self) -> ArrayIter<'a, T> {
        self.iter()
    }
}

/// An iterator over an [`Array`].
#[derive(Debug)]
pub struct ArrayIter<'a, T: Item> {
    array: &'a Array<T>,
    /// `None` once the end was seen.
    next: Option<usize>,
}

impl<T: Item + Clone> Iterator for ArrayIter<'_, T> {
    type Item = std::result::Result<T, ManagerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next.take()?;
        let element = match self.array.get(index) {
            Err(ManagerError::Refused(Refusal::Index { .. })) => return None,
            element => element,
        };
        self.next = element.is_ok().then_some(index + 1);
        Some(element)
    }
}

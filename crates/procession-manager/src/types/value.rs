//! A single value.

use super::item::Item;
use crate::error::ManagerError;
use crate::returns::Returns;
use procession_macros::shared;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The value in the server.
pub(crate) struct HostedValue<T> {
    value: T,
}

impl<T> HostedValue<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value }
    }
}

/// A value that lives in a manager's server.
///
/// Reading it and writing it are two steps, between which others may write.
/// [`update`](Value::update) does both in one.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let value = manager.value(5)?;
/// value.set(value.get()? + 1)?;
/// let before = value.update(|value| {
///     *value *= 2;
///     *value / 2
/// })?;
/// assert_eq!((before, value.get()?), (6, 12));
/// # Ok(())
/// # }
/// ```
#[shared(proxy = "Value", local(compare_and_swap), crate = "crate")]
impl<T: Item> HostedValue<T> {
    /// Returns a copy of the value.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.value.clone()
    }

    /// Changes the value.
    pub fn set(&mut self, value: T) {
        self.value = value;
    }

    /// Changes the value and returns the one before.
    pub fn swap(&mut self, value: T) -> T {
        std::mem::replace(&mut self.value, value)
    }

    /// Changes the value to `new` if it is equal to `expected`; returns whether it was.
    pub fn compare_and_swap(&mut self, expected: &T, new: T) -> bool
    where
        T: Clone + PartialEq,
    {
        let is_expected = self.value == *expected;
        if is_expected {
            self.value = new;
        }
        is_expected
    }
}

impl<T: Item> Value<T> {
    /// Runs `function` on the value, in the server, in one step.
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
    /// let value = manager.value(1)?;
    /// assert_eq!(value.update(|value| { *value += 1; *value })?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut T) -> R + Copy + Send + 'static,
    ) -> Result<R::Output, ManagerError> {
        self.as_ref()
            .with(move |hosted| function(&mut hosted.value))
    }

    /// As [`update`](Self::update), for a function that takes another value too.
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
    /// let words = manager.value(String::new())?;
    /// words.update_with(|words, word: String| words.push_str(&word), "hello".to_owned())?;
    /// assert_eq!(words.get()?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_with<A: Serialize + DeserializeOwned, R: Returns<M>, M>(
        &self,
        function: impl Fn(&mut T, A) -> R + Copy + Send + 'static,
        args: A,
    ) -> Result<R::Output, ManagerError> {
        self.as_ref()
            .call(move |hosted, args| function(&mut hosted.value, args), args)
    }
}

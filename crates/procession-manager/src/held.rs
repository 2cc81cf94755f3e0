//! Guards: what a method gives, another method takes back.

use crate::ManagerError;
use std::fmt;
use std::ops::Deref;

/// What a method of a shared type has given, until this is dropped: then another method takes it
/// back.
///
/// `#[shared(guard = "method")]` on the method makes its counterpart on the proxy return one.
///
/// # When the other side is gone
///
/// A process that is killed gives nothing back: the object can know the dead only by what else it
/// holds, such as a [`Lock`](crate::Lock) or a proxy that was dropped.
#[must_use = "it is given back when this is dropped"]
pub struct Held<'a, P, T> {
    proxy: &'a P,
    given: Option<T>,
    take_back: fn(&P, T) -> Result<(), ManagerError>,
    process: u32,
}

impl<'a, P, T> Held<'a, P, T> {
    #[doc(hidden)]
    pub fn new(proxy: &'a P, given: T, take_back: fn(&P, T) -> Result<(), ManagerError>) -> Self {
        Self {
            proxy,
            given: Some(given),
            take_back,
            process: std::process::id(),
        }
    }

    /// Gives it back, as dropping does, and says what went wrong.
    ///
    /// # Errors
    ///
    /// Those of the method that takes it back.
    pub fn release(mut self) -> Result<(), ManagerError> {
        let given = self.given.take();
        given.map_or(Ok(()), |given| (self.take_back)(self.proxy, given))
    }
}

impl<P, T> Deref for Held<'_, P, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.given {
            Some(given) => given,
            None => unreachable!("it is taken out when the guard is consumed"),
        }
    }
}

impl<P, T> Drop for Held<'_, P, T> {
    fn drop(&mut self) {
        // A copy that a fork made holds nothing.
        if let Some(given) = self
            .given
            .take()
            .filter(|_| self.process == std::process::id())
        {
            // A server that is gone has nothing to be given back to.
            let _ = (self.take_back)(self.proxy, given);
        }
    }
}

impl<P, T: fmt::Debug> fmt::Debug for Held<'_, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.given).finish()
    }
}

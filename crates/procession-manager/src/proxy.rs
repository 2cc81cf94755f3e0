//! The typed handle of a hosted object.

use crate::call::{ConcurrentCall, LockedCall};
use crate::error::ManagerError;
use crate::export::key;
use crate::hosting::{Concurrent, Locked};
use crate::remote::Remote;
use crate::returns::Returns;
use crate::route::Target;
use procession_call::Routine;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// A handle of a `T` that a manager's server hosts.
///
/// Cloning it is cheap. It can be sent to other processes, inside other values too, and kept in
/// other hosted objects. The object lives as long as any process has a proxy of it, or a message
/// with one is on its way.
///
/// Two proxies are equal if they are of the same object.
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, ManagerError};
/// use std::collections::HashSet;
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let set = manager.create(HashSet::<u32>::new, ())?;
/// assert!(set.call(|set, number| set.insert(number), 7)?);
/// assert!(!set.call(|set, number| set.insert(number), 7)?);
/// assert_eq!(set.with(|set| set.len())?, 1);
/// # Ok(())
/// # }
/// ```
pub struct Proxy<T, A = Locked> {
    remote: Remote,
    object: PhantomData<fn() -> (T, A)>,
}

impl<T, A> Proxy<T, A> {
    pub(crate) fn new(remote: Remote) -> Self {
        Self {
            remote,
            object: PhantomData,
        }
    }

    /// Makes the proxy of a handle.
    #[doc(hidden)]
    pub fn from_remote(remote: Remote) -> Self {
        Self::new(remote)
    }

    /// Returns the handle inside.
    #[doc(hidden)]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Returns the number of the object, by which its server knows it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let words = manager.create(Vec::<String>::new, ())?;
    /// assert_eq!(words.id(), words.clone().id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> u64 {
        self.remote.object()
    }
}

/// Writes how functions and methods are called on an object that is kept in one of the two ways.
macro_rules! calls {
    (
        $access:ident [$($bound:tt)+] $object:ty, $routine:ident
        $(#[$what:meta])*
        with
        $(#[$example:meta])*
    ) => {
        impl<T: $($bound)+ + 'static> Proxy<T, $access> {
            $(#[$what])*
            ///
            /// # Errors
            ///
            /// [`ManagerError`]; [`Call`](ManagerError::Call) if the function panicked.
            ///
            /// # When the other side is gone
            ///
            /// [`ManagerError::Gone`], also if the server ends during the call.
            $(#[$example])*
            pub fn with<R, M>(
                &self,
                function: impl Fn($object) -> R + Copy + Send + 'static,
            ) -> Result<R::Output, ManagerError>
            where
                R: Returns<M>,
            {
                self.call(move |object: $object, ()| function(object), ())
            }

            /// As [`with`](Self::with), for a function that takes a value too; several go as a tuple.
            ///
            /// # Errors
            ///
            /// As `with`, and [`ManagerError::Encode`] if the value cannot be sent.
            ///
            /// # When the other side is gone
            ///
            /// [`ManagerError::Gone`], also if the server ends during the call.
            pub fn call<A, R, M>(
                &self,
                function: impl Fn($object, A) -> R + Copy + Send + 'static,
                args: A,
            ) -> Result<R::Output, ManagerError>
            where
                A: Serialize + DeserializeOwned,
                R: Returns<M>,
            {
                self.remote.check_functions()?;
                let routine = $routine(function)?;
                self.remote.call::<A, R, M>(Target::Routine(routine), &args)
            }

            /// Calls a method of the type, which a program with another executable knows by its name. What is
            /// sent is encoded as the arguments are, and may borrow.
            #[doc(hidden)]
            pub fn call_method<S, A, R, M>(
                &self,
                name: &'static str,
                method: impl Fn($object, A) -> R + Copy + Send + 'static,
                sent: &S,
            ) -> Result<R::Output, ManagerError>
            where
                S: Serialize,
                A: DeserializeOwned,
                R: Returns<M>,
            {
                if self.remote.is_elsewhere() {
                    let key = key::<A, R::Sent>(name);
                    return self.remote.call_as::<A, S, R, M>(Target::Key(key), sent);
                }
                let routine = $routine(method)?;
                self.remote
                    .call_as::<A, S, R, M>(Target::Routine(routine), sent)
            }

            /// Calls a method that programs with another executable do not get.
            #[doc(hidden)]
            pub fn call_local<S, A, R, M>(
                &self,
                method: impl Fn($object, A) -> R + Copy + Send + 'static,
                sent: &S,
            ) -> Result<R::Output, ManagerError>
            where
                S: Serialize,
                A: DeserializeOwned,
                R: Returns<M>,
            {
                self.remote.check_functions()?;
                let routine = $routine(method)?;
                self.remote
                    .call_as::<A, S, R, M>(Target::Routine(routine), sent)
            }
        }
    };
}

calls! {
    Locked [Send] &mut T, locked_routine
    /// Runs `function` on the object, in the server, under the object's lock.
    ///
    /// Whatever it does to the object is one step to all others. The function is a `fn` item or a
    /// closure that captures nothing; values go beside it, with [`call`](Self::call). What it
    /// returns comes back.
    with
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// let manager = procession_manager::Manager::start()?;
    /// let words = manager.create(Vec::<String>::new, ())?;
    /// let len = words.with(|words| {
    ///     words.push("hello".to_owned());
    ///     words.len()
    /// })?;
    /// assert_eq!(len, 1);
    /// # Ok(())
    /// # }
    /// ```
}

calls! {
    Concurrent [Send + Sync] &T, concurrent_routine
    /// Runs `function` on the object, in the server, while others may work on it too.
    with
}

fn locked_routine<F, T, A, R, M>(function: F) -> Result<Routine, ManagerError>
where
    F: Fn(&mut T, A) -> R + Copy + Send + 'static,
    T: Send + 'static,
    A: DeserializeOwned,
    R: Returns<M>,
{
    Ok(Routine::of_function::<LockedCall<T, A, R, M>, F>(function)?)
}

fn concurrent_routine<F, T, A, R, M>(function: F) -> Result<Routine, ManagerError>
where
    F: Fn(&T, A) -> R + Copy + Send + 'static,
    T: Send + Sync + 'static,
    A: DeserializeOwned,
    R: Returns<M>,
{
    Ok(Routine::of_function::<ConcurrentCall<T, A, R, M>, F>(
        function,
    )?)
}

impl<T, A> Clone for Proxy<T, A> {
    fn clone(&self) -> Self {
        Self::new(self.remote.clone())
    }
}

impl<T, A> PartialEq for Proxy<T, A> {
    fn eq(&self, other: &Self) -> bool {
        self.remote == other.remote
    }
}

impl<T, A> Eq for Proxy<T, A> {}

impl<T, A> Hash for Proxy<T, A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.remote.hash(state);
    }
}

impl<T, A> fmt::Debug for Proxy<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.id()).finish()
    }
}

impl<T, A> Serialize for Proxy<T, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.remote.serialize(serializer)
    }
}

impl<'de, T, A> Deserialize<'de> for Proxy<T, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Remote::deserialize(deserializer).map(Self::new)
    }
}

//! Where the state of a primitive lies, and who may change it.
//!
//! The state machines in [`machine`](crate::machine) are written against [`Place`], so that the
//! same code runs on shared memory and, under loom, on a model of it.

use procession_os::robust::LockError;
use procession_os::wait::Deadline;
#[cfg(not(loom))]
pub(crate) use shared::{Placed, Shared};

/// A state and the mutex that its several words are changed under.
pub(crate) trait Place {
    /// What lies there. All of it is atomic: single words are also read without the mutex.
    type State: Recover;
    /// The mutex, held.
    type Pass<'a>
    where
        Self: 'a;

    fn state(&self) -> &Self::State;

    /// Takes the mutex. If somebody died while holding it, the state has recovered.
    fn enter(&self, deadline: Deadline) -> Result<Self::Pass<'_>, LockError>;
}

/// A state that can be made sound after somebody died in the midst of changing it.
pub(crate) trait Recover {
    /// Makes a sound state of whatever any prefix of the stores of any change has left. It runs
    /// under the mutex, and again if it was itself cut short.
    fn recover(&self);
}

#[cfg(not(loom))]
mod shared {
    use super::{Deadline, LockError, Place, Recover};
    use procession_shm::{Format, Held, Repair, Segment, SegmentKind, ShmError};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::marker::PhantomData;

    /// A state that may lie in shared memory.
    ///
    /// # Safety
    ///
    /// The type must be `repr(C)` and consist of atomics only, for which every bit pattern is
    /// valid.
    pub(crate) unsafe trait Shared {
        const KIND: SegmentKind;
    }

    /// A state in a segment of its own, under the segment's mutex.
    pub(crate) struct Placed<S> {
        pub(crate) segment: Segment,
        _state: PhantomData<fn() -> S>,
    }

    impl<S: Shared> Placed<S> {
        /// Makes a state of zeros, and lets `init` change it before anybody else can see it.
        pub(crate) fn new(init: impl FnOnce(&S)) -> Result<Self, ShmError> {
            let placed = Self::at(Segment::create(Self::format(), 1, |_| {})?);
            init(placed.get());
            Ok(placed)
        }

        pub(crate) fn get(&self) -> &S {
            let state = self.segment.payload().cast::<S>();
            // SAFETY: the segment was made or checked for one element of this type, it is mapped
            // for as long as the handle lives, and `Shared` says that any bytes make a state.
            unsafe { state.as_ref() }
        }

        fn at(segment: Segment) -> Self {
            Self {
                segment,
                _state: PhantomData,
            }
        }

        fn format() -> Format {
            Format::of::<S>(S::KIND)
        }
    }

    impl<S> Clone for Placed<S> {
        fn clone(&self) -> Self {
            Self {
                segment: self.segment.clone(),
                _state: PhantomData,
            }
        }
    }

    impl<S> Serialize for Placed<S> {
        fn serialize<T: Serializer>(&self, into: T) -> Result<T::Ok, T::Error> {
            self.segment.serialize(into)
        }
    }

    impl<'de, S: Shared> Deserialize<'de> for Placed<S> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            Ok(Self::at(Segment::deserialize(from, Self::format())?))
        }
    }

    impl<S: Shared + Recover> Place for Placed<S> {
        type State = S;
        type Pass<'a>
            = Held<'a>
        where
            S: 'a;

        fn state(&self) -> &S {
            self.get()
        }

        fn enter(&self, deadline: Deadline) -> Result<Held<'_>, LockError> {
            let held = self.segment.lock_until(deadline)?;
            if held.poisoned() {
                self.get().recover();
                held.clear_poison();
            }
            Ok(held)
        }
    }
}

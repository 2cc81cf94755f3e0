//! Where the state of a primitive lies: in a segment of its own.

pub(crate) use procession_shm::machine::place::{Place, Recover};
#[cfg(not(loom))]
pub(crate) use shared::{Placed, Shared};

#[cfg(not(loom))]
mod shared {
    use super::{Place, Recover};
    use procession_os::wait::Deadline;
    use procession_shm::{Format, Held, LockError, Repair, Segment, SegmentKind, ShmError};
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
            let placed = Self::at(Segment::create_small(Self::format(), 1, |_| {})?);
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
            let segment = Segment::deserialize(from, Self::format())?;
            // With fewer elements the state would lie beyond the end of the mapping.
            if segment.elements() != 1 {
                return Err(serde::de::Error::custom(
                    "the segment does not hold one state",
                ));
            }
            Ok(Self::at(segment))
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

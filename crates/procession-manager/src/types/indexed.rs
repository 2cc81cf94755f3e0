//! Iterating over places that are asked for one by one.

use crate::error::ManagerError;

/// A collection with places.
pub(super) trait Indexed {
    type Item;

    fn length(&self) -> Result<usize, ManagerError>;

    /// Returns a copy of what is at a place, if there is something.
    fn at(&self, place: usize) -> Result<Option<Self::Item>, ManagerError>;
}

/// What an iteration has not been at yet.
#[derive(Debug, Default)]
pub(super) struct Rest {
    front: usize,
    /// The place behind the last one; not known until something was taken from the end, so that what is
    /// added meanwhile is seen.
    back: Option<usize>,
    /// The end was seen: the iterator stays there.
    over: bool,
}

impl Rest {
    pub(super) fn next<C: Indexed>(
        &mut self,
        collection: &C,
    ) -> Option<Result<C::Item, ManagerError>> {
        self.step(|rest| {
            if rest.back.is_some_and(|back| back <= rest.front) {
                return Ok(None);
            }
            let item = collection.at(rest.front)?;
            rest.front += 1;
            Ok(item)
        })
    }

    pub(super) fn next_back<C: Indexed>(
        &mut self,
        collection: &C,
    ) -> Option<Result<C::Item, ManagerError>> {
        self.step(|rest| {
            let back = rest.back.map_or_else(|| collection.length(), Ok)?;
            if back <= rest.front {
                return Ok(None);
            }
            rest.back = Some(back - 1);
            collection.at(back - 1)
        })
    }

    fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<Option<T>, ManagerError>,
    ) -> Option<Result<T, ManagerError>> {
        if self.over {
            return None;
        }
        let item = step(self).transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Makes the iterator of an [`Indexed`] collection.
macro_rules! iterator {
    ($(#[$doc:meta])* $iter:ident of $collection:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $iter<'a, T: Item> {
            collection: &'a $collection<T>,
            rest: $crate::types::indexed::Rest,
        }

        impl<'a, T: Item> $iter<'a, T> {
            fn new(collection: &'a $collection<T>) -> Self {
                let rest = Default::default();
                Self { collection, rest }
            }
        }

        impl<T: Item + Clone> Iterator for $iter<'_, T> {
            type Item = std::result::Result<T, ManagerError>;

            fn next(&mut self) -> Option<Self::Item> {
                self.rest.next(self.collection)
            }
        }

        impl<T: Item + Clone> DoubleEndedIterator for $iter<'_, T> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.rest.next_back(self.collection)
            }
        }

        impl<T: Item + Clone> std::iter::FusedIterator for $iter<'_, T> {}

        impl<'a, T: Item + Clone> IntoIterator for &'a $collection<T> {
            type Item = std::result::Result<T, ManagerError>;
            type IntoIter = $iter<'a, T>;

            fn into_iter(self) -> $iter<'a, T> {
                self.iter()
            }
        }
    };
}
pub(super) use iterator;

//! Equality, order and hash.

use super::Object;
use super::number::Number;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Str(one), Self::Str(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::List(one), Self::List(other)) | (Self::Tuple(one), Self::Tuple(other)) => {
                one == other
            }
            (Self::Dict(one), Self::Dict(other)) => one == other,
            (Self::Set(one), Self::Set(other)) => one == other,
            _ => {
                let number = Number::of(self);
                number.is_some() && number == Number::of(other)
            }
        }
    }
}

impl Eq for Object {}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Object {
    /// Compares values of one kind as Python does, and others by their kind.
    ///
    /// Dicts and sets, of which Python orders no two, are compared by their sorted items.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Str(one), Self::Str(other)) => one.cmp(other),
            (Self::Bytes(one), Self::Bytes(other)) => one.cmp(other),
            (Self::List(one), Self::List(other)) | (Self::Tuple(one), Self::Tuple(other)) => {
                one.cmp(other)
            }
            (Self::Dict(one), Self::Dict(other)) => sorted(one).cmp(&sorted(other)),
            (Self::Set(one), Self::Set(other)) => sorted(one).cmp(&sorted(other)),
            _ => {
                let by_number = || Number::of(self).cmp(&Number::of(other));
                self.rank().cmp(&other.rank()).then_with(by_number)
            }
        }
    }
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<_> = items.into_iter().collect();
    items.sort_unstable();
    items
}

impl Object {
    /// Returns the place of the kind; numbers are of one kind.
    fn rank(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => 1,
            Self::Str(_) => 2,
            Self::Bytes(_) => 3,
            Self::Tuple(_) => 4,
            Self::List(_) => 5,
            Self::Dict(_) => 6,
            Self::Set(_) => 7,
        }
    }
}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::None => {}
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => Number::of(self).hash(state),
            Self::Str(text) => text.hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::List(items) | Self::Tuple(items) => items.hash(state),
            Self::Dict(items) => hash_of_items(items).hash(state),
            Self::Set(items) => hash_of_items(items).hash(state),
        }
    }
}

/// Equal dicts, and sets, may have their items in different orders, so the order must not count.
fn hash_of_items(items: impl IntoIterator<Item = impl Hash>) -> u64 {
    items.into_iter().fold(0, |sum: u64, item| {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

//! From Rust's types and back.

use super::Object;
use indexmap::{IndexMap, IndexSet};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

/// An [`Object`] is not of the kind that was asked for, or does not fit into the type.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct UnexpectedKind {
    expected: &'static str,
    found: &'static str,
}

procession_os::debug_in_words!(UnexpectedKind);

impl From<()> for Object {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl From<bool> for Object {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f32> for Object {
    fn from(value: f32) -> Self {
        Self::Float(value.into())
    }
}

impl From<f64> for Object {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<char> for Object {
    fn from(value: char) -> Self {
        Self::Str(value.into())
    }
}

impl From<String> for Object {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<&String> for Object {
    fn from(text: &String) -> Self {
        Self::Str(text.clone())
    }
}

impl From<&str> for Object {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<&[u8]> for Object {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Object {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Object {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Object {
    /// Makes a list; bytes are [`Object::Bytes`].
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Object {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Self>> FromIterator<T> for Object {
    /// Makes a list.
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

fn dict<K: Into<Object>, V: Into<Object>>(items: impl IntoIterator<Item = (K, V)>) -> Object {
    let items = items
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()));
    Object::Dict(items.collect())
}

impl<K: Into<Self>, V: Into<Self>, S> From<IndexMap<K, V, S>> for Object {
    fn from(items: IndexMap<K, V, S>) -> Self {
        dict(items)
    }
}

impl<K: Into<Self>, V: Into<Self>, S> From<HashMap<K, V, S>> for Object {
    fn from(items: HashMap<K, V, S>) -> Self {
        dict(items)
    }
}

impl<K: Into<Self>, V: Into<Self>> From<BTreeMap<K, V>> for Object {
    fn from(items: BTreeMap<K, V>) -> Self {
        dict(items)
    }
}

macro_rules! sets {
    ($([$($hasher:ident)?] $set:ty)*) => {
        $(impl<T: Into<Self>, $($hasher)?> From<$set> for Object {
            fn from(items: $set) -> Self {
                Self::Set(items.into_iter().map(Into::into).collect())
            }
        })*
    };
}

sets! { [S] IndexSet<T, S> [S] HashSet<T, S> [] BTreeSet<T> }

macro_rules! tuples {
    ($(($($item:ident)*))*) => {
        $(impl<$($item: Into<Object>),*> From<($($item,)*)> for Object {
            #[expect(non_snake_case, reason = "one name for types and values")]
            fn from(($($item,)*): ($($item,)*)) -> Self {
                Self::Tuple(vec![$($item.into()),*])
            }
        })*
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

macro_rules! integers {
    ($($small:ty)*; $($large:ty)*) => {
        $(impl From<$small> for Object {
            fn from(value: $small) -> Self {
                Self::Int(value.into())
            }
        })*
        $(impl TryFrom<$large> for Object {
            type Error = std::num::TryFromIntError;

            fn try_from(value: $large) -> Result<Self, Self::Error> {
                value.try_into().map(Self::Int)
            }
        })*
        $(integers!(back $small);)*
        $(integers!(back $large);)*
    };
    (back $integer:ty) => {
        impl TryFrom<Object> for $integer {
            type Error = UnexpectedKind;

            fn try_from(object: Object) -> Result<Self, UnexpectedKind> {
                let unexpected = object.not_a(stringify!($integer));
                let Object::Int(value) = object else { return Err(unexpected) };
                Self::try_from(value).map_err(|_| unexpected)
            }
        }
    };
}

integers! { i8 i16 i32 i64 u8 u16 u32; isize u64 usize i128 u128 }

macro_rules! back {
    ($($kind:ident $name:literal => $ty:ty,)*) => {
        $(impl TryFrom<Object> for $ty {
            type Error = UnexpectedKind;

            fn try_from(object: Object) -> Result<Self, UnexpectedKind> {
                let unexpected = object.not_a($name);
                let Object::$kind(value) = object else { return Err(unexpected) };
                Ok(value)
            }
        })*
    };
}

back! {
    Bool "bool" => bool,
    Str "str" => String,
}

impl TryFrom<Object> for f64 {
    type Error = UnexpectedKind;

    /// Takes an integer too, which is rounded if it is beyond 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "Python rounds as well")]
    fn try_from(object: Object) -> Result<Self, UnexpectedKind> {
        match object {
            Object::Float(value) => Ok(value),
            Object::Int(value) => Ok(value as Self),
            other => Err(other.not_a("float")),
        }
    }
}

impl<T: TryFrom<Object, Error = UnexpectedKind>> TryFrom<Object> for Vec<T> {
    type Error = UnexpectedKind;

    /// Takes the items of a list or a tuple.
    fn try_from(object: Object) -> Result<Self, UnexpectedKind> {
        match object {
            Object::List(items) | Object::Tuple(items) => {
                items.into_iter().map(T::try_from).collect()
            }
            other => Err(other.not_a("list")),
        }
    }
}

impl<K, V, S> TryFrom<Object> for IndexMap<K, V, S>
where
    K: TryFrom<Object, Error = UnexpectedKind> + Eq + Hash,
    V: TryFrom<Object, Error = UnexpectedKind>,
    S: BuildHasher + Default,
{
    type Error = UnexpectedKind;

    fn try_from(object: Object) -> Result<Self, UnexpectedKind> {
        let unexpected = object.not_a("dict");
        let Object::Dict(items) = object else {
            return Err(unexpected);
        };
        items
            .into_iter()
            .map(|(key, value)| Ok((key.try_into()?, value.try_into()?)))
            .collect()
    }
}

impl<T, S> TryFrom<Object> for IndexSet<T, S>
where
    T: TryFrom<Object, Error = UnexpectedKind> + Eq + Hash,
    S: BuildHasher + Default,
{
    type Error = UnexpectedKind;

    fn try_from(object: Object) -> Result<Self, UnexpectedKind> {
        match object {
            Object::Set(items) => items.into_iter().map(T::try_from).collect(),
            other => Err(other.not_a("set")),
        }
    }
}

impl Object {
    fn not_a(&self, expected: &'static str) -> UnexpectedKind {
        UnexpectedKind {
            expected,
            found: self.kind(),
        }
    }
}

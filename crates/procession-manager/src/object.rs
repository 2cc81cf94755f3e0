//! The dynamic value, for collections whose items differ.
//!
//! - `number`: what makes 1, 1.0 and true one key;
//! - `compare`: equality, order and hash;
//! - `convert`: from Rust's types and back;
//! - `repr`: the text, as Python writes it;
//! - `codec`: the bytes.

mod codec;
mod compare;
mod convert;
mod number;
mod repr;

pub use convert::UnexpectedKind;
pub(crate) use repr::join;

use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};

/// A value whose type is known only when the program runs.
///
/// It compares, hashes and prints as Python's values do:
///
/// - 1, 1.0 and true are equal, and one and the same key of a dict;
/// - a list is never equal to a tuple, nor a string to bytes;
/// - its text is Python's `repr`.
///
/// Unlike in Python every value can be a key, and every two can be compared. Values of different
/// kinds are in the order none, numbers, strings, bytes, tuples, lists, dicts, sets. A NaN is equal to
/// itself if the bits are the same, and above all other numbers.
///
/// A value nests up to 100 levels when it is sent or received; deeper ones are an error.
///
/// # Examples
///
/// ```
/// use procession_manager::Object;
///
/// let object = Object::from((1, "it's", [0.25, 1e16], None::<bool>));
/// assert_eq!(object.to_string(), r#"(1, "it's", [0.25, 1e+16], None)"#);
/// assert_eq!(Object::from(1), Object::from(1.0));
/// assert!(Object::from(2) > Object::from(1.5));
/// assert_eq!(i64::try_from(Object::from(3))?, 3);
/// # Ok::<(), procession_manager::UnexpectedKind>(())
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Object {
    /// Nothing.
    #[default]
    None,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Str(String),
    /// Bytes.
    Bytes(#[serde(with = "codec::bytes")] Vec<u8>),
    /// A list.
    List(Vec<Self>),
    /// A tuple.
    Tuple(Vec<Self>),
    /// Keys and values, in the order in which the keys were put in.
    Dict(IndexMap<Self, Self>),
    /// Items, each once, in the order in which they were put in.
    Set(IndexSet<Self>),
}

impl Object {
    /// Returns the name of the kind of value, as Python has it: `NoneType`, `bool`, `int`,
    /// `float`, `str`, `bytes`, `list`, `tuple`, `dict`
    /// or `set`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
        }
    }

    /// Returns whether this is nothing.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

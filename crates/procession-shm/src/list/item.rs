//! What a shareable list can hold.

use super::ListError;

/// An item of a [`ShareableList`](super::ShareableList): what CPython's can hold.
///
/// Integers of other types than those that always fit are converted with
/// [`TryFrom`]; the methods of the list take them as they are and return the error.
///
/// # Examples
///
/// ```
/// use procession_shm::{ListError, ListItem};
///
/// assert_eq!(ListItem::from(5), ListItem::Int(5));
/// assert_eq!(ListItem::from("five"), ListItem::Str("five".to_owned()));
/// assert_eq!(ListItem::from(None::<i64>), ListItem::None);
///
/// assert_eq!(ListItem::try_from("five".len())?, ListItem::Int(4));
/// let refused = ListItem::try_from(u64::MAX);
/// assert!(matches!(refused, Err(ListError::IntTooLarge(_))));
/// # Ok::<(), ListError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum ListItem {
    /// Python's `None`.
    None,
    /// A `bool`.
    Bool(bool),
    /// An `int` of at most 64 bits, the sign included.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`, encoded as UTF-8.
    Str(String),
    /// A `bytes`.
    Bytes(Vec<u8>),
}

impl ListItem {
    /// The bytes of text or bytes; `None` for what fits into any slot.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Str(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a slot for it, when it is the first in it.
    pub(super) fn slot_len(&self) -> usize {
        self.text()
            .map_or(SLOT, |text| SLOT * (text.len() / SLOT + 1))
    }

    /// Refuses what would not be read back as it is.
    pub(super) fn check(&self) -> Result<(), ListError> {
        match self.text() {
            Some([.., 0]) => Err(ListError::EndsInNul),
            Some(text) if text.len() > LONGEST => Err(ListError::TooLong {
                len: text.len(),
                room: LONGEST,
            }),
            _ => Ok(()),
        }
    }

    /// Compares as Python does, for which `1`, `1.0` and `True` are equal.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self.integer(), other.integer()) {
            (Some(this), Some(that)) => this == that,
            (Some(integer), None) => other.is_exactly(integer),
            (None, Some(integer)) => self.is_exactly(integer),
            (None, None) => self == other,
        }
    }

    fn integer(&self) -> Option<i64> {
        match *self {
            Self::Bool(value) => Some(value.into()),
            Self::Int(value) => Some(value),
            _ => None,
        }
    }

    #[expect(
        clippy::float_cmp,
        clippy::cast_precision_loss,
        reason = "equal only if nothing is lost in either direction"
    )]
    fn is_exactly(&self, integer: i64) -> bool {
        match *self {
            Self::Float(value) => integer as f64 == value && i128::from(integer) == value as i128,
            _ => false,
        }
    }
}

/// The unit of slots, in bytes.
pub(super) const SLOT: usize = 8;
/// The longest text that can be the first in its slot.
pub(super) const LONGEST: usize = LONGEST_SLOT - 1;
/// The longest slot that text can use: the length is written into eight bytes, one of them an `s`.
pub(super) const LONGEST_SLOT: usize = 9_999_999 / SLOT * SLOT;

macro_rules! from {
    ($($source:ty => $variant:ident),* $(,)?) => {$(
        impl From<$source> for ListItem {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Bool,
    i8 => Int,
    i16 => Int,
    i32 => Int,
    i64 => Int,
    u8 => Int,
    u16 => Int,
    u32 => Int,
    f32 => Float,
    f64 => Float,
    &str => Str,
    String => Str,
    &[u8] => Bytes,
    Vec<u8> => Bytes,
}

/// What has more than 64 bits, or none for the sign.
macro_rules! try_from {
    ($($source:ty),* $(,)?) => {$(
        impl TryFrom<$source> for ListItem {
            type Error = ListError;

            fn try_from(value: $source) -> Result<Self, ListError> {
                let fitting = i64::try_from(value).map(Self::Int);
                fitting.map_err(|_| ListError::IntTooLarge(value.to_string()))
            }
        }

        impl TryFrom<Option<$source>> for ListItem {
            type Error = ListError;

            fn try_from(value: Option<$source>) -> Result<Self, ListError> {
                value.map_or(Ok(Self::None), Self::try_from)
            }
        }
    )*};
}

try_from!(u64, usize, isize, u128, i128);

impl<const N: usize> From<&[u8; N]> for ListItem {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for ListItem {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl From<()> for ListItem {
    fn from((): ()) -> Self {
        Self::None
    }
}

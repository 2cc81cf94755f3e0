//! Numbers, whichever kind of value they are in.

use super::Object;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A number in the one form that all equal numbers have: an integer if it is one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    /// Not an integer, or one beyond 64 bits.
    Float(f64),
}

/// 2 to the power of 63, one more than the largest `i64`.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// Returns the number in `object`, if there is one.
    pub(super) fn of(object: &Object) -> Option<Self> {
        match *object {
            Object::Bool(value) => Some(Self::Int(value.into())),
            Object::Int(value) => Some(Self::Int(value)),
            Object::Float(value) => Some(Self::of_float(value)),
            _ => None,
        }
    }

    fn of_float(value: f64) -> Self {
        if value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value) {
            return Self::Int(value as i64);
        }
        Self::Float(value)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Int(one), Self::Int(other)) => one.cmp(&other),
            (Self::Float(one), Self::Float(other)) => compare_floats(one, other),
            (Self::Int(one), Self::Float(other)) => compare_mixed(one, other),
            (Self::Float(one), Self::Int(other)) => compare_mixed(other, one).reverse(),
        }
    }
}

/// A NaN is above all other numbers; NaNs are in the order of their bits.
fn compare_floats(one: f64, other: f64) -> Ordering {
    let by_bits = || {
        one.is_nan()
            .cmp(&other.is_nan())
            .then(one.to_bits().cmp(&other.to_bits()))
    };
    one.partial_cmp(&other).unwrap_or_else(by_bits)
}

/// Compares with a float that is no integer of 64 bits, without rounding either.
fn compare_mixed(one: i64, other: f64) -> Ordering {
    if other.is_nan() || other >= LIMIT {
        return Ordering::Less;
    }
    if other < -LIMIT {
        return Ordering::Greater;
    }
    // The float has a fraction, and its floor fits.
    one.cmp(&(other.floor() as i64)).then(Ordering::Less)
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
        }
    }
}

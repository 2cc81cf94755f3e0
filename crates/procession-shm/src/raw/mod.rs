//! Shared values without a lock.

mod array;
mod unit;
mod value;

pub use array::RawArray;
pub use value::RawValue;

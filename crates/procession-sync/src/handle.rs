//! What every handle of this crate can do.

/// Implements `Clone`, `Serialize` and `Deserialize` for a struct whose field `place` is
/// [`Placed`](crate::place::Placed).
macro_rules! handle {
    ($name:ident) => {
        /// Makes another handle to the same thing.
        impl Clone for $name {
            fn clone(&self) -> Self {
                Self {
                    place: self.place.clone(),
                }
            }
        }

        #[cfg(not(loom))]
        impl $name {
            /// Returns the memory that it is in, which knows its name and who holds it.
            pub fn segment(&self) -> &::procession_shm::Segment {
                &self.place.segment
            }
        }

        /// Encodes a handle; only into a message to another process.
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
                ::serde::Serialize::serialize(&self.place, into)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let place = ::serde::Deserialize::deserialize(from)?;
                Ok(Self { place })
            }
        }
    };
}

pub(crate) use handle;

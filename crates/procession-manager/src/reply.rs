//! The values in a reply, whose receiver the server knows.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;

/// A value that goes back to the caller.
///
/// Handles inside it need not wait, in the server's books, for somebody who says that they
/// arrived: the server counts them to the caller's session when it encodes them, and takes them
/// back if the caller dies.
#[derive(Debug)]
pub(crate) struct Reply<R>(pub(crate) R);

thread_local! {
    static REPLYING: Cell<bool> = const { Cell::new(false) };
}

/// Tells whether what this thread is encoding is a part of a reply.
pub(crate) fn is_replying() -> bool {
    REPLYING.get()
}

impl<R: Serialize> Serialize for Reply<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                REPLYING.set(self.0);
            }
        }
        let _restore = Restore(REPLYING.replace(true));
        self.0.serialize(serializer)
    }
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Reply<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        R::deserialize(deserializer).map(Self)
    }
}

//! What dicts and sets show of themselves.

use crate::patience::Patience;
use crate::store::Store;
use std::fmt;
use std::time::Duration;

/// How long it is waited for a lock to show something.
const MOMENT: Duration = Duration::from_secs(1);

pub(crate) fn show<K, V>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    store: &Store<K, V>,
) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    match store.len(Patience::For(MOMENT)) {
        Ok(len) => shown.field("len", &len),
        Err(error) => shown.field("error", &error.to_string()),
    };
    shown.finish_non_exhaustive()
}

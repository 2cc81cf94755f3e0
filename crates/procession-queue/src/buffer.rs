//! A buffer that each thread uses again for the bytes of one item after the other.

use std::cell::Cell;

/// A buffer that has grown larger is not kept.
const LARGEST: usize = 64 << 10;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Returns an empty buffer.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    // While the thread ends there may be none any more.
    SPARE.try_with(Cell::take).unwrap_or_default()
}

/// Keeps the buffer for the next one who needs it.
#[inline]
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() <= LARGEST {
        buffer.clear();
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
}

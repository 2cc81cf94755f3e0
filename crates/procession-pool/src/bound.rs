//! The bound on what is queued: whoever would queue more waits for room.

use crate::chunk::Chunk;
use crate::crew::Crew;
use crate::waiter::Waiter;
use procession_os::wait::Deadline;
use std::sync::Arc;

/// There was no room in time.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl Crew {
    /// Queues a chunk for a caller that does not wait for its results, when there is room for it. Without room in
    /// time it is dropped.
    pub(crate) fn queue(&self, chunk: Chunk, deadline: Deadline) -> Result<(), NoRoom> {
        loop {
            let mut state = self.lock();
            // Under the lock in which it is queued, so that no other takes the room.
            if state.dispatch.has_room() {
                self.submit_to(&mut state, chunk, false);
                return Ok(());
            }
            if deadline.passed() {
                return Err(NoRoom);
            }
            let waiter = Waiter::here();
            state.for_room.push(Arc::clone(&waiter));
            // What makes room must be collected, by others than this thread.
            self.see_to_collecting(&mut state);
            drop(state);
            waiter.sleep(deadline);
            let others = |other: &Arc<Waiter>| !Arc::ptr_eq(other, &waiter);
            self.lock().for_room.retain(others);
        }
    }
}

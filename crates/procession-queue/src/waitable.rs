//! Waiting for an item together with other things.

use crate::core::Core;
use crate::{JoinableQueue, Queue, SimpleQueue};
use procession_os::wait::Deadline;
use procession_os::waitable::{Armed, Bell, Source, Waitable};

/// Ready when there is an item, and when the queue was closed or its memory overwritten.
///
/// By the time that the item is asked for, another consumer may have taken it; a
/// [`try_get`](Queue::try_get) does not wait then.
///
/// # Examples
///
/// ```
/// use procession_os::waitable::Waitable;
/// use procession_queue::Queue;
///
/// let queue = Queue::new()?;
/// assert!(!queue.is_ready());
/// queue.put(&1)?;
/// assert!(queue.is_ready());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<T> Waitable for Queue<T> {
    fn source(&self) -> Source<'_> {
        Source::Memory(&*self.core)
    }

    fn is_ready(&self) -> bool {
        self.core.is_ready()
    }
}

/// As [`Queue`].
impl<T> Waitable for SimpleQueue<T> {
    fn source(&self) -> Source<'_> {
        self.queue.source()
    }

    fn is_ready(&self) -> bool {
        self.queue.is_ready()
    }
}

/// As [`Queue`]: ready when there is an item, not when all are done.
impl<T> Waitable for JoinableQueue<T> {
    fn source(&self) -> Source<'_> {
        (**self).source()
    }

    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }
}

impl Bell for Core {
    /// As a `get` that finds nothing goes to sleep.
    fn arm(&self, deadline: Deadline) -> Armed<'_> {
        let counted = self.control().is_counted();
        let ready = || self.may_get() || self.control().is_counted() != counted;
        if self.end_if_deserted(deadline) {
            return Armed::Ready;
        }
        match self.control().sides.put.arm(deadline, ready) {
            // Nobody tells that the last producer was killed.
            Ok(Some(watch)) if counted => Armed::Dozing(watch),
            Ok(Some(watch)) => Armed::Asleep(watch),
            Err(fault) if fault.is_timeout() => Armed::Busy,
            // A lock that cannot be taken is an error of `get`.
            Ok(None) if !self.may_get() => Armed::Busy,
            Ok(None) | Err(_) => Armed::Ready,
        }
    }
}

//! What of this crate can be waited for.

use crate::{Channel, Connection, Listener, PipeReader};
use procession_os::waitable::{Source, Waitable};
use std::os::fd::AsFd;

/// Ready when something has come, which may be the beginning of a message or the end of the
/// connection, and when a message is refused for its length.
impl Waitable for Channel {
    fn source(&self) -> Source<'_> {
        if self.has_rings() {
            Source::Doorbell(self.as_fd(), self)
        } else {
            Source::Descriptor(self.as_fd())
        }
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }
}

/// Ready when something has come, which may be the beginning of a message or the end of the
/// connection, and when a message is refused for its length.
impl<S, R> Waitable for Connection<S, R> {
    fn source(&self) -> Source<'_> {
        self.channel.source()
    }

    fn is_ready(&self) -> bool {
        self.channel.is_ready()
    }
}

/// Ready when there is something to read, and when no process holds a writer any more.
impl Waitable for PipeReader {
    fn source(&self) -> Source<'_> {
        Source::Descriptor(self.as_fd())
    }
}

/// Ready when somebody can be accepted, and when it was closed.
impl Waitable for Listener {
    fn source(&self) -> Source<'_> {
        Source::Descriptor(self.as_fd())
    }
}

//! Sending a frame, in as many steps as the socket takes it in.

use crate::SendError;
use crate::error::is_gone;
use crate::link::Link;
use procession_os::wait::Deadline;
use procession_wire::Message;
use procession_wire::frame::Head;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What is sent.
#[derive(Debug)]
pub(crate) enum Load<'a> {
    /// An encoded message, which may have descriptors.
    Message(Message),
    /// Bytes that need not be a message.
    Bytes(&'a [u8]),
}

impl Load<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(message) => message.bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn fds(&self) -> &[OwnedFd] {
        match self {
            Self::Message(message) => message.fds(),
            Self::Bytes(_) => &[],
        }
    }

    pub(crate) fn has_fds(&self) -> bool {
        !self.fds().is_empty()
    }

    /// The claims of its handles are the receiver's now.
    pub(crate) fn passed_on(self) {
        if let Some(message) = self.into_message() {
            message.delivered();
        }
    }

    fn into_message(self) -> Option<Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Bytes(_) => None,
        }
    }
}

/// What is left of a message that was sent in part.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    bytes: Vec<u8>,
    /// How many of them have gone.
    at: usize,
    /// Kept for the claims of the handles inside, which pass on with the last byte.
    message: Option<Message>,
}

/// Why a frame is not, or not wholly, on its way.
struct Stopped {
    /// How many of its bytes are.
    at: usize,
    error: io::Error,
}

impl Outbox {
    /// Returns whether a message was sent in part.
    pub(crate) fn is_partial(&self) -> bool {
        self.rest.is_some()
    }

    /// Sends a load behind what is left of an earlier one; calls `begun` when its first bytes have
    /// gone.
    pub(crate) fn send(
        &mut self,
        link: &Link,
        load: Load<'_>,
        deadline: Deadline,
        begun: impl FnOnce(),
    ) -> Result<(), SendError> {
        self.flush(link, deadline)?;
        let head = Head::new(load.bytes().len());
        let parts = [head.as_bytes(), load.bytes()];
        let fds: Vec<_> = load.fds().iter().map(AsFd::as_fd).collect();
        let Err(stopped) = write(link, parts, &fds, deadline, begun) else {
            load.passed_on();
            return Ok(());
        };
        let left = stopped.left(parts);
        self.stop(stopped.error, left, load.into_message())
    }

    /// Sends what is left of an earlier message.
    pub(crate) fn flush(&mut self, link: &Link, deadline: Deadline) -> Result<(), SendError> {
        let Some(mut rest) = self.rest.take() else {
            return Ok(());
        };
        let left = [&rest.bytes[rest.at..], &[]];
        let Err(Stopped { at, error }) = write(link, left, &[], deadline, || ()) else {
            if let Some(message) = rest.message {
                message.delivered();
            }
            return Ok(());
        };
        if is_gone(&error) {
            link.mark_reset();
        } else {
            rest.at += at;
            self.rest = Some(rest);
        }
        // Nothing of the message that waits behind the rest has gone.
        Err(unsent(error))
    }

    fn stop(
        &mut self,
        error: io::Error,
        left: Option<Vec<u8>>,
        message: Option<Message>,
    ) -> Result<(), SendError> {
        let Some(bytes) = left else {
            return Err(unsent(error));
        };
        let at = 0;
        self.rest = Some(Rest { bytes, at, message });
        Err(SendError::Unfinished(error))
    }
}

impl Stopped {
    /// Returns what has to follow, if a part has gone and somebody is there for the rest.
    fn left(&self, [head, body]: [&[u8]; 2]) -> Option<Vec<u8>> {
        let begun = self.at > 0 && !is_gone(&self.error);
        begun.then(|| after([head, body], self.at).concat())
    }
}

/// Writes `parts` in one call, and in further ones what the socket did not take at once; calls
/// `begun` when the first bytes have gone.
fn write(
    link: &Link,
    parts: [&[u8]; 2],
    fds: &[BorrowedFd<'_>],
    deadline: Deadline,
    begun: impl FnOnce(),
) -> Result<(), Stopped> {
    let total = parts[0].len() + parts[1].len();
    let mut begun = Some(begun);
    let mut at = 0;
    while at < total {
        let bufs = after(parts, at).map(IoSlice::new);
        let fds = if at == 0 { fds } else { &[] };
        match link.send(&bufs, fds, deadline) {
            Ok(sent) => {
                at += sent;
                if let Some(begun) = begun.take() {
                    begun();
                }
            }
            Err(error) => {
                if at > 0 && is_gone(&error) {
                    link.mark_reset();
                }
                return Err(Stopped { at, error });
            }
        }
    }
    Ok(())
}

/// Returns the parts without their first `at` bytes.
fn after([head, body]: [&[u8]; 2], at: usize) -> [&[u8]; 2] {
    match at.checked_sub(head.len()) {
        None => [&head[at..], body],
        Some(at) => [&[], &body[at..]],
    }
}

pub(crate) fn unsent(error: io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::TimedOut => SendError::TimedOut,
        _ if is_gone(&error) => SendError::Closed,
        _ => SendError::Io(error),
    }
}

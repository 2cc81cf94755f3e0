//! What can go wrong between two ends of a connection.

use procession_wire::frame::BadLength;
use procession_wire::{DecodeError, EncodeError};
use std::io;

/// A message was not sent.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The value could not be turned into a message; nothing was sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The other side is gone, or has closed its end.
    #[error("the other side of the connection is gone")]
    Closed,
    /// The other side did not make room in time; nothing of the message was sent.
    #[error("the other side did not make room for the message in time")]
    TimedOut,
    /// A part of the message was sent. The rest is kept and goes before the next message, or with
    /// [`Channel::flush_by`]: do not send the message again.
    ///
    /// [`Channel::flush_by`]: crate::Channel::flush_by
    #[error("only a part of the message was sent; flush the rest, and do not send it again")]
    Unfinished(#[source] io::Error),
    /// The kernel refused; nothing of the message was sent.
    #[error("cannot send: {0}")]
    Io(#[source] io::Error),
}

procession_os::debug_in_words!(SendError {
    Encode,
    Closed,
    TimedOut,
    Unfinished,
    Io
});

/// No message was received.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The other side has closed its end, and every message was received: Python's `EOFError`.
    #[error("the other side has closed the connection")]
    Closed,
    /// The other side went in the middle of a message.
    #[error("the other side went in the middle of a message")]
    Truncated,
    /// The other side went, or closed its end, without reading all that it was sent.
    ///
    /// The kernel tells this apart from [`Closed`](Self::Closed), and so can the caller: the last
    /// message sent was not read to its end, so a request in it was not begun. After `Closed` it
    /// may have been.
    #[error("the other side went without reading all that it was sent")]
    Reset,
    /// The next message is longer than the limit. It stays where it is: raise the limit with
    /// `set_max_len` and receive again, or drop the connection.
    #[error("a message of {len} bytes was announced, and the limit is {max} bytes")]
    TooLong {
        /// The length that was announced.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// The other side announced a negative length. It does not speak this protocol, and nothing
    /// more can be received.
    #[error(transparent)]
    BadLength(#[from] BadLength),
    /// No message came in time. What came of one is kept for the next call.
    #[error("no message came in time")]
    TimedOut,
    /// The message, which is lost, is not what was asked for; the next one can be received.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The message, which is lost, came with descriptors for which this process had no room; the
    /// next one can be received.
    #[error("no room for the message's file descriptors: raise the limit of open files")]
    DescriptorsLost,
    /// The kernel refused, or memory ran out; what came of the message is kept for the next call.
    #[error("cannot receive: {0}")]
    Io(#[source] io::Error),
}

procession_os::debug_in_words!(RecvError {
    Closed,
    Truncated,
    Reset,
    TooLong,
    BadLength,
    TimedOut,
    Decode,
    DescriptorsLost,
    Io
});

/// No message was received into a buffer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RecvIntoError {
    /// The message is longer than the buffer, which was not touched: here it is, whole. Python's
    /// `BufferTooShort`.
    #[error("the message of {} bytes is longer than the buffer", .0.len())]
    TooShort(Vec<u8>),
    /// No message was received at all.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

procession_os::debug_in_words!(RecvIntoError { TooShort, Recv });

/// Returns whether an error of the kernel means that the other side is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

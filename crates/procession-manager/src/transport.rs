//! How requests and replies move.
//!
//! Everything above this trait works on messages. Today they go through a socket; between
//! processes of one machine a pair of rings in shared memory can take its place, chosen in
//! [`connect`](crate::client::connect) and where the server accepts.

use procession_pipe::{Channel, RecvError, SendError};
use procession_wire::{Message, Packet};

/// A two-way connection that moves whole messages.
pub(crate) trait Transport: Send + Sync {
    /// Sends a message and waits for as long as the other side needs to take it.
    fn send(&self, message: Message) -> Result<(), SendError>;

    /// Waits for the next message.
    fn recv(&self) -> Result<Packet, RecvError>;
}

impl Transport for Channel {
    fn send(&self, message: Message) -> Result<(), SendError> {
        Self::send(self, message)
    }

    fn recv(&self) -> Result<Packet, RecvError> {
        Self::recv(self)
    }
}

//! Learning that there is something to receive, before a call that receives it.

use super::Channel;
use crate::RecvError;
use procession_os::wait::{self, Deadline};
use procession_wire::Packet;
use std::io;
use std::os::fd::AsFd;

impl Channel {
    /// Waits until there is something to receive; returns false if the deadline passed first.
    ///
    /// Nothing is read. True says that something has come, which may be the beginning of a message
    /// or the end of the connection; a call with a deadline copes with both.
    ///
    /// # Errors
    ///
    /// What `poll` reports, other than an interruption by a signal.
    ///
    /// # When the other side is gone
    ///
    /// True.
    pub fn poll(&self, deadline: Deadline) -> io::Result<bool> {
        match self.rings.get() {
            Some(rings) => rings.poll(self.beside(), deadline),
            None if self.is_refusing() => Ok(true),
            None => wait::readable(self.as_fd(), deadline),
        }
    }

    /// Says that its descriptor is going to be watched, by an event loop or a `poll` of the
    /// caller's own; returns whether there is something to receive already.
    ///
    /// A channel without rings needs no such call: its descriptor can be read when something has
    /// come. One with rings is told of by its descriptor only if it was armed, and then once: after
    /// that, receive with a call that does not wait until there is nothing, and arm it again. Its
    /// descriptor may also wake for nothing.
    ///
    /// One thread or task at a time should watch, or receive: whoever receives takes what would
    /// have woken another. [`wait`](crate::wait) does all this by itself, for any number of them.
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    ///
    /// # When the other side is gone
    ///
    /// The descriptor can be read, armed or not.
    pub fn arm(&self) -> io::Result<bool> {
        match self.rings.get() {
            Some(rings) => Ok(rings.arm()),
            None => self.poll(Deadline::PASSED),
        }
    }

    /// As [`arm`](Self::arm), for an event loop that is told only when the descriptor becomes readable
    /// (`EPOLLET`), and not while it is: what was left of earlier bells is taken. Of a message of which a part was
    /// received, the rest counts when it comes.
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    ///
    /// # When the other side is gone
    ///
    /// True, if nothing has told of it yet.
    pub fn arm_for_change(&self) -> io::Result<bool> {
        match self.rings.get() {
            Some(rings) => Ok(rings.arm_for_change(self.beside())),
            None => self.poll(Deadline::PASSED),
        }
    }

    /// Says that its descriptor is not watched any more, until the next [`arm`](Self::arm).
    ///
    /// That saves the other side a call of the kernel for a watcher that is awake. A byte may be on
    /// its way all the same. Nobody else may watch, or wait for, the same end at that moment.
    pub fn disarm(&self) {
        if let Some(rings) = self.rings.get() {
            rings.disarm();
        }
    }

    /// Takes the byte that has woken the one who watches the descriptor; returns whether there is
    /// something to receive, which may be the end of the connection.
    ///
    /// Nobody else may watch, or wait for, the same end: the byte was for all of them. A channel
    /// without rings has no such bytes, and is asked only.
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    ///
    /// # When the other side is gone
    ///
    /// True.
    pub fn take_bell(&self) -> io::Result<bool> {
        match self.rings.get() {
            Some(rings) => Ok(rings.take_bell(self.beside())),
            None => self.poll(Deadline::PASSED),
        }
    }

    /// Receives the next message if it is there.
    ///
    /// With rings this is a look at memory: the kernel is asked only for a message that has come
    /// beside them. So a thread can look at many channels before it sleeps, and what the
    /// kernel alone knows, above all that the other side is gone, it learns from the descriptor.
    ///
    /// # Errors
    ///
    /// As [`recv_by`](Self::recv_by).
    ///
    /// # When the other side is gone
    ///
    /// With rings `None`, without them as [`recv_by`](Self::recv_by).
    ///
    /// # Examples
    ///
    /// One thread receives from many channels:
    ///
    /// ```
    /// use procession_os::wait;
    /// use procession_pipe::{Channel, Deadline, RecvError};
    /// use procession_wire::{Kind, Message};
    /// use std::os::fd::AsFd;
    /// use std::time::Duration;
    ///
    /// let (here, there) = Channel::pair_with_rings(16 << 10)?;
    /// assert!(here.try_recv()?.is_none());
    ///
    /// // Before it sleeps: in each of them the other side is told to ring.
    /// assert!(!here.arm()?);
    /// there.send(Message::encode(Kind::VALUE, &7_u32)?)?;
    /// assert!(wait::readable(here.as_fd(), Deadline::NEVER)?);
    ///
    /// // Awake again: no more bells, and this one is taken.
    /// here.disarm();
    /// assert!(here.take_bell()?);
    /// let message = here.try_recv()?.expect("there is a message");
    /// assert_eq!(message.decode::<u32>()?, 7);
    ///
    /// // The end comes with the descriptor.
    /// drop(there);
    /// assert!(here.try_recv()?.is_none());
    /// assert!(wait::readable(here.as_fd(), Deadline::NEVER)? && here.take_bell()?);
    /// let end = here.recv_by(Deadline::PASSED);
    /// assert!(matches!(end, Err(RecvError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&self) -> Result<Option<Packet>, RecvError> {
        if self.rings.get().is_some_and(|rings| !rings.is_readable()) {
            return Ok(None);
        }
        match self.recv_by(Deadline::PASSED) {
            Err(RecvError::TimedOut) => Ok(None),
            received => received.map(Some),
        }
    }
}

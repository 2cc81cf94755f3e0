//! Receiving until the other side closes.

use super::Receiver;
use crate::{Channel, Connection, Deadline, RecvError};
use serde::de::DeserializeOwned;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

/// An iterator over the values that come over a connection; made by
/// [`Connection::iter`] and [`Receiver::iter`].
///
/// It waits for each value.
///
/// # When the other side is gone
///
/// It ends with [`RecvError::Closed`], which is not among the items. An error after which nothing
/// can come, such as [`RecvError::Truncated`], is the last item. An error that concerns one message
/// ([`RecvError::Decode`], [`RecvError::DescriptorsLost`]) is an item, and the next message follows.
pub struct Messages<'a, R> {
    channel: &'a Channel,
    over: bool,
    types: PhantomData<fn() -> R>,
}

/// An iterator over the values that come over a connection, which it owns.
///
/// See [`Messages`] for when it ends.
pub struct IntoMessages<R> {
    receiver: Receiver<R>,
    over: bool,
}

impl<'a, R> Messages<'a, R> {
    pub(super) fn of(channel: &'a Channel) -> Self {
        Self {
            channel,
            over: false,
            types: PhantomData,
        }
    }
}

impl<R> IntoMessages<R> {
    pub(super) fn of(receiver: Receiver<R>) -> Self {
        Self {
            receiver,
            over: false,
        }
    }
}

impl<R: DeserializeOwned> Iterator for Messages<'_, R> {
    type Item = Result<R, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next(self.channel, &mut self.over)
    }
}

impl<R: DeserializeOwned> Iterator for IntoMessages<R> {
    type Item = Result<R, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next(&self.receiver.channel, &mut self.over)
    }
}

fn next<R: DeserializeOwned>(channel: &Channel, over: &mut bool) -> Option<Result<R, RecvError>> {
    if *over {
        return None;
    }
    let received = channel.recv_value(Deadline::NEVER);
    *over = !matches!(
        received,
        Ok(_) | Err(RecvError::Decode(_) | RecvError::DescriptorsLost)
    );
    match received {
        Err(RecvError::Closed) => None,
        received => Some(received),
    }
}

impl<R: DeserializeOwned> FusedIterator for Messages<'_, R> {}

impl<R: DeserializeOwned> FusedIterator for IntoMessages<R> {}

impl<R> fmt::Debug for Messages<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("channel", self.channel)
            .field("over", &self.over)
            .finish()
    }
}

impl<R> fmt::Debug for IntoMessages<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoMessages")
            .field("receiver", &self.receiver)
            .field("over", &self.over)
            .finish()
    }
}

impl<S, R: DeserializeOwned> Connection<S, R> {
    /// Returns an iterator over the values that come, until the other side closes.
    ///
    /// # When the other side is gone
    ///
    /// The iterator ends after what it had sent; see [`Messages`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    ///
    /// let (client, server) = Pipe::duplex::<String, usize>()?;
    /// client.send(&"one".into())?;
    /// client.send(&"three".into())?;
    /// client.close();
    /// for word in &server {
    ///     assert!([3, 5].contains(&word?.len()));
    /// }
    /// # anyhow::Ok(())
    /// ```
    pub fn iter(&self) -> Messages<'_, R> {
        Messages::of(&self.channel)
    }
}

impl<'a, S, R: DeserializeOwned> IntoIterator for &'a Connection<S, R> {
    type Item = Result<R, RecvError>;
    type IntoIter = Messages<'a, R>;

    fn into_iter(self) -> Messages<'a, R> {
        self.iter()
    }
}

impl<S, R: DeserializeOwned> IntoIterator for Connection<S, R> {
    type Item = Result<R, RecvError>;
    type IntoIter = IntoMessages<R>;

    fn into_iter(self) -> IntoMessages<R> {
        IntoMessages::of(self.split().1)
    }
}

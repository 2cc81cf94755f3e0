//! The two directions of a connection, each by itself.

mod messages;
mod receiver;
mod sender;

pub use messages::{IntoMessages, Messages};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::Connection;
use std::fmt;
use std::sync::Arc;

/// The halves that were given to [`Connection::unsplit`] are not those of one connection.
///
/// They are inside, to be used further.
#[derive(thiserror::Error)]
#[error("the halves are not of the same connection")]
pub struct UnsplitError<S, R>(pub Sender<S>, pub Receiver<R>);

impl<S, R> fmt::Debug for UnsplitError<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnsplitError")
            .field(&self.0)
            .field(&self.1)
            .finish()
    }
}

impl<S, R> Connection<S, R> {
    /// Takes the connection apart, so that one thread, or process, can send and another receive.
    ///
    /// The connection stays as long as either half does: the other side is not told that one of
    /// them was dropped. To tell it that nothing more will be sent, call [`Sender::finish`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::Pipe;
    /// use std::thread;
    ///
    /// let (here, there) = Pipe::duplex::<u32, u32>()?;
    /// let (sender, receiver) = here.split();
    /// let asker = thread::spawn(move || {
    ///     for number in 0..100 {
    ///         sender.send(&number)?;
    ///     }
    ///     anyhow::Ok(sender)
    /// });
    /// for number in there.iter().take(100) {
    ///     there.send(&(number? * 2))?;
    /// }
    /// for number in 0..100 {
    ///     assert_eq!(receiver.recv()?, number * 2);
    /// }
    /// # asker.join().expect("no panic")?;
    /// # anyhow::Ok(())
    /// ```
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        let channel = Arc::new(self.channel);
        (Sender::of(channel.clone()), Receiver::of(channel))
    }

    /// Puts the halves together again that [`split`](Self::split) made.
    ///
    /// # Errors
    ///
    /// [`UnsplitError`], which gives them back, if they are not of one connection: also if one of
    /// them was sent to this process as a part of a message.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::{Connection, Pipe};
    ///
    /// let (here, there) = Pipe::duplex::<u8, u8>()?;
    /// let (sender, receiver) = here.split();
    /// let here = Connection::unsplit(sender, receiver)?;
    /// here.send(&7)?;
    /// assert_eq!(there.recv()?, 7);
    /// # anyhow::Ok(())
    /// ```
    pub fn unsplit(sender: Sender<S>, receiver: Receiver<R>) -> Result<Self, UnsplitError<S, R>> {
        if !Arc::ptr_eq(&sender.channel, &receiver.channel) {
            return Err(UnsplitError(sender, receiver));
        }
        let Sender { channel, .. } = sender;
        drop(receiver);
        match Arc::try_unwrap(channel) {
            Ok(channel) => Ok(channel.into()),
            // Nobody but the halves holds it.
            Err(channel) => Err(UnsplitError(
                Sender::of(channel.clone()),
                Receiver::of(channel),
            )),
        }
    }
}

/// What both halves have in common.
macro_rules! half {
    ($half:ident) => {
        impl<T> From<$crate::Channel> for $half<T> {
            fn from(channel: $crate::Channel) -> Self {
                Self::of(std::sync::Arc::new(channel))
            }
        }

        impl<T> From<std::os::fd::OwnedFd> for $half<T> {
            /// Makes a half of a connected stream socket, or of the end of a pipe.
            fn from(fd: std::os::fd::OwnedFd) -> Self {
                $crate::Channel::from(fd).into()
            }
        }

        impl<T> std::os::fd::AsFd for $half<T> {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.channel.as_fd()
            }
        }

        impl<'de, T> serde::Deserialize<'de> for $half<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::Channel::deserialize(deserializer).map(Self::from)
            }
        }

        impl<T> std::fmt::Debug for $half<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                use std::os::fd::{AsFd, AsRawFd};
                f.debug_struct(stringify!($half))
                    .field("fd", &self.as_fd().as_raw_fd())
                    .finish_non_exhaustive()
            }
        }
    };
}
use half;

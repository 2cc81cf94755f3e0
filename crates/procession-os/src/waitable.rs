//! What one can wait for together with other things.
//!
//! A thing is *ready* when the call that would wait for it, receiving, accepting, getting, joining,
//! would not: there is something, or the other side is gone, or the call is an error. How a waiter
//! learns of that differs, and [`Source`] says how: most things have a descriptor, and what lies in
//! shared memory has a word to sleep on.

use crate::futexes::Watch;
use crate::wait::Deadline;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdout};
use std::rc::Rc;
use std::sync::Arc;

/// Something that becomes ready.
///
/// It is there for connections, processes, queues, pipes, for the standard library's sockets and
/// files, for descriptors of any kind, and for references to them. Of a type of one's own it is the
/// `Waitable` of what is inside.
///
/// # Examples
///
/// ```
/// use procession_os::waitable::{Source, Waitable};
/// use std::collections::VecDeque;
/// use std::net::TcpStream;
///
/// /// Reads more than it gives at a time.
/// struct Lines {
///     stream: TcpStream,
///     read: VecDeque<String>,
/// }
///
/// impl Waitable for Lines {
///     fn source(&self) -> Source<'_> {
///         self.stream.source()
///     }
///
///     fn is_ready(&self) -> bool {
///         !self.read.is_empty()
///     }
/// }
/// ```
pub trait Waitable {
    /// Returns how to learn that it has become ready.
    fn source(&self) -> Source<'_>;

    /// Returns whether it is ready as far as can be told without asking the kernel.
    ///
    /// For something with a descriptor that is what was read from it and not yet given to anybody;
    /// for something in shared memory it is the whole answer. False if it is never called upon.
    fn is_ready(&self) -> bool {
        false
    }
}

/// How to learn that something has become ready.
pub enum Source<'a> {
    /// It is ready when this can be read, is at its end or has failed.
    Descriptor(BorrowedFd<'a>),
    /// It lies in shared memory.
    Memory(&'a dyn Bell),
    /// It lies in shared memory, and whoever waits for it is woken by a descriptor.
    Doorbell(BorrowedFd<'a>, &'a dyn Doorbell),
}

/// Something in shared memory for which a byte is sent, to a waiter that has asked for it.
///
/// That the descriptor can be read does not say that it is ready: the byte may be an old one.
pub trait Doorbell {
    /// Sees to it that the descriptor can be read as soon as it becomes ready; returns whether it
    /// is.
    fn arm(&self) -> bool;

    /// Takes what made the descriptor readable, if it only woke; returns whether it is ready.
    ///
    /// If it is not, it stays armed.
    fn answer(&self) -> bool;
}

/// Something in shared memory that wakes those who wait for it.
pub trait Bell {
    /// Looks whether there is something to wait for, and sees to it that the waiter is woken.
    ///
    /// The lock that this takes, if any, is waited for until `deadline`.
    fn arm(&self, deadline: Deadline) -> Armed<'_>;
}

/// What became of arming a [`Bell`].
#[derive(Debug, Clone, Copy)]
pub enum Armed<'a> {
    /// It was not ready. Whatever makes it ready from then on first changes the word, then wakes
    /// all who sleep on it.
    ///
    /// The word may change, and sleepers be woken, before it is ready, and without that it ever
    /// becomes so: the waiter arms it again.
    Asleep(Watch<'a>),
    /// As `Asleep`, but it may become ready without a word, by the death of a process: the waiter arms
    /// it again after a while in any case.
    Dozing(Watch<'a>),
    /// It is ready: there is something, or the call that takes it is an error.
    Ready,
    /// The deadline passed while somebody else held the lock.
    Busy,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptor(fd) => f.debug_tuple("Descriptor").field(fd).finish(),
            Self::Memory(_) => f.write_str("Memory"),
            Self::Doorbell(fd, _) => f.debug_tuple("Doorbell").field(fd).finish_non_exhaustive(),
        }
    }
}

/// For what stands before something that can be waited for.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<W: Waitable + ?Sized> Waitable for $pointer {
            fn source(&self) -> Source<'_> {
                (**self).source()
            }

            fn is_ready(&self) -> bool {
                (**self).is_ready()
            }
        }
    )*};
}

forward!(&W, &mut W, Box<W>, Rc<W>, Arc<W>);

/// For what is a descriptor and keeps nothing that it has read.
macro_rules! descriptors {
    ($($type:ty),* $(,)?) => {$(
        impl Waitable for $type {
            fn source(&self) -> Source<'_> {
                Source::Descriptor(self.as_fd())
            }
        }
    )*};
}

descriptors!(
    BorrowedFd<'_>,
    OwnedFd,
    File,
    io::PipeReader,
    ChildStdout,
    ChildStderr,
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixStream,
    crate::pidfd::Pidfd,
);

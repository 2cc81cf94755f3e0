//! Opening a connection.

use crate::address::Address;
use crate::error::ManagerError;
use crate::protocol::{Admission, HELLO, Hello, Purpose, SessionId, WELCOME};
use nix::unistd::geteuid;
use procession_os::image::image;
use procession_os::socket::peer_credentials;
use procession_pipe::{Channel, SendError};
use procession_shm::family;
use procession_wire::{EncodeError, Encoder, Message};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

/// Connects to a server and is admitted, or learns why not.
pub(crate) fn connect(
    address: &Address,
    purpose: Purpose,
) -> Result<(Channel, SessionId), ManagerError> {
    let stream = address.connect().map_err(refused)?;
    check(peer_credentials(stream.as_fd())?.uid)?;
    let channel = Channel::from(OwnedFd::from(stream));
    match channel.send(hello(purpose)?) {
        // A server that refuses without having listened has said why.
        Ok(()) | Err(SendError::Closed) => {}
        Err(error) => return Err(error.into()),
    }
    let session = admitted(channel.recv()?.expect(WELCOME)?.decode()?)?;
    Ok((channel, session))
}

fn refused(error: io::Error) -> ManagerError {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => ManagerError::Gone,
        _ => ManagerError::Io(error),
    }
}

/// The key is told to nobody who could not have read it from this process's memory anyway.
fn check(uid: u32) -> Result<(), ManagerError> {
    if uid == geteuid().as_raw() {
        return Ok(());
    }
    Err(ManagerError::NotAdmitted(
        "its server belongs to another user",
    ))
}

fn hello(purpose: Purpose) -> Result<Message, ManagerError> {
    let key = family::current().map_err(io::Error::other)?.key();
    let hello = Hello {
        image: image().identity(),
        purpose,
    };
    let encoded = || -> Result<_, EncodeError> {
        let mut encoder = Encoder::new(HELLO);
        encoder.push(key)?;
        encoder.push(&hello)?;
        Ok(encoder.finish())
    };
    Ok(encoded()?)
}

fn admitted(admission: Admission) -> Result<SessionId, ManagerError> {
    Err(match admission {
        Admission::Welcome(session) => return Ok(session),
        Admission::WrongKey => ManagerError::NotAdmitted("it is of another process family"),
        Admission::WrongImage => ManagerError::NotAdmitted("it runs another executable"),
        Admission::NoSession => ManagerError::NotAdmitted("its session has ended"),
        Admission::Busy => ManagerError::Busy,
    })
}

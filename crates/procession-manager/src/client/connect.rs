//! Opening a connection.

use super::server::ServerProcess;
use crate::address::Address;
use crate::error::ManagerError;
use crate::keepalive::watch_machine;
use crate::protocol::{Admission, HELLO, Hello, Purpose, SessionId, Visit, WELCOME};
use nix::unistd::geteuid;
use procession_os::image::image;
use procession_os::socket::peer_credentials;
use procession_pipe::auth::AuthenticationError;
use procession_pipe::{Channel, ClientBuilder, ConnectError, Deadline, SendError};
use procession_shm::family;
use procession_wire::{EncodeError, Encoder, Fd, Message, Packet};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How long a server of another program may take to answer who connects.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is reached.
#[derive(Clone)]
pub(crate) enum Door {
    /// By a process of its family and its executable.
    Family(Address),
    /// By any program that has the key.
    Visit(Visiting),
}

/// Where a server of another program is, and the key.
#[derive(Clone)]
pub(crate) struct Visiting {
    pub(crate) address: procession_pipe::Address,
    pub(crate) client: ClientBuilder,
}

/// A session at a server, as it says when it begins.
pub(super) struct Begun {
    /// The address by which the server knows itself.
    pub(super) address: Address,
    pub(super) presence: Channel,
    pub(super) session: SessionId,
    pub(super) server: ServerProcess,
    /// After how many calls a connection gets rings.
    pub(super) rings_after: Option<u32>,
}

/// Begins a session at a server, or learns why not.
pub(super) fn begin(door: &Door) -> Result<Begun, ManagerError> {
    let unknown = ServerProcess::default();
    let address = match door {
        Door::Family(address) => address,
        Door::Visit(visiting) => {
            let (presence, mut welcome) = visit(visiting, Purpose::Presence)?;
            return Ok(Begun {
                session: admitted(welcome.take()?)?,
                address: welcome.decode()?,
                presence,
                server: unknown,
                rings_after: None,
            });
        }
    };
    let (presence, mut welcome) = enter(address, Purpose::Presence, &unknown)?;
    let session = admitted(welcome.take()?)?;
    let process = welcome.take::<Option<Fd>>()?;
    Ok(Begun {
        address: address.clone(),
        presence,
        session,
        server: ServerProcess(process.map(Fd::into_inner)),
        rings_after: welcome.decode()?,
    })
}

/// Connects for calls in a session, or learns why not.
pub(super) fn connect(
    door: &Door,
    session: SessionId,
    server: &ServerProcess,
) -> Result<Channel, ManagerError> {
    let purpose = Purpose::Calls(session);
    let (channel, welcome) = match door {
        Door::Family(address) => enter(address, purpose, server)?,
        Door::Visit(visiting) => visit(visiting, purpose).map_err(gone)?,
    };
    admitted(welcome.decode()?)?;
    Ok(channel)
}

/// Connects to a server, and returns its answer.
fn enter(
    address: &Address,
    purpose: Purpose,
    server: &ServerProcess,
) -> Result<(Channel, Packet), ManagerError> {
    let stream = address.connect().map_err(refused)?;
    check(peer_credentials(stream.as_fd())?.uid)?;
    let channel = Channel::from(OwnedFd::from(stream));
    match channel.send(hello(purpose)?) {
        // A server that refuses without having listened has said why.
        Ok(()) | Err(SendError::Closed) => {}
        Err(error) => return Err(error.into()),
    }
    let answer = server.receive(&channel)?.expect(WELCOME)?;
    Ok((channel, answer))
}

/// Connects to a server of another program, and returns its answer.
fn visit(visiting: &Visiting, purpose: Purpose) -> Result<(Channel, Packet), ManagerError> {
    let connection = visiting.client.connect::<(), ()>(&visiting.address)?;
    let channel = Channel::from(connection);
    watch_machine(&channel);
    channel.send(Message::encode(HELLO, &Visit { purpose })?)?;
    let answer = channel.recv_by(Deadline::after(PATIENCE))?;
    Ok((channel, answer.expect(WELCOME)?))
}

/// Nobody listens any more where somebody did.
fn gone(error: ManagerError) -> ManagerError {
    match error {
        ManagerError::Connect(ConnectError::Authentication(AuthenticationError::Closed)) => {
            ManagerError::Gone
        }
        ManagerError::Connect(ConnectError::Io(error)) => match error.kind() {
            ErrorKind::NotFound => ManagerError::Gone,
            _ => refused(error),
        },
        error => error,
    }
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
    let (family, _) = family::identity().map_err(io::Error::other)?;
    let key = family.key();
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

//! Messages of any size that never wait for their reader.
//!
//! A socket holds some two hundred KiB; the sender of more waits until the other side reads. A
//! child that ends must not wait for a parent that has not joined it yet, nor a parent for a child
//! that is still loading. So what is large goes into anonymous memory, and the socket carries only
//! its descriptor.

use nix::sys::memfd::{MFdFlags, memfd_create};
use procession_os::file_size::within_limit;
use procession_os::sealed::{Sealed, seal};
use procession_os::wait::Deadline;
use procession_pipe::{Channel, RecvError, SendError};
use procession_wire::{DecodeError, Fd, Kind, Message, Packet};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind::InvalidData;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

/// The kind of a message that stands for another one, in memory.
const PARCEL: Kind = Kind::PARCEL;

/// What goes through the socket itself.
const INLINE: usize = 32 * 1024;

#[derive(Serialize, Deserialize)]
struct Parcel {
    body: Fd,
    fds: Vec<Fd>,
}

/// A message in the form in which a socket takes it at once.
pub(crate) struct Packed {
    message: Message,
    /// What `message` stands for, if that is in memory.
    inside: Option<Message>,
}

/// Puts what is large into memory. That is a file, and under a limit of files' sizes an error.
pub(crate) fn pack(message: Message) -> Result<Packed, SendError> {
    if message.bytes().len() <= INLINE {
        return Ok(Packed {
            message,
            inside: None,
        });
    }
    let body = Fd(in_memory(message.bytes()).map_err(SendError::Io)?);
    let fds = message.fds().iter().map(|fd| fd.try_clone().map(Fd));
    let fds = fds.collect::<io::Result<_>>().map_err(SendError::Io)?;
    Ok(Packed {
        message: Message::encode(PARCEL, &Parcel { body, fds })?,
        inside: Some(message),
    })
}

impl Packed {
    /// Sends it over a channel from which nobody need be reading.
    pub(crate) fn send(self, channel: &Channel) -> Result<(), SendError> {
        channel.send(self.message)?;
        if let Some(inside) = self.inside {
            inside.deliver();
        }
        Ok(())
    }
}

/// Packs and sends a message.
pub(crate) fn send(channel: &Channel, message: Message) -> Result<(), SendError> {
    pack(message)?.send(channel)
}

/// Receives what [`send`] sent, to be read where it lies.
pub(crate) fn receive(channel: &Channel, deadline: Deadline) -> Result<Packet, RecvError> {
    let packet = channel.recv_by(deadline)?;
    if packet.kind() != PARCEL {
        return Ok(packet);
    }
    let Parcel { body, fds } = packet.decode()?;
    let file = File::from(body.0);
    let fds = fds.into_iter().map(|fd| fd.0).collect();
    // The other side may have sent any descriptor: a device or a pipe, which has no end, or memory that is far larger
    // than what it took. What it wrote and sealed is there already, and is read where it lies.
    let sealed = Sealed::of(&file).map_err(RecvError::Io)?;
    let sealed = sealed.ok_or_else(|| RecvError::Io(io::Error::new(InvalidData, UNSEALED)))?;
    let packet = Packet::parse_sealed(sealed, fds)?;
    match packet.kind() {
        PARCEL => Err(DecodeError::UnexpectedKind(PARCEL.0).into()),
        _ => Ok(packet),
    }
}

const UNSEALED: &str = "what came instead of a message is no sealed memory, or has holes";

fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"procession-parcel", flags)?);
    within_limit(|| file.write_all(bytes))?;
    seal(&file)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn large() -> Message {
        Message::encode(Kind::VALUE, &vec![7_u8; 2 * INLINE]).unwrap()
    }

    #[test]
    fn what_is_sent_is_sealed_and_read_where_it_lies() {
        let (here, there) = Channel::pair().unwrap();
        send(&here, large()).unwrap();
        let packet = receive(&there, Deadline::NEVER).unwrap();
        assert_eq!(packet.decode::<Vec<u8>>().unwrap(), vec![7; 2 * INLINE]);
    }

    #[test]
    fn what_is_not_sealed_memory_is_refused_and_not_read() {
        let anonymous = || {
            let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
            File::from(memfd_create(c"hostile", flags).unwrap())
        };
        let changing = anonymous();
        changing.write_all_at(large().bytes(), 0).unwrap();
        let holes = anonymous();
        holes.write_all_at(large().bytes(), 0).unwrap();
        holes.set_len(64 << 30).unwrap();
        seal(&holes).unwrap();
        let zero = File::open("/dev/zero").unwrap();
        let (silent, _writer) = nix::unistd::pipe().unwrap();
        let empty = anonymous();
        seal(&empty).unwrap();
        for file in [changing, holes, zero, File::from(silent), empty] {
            let (here, there) = Channel::pair().unwrap();
            let parcel = Parcel {
                body: Fd(file.into()),
                fds: Vec::new(),
            };
            let message = Message::encode(PARCEL, &parcel).unwrap();
            here.send(message).unwrap();
            let error = receive(&there, Deadline::NEVER).unwrap_err();
            assert!(error.to_string().contains("no sealed memory"), "{error}");
        }
    }
}

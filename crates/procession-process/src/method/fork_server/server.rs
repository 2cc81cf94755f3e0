//! The server's side.

use super::{ANSWER, Answer, Born, REQUEST, Refused, Serve};
use crate::fd::Fd;
use crate::stdio::Plan;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Pid, chdir, setpgid};
use procession_os::fork::{Forked, sibling};
use procession_os::image::image;
use procession_os::parent;
use procession_pipe::{Channel, Deadline};
use procession_wire::{Message, Packet};
use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;

/// Makes children until the owner is gone; returns `None` then, and in each child its control
/// socket.
pub(crate) fn serve(channel: Channel, serve: &Serve) -> Result<Option<OwnedFd>, Box<dyn Error>> {
    if serve.image != image().identity() {
        return Err("it was started by another executable".into());
    }
    if !parent::die_with(serve.owner)? {
        return Ok(None);
    }
    let interrupts = settle()?;
    while let Some(control) = next(&channel) {
        match sibling() {
            Ok(Forked::Child) => {
                drop(channel);
                restore(interrupts)?;
                return Ok(Some(control));
            }
            made => answer(&channel, made, control),
        }
    }
    Ok(None)
}

/// Takes leave of what the server shares with its owner; returns the owner's way with SIGINT.
fn settle() -> Result<SigHandler, Box<dyn Error>> {
    prctl::set_name(c"fork-server")?;
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    chdir("/")?;
    Plan::NOWHERE.take_up()?;
    // SAFETY: ignoring installs no handler whose code could be unsound.
    Ok(unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }?)
}

fn restore(interrupts: SigHandler) -> io::Result<()> {
    // SAFETY: what is put back was there at the start of this program, which has installed
    // nothing since: the default, or that it is ignored.
    unsafe { signal(Signal::SIGINT, interrupts) }?;
    Ok(())
}

/// Waits for a request; `None` if the owner is gone, or sends what no owner sends.
fn next(channel: &Channel) -> Option<OwnedFd> {
    let packet = channel.recv_by(Deadline::NEVER).ok()?;
    let request = packet.expect(REQUEST).and_then(Packet::decode);
    request.ok().map(|Fd(control)| control)
}

/// Tells the owner what came of its request. The child alone keeps `control`.
fn answer(channel: &Channel, made: io::Result<Forked>, control: OwnedFd) {
    drop(control);
    let answer: Answer = match made {
        Ok(Forked::Parent(pidfd)) => Ok(Born {
            pid: pidfd.pid(),
            pidfd: Fd(pidfd.into()),
        }),
        Ok(Forked::Child) => return,
        Err(error) => Err(Refused {
            errno: error.raw_os_error(),
            words: error.to_string(),
        }),
    };
    // An owner that cannot be told is gone, which the next request will show.
    let _ = Message::encode(ANSWER, &answer).map(|message| channel.send(message));
}

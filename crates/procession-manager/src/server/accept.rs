//! Taking connections.
//!
//! The thread here does nothing that could wait for a client: it looks who connects, and hands the
//! connection to a thread of its own.

use super::admit::{admit, send};
use super::home::Home;
use crate::protocol::Admission;
use nix::unistd::geteuid;
use procession_os::socket::peer_credentials;
use procession_pipe::Channel;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long no connection is taken when there is no descriptor for one.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes connections for ever.
pub(super) fn accept_all(listener: &UnixListener, home: &'static Home) {
    let mut spare = spare();
    loop {
        match listener.accept() {
            Ok((stream, _)) => take(stream, home),
            Err(_) => turn_away(listener, home, &mut spare),
        }
    }
}

/// Hands a connection of the same user to a thread; others are closed.
fn take(stream: UnixStream, home: &'static Home) {
    let peer = peer_credentials(stream.as_fd());
    if !peer.is_ok_and(|peer| peer.uid == geteuid().as_raw()) {
        return;
    }
    let channel = Arc::new(Channel::from(OwnedFd::from(stream)));
    let theirs = Arc::clone(&channel);
    let thread = thread::Builder::new().name("manager-client".to_owned());
    if thread.spawn(move || admit(home, &theirs)).is_err() {
        send(&channel, &Admission::Busy);
    }
}

/// A descriptor that can be given up for the one that tells a client that there is none.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Waits for the next client with the reserve for its descriptor, and tells it that there is no
/// other, instead of leaving it to wait.
fn turn_away(listener: &UnixListener, home: &'static Home, reserve: &mut Option<File>) {
    if reserve.take().is_none() {
        thread::sleep(PAUSE);
    } else if let Ok((stream, _)) = listener.accept() {
        *reserve = spare();
        // There may be descriptors again since.
        if reserve.is_some() {
            take(stream, home);
        } else {
            send(&Channel::from(OwnedFd::from(stream)), &Admission::Busy);
        }
    }
    *reserve = reserve.take().or_else(spare);
}

//! The thread that receives connections.
//!
//! It sleeps in one `poll` over the socket that listens, the bell, and every handshake under way.
//! Nothing that it does waits for a client, so one thread serves them all, and what they cost is
//! bounded by the number of places:
//!
//! | a place is held by | until |
//! |---|---|
//! | a guest, in the handshake | it is let in, refused, out of time, or in the way |
//! | who was let in | it is accepted |
//!
//! A guest is in the way when all places are held, another client knocks, and it is the guest that
//! has been here longest, for at least [`GRACE`]. While no place can be had the socket is not
//! listened to, and clients wait in the kernel's queue.

use super::guest::Guest;
use super::lobby::Lobby;
use super::peer::Peer;
use super::rules::Rules;
use super::socket::Socket;
use crate::Deadline;
use crate::auth::AuthenticationError;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use procession_os::wait;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a guest may keep its place although others want it: several times what a handshake
/// takes with the other side of the world.
const GRACE: Duration = Duration::from_millis(500);

/// How long nobody is received when the system has no descriptor for them.
const PAUSE: Duration = Duration::from_millis(20);

/// How many are received before the guests get their turn.
const BURST: usize = 32;

pub(super) struct Doorman {
    socket: Socket,
    lobby: Arc<Lobby>,
    rules: Rules,
    /// In the order in which they came.
    guests: VecDeque<Guest>,
    paused: Option<Instant>,
}

impl Doorman {
    pub(super) fn new(socket: Socket, lobby: Arc<Lobby>, rules: Rules) -> Self {
        Self {
            socket,
            lobby,
            rules,
            guests: VecDeque::new(),
            paused: None,
        }
    }

    /// Works until the lobby is closed.
    pub(super) fn run(mut self) {
        while !self.lobby.is_closed() {
            let ready = self.sleep();
            self.lobby.hush();
            self.serve(&ready);
            self.dismiss_late();
            self.receive();
        }
    }

    /// Waits until there is something to do; returns for each guest whether it has sent something.
    fn sleep(&self) -> Vec<bool> {
        let is_open = self.pause_left().is_zero() && self.can_receive();
        let knock = if is_open {
            PollFlags::POLLIN
        } else {
            PollFlags::empty()
        };
        let mut fds = vec![
            PollFd::new(self.lobby.bell(), PollFlags::POLLIN),
            PollFd::new(self.socket.as_fd(), knock),
        ];
        let guests = self.guests.iter();
        fds.extend(guests.map(|guest| PollFd::new(guest.as_fd(), PollFlags::POLLIN)));
        if wait::poll(&mut fds, Deadline::after_opt(self.patience(is_open))).is_err() {
            // There is no memory for it; everybody gets a turn, and so does the system.
            std::thread::sleep(PAUSE);
            return vec![true; self.guests.len()];
        }
        let guests = fds[2..].iter();
        guests.map(|fd| fd.any().unwrap_or(true)).collect()
    }

    /// Returns how long to sleep at most.
    fn patience(&self, is_open: bool) -> Option<Duration> {
        let oldest = self.guests.front();
        let late = oldest.map(|guest| guest.left_of(self.rules.timeout));
        let grace = oldest.map(|guest| guest.left_of(GRACE));
        let pause = self.paused.map(|_| self.pause_left());
        let closed = [pause.or(grace)].into_iter().flatten();
        late.into_iter().chain(closed.filter(|_| !is_open)).min()
    }

    fn pause_left(&self) -> Duration {
        self.paused
            .map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed()))
    }

    fn has_room(&self) -> bool {
        self.lobby.has_room_beside(self.guests.len())
    }

    fn can_receive(&self) -> bool {
        self.has_room() || self.oldest_has_stayed(GRACE)
    }

    fn oldest_has_stayed(&self, long: Duration) -> bool {
        let oldest = self.guests.front();
        oldest.is_some_and(|guest| guest.left_of(long).is_zero())
    }

    /// Goes on with the handshakes of those who have sent something.
    fn serve(&mut self, ready: &[bool]) {
        for &is_ready in ready {
            // Each is taken from the front, and put back at the end, so that their order stays.
            let Some(mut guest) = self.guests.pop_front() else {
                return;
            };
            let gone_on = if is_ready { guest.go_on() } else { Ok(false) };
            match gone_on {
                Ok(false) => self.guests.push_back(guest),
                Ok(true) => self.let_in(guest.into_parts()),
                Err(error) => self.rules.refuse(guest.peer, error),
            }
        }
    }

    fn let_in(&self, (socket, peer): (OwnedFd, Peer)) {
        self.lobby.enter(socket, peer);
    }

    /// Sends those away whose time is over.
    fn dismiss_late(&mut self) {
        while self.oldest_has_stayed(self.rules.timeout) {
            self.dismiss_oldest(AuthenticationError::TimedOut);
        }
    }

    /// Receives those who knock, as far as there is room.
    fn receive(&mut self) {
        if !self.pause_left().is_zero() {
            return;
        }
        self.paused = None;
        for _ in 0..BURST {
            if !self.can_receive() {
                return;
            }
            match self.socket.accept() {
                Ok((socket, peer)) => self.admit(socket, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if concerns_one_client(&error) => {}
                Err(_) => return self.pause(),
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd, peer: Peer) {
        if !self.has_room() {
            self.dismiss_oldest(AuthenticationError::Crowded);
        }
        let Some(key) = self.rules.key.clone() else {
            return self.let_in((socket, peer));
        };
        match Guest::receive(socket, peer, key) {
            Ok(guest) => self.guests.push_back(guest),
            Err((peer, error)) => self.rules.refuse(peer, error),
        }
    }

    fn dismiss_oldest(&mut self, why: AuthenticationError) {
        if let Some(guest) = self.guests.pop_front() {
            self.rules.refuse(guest.peer, why);
        }
    }

    /// Waits for descriptors, and frees one if somebody holds it for long.
    fn pause(&mut self) {
        if self.oldest_has_stayed(GRACE) {
            self.dismiss_oldest(AuthenticationError::Crowded);
        } else {
            self.paused = Some(Instant::now());
        }
    }
}

/// Returns whether the next `accept` may well succeed: what failed is the connection.
fn concerns_one_client(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(
            Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EINTR
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENONET
                | Errno::ENOPROTOOPT
                | Errno::EOPNOTSUPP
                | Errno::EPROTO
                | Errno::EPERM
        )
    )
}

//! The thread that receives replies for futures.

use super::Reply;
use crate::client::endpoint::Sent;
use crate::error::ManagerError;
use nix::poll::{PollFd, PollFlags};
use procession_os::wait::{self, Deadline};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The calls that the thread does not know of yet, and how it is told.
struct Reactor {
    /// The process that has the thread; a forked copy has none.
    pid: u32,
    bell: PipeWriter,
    new: Arc<Mutex<Vec<Watched>>>,
}

struct Watched {
    sent: Sent,
    reply: Arc<Reply>,
}

static REACTOR: Mutex<Option<Reactor>> = Mutex::new(None);

/// Has the reply to a request put where its future looks.
pub(super) fn watch(sent: Sent, reply: Arc<Reply>) -> Result<(), ManagerError> {
    let mut reactor = lock(&REACTOR);
    let pid = std::process::id();
    if reactor.as_ref().is_none_or(|reactor| reactor.pid != pid) {
        *reactor = Some(Reactor::start(pid)?);
    }
    if let Some(reactor) = reactor.as_mut() {
        lock(&reactor.new).push(Watched { sent, reply });
        reactor.bell.write_all(&[0])?;
    }
    Ok(())
}

impl Reactor {
    fn start(pid: u32) -> io::Result<Self> {
        let (rung, bell) = io::pipe()?;
        let new = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&new);
        thread::Builder::new()
            .name("manager-replies".to_owned())
            .spawn(move || receive(rung, &theirs))?;
        Ok(Self { pid, bell, new })
    }
}

fn receive(mut rung: PipeReader, new: &Mutex<Vec<Watched>>) {
    let mut watched: Vec<Watched> = Vec::new();
    loop {
        let (is_rung, ready) = wait(&rung, &watched);
        // From behind, so that those that are removed do not move those that are looked at later.
        for (at, is_over) in ready.into_iter().rev() {
            if let Some(reply) = watched[at].sent.take(is_over) {
                let Watched { sent, reply: place } = watched.swap_remove(at);
                if reply.is_ok() {
                    sent.give_back();
                }
                place.set(reply);
            }
        }
        if is_rung {
            // As many calls as rings, or more: it is rung after a call was added.
            if rung.read(&mut [0; 64]).is_ok_and(|len| len == 0) {
                return;
            }
            watched.append(&mut lock(new));
        }
    }
}

/// Waits until something can be done; returns whether calls were added, and which have a reply or will have
/// none.
fn wait(rung: &PipeReader, watched: &[Watched]) -> (bool, Vec<(usize, bool)>) {
    let mut fds = vec![PollFd::new(rung.as_fd(), PollFlags::POLLIN)];
    let mut places = Vec::new();
    for one in watched {
        let (connection, server) = one.sent.watched();
        places.push((fds.len(), server.is_some()));
        fds.push(PollFd::new(connection, PollFlags::POLLIN));
        fds.extend(server.map(|server| PollFd::new(server, PollFlags::POLLIN)));
    }
    if wait::poll(&mut fds, Deadline::NEVER).is_err() {
        // There is no memory for it.
        thread::sleep(Duration::from_millis(10));
    }
    let is_ready = |at: usize| fds[at].any().unwrap_or(true);
    let ready = places
        .iter()
        .enumerate()
        .filter_map(|(index, &(at, has_server))| {
            let is_over = has_server && is_ready(at + 1);
            (is_over || is_ready(at)).then_some((index, is_over))
        });
    (is_ready(0), ready.collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

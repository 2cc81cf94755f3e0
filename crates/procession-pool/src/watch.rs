//! What the threads of a pool sleep on.

use crate::worker::Worker;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use procession_os::wait::Deadline;
use std::io;
use std::time::Duration;

/// All workers' sockets, and a bell for what else whoever collects must see.
#[derive(Debug)]
pub(crate) struct Watch {
    epoll: Epoll,
    kick: EventFd,
}

/// What the minder sleeps on: its own bell, and the watch while it collects.
#[derive(Debug)]
pub(crate) struct Bells {
    epoll: Epoll,
    bell: EventFd,
}

/// The number of what is no slot.
const KICK: u64 = u64::MAX;
/// The number of the watch among the bells.
const WATCH: u64 = 0;

/// What a slot's socket is ready for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rung {
    pub(crate) slot: usize,
    pub(crate) has_room: bool,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let kick = eventfd()?;
        epoll.add(&kick, EpollEvent::new(EpollFlags::EPOLLIN, KICK))?;
        Ok(Self { epoll, kick })
    }

    /// Watches a worker's socket.
    pub(crate) fn add(&self, worker: &Worker, slot: usize) -> io::Result<()> {
        Ok(self.epoll.add(worker, event(slot, false))?)
    }

    /// Watches for room in a worker's socket too, or no more.
    pub(crate) fn watch_room(&self, worker: &Worker, slot: usize, wanted: bool) {
        // It fails for a socket that is not watched any more.
        let _ = self.epoll.modify(worker, &mut event(slot, wanted));
    }

    /// Watches a worker's socket no more.
    pub(crate) fn remove(&self, worker: &Worker) {
        // It fails if the socket was taken out before.
        let _ = self.epoll.delete(worker);
    }

    /// Wakes whoever sleeps here.
    pub(crate) fn kick(&self) {
        // It can only fail when it was rung very often, and nobody has answered.
        let _ = self.kick.write(1);
    }

    /// Sleeps until a socket is ready, or the deadline; returns those that are.
    pub(crate) fn sleep(&self, deadline: Deadline) -> io::Result<Vec<Rung>> {
        let mut events = [EpollEvent::empty(); 64];
        let ready = sleep(&self.epoll, &mut events, deadline)?;
        let mut rung = Vec::with_capacity(ready);
        for event in &events[..ready] {
            if event.data() == KICK {
                let _ = self.kick.read();
                continue;
            }
            rung.push(Rung {
                slot: event.data() as usize,
                has_room: event.events().contains(EpollFlags::EPOLLOUT),
            });
        }
        Ok(rung)
    }
}

impl Bells {
    pub(crate) fn new(watch: &Watch) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let bell = eventfd()?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, KICK))?;
        // To watch for something else takes the kernel no memory, so what is refused is refused here.
        epoll.add(&watch.epoll.0, EpollEvent::new(EpollFlags::empty(), WATCH))?;
        Ok(Self { epoll, bell })
    }

    /// Wakes the minder.
    pub(crate) fn ring(&self) {
        // It can only fail when it was rung very often, and not answered.
        let _ = self.bell.write(1);
    }

    /// The minder watches what a collector does.
    pub(crate) fn watch(&self, watch: &Watch) {
        self.set(watch, EpollFlags::EPOLLIN);
    }

    /// The minder watches that no more.
    pub(crate) fn leave(&self, watch: &Watch) {
        self.set(watch, EpollFlags::empty());
    }

    fn set(&self, watch: &Watch, flags: EpollFlags) {
        let mut event = EpollEvent::new(flags, WATCH);
        // It fails only for what is not there.
        let _ = self.epoll.modify(&watch.epoll.0, &mut event);
    }

    /// Sleeps until something rings, or the deadline.
    pub(crate) fn sleep(&self, deadline: Deadline) -> Result<Woken, Errno> {
        let mut events = [EpollEvent::empty(); 2];
        let ready = sleep(&self.epoll, &mut events, deadline)?;
        let mut woken = Woken::ByItself;
        for event in &events[..ready] {
            if event.data() == KICK {
                let _ = self.bell.read();
            } else {
                woken = Woken::ToCollect;
            }
        }
        Ok(woken)
    }
}

/// What the minder was woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Its bell was rung, or it is time.
    ByItself,
    /// What it collects from has rung.
    ToCollect,
}

fn event(slot: usize, room: bool) -> EpollEvent {
    let mut flags = EpollFlags::EPOLLIN;
    flags.set(EpollFlags::EPOLLOUT, room);
    EpollEvent::new(flags, slot as u64)
}

fn eventfd() -> io::Result<EventFd> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    Ok(EventFd::from_flags(flags)?)
}

fn sleep(epoll: &Epoll, events: &mut [EpollEvent], deadline: Deadline) -> Result<usize, Errno> {
    loop {
        match epoll.wait(events, timeout(deadline)) {
            // A wait longer than the kernel can count in one go is taken up again.
            Ok(0) if !deadline.passed() => {}
            Ok(ready) => return Ok(ready),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Rounded up, so that a wait never ends before its deadline.
fn timeout(deadline: Deadline) -> EpollTimeout {
    let Some(left) = deadline.left() else {
        return EpollTimeout::NONE;
    };
    let millis = left
        .as_nanos()
        .div_ceil(Duration::from_millis(1).as_nanos());
    let millis = i32::try_from(millis).unwrap_or(i32::MAX);
    EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::MAX)
}

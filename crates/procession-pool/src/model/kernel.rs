//! What stands in for the bells of the workers, and for what a pool's threads sleep on.

use crate::worker::Worker;
use loom::sync::{Condvar, Mutex, MutexGuard};
use nix::errno::Errno;
use procession_os::wait::Deadline;
use std::io;
use std::time::Duration;

loom::lazy_static! {
    static ref KERNEL: (Mutex<Kernel>, Condvar) = (Mutex::default(), Condvar::new());
}

/// How many workers there can be in one run of a model.
const WORKERS: usize = 3;

/// Of the one pool of a run.
#[derive(Default)]
struct Kernel {
    sockets: [Socket; WORKERS],
    opened: usize,
    is_kicked: bool,
    is_rung: bool,
    /// Whether the bells have the watch too.
    are_watching: bool,
}

/// What is to be seen of a socket.
#[derive(Default, Clone, Copy)]
struct Socket {
    /// The slot, if it is watched.
    slot: Option<usize>,
    is_rung: bool,
    is_closed: bool,
}

impl Kernel {
    fn ready(&self) -> Vec<Rung> {
        let ready = |socket: &Socket| {
            let slot = socket.slot.filter(|_| socket.is_rung || socket.is_closed)?;
            Some(Rung {
                slot,
                has_room: false,
            })
        };
        self.sockets.iter().filter_map(ready).collect()
    }
}

fn kernel() -> MutexGuard<'static, Kernel> {
    let locked = KERNEL.0.lock();
    locked.expect("loom's mutexes are not poisoned")
}

/// Changes what threads may sleep on.
fn change<R>(change: impl FnOnce(&mut Kernel) -> R) -> R {
    let mut kernel = kernel();
    let changed = change(&mut kernel);
    KERNEL.1.notify_all();
    changed
}

/// Gives the next worker its number.
pub(crate) fn open() -> usize {
    let mut kernel = kernel();
    kernel.opened += 1;
    kernel.opened - 1
}

/// A worker has rung.
pub(crate) fn ring(worker: usize) {
    change(|kernel| kernel.sockets[worker].is_rung = true);
}

/// The bell of a worker is taken.
pub(crate) fn take_bell(worker: usize) {
    kernel().sockets[worker].is_rung = false;
}

/// A worker's socket is closed.
pub(crate) fn hang_up(worker: usize) {
    change(|kernel| kernel.sockets[worker].is_closed = true);
}

/// Sleeps until `take` has something, or time has run out.
fn sleep<R>(deadline: Deadline, mut take: impl FnMut(&mut Kernel) -> Option<R>) -> Option<R> {
    let mut kernel = kernel();
    loop {
        let taken = take(&mut kernel);
        if taken.is_some() {
            return taken;
        }
        // Under loom no time passes, so one that runs out may do so at once; but not what lasts for ever.
        if deadline
            .left()
            .is_some_and(|left| left < Duration::from_mins(1))
        {
            drop(kernel);
            loom::thread::yield_now();
            return None;
        }
        let slept = KERNEL.1.wait(kernel);
        kernel = slept.expect("loom's mutexes are not poisoned");
    }
}

/// All workers' sockets, and the kick.
#[derive(Debug)]
pub(crate) struct Watch;

/// The minder's bell, and the watch while it collects.
#[derive(Debug)]
pub(crate) struct Bells;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rung {
    pub(crate) slot: usize,
    pub(crate) has_room: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    ByItself,
    ToCollect,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn add(&self, worker: &Worker, slot: usize) -> io::Result<()> {
        change(|kernel| kernel.sockets[worker.channel().number()].slot = Some(slot));
        Ok(())
    }

    pub(crate) fn watch_room(&self, _: &Worker, _: usize, _: bool) {}

    pub(crate) fn remove(&self, worker: &Worker) {
        kernel().sockets[worker.channel().number()].slot = None;
    }

    pub(crate) fn kick(&self) {
        change(|kernel| kernel.is_kicked = true);
    }

    pub(crate) fn sleep(&self, deadline: Deadline) -> io::Result<Vec<Rung>> {
        let slept = sleep(deadline, |kernel| {
            let kicked = std::mem::take(&mut kernel.is_kicked);
            let ready = kernel.ready();
            (kicked || !ready.is_empty()).then_some(ready)
        });
        Ok(slept.unwrap_or_default())
    }
}

impl Bells {
    pub(crate) fn new(_: &Watch) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn ring(&self) {
        change(|kernel| kernel.is_rung = true);
    }

    pub(crate) fn watch(&self, _: &Watch) {
        change(|kernel| kernel.are_watching = true);
    }

    pub(crate) fn leave(&self, _: &Watch) {
        kernel().are_watching = false;
    }

    pub(crate) fn sleep(&self, deadline: Deadline) -> Result<Woken, Errno> {
        let slept = sleep(deadline, |kernel| {
            let is_rung = std::mem::take(&mut kernel.is_rung);
            let is_ready = kernel.is_kicked || !kernel.ready().is_empty();
            match kernel.are_watching && is_ready {
                true => Some(Woken::ToCollect),
                false => is_rung.then_some(Woken::ByItself),
            }
        });
        Ok(slept.unwrap_or(Woken::ByItself))
    }
}

//! What is waited for, sorted by how one learns that it is ready.

use super::{PATIENCE, earlier, helpers};
use crate::Deadline;
use nix::poll::{PollFd, PollFlags};
use procession_os::futexes::{self, MAX_WATCHES, Watch};
use procession_os::wait;
use procession_os::waitable::{Armed, Bell, Doorbell, Source, Waitable};
use std::{io, ptr};

/// The objects of a wait.
pub(super) struct Set<'a, W> {
    objects: &'a [W],
    /// The descriptors, and whose they are.
    pub(super) polled: Vec<PollFd<'a>>,
    polled_at: Vec<(usize, Option<&'a dyn Doorbell>)>,
    /// What lies in shared memory, and whose it is.
    pub(super) bells: Vec<(usize, &'a dyn Bell)>,
}

/// What arming all bells came to.
#[derive(Default)]
pub(super) struct AllArmed<'a> {
    /// Those that are ready.
    pub(super) ready: Vec<usize>,
    /// What to sleep on for those that are not.
    pub(super) watches: Vec<Watch<'a>>,
    /// Whether some are to be armed again after a while: their locks were not to be had, or they may
    /// become ready without a word.
    pub(super) again: bool,
}

impl<'a, W: Waitable> Set<'a, W> {
    pub(super) fn of(objects: &'a [W]) -> Self {
        let mut set = Self {
            objects,
            polled: Vec::new(),
            polled_at: Vec::new(),
            bells: Vec::new(),
        };
        for (index, object) in objects.iter().enumerate() {
            match object.source() {
                Source::Descriptor(fd) => {
                    set.polled.push(PollFd::new(fd, PollFlags::POLLIN));
                    set.polled_at.push((index, None));
                }
                Source::Doorbell(fd, bell) => {
                    set.polled.push(PollFd::new(fd, PollFlags::POLLIN));
                    set.polled_at.push((index, Some(bell)));
                }
                Source::Memory(bell) => set.bells.push((index, bell)),
            }
        }
        set
    }

    /// Returns what is ready, and waits for a descriptor until `deadline` if nothing is.
    pub(super) fn look(&mut self, deadline: Deadline) -> io::Result<Vec<usize>> {
        let mut known = ready(self.objects);
        if known.is_empty() {
            known.extend(self.arm_doorbells());
        }
        loop {
            let until = if known.is_empty() {
                deadline
            } else {
                Deadline::PASSED
            };
            let ready = self.poll(known, until)?;
            // A bell may have rung for what somebody else has taken.
            if !ready.is_empty() || deadline.passed() {
                return Ok(ready);
            }
            known = self::ready(self.objects);
        }
    }

    /// Has all doorbells ring from now on; returns what is ready already.
    fn arm_doorbells(&self) -> impl Iterator<Item = usize> {
        let doorbells = self.polled_at.iter();
        doorbells.filter_map(|&(index, bell)| bell?.arm().then_some(index))
    }

    /// Returns what is ready, and those that are known to be.
    pub(super) fn look_beside(&mut self, mut known: Vec<usize>) -> io::Result<Vec<usize>> {
        known.extend(self.look(Deadline::PASSED)?);
        Ok(in_order(known))
    }

    /// Adds the descriptors that are ready.
    fn poll(&mut self, mut ready: Vec<usize>, deadline: Deadline) -> io::Result<Vec<usize>> {
        if self.polled.is_empty() || wait::poll(&mut self.polled, deadline)? == 0 {
            return Ok(ready);
        }
        let polled = self.polled_at.iter().zip(&self.polled);
        // What the kernel says beyond the flags that are known is that something has happened.
        let happened = polled.filter(|(_, fd)| fd.any() != Some(false));
        let answered = happened.filter(|((_, bell), _)| bell.is_none_or(Doorbell::answer));
        ready.extend(answered.map(|(&(index, _), _)| index));
        Ok(in_order(ready))
    }

    /// Arms all bells, waiting a little for the lock of each, and not beyond `deadline`.
    pub(super) fn arm(&self, deadline: Deadline) -> AllArmed<'a> {
        let mut all = AllArmed::default();
        for &(index, bell) in &self.bells {
            match bell.arm(earlier(deadline, PATIENCE)) {
                Armed::Asleep(watch) => all.watches.push(watch),
                Armed::Dozing(watch) => {
                    all.watches.push(watch);
                    all.again = true;
                }
                Armed::Ready => all.ready.push(index),
                Armed::Busy => all.again = true,
            }
        }
        // Some have a word in common. What was expected of it first is the oldest news of it.
        all.watches.sort_by_key(|watch| ptr::from_ref(watch.word));
        all.watches.dedup_by_key(|watch| ptr::from_ref(watch.word));
        all
    }

    /// Sleeps until one of the words changes or one of the descriptors is ready, or until
    /// `deadline`; may also return for no reason.
    pub(super) fn sleep(&self, watches: &[Watch<'_>], deadline: Deadline) -> io::Result<()> {
        if !self.polled.is_empty() || watches.len() > MAX_WATCHES {
            return helpers::sleep(&self.polled, watches, deadline);
        }
        if !watches.is_empty() {
            futexes::wait(watches, deadline)?;
        }
        Ok(())
    }
}

/// Returns what is ready as far as can be told without the kernel.
pub(super) fn ready<W: Waitable>(objects: &[W]) -> Vec<usize> {
    let objects = objects.iter().enumerate();
    objects
        .filter_map(|(index, object)| object.is_ready().then_some(index))
        .collect()
}

/// Sorts indices; each of them is there once.
fn in_order(mut indices: Vec<usize>) -> Vec<usize> {
    indices.sort_unstable();
    indices.dedup();
    indices
}

//! Notices Ctrl-C while a demo runs.
//!
//! A demo has a process group of its own, so a Ctrl-C at the terminal does not reach it: without
//! this it would go on after the runner is gone.

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Holds back the signals that ask this program to end, until it is dropped.
#[derive(Debug)]
pub(super) struct Interrupts {
    before: SigSet,
    arrived: SignalFd,
}

impl Interrupts {
    /// Begins to hold the signals back in this thread.
    ///
    /// A program started now would inherit that, so start the demo first.
    pub(super) fn hold() -> anyhow::Result<Self> {
        let held = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
        let before = SigSet::thread_get_mask().context("cannot read the signal mask")?;
        held.thread_block().context("cannot hold signals back")?;
        let arrived = SignalFd::with_flags(&held, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("cannot watch for signals")?;
        Ok(Self { before, arrived })
    }

    /// Tells whether a signal has arrived, once for each signal.
    pub(super) fn arrived(&self) -> bool {
        matches!(self.arrived.read_signal(), Ok(Some(_)))
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // A signal that came after the last look is delivered by this, and ends the program.
        let _restored = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn a_held_signal_is_told_once() {
        let interrupts = Interrupts::hold().unwrap();
        assert!(!interrupts.arrived());
        raise(Signal::SIGINT).unwrap();
        assert!(interrupts.arrived());
        assert!(!interrupts.arrived());
    }
}

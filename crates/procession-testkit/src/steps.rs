//! Killing or stopping a process at any instruction of an operation.
//!
//! A child calls [`begin`], works, and calls [`end`]. The test traces it meanwhile:
//! [`Traced::kill_after`] lets it run to `begin`, executes a number of single instructions, and
//! kills it there. Done for each number until the operation is over, nothing of it is left to luck.
//! A call of the kernel is one instruction.
//!
//! Only the thread that calls `begin` is stepped, and it must be the child's main thread. The one
//! that traces must be the same from [`Traced::new`] on.

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// What says that the operation begins: a signal that is ignored unless the process is traced.
const BEGIN: Signal = Signal::SIGURG;
/// What says that it is over.
const END: Signal = Signal::SIGWINCH;

/// In the child: the operation begins behind this call.
///
/// # Panics
///
/// If the process cannot send itself a signal.
pub fn begin() {
    raise(BEGIN).expect("a process may signal itself");
}

/// In the child: the operation is over before this call.
///
/// # Panics
///
/// As [`begin`].
pub fn end() {
    raise(END).expect("a process may signal itself");
}

/// How far a child came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It was killed within the operation.
    Inside,
    /// It had done the operation, in so many instructions, and was killed then.
    End(usize),
}

/// A child that is traced by the calling thread, and is killed if that ends.
#[derive(Debug)]
pub struct Traced(Pid);

impl Traced {
    /// Begins to trace process `pid`, which must not have called [`begin`] yet.
    ///
    /// # Panics
    ///
    /// If the system forbids it.
    pub fn new(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed());
        ptrace::seize(pid, ptrace::Options::PTRACE_O_EXITKILL).expect("a child can be traced");
        Self(pid)
    }

    /// Executes `steps` instructions of the operation, then kills the child. It can be waited for
    /// afterwards.
    ///
    /// # Panics
    ///
    /// If the child ends before, or the operation waits for something.
    pub fn kill_after(self, steps: usize) -> Reached {
        self.stop_after(steps, || {})
    }

    /// Executes `steps` instructions of the operation, calls `look` while the child is stopped there, then
    /// kills the child, as [`kill_after`](Self::kill_after) does.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn stop_after(self, steps: usize, look: impl FnOnce()) -> Reached {
        self.run_to(BEGIN);
        let end = (0..steps).find(|_| self.step() == END);
        look();
        kill(self.0, Signal::SIGKILL).expect("it is there");
        end.map_or(Reached::Inside, Reached::End)
    }

    fn step(&self) -> Signal {
        ptrace::step(self.0, None).expect("it is stopped");
        self.stopped()
    }

    fn run_to(&self, wanted: Signal) {
        loop {
            let signal = self.stopped();
            if signal == wanted {
                return;
            }
            ptrace::cont(self.0, signal).expect("it is stopped");
        }
    }

    /// Waits for the next stop, and leaves the child's end to be waited for by its owner.
    fn stopped(&self) -> Signal {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.0), flags) {
            Ok(WaitStatus::Stopped(_, signal) | WaitStatus::PtraceEvent(_, signal, _)) => signal,
            other => panic!("the child does not stop: {other:?}"),
        }
    }
}

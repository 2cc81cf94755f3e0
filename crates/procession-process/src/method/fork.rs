//! A copy of this process.

use crate::child::{self, REFUSED};
use crate::children::{self, Child};
use crate::current::CurrentProcess;
use crate::error::StartError;
use crate::method::fork_server;
use crate::settings::Settings;
use crate::stdio::Ends;
use procession_call::Outcome;
use procession_os::environ;
use procession_os::fork::{self, Forked};
use procession_os::lifetime;
use procession_pipe::Channel;
use procession_shm::family::births;
use procession_shm::fork as shared;
use std::sync::Arc;

/// Starts a child that does `work`, and sends what comes of it through the channel. The `ends` of
/// its streams are the parent's only: a child that had them would never see the end of its input.
pub(crate) fn start(
    described: CurrentProcess,
    settings: Settings,
    ends: Ends,
    work: impl FnOnce() -> Outcome,
) -> Result<(Arc<Child>, Ends), StartError> {
    check()?;
    // Known to the copy then, which shows its environment there.
    let _ = environ::room();
    let (channel, control) = Channel::pair().map_err(StartError::system("make a socket"))?;
    let prepared = shared::before()?;
    lifetime::flush();
    match fork::copy().map_err(StartError::system("copy this process"))? {
        Forked::Parent(pidfd) => {
            prepared.in_parent();
            Ok((children::add(pidfd, described, channel), ends))
        }
        Forked::Abandoned => {
            prepared.in_child();
            births::note_this();
            lifetime::exit_at_once(REFUSED)
        }
        Forked::Child => {
            prepared.in_child();
            drop((channel, ends));
            children::forget();
            fork_server::forget();
            child::copied(control.into(), described, settings, work)
        }
    }
}

fn check() -> Result<(), StartError> {
    match fork::lasting_threads().map_err(StartError::system("count the threads"))? {
        1 if shared::is_guarded() => Err(StartError::Guarded),
        1 => Ok(()),
        threads => Err(StartError::MultiThreaded { threads }),
    }
}

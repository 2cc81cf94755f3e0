//! The message that tells a new process what to do.

use crate::current::CurrentProcess;
use crate::error::StartError;
use crate::inherit::{self, INHERITED};
use crate::outcome::{Outcome, produce};
use crate::routine::{Entry, Routine};
use crate::settings::Settings;
use crate::task::Task;
use nix::unistd::geteuid;
use procession_os::image::image;
use procession_shm::family::{self, HandedLease};
use procession_shm::grant_to;
use procession_wire::{Encoder, Fd, Kind, Message, Packet};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::marker::PhantomData;

/// A detached process says that it does not need its parent any more.
pub(crate) const SETTLED: Kind = Kind::SETTLED;

/// What comes first in a start message; the values of the setups follow, then the arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The executable for which the routines below are meant.
    pub(crate) image: u64,
    pub(crate) family: (String, [u8; 32]),
    /// The family's lease, if the child cannot open it.
    pub(crate) lease: Option<(Fd, bool)>,
    pub(crate) process: CurrentProcess,
    pub(crate) settings: Settings,
    pub(crate) setups: Vec<Routine>,
    pub(crate) task: Routine,
}

/// Encodes the start of a process that runs `F` on `args`.
pub(crate) fn message<F, A, M>(
    process: CurrentProcess,
    settings: Settings,
    args: &A,
) -> Result<Message, StartError>
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    let (user, lease) = (settings.user(), family::hand_over()?);
    // What this process had as another user it cannot hand on to one that it starts now.
    let changed = lease.is_some().then(|| geteuid().as_raw());
    let encode = || encode::<F, A, M>(process, settings, lease, args);
    match user.or(changed) {
        None => encode(),
        Some(user) => grant_to(user, encode),
    }
}

fn encode<F, A, M>(
    process: CurrentProcess,
    settings: Settings,
    lease: Option<HandedLease>,
    args: &A,
) -> Result<Message, StartError>
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    let family = family::current()?;
    let setups = INHERITED.now();
    let start = Start {
        image: image().identity(),
        family: (family.id().to_owned(), *family.key()),
        lease: lease.map(|lease| (Fd(lease.file), lease.shared)),
        process,
        settings,
        setups: inherit::routines(&setups),
        task: Routine::of::<TaskEntry<F, A, M>>()?,
    };
    let mut encoder = Encoder::new(Kind::START);
    encoder.push(&start)?;
    inherit::push(&setups, &mut encoder)?;
    encoder.push(args)?;
    Ok(encoder.finish())
}

struct TaskEntry<F, A, M>(PhantomData<(F, A, M)>);

impl<F, A, M> Entry for TaskEntry<F, A, M>
where
    F: Task<A, M>,
    A: DeserializeOwned,
{
    fn run(_: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let args = packet.take::<A>()?;
            packet.finish()?;
            Ok(F::call(args)?)
        })
    }
}

//! The message that tells a new process what to do.

use crate::current::CurrentProcess;
use crate::error::StartError;
use crate::inherit::{Inherited, inherited};
use crate::outcome::{Outcome, produce};
use crate::routine::{Entry, Routine};
use crate::settings::Settings;
use crate::task::Task;
use procession_os::image::image;
use procession_shm::family;
use procession_wire::{Encoder, Kind, Message, Packet};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;

/// What comes first in a start message; the values of the setups follow, then the arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The executable for which the routines below are meant.
    pub(crate) image: u64,
    pub(crate) family: (String, [u8; 32]),
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
    let family = family::current()?;
    let setups = inherited();
    let start = Start {
        image: image().identity(),
        family: (family.id().to_owned(), *family.key()),
        process,
        settings,
        setups: setups.iter().map(|setup| setup.routine).collect(),
        task: Routine::of::<TaskEntry<F, A, M>>()?,
    };
    let mut encoder = Encoder::new(Kind::START);
    encoder.push(&start)?;
    push_setups(&setups, &mut encoder)?;
    encoder.push(args)?;
    Ok(encoder.finish())
}

/// Encodes the values of the setups for this same process.
pub(crate) fn setups(setups: &[Arc<Inherited>]) -> Result<Packet, Box<dyn Error>> {
    let mut encoder = Encoder::new(Kind::START);
    push_setups(setups, &mut encoder)?;
    let (bytes, fds) = encoder.finish().deliver();
    Ok(Packet::parse(bytes, fds)?)
}

fn push_setups(setups: &[Arc<Inherited>], encoder: &mut Encoder) -> Result<(), StartError> {
    for setup in setups {
        setup.push(encoder)?;
    }
    Ok(())
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

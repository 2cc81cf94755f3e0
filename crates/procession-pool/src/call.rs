//! The calls that a pool is asked for, as messages.
//!
//! Everything of the user's that encodes runs here, on the thread of the caller, before the pool
//! has heard of the call: what fails or panics here has cost nothing.

use crate::error::PoolError;
use procession_process::Task;
use procession_process::outcome::{Outcome, produce};
use procession_process::routine::{Entry, Routine};
use procession_wire::{Kind, Message, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::marker::PhantomData;

/// Some calls to one function.
#[derive(Debug)]
pub(crate) struct Calls {
    /// The function, as the workers know it.
    pub(crate) routine: Routine,
    /// Whether the calls are for the items of a sequence.
    pub(crate) for_items: bool,
    /// The arguments of each call.
    pub(crate) arguments: Vec<Message>,
}

impl Calls {
    /// Encodes calls to `F`, each with the place by which an error names it.
    pub(crate) fn encode<F, A, M>(
        calls: impl Iterator<Item = (Option<usize>, A)>,
    ) -> Result<Self, PoolError>
    where
        F: Task<A, M>,
        A: Serialize + DeserializeOwned,
    {
        let routine = Routine::of::<CallEntry<F, A, M>>()?;
        let mut for_items = false;
        let encode = |(item, args): (Option<usize>, A)| {
            for_items = item.is_some();
            let encoded = Message::encode(Kind::REQUEST, &args);
            encoded.map_err(|error| PoolError::Encode { item, error })
        };
        let arguments = calls.map(encode).collect::<Result<_, _>>()?;
        Ok(Self {
            routine,
            for_items,
            arguments,
        })
    }
}

/// The type by which a task is told from all others.
type Named<F, A, M> = PhantomData<fn() -> (F, A, M)>;

/// What a worker does for one call.
struct CallEntry<F, A, M>(Named<F, A, M>);

impl<F, A, M> Entry for CallEntry<F, A, M>
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

//! What a worker leaves when it ends normally: the outcome of the pool's exit hook.

use crate::protocol::Arguments;
use procession_call::{Failure, Outcome, Routine, failed, told};
use procession_wire::Packet;
use serde::{Deserialize, Serialize};
use std::any::Any;

/// The outcome of the hook, if the pool has one: a message inside the worker's own outcome.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Farewell(Option<Arguments<'static>>);

impl Farewell {
    /// Runs the hook. Whatever it does short of ending the process, there is an outcome.
    pub(crate) fn of(hook: Option<Routine>, context: &dyn Any) -> Self {
        Self(hook.map(|hook| {
            let (bytes, fds) = run(hook, context).message.deliver();
            Arguments::owned(bytes, fds)
        }))
    }

    /// Returns the outcome as the worker encoded it.
    pub(crate) fn into_packet(self) -> Option<Packet> {
        self.0?.into_packet().ok()
    }
}

fn run(hook: Routine, context: &dyn Any) -> Outcome {
    // It takes no arguments.
    let (nothing, fds) = told().message.deliver();
    match (hook.resolve(), Packet::parse(nothing, fds)) {
        (Ok(run), Ok(mut packet)) => run(context, &mut packet),
        (Err(error), _) => failed(Failure::Arguments(error.to_string())),
        (_, Err(error)) => failed(error.into()),
    }
}

//! What workers do for the calls of a request: what a task is named by.

use crate::serve::{self, Bench};
use procession_call::{EntryOf, Failure, Outcome, Task, produce};
use procession_wire::Packet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, type_name};
use std::marker::PhantomData;

/// The type by which a task is told from all others.
type Named<T> = PhantomData<fn() -> T>;

/// Calls of a task.
pub(crate) struct CallEntry<A, M>(Named<(A, M)>);

impl<F, A, M> EntryOf<F> for CallEntry<A, M>
where
    F: Task<A, M>,
    A: DeserializeOwned,
{
    fn run(task: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        serve::call(context, packet, |_, args| Ok(task.call(args)?))
    }
}

/// Calls of a function that takes the worker's state too.
pub(crate) struct StateEntry<S, T, R>(Named<(S, T, R)>);

impl<F, S, T, R> EntryOf<F> for StateEntry<S, T, R>
where
    F: Fn(&S, T) -> R + Copy + Send + 'static,
    S: 'static,
    T: DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    fn run(task: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        serve::call(context, packet, |bench, item: T| {
            let state = bench.state::<S>().ok_or_else(no_state::<S>)?;
            Ok(task(state, item))
        })
    }
}

/// The exit hook of a pool.
pub(crate) struct ExitEntry<M>(Named<M>);

impl<F, M> EntryOf<F> for ExitEntry<M>
where
    F: Task<(), M>,
{
    fn run(hook: F, _: &dyn Any, _: &mut Packet) -> Outcome {
        produce(|| Ok(hook.call(())?))
    }
}

/// The exit hook of a pool, which takes the worker's state.
pub(crate) struct StateExitEntry<S, R>(Named<(S, R)>);

impl<F, S, R> EntryOf<F> for StateExitEntry<S, R>
where
    F: Fn(&S) -> R + Copy + Send + 'static,
    S: 'static,
    R: Serialize + DeserializeOwned,
{
    fn run(hook: F, context: &dyn Any, _: &mut Packet) -> Outcome {
        produce(|| {
            let state = context.downcast_ref::<Bench>().and_then(Bench::state::<S>);
            Ok(hook(state.ok_or_else(no_state::<S>)?))
        })
    }
}

fn no_state<S>() -> Failure {
    Failure::Arguments(format!(
        "the workers of this pool have no state of type {}; see `Pool::builder().state(..)`",
        type_name::<S>()
    ))
}

//! What workers do for the calls of a request: what a task is named by.

use crate::serve::{self, Bench};
use procession_call::{Entry, Failure, Outcome, Task, call_once, call_ref, produce};
use procession_wire::Packet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, type_name};
use std::marker::PhantomData;

/// The type by which a task is told from all others.
type Named<T> = PhantomData<fn() -> T>;

/// Calls of a task.
pub(crate) struct CallEntry<F, A, M>(Named<(F, A, M)>);

impl<F, A, M> Entry for CallEntry<F, A, M>
where
    F: Task<A, M>,
    A: DeserializeOwned,
{
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        serve::call(context, packet, |_, args| Ok(F::call(args)?))
    }
}

/// Calls of a function that takes the worker's state too.
pub(crate) struct StateEntry<F, S, T, R>(Named<(F, S, T, R)>);

impl<F, S, T, R> Entry for StateEntry<F, S, T, R>
where
    F: Fn(&S, T) -> R + Copy + 'static,
    S: 'static,
    T: DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        serve::call(context, packet, |bench, item: T| {
            let state = bench.state::<S>().ok_or_else(no_state::<S>)?;
            Ok(call_ref::<F, S, T, R>(state, item))
        })
    }
}

/// The exit hook of a pool.
pub(crate) struct ExitEntry<F, M>(Named<(F, M)>);

impl<F, M> Entry for ExitEntry<F, M>
where
    F: Task<(), M>,
{
    fn run(_: &dyn Any, _: &mut Packet) -> Outcome {
        produce(|| Ok(F::call(())?))
    }
}

/// The exit hook of a pool, which takes the worker's state.
pub(crate) struct StateExitEntry<F, S, R>(Named<(F, S, R)>);

impl<F, S, R> Entry for StateExitEntry<F, S, R>
where
    F: Fn(&S) -> R + Copy + 'static,
    S: 'static,
    R: Serialize + DeserializeOwned,
{
    fn run(context: &dyn Any, _: &mut Packet) -> Outcome {
        produce(|| {
            let state = context.downcast_ref::<Bench>().and_then(Bench::state::<S>);
            Ok(call_once::<F, &S, R>(state.ok_or_else(no_state::<S>)?))
        })
    }
}

fn no_state<S>() -> Failure {
    Failure::Arguments(format!(
        "the workers of this pool have no state of type {}; see `Pool::builder().state(..)`",
        type_name::<S>()
    ))
}

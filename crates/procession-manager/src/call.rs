//! What runs in the server for one call.

use crate::construct::Makes;
use crate::hosting::{Access, Guarded, Open};
use crate::proxy::Proxy;
use crate::remote::Remote;
use crate::reply::Reply;
use crate::returns::Returns;
use crate::server::home::Home;
use crate::visit;
use anyhow::anyhow;
use procession_call::{EntryOf, Failure, Outcome, produce};
use procession_wire::Packet;
use serde::de::DeserializeOwned;
use std::any::{Any, type_name};
use std::marker::PhantomData;
use std::sync::Arc;

/// The types that tell one call from another.
type Types<T, A, R, M> = fn() -> (T, A, R, M);

/// Calls a function on an object under its lock.
pub(crate) struct LockedCall<T, A, R, M>(PhantomData<Types<T, A, R, M>>);

impl<F, T, A, R, M> EntryOf<F> for LockedCall<T, A, R, M>
where
    F: Fn(&mut T, A) -> R + Copy + Send + 'static,
    T: Send + 'static,
    A: DeserializeOwned,
    R: Returns<M>,
{
    fn run(function: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let object: &Guarded<T> = expect(context)?;
            let args = arguments(packet)?;
            let returned = object.enter(|object| function(object, args))?;
            returned.send().map(Reply)
        })
    }
}

/// Calls a function on an object that has no lock.
pub(crate) struct ConcurrentCall<T, A, R, M>(PhantomData<Types<T, A, R, M>>);

impl<F, T, A, R, M> EntryOf<F> for ConcurrentCall<T, A, R, M>
where
    F: Fn(&T, A) -> R + Copy + Send + 'static,
    T: Send + Sync + 'static,
    A: DeserializeOwned,
    R: Returns<M>,
{
    fn run(function: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let Open(object) = expect::<Open<T>>(context)?;
            let args = arguments(packet)?;
            function(object, args).send().map(Reply)
        })
    }
}

/// Makes an object and hosts it; the context is the server itself.
pub(crate) struct Create<A, R, M>(PhantomData<Types<(), A, R, M>>);

impl<F, A, R, M> EntryOf<F> for Create<A, R, M>
where
    F: Fn(&mut (), A) -> R + Copy + Send + 'static,
    A: DeserializeOwned,
    R: Makes<M>,
{
    fn run(function: F, context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let home: &&'static Home = expect(context)?;
            let args = arguments(packet)?;
            let remote = make::<F, A, R, M>(home, function, args)?;
            Ok(Reply(Proxy::<R::Object, R::Access>::new(remote)))
        })
    }
}

/// Makes an object and hosts it.
pub(crate) fn make<F, A, R, M>(
    home: &'static Home,
    construct: F,
    args: A,
) -> Result<Remote, Failure>
where
    F: Fn(&mut (), A) -> R + Copy + Send + 'static,
    R: Makes<M>,
{
    let object = construct(&mut (), args).made()?;
    let name = type_name::<R::Object>();
    Ok(home.adopt(Arc::new(R::Access::hold(object)), name))
}

pub(crate) fn arguments<A: DeserializeOwned>(packet: &mut Packet) -> Result<A, Failure> {
    let args = visit::while_arguments_arrive(|| packet.take())?;
    packet.finish()?;
    Ok(args)
}

pub(crate) fn expect<T: 'static>(context: &dyn Any) -> Result<&T, Failure> {
    let object = context.downcast_ref::<T>();
    object.ok_or_else(|| anyhow!("the object is of another type than the proxy").into())
}

//! What other processes are set up with.

use crate::method::fork_server;
use procession_call::{EntryOf, Outcome, Routine, RoutineError, Task, captures_nothing, produce};
use procession_wire::{EncodeError, Encoder, Kind, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::error::Error;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Has every process that is started from now on call `setup(value)` before its task.
///
/// A child passes it on to its own children only if `setup` calls `inherit` again.
///
/// # Errors
///
/// [`RoutineError`] if `setup` is not a function of the executable.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, inherit};
/// use std::sync::OnceLock;
///
/// static GREETING: OnceLock<String> = OnceLock::new();
///
/// fn set_greeting(words: String) {
///     GREETING.set(words).unwrap();
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// inherit(set_greeting, "hello".to_owned())?;
/// let child = Process::spawn(|| GREETING.get().cloned(), ())?;
/// assert_eq!(child.join()?.as_deref(), Some("hello"));
/// assert_eq!(GREETING.get(), None); // it was set in the child
/// # Ok(())
/// # }
/// ```
pub fn inherit<F, V, M>(setup: F, value: V) -> Result<(), RoutineError>
where
    F: Task<(V,), M, Output = ()>,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    const { captures_nothing::<F>() }
    INHERITED.add(setup, value)
}

/// Has the [fork server](crate::StartMethod::ForkServer) call `setup(value)` once, before it makes
/// any child, so that what this loads is in the memory of every child from its start.
///
/// A server that runs already is replaced by the next start of a child; one that takes another's
/// place calls it again. It must leave no thread running and make nothing that is shared between
/// processes: that is made in the program, and given to every child with [`inherit`]. Children that are
/// started by another method do without.
///
/// Whatever `setup` leaves behind is **the same in all children**, what was random included: the
/// hashing keys of a `HashMap` that it keeps in a static, or a seeded generator there.
/// Children that must differ seed theirs after their start. What std and the `rand` crate keep for
/// each thread, the keys of new maps and `rand::rng()`, is not among it: `setup` runs on a thread of
/// its own, which ends, so every child has fresh ones, and no other value of a `thread_local!` either.
///
/// A failure of `setup`, or that it does what it must not, is
/// [`StartError::Preload`](crate::StartError::Preload) where a child is started.
///
/// # Errors
///
/// [`RoutineError`] if `setup` is not a function of the executable.
///
/// # Examples
///
/// ```
/// use procession_process::{Process, preload};
/// use std::sync::OnceLock;
///
/// static TABLE: OnceLock<Vec<u64>> = OnceLock::new();
///
/// fn load(len: u64) {
///     TABLE.set((0..len).map(|n| n * n).collect()).unwrap();
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// preload(load, 1000)?;
/// let child = Process::spawn(|| TABLE.get().map(|table| table[12]), ())?;
/// assert_eq!(child.join()?, Some(144));
/// # Ok(())
/// # }
/// ```
pub fn preload<F, V, M>(setup: F, value: V) -> Result<(), RoutineError>
where
    F: Task<(V,), M, Output = ()>,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    const { captures_nothing::<F>() }
    PRELOADED.add(setup, value)?;
    fork_server::renew();
    Ok(())
}

/// What every child is set up with.
pub(crate) static INHERITED: Setups = Setups(Mutex::new(Vec::new()));
/// What every fork server is set up with.
pub(crate) static PRELOADED: Setups = Setups(Mutex::new(Vec::new()));

/// Functions to be called in another process, with their values.
pub(crate) struct Setups(Mutex<Vec<Arc<Setup>>>);

/// A function and the value that goes with it.
pub(crate) struct Setup {
    routine: Routine,
    push: Push,
}

/// Encodes a value that it holds.
type Push = Box<dyn Fn(&mut Encoder) -> Result<(), EncodeError> + Send + Sync>;

impl Setups {
    fn add<F, V, M>(&self, setup: F, value: V) -> Result<(), RoutineError>
    where
        F: Task<(V,), M, Output = ()>,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let routine = Routine::of_function::<SetupEntry<V, M>, F>(setup)?;
        let push = Box::new(move |encoder: &mut Encoder| encoder.push(&value));
        self.lock().push(Arc::new(Setup { routine, push }));
        Ok(())
    }

    /// Returns the setups of a process that is started now.
    pub(crate) fn now(&self) -> Vec<Arc<Setup>> {
        self.lock().clone()
    }

    /// Returns them, and forgets them: a copy of this process runs them, and passes on what is
    /// added anew.
    pub(crate) fn take(&self) -> Vec<Arc<Setup>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Setup>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the names of the functions.
pub(crate) fn routines(setups: &[Arc<Setup>]) -> Vec<Routine> {
    setups.iter().map(|setup| setup.routine).collect()
}

/// Encodes the values.
pub(crate) fn push(setups: &[Arc<Setup>], encoder: &mut Encoder) -> Result<(), EncodeError> {
    setups.iter().try_for_each(|setup| (setup.push)(encoder))
}

/// Encodes the values for this same process.
pub(crate) fn packet(setups: &[Arc<Setup>]) -> Result<Packet, Box<dyn Error>> {
    let mut encoder = Encoder::new(Kind::WORK);
    push(setups, &mut encoder)?;
    let (bytes, fds) = encoder.finish().deliver();
    Ok(Packet::parse(bytes, fds)?)
}

/// Calls each function with its value; returns the outcome of the first that fails.
pub(crate) fn call(routines: &[Routine], packet: &mut Packet) -> Option<Outcome> {
    let mut outcomes = routines.iter().map(|&routine| routine.call(packet));
    outcomes.find(|outcome| outcome.failure.is_some())
}

struct SetupEntry<V, M>(PhantomData<(V, M)>);

impl<F, V, M> EntryOf<F> for SetupEntry<V, M>
where
    F: Task<(V,), M, Output = ()>,
    V: DeserializeOwned,
{
    fn run(setup: F, _: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| Ok(setup.call((packet.take::<V>()?,))?))
    }
}

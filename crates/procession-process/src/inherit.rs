//! What every child is set up with.

use crate::outcome::{Outcome, produce};
use crate::routine::{Entry, Routine, RoutineError};
use crate::task::Task;
use procession_wire::{EncodeError, Encoder, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

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
    let _ = setup;
    let routine = Routine::of::<SetupEntry<F, V, M>>()?;
    let push = Box::new(move |encoder: &mut Encoder| encoder.push(&value));
    let inherited = Arc::new(Inherited { routine, push });
    INHERITED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(inherited);
    Ok(())
}

/// Encodes a value that it holds.
type Push = Box<dyn Fn(&mut Encoder) -> Result<(), EncodeError> + Send + Sync>;

/// A setup and the value that goes with it.
pub(crate) struct Inherited {
    pub(crate) routine: Routine,
    push: Push,
}

impl Inherited {
    /// Encodes the value.
    pub(crate) fn push(&self, encoder: &mut Encoder) -> Result<(), EncodeError> {
        (self.push)(encoder)
    }
}

static INHERITED: Mutex<Vec<Arc<Inherited>>> = Mutex::new(Vec::new());

/// Returns the setups of a child that is started now.
pub(crate) fn inherited() -> Vec<Arc<Inherited>> {
    INHERITED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Forgets the setups: a copy of this process runs them, and passes on what it inherits anew.
pub(crate) fn forget_inherited() {
    INHERITED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

struct SetupEntry<F, V, M>(PhantomData<(F, V, M)>);

impl<F, V, M> Entry for SetupEntry<F, V, M>
where
    F: Task<(V,), M, Output = ()>,
    V: DeserializeOwned,
{
    fn run(_: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| Ok(F::call((packet.take::<V>()?,))?))
    }
}

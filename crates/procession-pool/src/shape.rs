//! How a task takes its items.

use crate::entry::{CallEntry, StateEntry};
use procession_call::{Routine, RoutineError, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{self, Debug, Write};
use std::marker::PhantomData;

/// Each item is the task's one argument, as in [`Pool::map`](crate::Pool::map).
#[derive(Debug)]
pub enum Single {}

/// Each item is a tuple of the task's arguments, as in [`Pool::starmap`](crate::Pool::starmap).
#[derive(Debug)]
pub enum Star {}

/// The task takes its worker's state by reference, and an item, as in
/// [`Pool::map_with_state`](crate::Pool::map_with_state).
#[derive(Debug)]
pub enum WithState {}

/// As the shape within, with items that are shown in their errors: see
/// [`PoolTask::show_items`](crate::PoolTask::show_items).
#[derive(Debug)]
pub struct Shown<S>(PhantomData<S>);

/// How a task takes its items: [`Single`], [`Star`] or [`WithState`].
pub trait Shape: sealed::Sealed {
    /// How the task takes what a single call is given.
    type Whole: Shape;
}

/// What a task of type `F` takes as an item. `Marker` is always inferred.
pub trait Item<F, S: Shape, Marker> {
    /// What a worker is sent.
    type Args: Serialize + DeserializeOwned;

    /// What the caller gets.
    type Output: DeserializeOwned;

    /// Returns what a worker is sent.
    fn into_args(self) -> Self::Args;

    /// Names what a worker does with it, which is to call `task`.
    ///
    /// # Errors
    ///
    /// [`RoutineError::OutsideExecutable`] if the task was compiled into a dynamic library.
    fn routine(task: F) -> Result<Routine, RoutineError>;

    /// Returns the item in words for its error, if it is to be shown.
    #[inline]
    fn shown(&self) -> Option<Box<str>> {
        None
    }
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Single {}
impl sealed::Sealed for Star {}
impl sealed::Sealed for WithState {}

impl Shape for Single {
    type Whole = Star;
}

impl Shape for Star {
    type Whole = Self;
}

impl Shape for WithState {
    type Whole = Self;
}

impl<F, T, M> Item<F, Single, M> for T
where
    F: Task<(T,), M>,
    T: Serialize + DeserializeOwned,
{
    type Args = (T,);
    type Output = F::Output;

    #[inline]
    fn into_args(self) -> (T,) {
        (self,)
    }

    fn routine(task: F) -> Result<Routine, RoutineError> {
        Routine::of_function::<CallEntry<(T,), M>, F>(task)
    }
}

impl<F, A, M> Item<F, Star, M> for A
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    type Args = A;
    type Output = F::Output;

    #[inline]
    fn into_args(self) -> A {
        self
    }

    fn routine(task: F) -> Result<Routine, RoutineError> {
        Routine::of_function::<CallEntry<A, M>, F>(task)
    }
}

impl<F, S, T, R> Item<F, WithState, (S, R)> for T
where
    F: Fn(&S, T) -> R + Copy + Send + 'static,
    S: 'static,
    T: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    type Args = T;
    type Output = R;

    #[inline]
    fn into_args(self) -> T {
        self
    }

    fn routine(task: F) -> Result<Routine, RoutineError> {
        Routine::of_function::<StateEntry<S, T, R>, F>(task)
    }
}

impl<S> sealed::Sealed for Shown<S> {}

impl<S: Shape> Shape for Shown<S> {
    type Whole = Shown<S::Whole>;
}

impl<F, S, T, M> Item<F, Shown<S>, M> for T
where
    S: Shape,
    T: Item<F, S, M> + Debug,
{
    type Args = <T as Item<F, S, M>>::Args;
    type Output = <T as Item<F, S, M>>::Output;

    fn into_args(self) -> Self::Args {
        <T as Item<F, S, M>>::into_args(self)
    }

    fn routine(task: F) -> Result<Routine, RoutineError> {
        <T as Item<F, S, M>>::routine(task)
    }

    fn shown(&self) -> Option<Box<str>> {
        let mut shortened = Shortened(String::new());
        if write!(shortened, "{self:?}").is_err() {
            shortened.0.push('…');
        }
        Some(shortened.0.into())
    }
}

/// The most bytes of an item that are shown.
const SHOWN: usize = 80;

/// Takes text until it is long enough; whoever writes stops then.
struct Shortened(String);

impl Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SHOWN - self.0.len();
        let end = text.floor_char_boundary(room);
        self.0.push_str(&text[..end]);
        if end < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

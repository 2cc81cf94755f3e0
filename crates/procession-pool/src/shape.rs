//! How a task takes its items.

use crate::entry::{CallEntry, StateEntry};
use procession_call::{Routine, RoutineError, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// How a task takes its items: [`Single`], [`Star`] or [`WithState`].
pub trait Shape: sealed::Sealed {
    /// How the task takes what a single call is given.
    type Whole: Shape;
}

/// What a task of type `F` takes as an item. `Marker` is always inferred.
pub trait Item<F, S: Shape, Marker> {
    /// What a worker is sent.
    #[doc(hidden)]
    type Args: Serialize + DeserializeOwned;

    /// What the caller gets.
    type Output: DeserializeOwned;

    #[doc(hidden)]
    fn into_args(self) -> Self::Args;

    #[doc(hidden)]
    fn routine() -> Result<Routine, RoutineError>;
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

    fn routine() -> Result<Routine, RoutineError> {
        Routine::of::<CallEntry<F, (T,), M>>()
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

    fn routine() -> Result<Routine, RoutineError> {
        Routine::of::<CallEntry<F, A, M>>()
    }
}

impl<F, S, T, R> Item<F, WithState, (S, R)> for T
where
    F: Fn(&S, T) -> R + Copy + 'static,
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

    fn routine() -> Result<Routine, RoutineError> {
        Routine::of::<StateEntry<F, S, T, R>>()
    }
}

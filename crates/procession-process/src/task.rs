//! Functions that run in another process.

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A function that can run in another process: a `fn` item, or a closure that captures nothing,
/// with up to eight arguments.
///
/// `Args` is the tuple of its arguments. What it returns must be something serde can carry, or an
/// [`anyhow::Result`] of that, whose error then arrives as a [`TaskError`](crate::TaskError). The
/// parameter `Returns` tells these two cases apart and is always inferred.
///
/// A task that calls the C library's `fork` goes on in two processes. Only the original returns to
/// the caller: the copy, if it comes to the end of the task too, exits there and then, and neither
/// flushes what it printed nor calls what was registered for the exit.
///
/// A function pointer, and a closure that captures something, carry a value that would have to be
/// sent; they do not compile:
///
/// ```compile_fail,E0080
/// let captured = 3_u32;
/// let _ = procession_process::Process::spawn(move |x: u32| x + captured, (1,));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task with the arguments `{Args}`",
    label = "not a function of these arguments that can run in another process",
    note = "a task is a function or a closure that captures nothing, takes up to eight arguments, \
            and returns what serde can carry or an `anyhow::Result` of it; one that never returns \
            says `-> ()`"
)]
pub trait Task<Args, Returns>: Copy + 'static {
    /// What the caller gets.
    type Output: Serialize + DeserializeOwned;

    /// Calls the function, in whatever process this is.
    ///
    /// # Errors
    ///
    /// What the function itself returns as an error.
    fn call(args: Args) -> Result<Self::Output>;
}

/// What a forked process does: a closure without arguments, which may capture anything.
///
/// As with a [`Task`], what it returns is something serde can carry, or an [`anyhow::Result`] of
/// that, and `Returns` is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a forked process does",
    note = "it is a closure without arguments that returns what serde can carry or an \
            `anyhow::Result` of it; one that never returns says `-> ()`"
)]
pub trait TaskOnce<Returns> {
    /// What the caller gets.
    type Output: Serialize + DeserializeOwned;

    /// Calls the closure.
    ///
    /// # Errors
    ///
    /// What the closure itself returns as an error.
    fn call(self) -> Result<Self::Output>;
}

impl<F, R> TaskOnce<Plain<R>> for F
where
    F: FnOnce() -> R,
    R: Serialize + DeserializeOwned,
{
    type Output = R;

    fn call(self) -> Result<R> {
        Ok(self())
    }
}

impl<F, R> TaskOnce<Fallible<R>> for F
where
    F: FnOnce() -> Result<R>,
    R: Serialize + DeserializeOwned,
{
    type Output = R;

    fn call(self) -> Result<R> {
        self()
    }
}

/// Calls the function `F` on an object that this process hosts.
///
/// `F` takes a reference to the object and one value; like a [`Task`] it captures nothing, so its
/// type is all that has to be known.
///
/// # Examples
///
/// ```
/// use procession_process::call_mut;
///
/// fn on<F: Fn(&mut Vec<u8>, u8) -> usize + Copy + 'static>(_: F, object: &mut Vec<u8>) -> usize {
///     call_mut::<F, _, _, _>(object, 7)
/// }
///
/// let mut list = vec![1];
/// assert_eq!(on(|list, x| { list.push(x); list.len() }, &mut list), 2);
/// ```
pub fn call_mut<F, T, A, R>(object: &mut T, args: A) -> R
where
    F: Fn(&mut T, A) -> R + Copy + 'static,
    T: ?Sized,
{
    conjure::<F>()(object, args)
}

/// As [`call_mut`], for a function that needs no exclusive access to the object.
pub fn call_ref<F, T, A, R>(object: &T, args: A) -> R
where
    F: Fn(&T, A) -> R + Copy + 'static,
    T: ?Sized,
{
    conjure::<F>()(object, args)
}

/// The function returns a value.
#[derive(Debug)]
pub struct Plain<R>(PhantomData<fn() -> R>);

/// The function returns an `anyhow::Result`.
#[derive(Debug)]
pub struct Fallible<R>(PhantomData<fn() -> R>);

/// Makes the value of a type that has no content.
///
/// Private, and called with function types only, the types that implement `Fn`: conjuring up an
/// arbitrary empty type could forge a token.
fn conjure<F: Copy>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "a task is a function, or a closure that captures nothing; pass values as arguments"
        );
    }
    // SAFETY: `F` has no bytes to read, and a value of this `Copy` type existed where the routine
    // was named, so a copy of it is what this makes.
    unsafe { NonNull::<F>::dangling().read() }
}

macro_rules! implement {
    ($($arg:ident: $Arg:ident),*) => {
        impl<F, R, $($Arg),*> Task<($($Arg,)*), Plain<R>> for F
        where
            F: Fn($($Arg),*) -> R + Copy + 'static,
            R: Serialize + DeserializeOwned,
        {
            type Output = R;

            fn call(($($arg,)*): ($($Arg,)*)) -> Result<R> {
                Ok(conjure::<F>()($($arg),*))
            }
        }

        impl<F, R, $($Arg),*> Task<($($Arg,)*), Fallible<R>> for F
        where
            F: Fn($($Arg),*) -> Result<R> + Copy + 'static,
            R: Serialize + DeserializeOwned,
        {
            type Output = R;

            fn call(($($arg,)*): ($($Arg,)*)) -> Result<R> {
                conjure::<F>()($($arg),*)
            }
        }
    };
}

implement!();
implement!(a1: A1);
implement!(a1: A1, a2: A2);
implement!(a1: A1, a2: A2, a3: A3);
implement!(a1: A1, a2: A2, a3: A3, a4: A4);
implement!(a1: A1, a2: A2, a3: A3, a4: A4, a5: A5);
implement!(a1: A1, a2: A2, a3: A3, a4: A4, a5: A5, a6: A6);
implement!(a1: A1, a2: A2, a3: A3, a4: A4, a5: A5, a6: A6, a7: A7);
implement!(a1: A1, a2: A2, a3: A3, a4: A4, a5: A5, a6: A6, a7: A7, a8: A8);

//! Functions that run in another process.

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::path::Path;

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
/// # What does not compile
///
/// | given | why | what the compiler says |
/// |---|---|---|
/// | a closure that captures | what it captured would have to be sent | ``a task is a function, or a closure that captures nothing``, and below it the line of the call. It depends on the closure's size, so only `cargo build` finds it, not `cargo check` |
/// | a closure that captures a value without bytes which must stay in its thread | it would be in another process, where what it stands for need not hold | `cannot be sent between threads safely` |
/// | a function pointer | it is an address, which is another in each process | an ambiguity, with `PassTheFunctionItself` |
/// | a `&str`, `&[u8]` or `&Path` | a message holds no borrows | an ambiguity, with `TakeAStringInstead`, `TakeAVecInstead` or `TakeAPathBufInstead`. Inside of another type, as in `Option<&str>`: ``implementation of `Deserialize` is not general enough`` |
/// | an argument or a result that cannot be sent, `Result<T, Box<dyn Error>>` among them | it must implement `Serialize` and `Deserialize` | ``is not a task with the arguments`` |
/// | a closure whose parameters have no types | which of its calls is meant is not known | `type annotations needed`: write `\|x: u32\| x + 1` |
///
/// ```compile_fail,E0080
/// let captured = 3_u32;
/// let _ = procession::Process::spawn(move |x: u32| x + captured, (1,));
/// ```
///
/// ```compile_fail,E0283
/// let add: fn(u32, u32) -> u32 = |x, y| x + y;
/// let _ = procession::Process::spawn(add, (1, 2));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task with the arguments `{Args}`",
    label = "not a function of these arguments that can run in another process",
    note = "a task is a function, or a closure that captures nothing",
    note = "its arguments are given as a tuple of up to eight owned values that implement `Serialize` \
            and `Deserialize` (derive both): `(1,)`, a `String` for a `&str`, a clone of a handle for \
            a reference to it",
    note = "what it returns implements them too, or is an `anyhow::Result` of that; so does the error \
            of another `Result`, which `Box<dyn Error>` does not",
    note = "a function that never returns says `-> ()`"
)]
pub trait Task<Args, Returns>: Copy + Send + 'static {
    /// What the caller gets.
    type Output: Serialize + DeserializeOwned;

    /// Calls the function, in whatever process this is.
    ///
    /// # Errors
    ///
    /// What the function itself returns as an error.
    fn call(self, args: Args) -> Result<Self::Output>;
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

/// The function returns a value.
#[derive(Debug)]
pub struct Plain<R>(PhantomData<fn() -> R>);

/// The function returns an `anyhow::Result`.
#[derive(Debug)]
pub struct Fallible<R>(PhantomData<fn() -> R>);

/// A type whose values are code and nothing else, as far as the type system can tell.
///
/// A function pointer has an implementation of its own besides the one that all have, so that which
/// of them is meant cannot be inferred: it is refused where it is given, and the error names both. A
/// closure that captures is found out by its size, where it is given.
pub trait Code<Kind>: Copy + Send + 'static {}

/// A function item or a closure.
#[derive(Debug)]
pub struct Item;

/// A function pointer, whose value says nothing to another process.
#[derive(Debug)]
pub struct PassTheFunctionItself;

impl<F: Copy + Send + 'static> Code<Item> for F {}

/// What a task can take.
///
/// A borrow that serde can make has an implementation of its own besides the one that all have, as
/// a function pointer has with [`Code`]. Without it, the compiler says that an implementation of
/// `Deserialize` is not general enough.
pub trait Argument<Kind> {}

/// An argument that owns what it has.
#[derive(Debug)]
pub struct Owned;

/// An argument that is a borrowed text.
#[derive(Debug)]
pub struct TakeAStringInstead;

/// An argument that is borrowed bytes.
#[derive(Debug)]
pub struct TakeAVecInstead;

/// An argument that is a borrowed path.
#[derive(Debug)]
pub struct TakeAPathBufInstead;

impl<T: Serialize + DeserializeOwned> Argument<Owned> for T {}
impl Argument<TakeAStringInstead> for &str {}
impl Argument<TakeAVecInstead> for &[u8] {}
impl Argument<TakeAPathBufInstead> for &Path {}

/// Refuses a closure that captures something, when it is called in a constant.
///
/// The compiler names the function that has the constant, and the place that calls that one. So each
/// public function that takes a task has such a constant: then that place is in the user's program.
#[doc(hidden)]
pub const fn captures_nothing<F>() {
    assert!(
        size_of::<F>() == 0,
        "a task is a function, or a closure that captures nothing: what it captures would stay in this \
         process. Pass it as an argument, or use `Process::fork`"
    );
}

macro_rules! implement {
    ($($arg:ident: $Arg:ident $Kind:ident),*) => {
        impl<F, R, K, $($Arg, $Kind),*> Task<($($Arg,)*), (Plain<R>, K, $($Kind),*)> for F
        where
            F: Fn($($Arg),*) -> R + Code<K>,
            R: Serialize + DeserializeOwned,
            $($Arg: Argument<$Kind>,)*
        {
            type Output = R;

            fn call(self, ($($arg,)*): ($($Arg,)*)) -> Result<R> {
                Ok(self($($arg),*))
            }
        }

        impl<F, R, K, $($Arg, $Kind),*> Task<($($Arg,)*), (Fallible<R>, K, $($Kind),*)> for F
        where
            F: Fn($($Arg),*) -> Result<R> + Code<K>,
            R: Serialize + DeserializeOwned,
            $($Arg: Argument<$Kind>,)*
        {
            type Output = R;

            fn call(self, ($($arg,)*): ($($Arg,)*)) -> Result<R> {
                self($($arg),*)
            }
        }
    };
}

implement!();
implement!(a1: A1 K1);
implement!(a1: A1 K1, a2: A2 K2);
implement!(a1: A1 K1, a2: A2 K2, a3: A3 K3);
implement!(a1: A1 K1, a2: A2 K2, a3: A3 K3, a4: A4 K4);
implement!(a1: A1 K1, a2: A2 K2, a3: A3 K3, a4: A4 K4, a5: A5 K5);
implement!(a1: A1 K1, a2: A2 K2, a3: A3 K3, a4: A4 K4, a5: A5 K5, a6: A6 K6);
implement!(a1: A1 K1, a2: A2 K2, a3: A3 K3, a4: A4 K4, a5: A5 K5, a6: A6 K6, a7: A7 K7);
implement!(a1: A1 K1, a2: A2 K2, a3: A3 K3, a4: A4 K4, a5: A5 K5, a6: A6 K6, a7: A7 K7, a8: A8 K8);

macro_rules! refuse_pointers {
    ($($Arg:ident)*) => {
        impl<R: 'static, $($Arg: 'static),*> Code<PassTheFunctionItself> for fn($($Arg),*) -> R {}
    };
}

refuse_pointers!();
refuse_pointers!(A1);
refuse_pointers!(A1 A2);
refuse_pointers!(A1 A2 A3);
refuse_pointers!(A1 A2 A3 A4);
refuse_pointers!(A1 A2 A3 A4 A5);
refuse_pointers!(A1 A2 A3 A4 A5 A6);
refuse_pointers!(A1 A2 A3 A4 A5 A6 A7);
refuse_pointers!(A1 A2 A3 A4 A5 A6 A7 A8);

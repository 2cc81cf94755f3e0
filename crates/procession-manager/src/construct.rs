//! Functions that make the objects to be hosted.

use crate::hosting::{Access, Locked};
use crate::shared::Shared;
use procession_call::{Failure, Fallible, Plain};

/// A function that makes an object in the server: a `fn` item, or a closure that captures
/// nothing, with up to eight arguments.
///
/// `Args` is the tuple of its arguments, `Made` what it returns, which need not be able to travel.
pub trait Constructor<Args, Made>: Copy + Send + 'static {
    /// Turns the function into one that takes the tuple.
    #[doc(hidden)]
    fn with_tuple(self) -> impl Fn(&mut (), Args) -> Made + Copy + Send + 'static;
}

macro_rules! implement {
    ($($ty:ident $arg:ident)*) => {
        impl<F, Made, $($ty),*> Constructor<($($ty,)*), Made> for F
        where
            F: Fn($($ty),*) -> Made + Copy + Send + 'static,
            Made: 'static,
            $($ty: 'static,)*
        {
            fn with_tuple(self) -> impl Fn(&mut (), ($($ty,)*)) -> Made + Copy + Send + 'static {
                move |(): &mut (), ($($arg,)*): ($($ty,)*)| self($($arg),*)
            }
        }
    };
}

implement!();
implement!(A1 a1);
implement!(A1 a1 A2 a2);
implement!(A1 a1 A2 a2 A3 a3);
implement!(A1 a1 A2 a2 A3 a3 A4 a4);
implement!(A1 a1 A2 a2 A3 a3 A4 a4 A5 a5);
implement!(A1 a1 A2 a2 A3 a3 A4 a4 A5 a5 A6 a6);
implement!(A1 a1 A2 a2 A3 a3 A4 a4 A5 a5 A6 a6 A7 a7);
implement!(A1 a1 A2 a2 A3 a3 A4 a4 A5 a5 A6 a6 A7 a7 A8 a8);

/// What a constructor returns: the object, or an [`anyhow::Result`] of it.
///
/// The parameter tells the cases apart and is always inferred.
pub trait Makes<Kind> {
    /// The type of the object.
    type Object: 'static;

    /// How it is kept.
    type Access: Access<Self::Object>;

    /// Takes the object out.
    #[doc(hidden)]
    fn made(self) -> Result<Self::Object, Failure>;
}

impl<T: Shared> Makes<Plain<T>> for T {
    type Object = T;
    type Access = T::Access;

    fn made(self) -> Result<T, Failure> {
        Ok(self)
    }
}

impl<T: Shared> Makes<Fallible<T>> for anyhow::Result<T> {
    type Object = T;
    type Access = T::Access;

    fn made(self) -> Result<T, Failure> {
        Ok(self?)
    }
}

/// An object of any type, whose proxy is a plain [`Proxy`](crate::Proxy).
pub(crate) struct Any<T>(pub(crate) T);

impl<T: Send + 'static> Makes<Self> for Any<T> {
    type Object = T;
    type Access = Locked;

    fn made(self) -> Result<T, Failure> {
        Ok(self.0)
    }
}

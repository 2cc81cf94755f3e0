//! Iterators in the server, whose items are fetched in batches.

use crate::ManagerError;
use crate::hosting::Locked;
use crate::new::New;
use crate::proxy::Proxy;
use crate::returns::Returns;
use crate::shared::Shared;
use procession_call::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::iter::{Fuse, FusedIterator};
use std::marker::PhantomData;
use std::vec;

/// How many items are fetched at a time.
const BATCH: usize = 256;

/// An iterator that a method, or a function in [`with`](Proxy::with), returns. The caller gets a
/// [`Fetched`], whose items come in batches; the first of them comes with the call, and if it is the
/// last one too, there is no second call.
///
/// What an iterator borrows from the object cannot stay in the server: collect it first.
///
/// # Examples
///
/// ```
/// use procession::Manager;
/// use procession::manager::Each;
///
/// # fn main() -> Result<(), procession::ManagerError> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let from = manager.create(|from: u64| from, (5,))?;
/// let squares = from.with(|from| Each((*from..).map(|x| x * x)))?;
/// let squares: Result<Vec<u64>, _> = squares.take(300).collect();
/// assert_eq!(squares?[299], 304 * 304);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Each<I>(pub I);

/// The function returns an iterator.
#[derive(Debug)]
pub struct Iterates<I>(PhantomData<fn() -> I>);

/// What is left of an iterator, in the server.
pub struct Rest<T>(Fuse<Box<dyn Iterator<Item = T> + Send>>);

impl<T> fmt::Debug for Rest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

impl<T: 'static> Shared for Rest<T> {
    type Access = Locked;
    type Proxy = Proxy<Self>;
}

impl<T> Rest<T> {
    fn batch(&mut self) -> Vec<T> {
        self.0.by_ref().take(BATCH).collect()
    }
}

/// A batch, and where the others are; `None` if it is the last one.
type Batch<T> = (Vec<T>, Option<Proxy<Rest<T>>>);

impl<I, T> Returns<Iterates<I>> for Each<I>
where
    I: Iterator<Item = T> + Send + 'static,
    T: Serialize + DeserializeOwned + 'static,
{
    type Output = Fetched<T>;
    type Sent = Batch<T>;

    fn send(self) -> Result<Batch<T>, Failure> {
        let all: Box<dyn Iterator<Item = T> + Send> = Box::new(self.0);
        let mut rest = Rest(all.fuse());
        let first = rest.batch();
        let rest = (first.len() == BATCH).then(|| New(rest).send());
        Ok((first, rest.transpose()?))
    }

    fn receive((first, rest): Batch<T>) -> Result<Fetched<T>, ManagerError> {
        let batch = first.into_iter();
        Ok(Fetched { batch, rest })
    }
}

/// The items of an iterator in the server, which are fetched in batches.
///
/// # When the other side is gone
///
/// What has been fetched is still there; then comes [`ManagerError::Gone`], and the end.
pub struct Fetched<T> {
    batch: vec::IntoIter<T>,
    rest: Option<Proxy<Rest<T>>>,
}

impl<T: Serialize + DeserializeOwned + 'static> Iterator for Fetched<T> {
    type Item = Result<T, ManagerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(item) = self.batch.next() {
            return Some(Ok(item));
        }
        let rest = self.rest.take()?;
        let fetched = rest.call_method("batch", |rest: &mut Rest<T>, ()| rest.batch(), &());
        match fetched {
            Ok(batch) => {
                // Whatever is less than was asked for is the last.
                self.rest = (batch.len() == BATCH).then_some(rest);
                self.batch = batch.into_iter();
                self.batch.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl<T: Serialize + DeserializeOwned + 'static> FusedIterator for Fetched<T> {}

impl<T> fmt::Debug for Fetched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("here", &self.batch.len())
            .field("rest", &self.rest)
            .finish()
    }
}

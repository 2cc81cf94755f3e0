//! Waiting for several results at once.

use crate::completed::Completed;
use crate::crew::Crew;
use crate::error::PoolError;
use crate::result::AsyncResult;
use procession_os::wait::Deadline;
use procession_os::waitable::{Armed, Bell, Source, Waitable};
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::Duration;

/// Waits until all calls are done, for ever if `timeout` is `None`; returns whether they are.
///
/// A call that failed is done too; see [`AsyncResult::successful`].
///
/// # When the other side is gone
///
/// The calls are done, with an error.
///
/// # Examples
///
/// ```
/// use procession_pool::{Pool, wait_all};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let results = [1, 2, 3].map(|n: u32| pool.submit(|n: u32| n * n, (n,)).unwrap());
/// assert!(wait_all(&results, Duration::from_secs(60)));
/// assert!(results.iter().all(|result| result.ready()));
/// # Ok(())
/// # }
/// ```
pub fn wait_all<R>(results: &[AsyncResult<R>], timeout: impl Into<Option<Duration>>) -> bool {
    let deadline = Deadline::after_opt(timeout.into());
    results.iter().all(|result| result.wait_by(deadline))
}

/// Waits until at least one call is done, for ever if `timeout` is `None`; returns the indices of all that are,
/// in order, or none if the time ran out first or there are no calls.
///
/// To take many results as they come, use [`as_completed`]: it does not look at all of them each time. Results
/// of several types, or results and other things, are waited for with
/// [`wait`](procession_pipe::wait).
///
/// # When the other side is gone
///
/// The calls are done, with an error.
///
/// # Examples
///
/// ```
/// use procession_pool::{Pool, wait_any};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let task = |long: bool| while long { std::thread::park() };
/// let results = [pool.submit(task, (true,))?, pool.submit(task, (false,))?];
/// assert_eq!(wait_any(&results, None), [1]);
/// assert_eq!(wait_any(&results[..1], Duration::from_millis(1)), []);
/// # Ok(())
/// # }
/// ```
pub fn wait_any<R>(results: &[AsyncResult<R>], timeout: impl Into<Option<Duration>>) -> Vec<usize> {
    let deadline = Deadline::after_opt(timeout.into());
    if !results.iter().any(AsyncResult::ready) && !results.is_empty() {
        let completed = Arc::new(Completed::default());
        follow(&completed, results.iter().enumerate());
        let crew = one_crew(results.iter());
        completed.wait(crew.map(Arc::as_ref), deadline);
        for result in results {
            result.call.unfollow(&completed);
        }
    }
    let results = results.iter().enumerate();
    results
        .filter_map(|(which, result)| result.ready().then_some(which))
        .collect()
}

/// Returns an iterator over the results of calls as they come, each with its place among `results`.
///
/// # When the other side is gone
///
/// The calls that were lost have an error.
///
/// # Examples
///
/// ```
/// use procession_pool::{Pool, as_completed};
/// use std::time::Duration;
///
/// fn sleep(millis: u64) -> u64 {
///     std::thread::sleep(Duration::from_millis(millis));
///     millis
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(2)?;
/// let results = [pool.submit(sleep, (200,))?, pool.submit(sleep, (1,))?];
/// let mut order = Vec::new();
/// for (which, result) in as_completed(results) {
///     order.push((which, result?));
/// }
/// assert_eq!(order, [(1, 1), (0, 200)]);
/// # Ok(())
/// # }
/// ```
pub fn as_completed<R>(results: impl IntoIterator<Item = AsyncResult<R>>) -> AsCompleted<R> {
    let results: Vec<_> = results.into_iter().map(Some).collect();
    let completed = Arc::new(Completed::default());
    follow(&completed, results.iter().flatten().enumerate());
    AsCompleted {
        left: results.len(),
        crew: one_crew(results.iter().flatten()).cloned(),
        results,
        completed,
    }
}

/// Has calls add themselves when they are done, or now.
fn follow<'a, R: 'a>(
    completed: &Arc<Completed>,
    results: impl Iterator<Item = (usize, &'a AsyncResult<R>)>,
) {
    for (which, result) in results {
        if result.ready() || !result.call.follow(completed, which) {
            // This thread is the only one that waits.
            let _ = completed.add(which);
        }
    }
}

/// Returns the pool of all calls, if it is one.
fn one_crew<'a, R: 'a>(
    mut results: impl Iterator<Item = &'a AsyncResult<R>>,
) -> Option<&'a Arc<Crew>> {
    let crew = &results.next()?.crew;
    let is_one = results.all(|result| Arc::ptr_eq(&result.crew, crew));
    (is_one && crew.is_ours()).then_some(crew)
}

/// The results of several calls as they come, from [`as_completed`]: an iterator.
///
/// Dropping it does not stop the calls.
#[must_use = "dropping it loses the results, and the errors if there are some"]
pub struct AsCompleted<R> {
    results: Vec<Option<AsyncResult<R>>>,
    completed: Arc<Completed>,
    /// The pool of all calls, if it is one.
    crew: Option<Arc<Crew>>,
    /// How many have not been taken.
    left: usize,
}

impl<R> AsCompleted<R> {
    /// Returns the next result, as the iterator does; `None` also if none comes within `timeout`, which
    /// [`len`](ExactSizeIterator::len) tells apart.
    ///
    /// # Errors
    ///
    /// As [`AsyncResult::get`], for this call.
    ///
    /// # When the other side is gone
    ///
    /// An error, as there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pool::{Pool, as_completed};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = as_completed([pool.submit(|| -> () { loop { std::thread::park() } }, ())?]);
    /// assert!(results.next_timeout(Duration::from_millis(10)).is_none());
    /// assert_eq!(results.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(usize, Result<R, PoolError>)> {
        self.next_by(Deadline::after(timeout))
    }

    fn next_by(&mut self, deadline: Deadline) -> Option<(usize, Result<R, PoolError>)> {
        let mut which = self.completed.take();
        if which.is_none() && self.left > 0 {
            self.completed.wait(self.crew.as_deref(), deadline);
            which = self.completed.take();
        }
        let result = self.results.get_mut(which?)?.take()?;
        self.left -= 1;
        Some((which?, result.get()))
    }
}

impl<R> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R, PoolError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_by(Deadline::NEVER)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R> ExactSizeIterator for AsCompleted<R> {}

impl<R> FusedIterator for AsCompleted<R> {}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Ready when the call is done.
///
/// The results of one pool are told of together: waiting for thousands of them costs no more descriptors and
/// threads than for one.
///
/// # Examples
///
/// ```
/// use procession_pipe::{Pipe, Waitable, wait};
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::new(1)?;
/// let result = pool.submit(|| 7, ())?;
/// let (connection, _other) = Pipe::duplex::<(), ()>()?;
/// assert_eq!(wait(&[&connection as &dyn Waitable, &result], None)?, [1]);
/// assert_eq!(result.get()?, 7);
/// # Ok(())
/// # }
/// ```
impl<R> Waitable for AsyncResult<R> {
    fn source(&self) -> Source<'_> {
        Source::Memory(self)
    }

    fn is_ready(&self) -> bool {
        self.ready()
    }
}

impl<R> Bell for AsyncResult<R> {
    fn arm(&self, _: Deadline) -> Armed<'_> {
        if self.ready() {
            return Armed::Ready;
        }
        match self.call.watch(&self.crew) {
            Some(watch) => Armed::Asleep(watch),
            None => Armed::Ready,
        }
    }
}

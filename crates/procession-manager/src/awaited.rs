//! Calls that can be awaited.

mod reactor;

use crate::collected::{self, Collected};
use crate::error::ManagerError;
use crate::remote::Remote;
use crate::route::{Request, Route};
use procession_wire::Packet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Makes a call without waiting for what comes of it: the closure calls one method of a proxy, and returns what
/// that returns. It is run twice, as with [`Batch::add`](crate::Batch::add): now, to encode the arguments, and when the
/// reply is there, to make something of that.
///
/// The request is sent before this returns; the future is done when the reply is there, in any runtime or with
/// [`wait`](CallFuture::wait). Each call that has not ended has a connection of its own, so that one that waits in the
/// server holds up no other, and they may end in any order. In the server itself the call is made at once.
///
/// A thread of this process receives the replies. It is started by the first call and stays, asleep.
///
/// # Errors
///
/// All errors are the future's: as the method's, and [`ManagerError::NotCollected`] if the closure does anything
/// else than call one method.
///
/// # When the other side is gone
///
/// The future is done with [`ManagerError::Gone`].
///
/// # Examples
///
/// ```
/// use procession_manager::{Manager, Queue, call_async};
///
/// # fn main() -> anyhow::Result<()> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let queue = manager.queue::<u32>()?;
///
/// let item = call_async(&queue, Queue::get); // waits in the server, and nowhere else
/// let put = call_async(&queue, |queue| queue.put(&7));
/// put.wait()?;
/// assert_eq!(item.wait()?, 7);
/// # Ok(())
/// # }
/// ```
pub fn call_async<P, T, E>(
    proxy: &P,
    call: impl Fn(&P) -> Result<T, E> + Send + 'static,
) -> CallFuture<T, E>
where
    P: Clone + Send + 'static,
    T: 'static,
    E: From<ManagerError> + 'static,
{
    let reply = Arc::new(Reply::default());
    let collected = collected::from(|| call(proxy));
    let begun = match collected {
        Err(error) => Begun::Failed(error),
        Ok(collected) => {
            if let Err(error) = begin(collected, &reply) {
                reply.set(Err(error));
            }
            let proxy = proxy.clone();
            let call = Box::new(move || call(&proxy));
            Begun::Sent { call, reply }
        }
    };
    CallFuture(Some(begun))
}

fn begin(collected: Collected, reply: &Arc<Reply>) -> Result<(), ManagerError> {
    let Collected {
        route,
        request: Request { message, kept },
    } = collected;
    reply.state().kept = kept;
    if let Route::Home(home) = route {
        reply.set(home.call(message));
        return Ok(());
    }
    let sent = route.client()?.send_unrung(message)?;
    reactor::watch(sent, Arc::clone(reply))
}

/// The result of [`call_async`], which is there some day.
///
/// A call that was begun is made. Dropping the future does not take it back: what it returns is dropped, an item
/// that it took out of a queue too.
#[must_use = "the call is made, but what comes of it is lost"]
pub struct CallFuture<T: 'static, E: From<ManagerError> + 'static = ManagerError>(
    Option<Begun<T, E>>,
);

enum Begun<T, E> {
    /// There is no call.
    Failed(E),
    Sent {
        /// The method, which takes its reply.
        call: Call<T, E>,
        reply: Arc<Reply>,
    },
}

type Call<T, E> = Box<dyn Fn() -> Result<T, E> + Send>;

impl<T: 'static, E: From<ManagerError> + 'static> CallFuture<T, E> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// As the method itself.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], or what the method has for it.
    pub fn wait(mut self) -> Result<T, E> {
        match self.0.take() {
            Some(Begun::Sent { call, reply }) => read(call, reply.wait()),
            Some(Begun::Failed(error)) => Err(error),
            None => Err(ManagerError::Collected.into()),
        }
    }

    /// Returns whether the result is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError, Queue, call_async};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # procession_process::init();
    /// # let manager = Manager::start()?;
    /// let queue = manager.queue::<u32>()?;
    /// let item = call_async(&queue, |queue| queue.get());
    /// assert!(!item.is_done());
    /// # queue.put(&1)?;
    /// # item.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Some(Begun::Sent { reply, .. }) => reply.state().reply.is_some(),
            Some(Begun::Failed(_)) | None => true,
        }
    }
}

/// Has a call take its reply, if there is one.
fn read<T, E: From<ManagerError>>(
    call: Call<T, E>,
    reply: Result<Packet, ManagerError>,
) -> Result<T, E> {
    collected::replay(call, collected::Reply::Whole(reply?))
}

impl<T: 'static, E: From<ManagerError> + 'static> Future for CallFuture<T, E> {
    type Output = Result<T, E>;

    /// Fails with [`ManagerError::Collected`] if it is polled after it was done.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut self.0;
        match this.take() {
            None => Poll::Ready(Err(ManagerError::Collected.into())),
            Some(Begun::Failed(error)) => Poll::Ready(Err(error)),
            Some(Begun::Sent { call, reply }) => {
                if let Some(reply) = reply.poll(context.waker()) {
                    return Poll::Ready(read(call, reply));
                }
                *this = Some(Begun::Sent { call, reply });
                Poll::Pending
            }
        }
    }
}

/// The closure is called, and never pinned.
impl<T: 'static, E: From<ManagerError> + 'static> Unpin for CallFuture<T, E> {}

impl<T: 'static, E: From<ManagerError> + 'static> Drop for CallFuture<T, E> {
    fn drop(&mut self) {
        if let Some(Begun::Sent { call, reply }) = self.0.take() {
            // What it returns may have handles in it, which are counted until they are dropped.
            reply.discard(Box::new(move |reply| {
                let _ = read(call, Ok(reply));
            }));
        }
    }
}

impl<T: 'static, E: From<ManagerError> + 'static> fmt::Debug for CallFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture")
            .field("is_done", &self.is_done())
            .finish()
    }
}

/// Where a reply is put.
#[derive(Default)]
struct Reply {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    reply: Option<Result<Packet, ManagerError>>,
    waker: Option<Waker>,
    /// What is done with a reply for which nobody waits any more.
    discard: Option<Discard>,
    /// The handles among the arguments that must be there until the call has been made.
    kept: Vec<Remote>,
}

type Discard = Box<dyn FnOnce(Packet) + Send>;

impl Reply {
    fn set(&self, reply: Result<Packet, ManagerError>) {
        let mut state = self.state();
        // Their end is told to the server when nothing is locked.
        let _over = std::mem::take(&mut state.kept);
        let (waker, discard) = (state.waker.take(), state.discard.take());
        match (discard, reply) {
            (Some(discard), reply) => {
                drop(state);
                throw_away(reply, discard);
            }
            (None, reply) => {
                state.reply = Some(reply);
                drop(state);
            }
        }
        self.came.notify_all();
        waker.into_iter().for_each(Waker::wake);
    }

    fn wait(&self) -> Result<Packet, ManagerError> {
        let mut state = self.state();
        loop {
            if let Some(reply) = state.reply.take() {
                return reply;
            }
            let woken = self.came.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn poll(&self, waker: &Waker) -> Option<Result<Packet, ManagerError>> {
        let mut state = self.state();
        if let Some(reply) = state.reply.take() {
            return Some(reply);
        }
        state.waker = Some(waker.clone());
        None
    }

    fn discard(&self, discard: Discard) {
        let mut state = self.state();
        match state.reply.take() {
            Some(reply) => {
                drop(state);
                throw_away(reply, discard);
            }
            None => state.discard = Some(discard),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what a call returned. That may take calls of its own, for which the thread that receives replies must
/// not wait.
fn throw_away(reply: Result<Packet, ManagerError>, discard: Discard) {
    if let Ok(reply) = reply {
        let thread = thread::Builder::new().name("manager-discard".to_owned());
        // Without a thread, what is in the reply is counted until this process ends.
        let _ = thread.spawn(move || discard(reply));
    }
}

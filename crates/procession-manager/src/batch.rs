//! Many calls in one trip.

use crate::collected::{self, Collected, Reply};
use crate::error::ManagerError;
use crate::remote::Remote;
use crate::route::{Request, Route, is_bytes_alone};
use procession_wire::{Kind, Message, Packet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Calls that go to a manager's server in one message, and come back in one.
///
/// Every method of every proxy can be one of them. The server makes them in the order in which they were [added](Self::add), each as if it had come by
/// itself: others' calls may be made between two of them, and one that fails does not keep those behind it. A
/// call costs a small part of what one costs that is waited for.
///
/// # Examples
///
/// ```
/// use procession_manager::{Batch, List, Manager, ManagerError};
///
/// # fn main() -> Result<(), ManagerError> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let (list, dict) = (manager.list::<u32>()?, manager.dict::<String, u32>()?);
///
/// let mut batch = Batch::new();
/// for number in 0..1000 {
///     batch.add(&list, move |list| list.append(number))?;
/// }
/// let len = batch.add(&list, List::len)?;
/// let before = batch.add(&dict, |dict| dict.insert("len".to_owned(), 1000_u32))?;
/// batch.send()?;
///
/// assert_eq!(len.get()?, 1000);
/// assert_eq!(before.get()?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "the calls are made by `send`"]
pub struct Batch {
    route: Option<Route>,
    requests: Vec<u8>,
    /// The requests with handles, whose claims are taken back if they are not sent.
    claims: Vec<Message>,
    /// The handles that must be there until the calls have been made.
    kept: Vec<Remote>,
    results: Arc<Results>,
}

impl Batch {
    /// Begins a batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a call: the closure calls one method of a proxy, and returns what that returns.
    ///
    /// It is run twice. Now the method encodes its arguments, and fails with [`ManagerError::Collected`]; when
    /// the [result](Later::get) is wanted, it takes that instead of making a call. A method that makes several calls
    /// makes those behind the first then.
    ///
    /// # Errors
    ///
    /// [`ManagerError::NotCollected`] if the closure does anything else; [`ManagerError::Encode`] if the
    /// arguments cannot be sent, and [`ManagerError::Elsewhere`] if they hold descriptors or shared memory, or if
    /// the object is of another manager than that of the first call. The batch is as before.
    pub fn add<P, T, E>(
        &mut self,
        proxy: &P,
        call: impl Fn(&P) -> Result<T, E> + Send + 'static,
    ) -> Result<Later<T, E>, E>
    where
        P: Clone + Send + 'static,
        E: From<ManagerError>,
    {
        let Collected {
            route,
            request: Request { message, kept },
        } = collected::from(|| call(proxy))?;
        let proxy = proxy.clone();
        self.check(&route, &message)?;
        let at = self.requests.len();
        append(&mut self.requests, message.bytes());
        if message.has_handles() {
            self.claims.push(message);
        }
        self.kept.extend(kept);
        self.route.get_or_insert(route);
        Ok(Later {
            index: self.results.count(),
            at,
            results: Arc::clone(&self.results),
            call: Some(Box::new(move || call(&proxy))),
        })
    }

    fn check(&self, route: &Route, message: &Message) -> Result<(), ManagerError> {
        if !is_bytes_alone(message) {
            return Err(ManagerError::Elsewhere(
                "shared memory and file descriptors cannot be sent in a batch",
            ));
        }
        match &self.route {
            Some(first) if !first.is_same(route) => Err(ManagerError::Elsewhere(
                "all calls of a batch are for objects of one manager",
            )),
            _ => Ok(()),
        }
    }

    /// Has the server make the calls, and waits until it has made all of them.
    ///
    /// # Errors
    ///
    /// [`ManagerError`], if the calls could not be sent or their results not be received; then it is not known
    /// which of them were made. That a call itself failed is told by its [`Later`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`], also if the server ends meanwhile.
    pub fn send(mut self) -> Result<(), ManagerError> {
        let Some(route) = self.route.take() else {
            return Ok(());
        };
        for at in self.results.unwanted() {
            mark(&mut self.requests, at);
        }
        let (expected, mut received) = (self.results.added(), Received::default());
        if let Route::Home(home) = &route {
            received.make(home, &self.requests)?;
        } else {
            let message = Message::encode(Kind::BATCH, &self.requests)?;
            let mut claims = std::mem::take(&mut self.claims);
            route.client()?.call_many(message, |reply| {
                // There is no reply before all has arrived.
                claims.drain(..).for_each(Message::delivered);
                received.take(reply)?;
                Ok(received.places.len() >= expected)
            })?;
        }
        self.results.set(received);
        Ok(())
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("calls", &self.results.added())
            .finish_non_exhaustive()
    }
}

/// The result of a call in a [`Batch`], from when that was sent on.
///
/// If it is dropped before, the call is made, and what it returns, an error too, stays in the server.
pub struct Later<T, E = ManagerError> {
    results: Arc<Results>,
    index: usize,
    /// Where the request is.
    at: usize,
    /// `None` once it was used.
    call: Option<Box<dyn Fn() -> Result<T, E> + Send>>,
}

impl<T, E> Later<T, E> {
    /// Returns what came of the call.
    ///
    /// # Errors
    ///
    /// As the method itself; [`ManagerError::Collected`] if the batch was not sent, or could not be.
    ///
    /// # When the other side is gone
    ///
    /// Results that had arrived are there.
    pub fn get(mut self) -> Result<T, E>
    where
        E: From<ManagerError>,
    {
        self.read()
            .unwrap_or_else(|| Err(ManagerError::Collected.into()))
    }

    /// Has the method take its reply, if that is there.
    fn read(&mut self) -> Option<Result<T, E>> {
        let call = self.call.take()?;
        if !self.results.is_there() {
            self.results.do_without(self.at);
            return None;
        }
        let reply = Reply::Part(Arc::clone(&self.results), self.index);
        Some(collected::replay(call, reply))
    }
}

impl<T, E> Drop for Later<T, E> {
    fn drop(&mut self) {
        // The reply may have handles in it, which are counted until they are dropped.
        let _ = self.read();
    }
}

impl<T, E> fmt::Debug for Later<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Later").field(&self.index).finish()
    }
}

/// What has come of the calls of a batch.
#[derive(Default)]
pub(crate) struct Results {
    added: Mutex<Added>,
    received: OnceLock<Received>,
}

#[derive(Default)]
struct Added {
    count: usize,
    /// Where the requests are whose results nobody wants.
    unwanted: Vec<usize>,
}

#[derive(Default)]
struct Received {
    chunks: Vec<Vec<u8>>,
    /// The chunk of each reply, where it begins, and how long it is.
    places: Vec<(usize, usize, usize)>,
}

impl Results {
    /// Counts one more call and returns its place.
    fn count(&self) -> usize {
        let mut state = self.state();
        state.count += 1;
        state.count - 1
    }

    fn added(&self) -> usize {
        self.state().count
    }

    fn do_without(&self, at: usize) {
        self.state().unwanted.push(at);
    }

    fn unwanted(&self) -> Vec<usize> {
        std::mem::take(&mut self.state().unwanted)
    }

    fn state(&self) -> MutexGuard<'_, Added> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, received: Received) {
        // A batch is sent once.
        let _ = self.received.set(received);
    }

    fn is_there(&self) -> bool {
        self.received.get().is_some()
    }

    pub(crate) fn read<T>(
        &self,
        index: usize,
        decode: impl FnOnce(Packet<&[u8]>) -> Result<T, ManagerError>,
    ) -> Result<T, ManagerError> {
        let received = self.received.get().ok_or(ManagerError::Collected)?;
        let place = received.places.get(index);
        let (chunk, start, len) = *place.ok_or(ManagerError::Gone)?;
        let bytes = &received.chunks[chunk][start..start + len];
        decode(Packet::parse(bytes, Vec::new())?)
    }
}

impl Received {
    /// Takes a message of replies.
    fn take(&mut self, reply: Packet) -> Result<(), ManagerError> {
        let chunk = reply.expect(Kind::BATCH)?.decode::<Vec<u8>>()?;
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let (_, reply, behind) = cut(rest).ok_or(ManagerError::Gone)?;
            let start = chunk.len() - behind.len() - reply.len();
            self.places.push((self.chunks.len(), start, reply.len()));
            rest = behind;
        }
        self.chunks.push(chunk);
        Ok(())
    }

    /// Makes the calls in the server itself.
    fn make(
        &mut self,
        home: &'static crate::server::home::Home,
        mut rest: &[u8],
    ) -> Result<(), ManagerError> {
        while let Some((is_wanted, request, behind)) = cut(rest) {
            let reply = home.call_bytes(request.to_vec(), is_wanted)?;
            self.places.push((self.chunks.len(), 0, reply.len()));
            self.chunks.push(reply);
            rest = behind;
        }
        Ok(())
    }
}

/// In a message's length: nobody wants the reply.
const UNWANTED: u64 = 1 << 63;

/// Appends a message with its length before it.
pub(crate) fn append(bytes: &mut Vec<u8>, message: &[u8]) {
    bytes.extend_from_slice(&(message.len() as u64).to_le_bytes());
    bytes.extend_from_slice(message);
}

/// Says that nobody wants the reply to the message at a place.
fn mark(bytes: &mut [u8], at: usize) {
    if let Some(last) = bytes.get_mut(at + 7) {
        *last |= (UNWANTED >> 56) as u8;
    }
}

/// Cuts off the first message; returns whether its reply is wanted, and what is behind it.
pub(crate) fn cut(bytes: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    let len = u64::from_le_bytes(*len);
    let (message, rest) = rest.split_at_checked(usize::try_from(len & !UNWANTED).ok()?)?;
    Some((len & UNWANTED == 0, message, rest))
}

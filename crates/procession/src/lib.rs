//! Multiprocessing for Rust: processes, shared memory, pipes, managers, pools and logs.
//!
//! ```
//! use procession::{Array, Process};
//!
//! fn negate(numbers: Array<i32>) {
//!     for i in 0..numbers.len() {
//!         numbers.update(i, |number| *number = -*number);
//!     }
//! }
//!
//! #[procession::main]
//! fn main() -> anyhow::Result<()> {
//!     let numbers = Array::from_iter(1..5)?;
//!     Process::spawn(negate, (numbers.clone(),))?.join()?;
//!     assert_eq!(numbers.to_vec(), [-1, -2, -3, -4]);
//!     Ok(())
//! }
//! ```
//!
//! # Starting
//!
//! A child runs the same executable. [`init`], which [`#[procession::main]`](main) calls, turns it
//! into what its parent wants; test files call it with [`enable_in_tests!`]. A [`Process`] runs a
//! function or a closure that captures nothing, and [`join`](Process::join) brings back its result.
//! A [`StartMethod`] says how the child comes into being, a [`Builder`] what it is given.
//!
//! # Sharing
//!
//! [`Value`], [`Array`], [`Queue`], [`Lock`] and the other synchronisation types lie in memory that
//! all processes map. A [`Manager`] hosts collections, locks, queues and your own types in a process
//! of its own; a [`shm::Dict`] or [`shm::Set`] needs none. All of these are handles: clone them, pass them as arguments, send them, put them
//! into your own serde structs. A struct that `Value` and `Array` are to hold is marked as
//! [plain data](plain). [`SharedMemory`] and [`ShareableList`] are shared with Python too.
//!
//! # Talking
//!
//! [`pipe`] and [`NamedPipe`] carry bytes, [`Pipe`] carries typed values, one way or both ways. [`wait`] waits
//! for any mix of them, of processes and of queues. An [`Fd`] takes a file or a socket of the standard
//! library along. A [`Listener`] and a [`Client`] meet at an
//! [`Address`]; either can be a Python program.
//!
//! [What values can be](values): everything that serde can carry.
//!
//! # Working in parallel
//!
//! A [`Pool`] maps a function over many values, and replaces workers that die; [`pool`] has what its calls and
//! results can do.
//!
//! # What happens when a process is killed
//!
//! Whoever waits for it is told. A lock that it held tells its next owner. Its children are killed
//! with it. What it alone had in `/dev/shm` is given back when it is reaped; what is left when all are
//! killed goes when the next family starts. [`family::usage`] says what there is, and who holds it.
//!
//! # Logging
//!
//! [`logging()`] makes all processes log to one place; [`mod@logging`] has what can be changed later.
#![forbid(unsafe_code)]

pub mod family;
pub mod logging;
pub mod manager;
pub mod pool;
pub mod shm;
pub mod values;

pub use procession_call::{Failure, Panic, RoutineError, Task, TaskError, TaskOnce};
pub use procession_log::builder as logging;
pub use procession_macros::{main, plain, shared};
pub use procession_manager::{Manager, ManagerError, Object};
pub use procession_pipe::{
    AcceptError, Address, Client, ClientBuilder, ConnectError, Connection, Deadline, IntoMessages,
    Listener, ListenerBuilder, Messages, NamedPipe, NamedPipeError, ParseAddressError, Peer,
    PeerCredentials, Pipe, PipeBuilder, PipeReader, PipeWriter, Receiver, RecvError, RecvIntoError,
    SendError, Sender, UnsplitError, Waitable, auth::AuthenticationError, pipe, wait,
};
pub use procession_pool::{AsyncResult, MapResults, Pool, PoolBuilder, PoolError};
pub use procession_process::{
    ActiveChild, AtExit, Builder, Cause, CurrentProcess, ExitStatus, ParentProcess, Process,
    ProcessError, StartError, StartMethod, Stdio, active_children, at_exit, current_process,
    enable_in_tests, inherit, init, parent_process, preload, set_start_method, start_method,
};
pub use procession_queue::{
    Closed, Fault, GetError, IntoItems, Items, JoinError, JoinableQueue, Producer, PutError,
    PutManyError, Queue, SimpleQueue, StateError, TaskDoneError,
};
pub use procession_shm::{
    __plain_bits, AccessError, AnyBitPattern, Array, ArrayPart, AtomicFlag, Atomics, BlockError,
    CheckedBitPattern, FamilyError, Guard, ListError, ListItem, NameError, NoUninit, OutOfBlock,
    PartGuard, Plain, Pod, RawArray, RawValue, ReadGuard, ShareableList, Shared, SharedMemory,
    ShmError, Value, View, ViewError, Zeroable, bytemuck, grant_to, leftovers, sweep,
};
pub use procession_sync::{
    AcquireError, Barrier, BarrierError, BoundedSemaphore, Condition, ConditionLock, Event, Lock,
    LockError, LockGuard, LockResult, Permit, PermitError, Poisoned, RLock, RLockGuard, Repair,
    RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, WaitPolicy, set_wait_policy, wait_policy,
};
/// The other end of a socket as the argument of a task:
///
/// ```
/// use procession::{Fd, Process};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// fn greet(mut stream: Fd<UnixStream>) -> anyhow::Result<()> {
///     Ok(stream.write_all(b"hello")?)
/// }
///
/// #[procession::main]
/// fn main() -> anyhow::Result<()> {
///     let (mut here, there) = UnixStream::pair()?;
///     Process::spawn(greet, (Fd(there),))?.join()?;
///     let mut greeting = String::new();
///     here.read_to_string(&mut greeting)?;
///     assert_eq!(greeting, "hello");
///     Ok(())
/// }
/// ```
#[doc(inline)]
pub use procession_wire::Fd;
/// Bytes that go as a whole whatever they are in: [`ByteBuf`] owns them, [`Bytes`] is a view of them.
///
/// A `Vec<u8>` [does so too](values#numbers) in nearly all places; these do in the rest of them.
///
/// ```
/// use procession::{ByteBuf, Process};
///
/// #[procession::main]
/// fn main() -> anyhow::Result<()> {
///     let bytes = ByteBuf::from(vec![7; 1000]);
///     assert_eq!(Process::spawn(|bytes: ByteBuf| bytes.len(), (bytes,))?.join()?, 1000);
///     Ok(())
/// }
/// ```
pub use serde_bytes::{ByteBuf, Bytes};

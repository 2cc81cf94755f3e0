//! The two messages that tell a new process what to become and what to do.
//!
//! The first has nothing in it that is lost with a child that is not to work after all, so that a child
//! can be told what to become while its parent still looks whether it is the right one.
//!
//! The second has a socket of its own, which comes with the first. Who has received it knows that the
//! parent has done with the control socket, down to the kernel: what a sender does last is to notify
//! whoever asked for a signal, and that may be late. So from then on a signal can only mean the
//! [end of the parent](procession_os::parent::die_with_socket).

use crate::current::{CurrentProcess, current_process};
use crate::error::StartError;
use crate::inherit::{self, INHERITED};
use crate::parcel;
use crate::settings::Settings;
use nix::unistd::geteuid;
use procession_call::{EntryOf, Outcome, Routine, Task, produce};
use procession_os::image::image;
use procession_pipe::{Channel, SendError};
use procession_shm::family;
use procession_shm::grant_to;
use procession_wire::{EncodeError, Encoder, Fd, Kind, Message, Packet};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

/// A detached process says that it does not need its parent any more.
pub(crate) const SETTLED: Kind = Kind::SETTLED;

/// What a new process is to become.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The executable that sends this.
    pub(crate) image: u64,
    pub(crate) family: (String, [u8; 32]),
    /// Whether the family has a lease.
    pub(crate) exists: bool,
    /// The family's lease, if the child cannot open it.
    pub(crate) lease: Option<(Fd, bool)>,
    pub(crate) process: CurrentProcess,
    pub(crate) settings: Settings,
    /// Where the work comes from.
    pub(crate) work: Option<Fd>,
}

/// A socket for the work of one child: this process's end, and the child's.
pub(crate) struct WorkSocket {
    pub(crate) ours: Channel,
    theirs: OwnedFd,
}

impl WorkSocket {
    pub(crate) fn new() -> Result<Self, StartError> {
        let (ours, theirs) = Channel::pair().map_err(StartError::system("make a socket"))?;
        let theirs = theirs.into();
        Ok(Self { ours, theirs })
    }
}

/// What it is to do: the values of the setups follow, then the arguments of the task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) setups: Vec<Routine>,
    pub(crate) task: Routine,
}

impl Start {
    pub(crate) fn new(process: CurrentProcess, settings: Settings) -> Result<Self, StartError> {
        let (family, exists) = family::identity()?;
        Ok(Self {
            image: image().identity(),
            family: (family.id().to_owned(), *family.key()),
            exists,
            lease: family::hand_over()?.map(|lease| (Fd(lease.file), lease.shared)),
            process,
            settings,
            work: None,
        })
    }

    /// Returns a message as a child of a fork server gets one, without descriptors.
    pub(crate) fn sample() -> Option<Packet> {
        let sample = Self {
            image: 0,
            family: (String::new(), [0; 32]),
            exists: true,
            lease: None,
            process: current_process().child(None, None, false),
            settings: Settings::sample(),
            work: None,
        };
        let (bytes, fds) = sample.encode().ok()?.deliver();
        Packet::parse(bytes, fds).ok()
    }

    /// Encodes this for a child; returns where to send its work.
    pub(crate) fn message(
        &mut self,
        work_socket: WorkSocket,
    ) -> Result<(Message, Channel), EncodeError> {
        self.work = Some(Fd(work_socket.theirs));
        let message = self.encode();
        self.work = None;
        Ok((message?, work_socket.ours))
    }

    fn encode(&self) -> Result<Message, EncodeError> {
        Message::encode(Kind::START, self)
    }

    /// Tells a child, which need not be reading; returns where to send its work. Of a child that is
    /// gone, `join` reports the status.
    pub(crate) fn send(
        &mut self,
        channel: &Channel,
        work_socket: WorkSocket,
    ) -> Result<Channel, StartError> {
        let (message, work) = self.message(work_socket)?;
        match parcel::send(channel, message) {
            Ok(()) | Err(SendError::Closed) => Ok(work),
            Err(error) => Err(refused(error)),
        }
    }
}

/// Encodes the work of a process that is to become what `start` says, and run `task` on `args`.
pub(crate) fn work<F, A, M>(start: &Start, task: F, args: &A) -> Result<Message, StartError>
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    // What this process had as another user it cannot hand on to one that it starts now.
    let changed = start.lease.is_some().then(|| geteuid().as_raw());
    match start.settings.user().or(changed) {
        None => encode(task, args),
        Some(user) => grant_to(user, || encode(task, args)),
    }
}

fn encode<F, A, M>(task: F, args: &A) -> Result<Message, StartError>
where
    F: Task<A, M>,
    A: Serialize + DeserializeOwned,
{
    let setups = INHERITED.now();
    let work = Work {
        setups: inherit::routines(&setups),
        task: Routine::of_function::<TaskEntry<A, M>, F>(task)?,
    };
    let mut encoder = Encoder::new(Kind::WORK);
    encoder.push(&work)?;
    inherit::push(&setups, &mut encoder)?;
    encoder.push(args)?;
    Ok(encoder.finish())
}

/// Says that a process could not be told what it has to do.
pub(crate) fn refused(error: SendError) -> StartError {
    match error {
        SendError::Encode(error) => StartError::Encode(error),
        error => StartError::system("send the arguments")(io::Error::other(error)),
    }
}

struct TaskEntry<A, M>(PhantomData<(A, M)>);

impl<F, A, M> EntryOf<F> for TaskEntry<A, M>
where
    F: Task<A, M>,
    A: DeserializeOwned,
{
    fn run(task: F, _: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            // What they came in is not kept while the task runs.
            Ok(task.call(packet.take_last::<A>()?)?)
        })
    }
}

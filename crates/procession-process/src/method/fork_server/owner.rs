//! The owner's side.

use super::{ANSWER, Answer, BEGUN, REQUEST, Refused, Request, SERVE, Serve};
use crate::child::has_exited;
use crate::children::{self, Child, GRACE};
use crate::current::current_process;
use crate::environment::{Changes, Environment, MOST_ROOM};
use crate::error::StartError;
use crate::inherit::{self, PRELOADED};
use crate::method::spawn;
use crate::orphans::own_children;
use crate::parcel;
use crate::rights::Rights;
use crate::start::{Start, WorkSocket};
use crate::surroundings::Surroundings;
use nix::unistd::{Pid, getpgid};
use procession_os::image::image;
use procession_os::pidfd::Pidfd;
use procession_os::policy::on_one_processor;
use procession_os::shield::shield;
use procession_os::wait::Deadline;
use procession_pipe::Channel;
use procession_shm::family;
use procession_shm::family::births::{self, Born};
use procession_wire::Fd;
use procession_wire::{Encoder, Message};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, mem, process};

/// What this process knows of its server.
enum State {
    None,
    Running(Box<Server>),
    /// Such copies cannot be made here.
    Unavailable,
}

struct Server {
    /// The process whose server it is, and who may end it: a copy of that process may not.
    owner: u32,
    process: Pidfd,
    channel: Channel,
    /// What it has inherited, and its children will have.
    surroundings: Surroundings,
    /// How much room there is in it to show an environment.
    room: usize,
    /// Whether it has said that it has reached `init`.
    begun: bool,
    /// Whether it has made a child before.
    proven: bool,
    /// Leads to a child that was asked for before it is needed; the answer is still to be read.
    ahead: Option<Asked>,
}

/// What leads to a child that the server was asked for.
struct Asked {
    channel: Channel,
    work_socket: WorkSocket,
}

/// Why there is no answer.
enum Trouble {
    /// This process could not ask.
    Here(StartError),
    /// The server is gone, or talks nonsense.
    There(Box<dyn Error + Send + Sync>),
}

/// How much room a server has beyond what is known to be needed.
const MORE_ROOM: usize = 4096;

/// Returns what the program is started with whose copies show environments of up to `room` bytes.
fn surrounded(room: usize) -> Environment {
    Changes::default().apply().with_room(room)
}

static STATE: Mutex<State> = Mutex::new(State::None);

/// How many servers are asked for a child, each of which may be killed meanwhile, beside one that has
/// inherited something else.
const ATTEMPTS: usize = 3;

/// Starts a child; returns where it waits for its work.
pub(crate) fn start(start: &mut Start) -> Result<(Arc<Child>, Channel), StartError> {
    let room = start.settings.environment.as_ref();
    let room = room.map_or(0, Environment::len).min(MOST_ROOM);
    let mut state = lock();
    state.end_earlier_strangers();
    let (mut now, mut last) = (Surroundings::of_moment(), None);
    // There, nothing would be done meanwhile.
    if on_one_processor() {
        look(&mut now)?;
    }
    for _ in 0..=ATTEMPTS {
        let Some(server) = state.server(&mut now, room)? else {
            return spawn::start(start, &surrounded(room));
        };
        match server.child() {
            Ok(Ok(born)) => {
                if let Some(engaged) = server.engage(born, start, &mut now)? {
                    return Ok(engaged);
                }
                state.end();
            }
            Ok(Err(refused)) => state.refused(refused)?,
            Err(Trouble::Here(error)) => return Err(error),
            Err(Trouble::There(error)) => {
                server.explain()?;
                last = Some(state.bury(error));
            }
        }
    }
    let error = last.unwrap_or_else(|| io::Error::other("it refuses"));
    Err(StartError::system("reach the fork server")(error))
}

/// Has the server make the next child while the one that has its work now does it.
pub(crate) fn ask_ahead() {
    if let State::Running(server) = &mut *lock()
        && server.owner == process::id()
    {
        server.ask_ahead();
    }
}

/// Ends the server, at the exit of this process.
pub(crate) fn end() {
    // Without the lock, another thread is just starting a child; the kernel ends the server then.
    if let Ok(mut state) = STATE.try_lock() {
        state.end();
    }
}

/// Has the next child come from a new server.
pub(crate) fn renew() {
    lock().end();
}

/// Closes what a copy of this process has of its parent's server.
pub(crate) fn forget() {
    groups_with_strangers().clear();
    *lock() = State::None;
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Returns the server, started if there is none; `None` if there can be none. It has inherited
    /// what this thread has `now`, if that was looked at.
    fn server(
        &mut self,
        now: &mut Option<Surroundings>,
        room: usize,
    ) -> Result<Option<&mut Server>, StartError> {
        let other = |server: &Server| now.as_ref().is_some_and(|now| server.surroundings != *now);
        match self {
            Self::Running(server) if server.owner != process::id() => *self = Self::None,
            Self::Running(server) if !server.is_alive() => drop(self.bury("it has ended")),
            // The child that was made in advance goes with it.
            Self::Running(server) if server.room < room || other(server) => self.end(),
            _ => {}
        }
        if matches!(self, Self::None) {
            *self = Self::Running(Box::new(Server::start(look(now)?, room)?));
        }
        Ok(match self {
            Self::Running(server) => Some(server),
            Self::None | Self::Unavailable => None,
        })
    }

    fn end(&mut self) {
        if let Self::Running(server) = mem::replace(self, Self::None)
            && server.owner == process::id()
            && let Err(error) = server.end()
        {
            shield(|| log::error!("a fork server runs on: it cannot be killed: {error}"));
        }
    }

    /// Ends those that could not be looked for.
    fn end_earlier_strangers(&self) {
        // Whoever has the number of a group that had members got it when they were gone.
        let other =
            |group: &u32| !matches!(self, Self::Running(server) if server.process.pid() == *group);
        let groups = mem::take(&mut *groups_with_strangers());
        groups.into_iter().filter(other).for_each(end_strangers);
    }

    /// Learns from a refusal: what lasts makes the server useless.
    fn refused(&mut self, refused: Refused) -> Result<(), StartError> {
        match refused {
            Refused::NoRoom(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                Err(StartError::system("start a process")(error))
            }
            Refused::Preload(words) => {
                self.bury(words.as_str());
                Err(StartError::Preload(words))
            }
            Refused::Useless(words) => {
                self.bury(words.as_str());
                Err(StartError::Refused(words))
            }
            Refused::Stranger => {
                self.bury("it was given another key");
                Ok(())
            }
            Refused::Unsupported(words) => {
                self.bury(words);
                *self = Self::Unavailable;
                Ok(())
            }
        }
    }

    /// Takes leave of a server that does not answer.
    fn bury(&mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
        self.end();
        io::Error::other(error)
    }
}

impl Server {
    /// Starts a server; `now` is what it inherits.
    fn start(now: &Surroundings, room: usize) -> Result<Self, StartError> {
        // Some more, so that an environment which grows by and by does not need a server each time.
        let room = room + room / 4 + MORE_ROOM;
        let (channel, control) = Channel::pair().map_err(StartError::system("make a socket"))?;
        let process = spawn::exec(control.into(), &surrounded(room), Some(now))?;
        births::note(process.pid(), Born::Server);
        let server = Self {
            owner: process::id(),
            process,
            channel,
            surroundings: now.clone(),
            room,
            begun: false,
            proven: false,
            ahead: None,
        };
        // A server that is gone already is noticed by the first request.
        let _ = parcel::send(&server.channel, first_message(server.owner)?);
        Ok(server)
    }

    fn is_alive(&self) -> bool {
        matches!(self.process.reap(), Ok(None))
    }

    /// Returns a child and where its control socket leads: the one that was asked for ahead, or
    /// one that is asked for now.
    fn child(&mut self) -> Result<Result<(Pidfd, Asked), Refused>, Trouble> {
        if let Some(asked) = self.ahead.take() {
            match self.answer(Deadline::NEVER)? {
                // One that was killed while it waited is reaped by this look at it.
                Ok(pidfd) if matches!(pidfd.reap(), Ok(None)) => return Ok(Ok((pidfd, asked))),
                Ok(_) | Err(Refused::NoRoom(_)) => {}
                Err(refused) => return Ok(Err(refused)),
            }
        }
        let asked = match self.ask() {
            Err(Trouble::Here(error)) => return Err(Trouble::Here(error)),
            asked => asked,
        };
        // One that cannot be asked is not waited for, but may have said why.
        let until = match asked {
            Ok(_) => Deadline::NEVER,
            Err(_) => Deadline::PASSED,
        };
        match (self.answer(until), asked) {
            (Ok(Err(refused)), _) => Ok(Err(refused)),
            (_, Err(trouble)) | (Err(trouble), _) => Err(trouble),
            (Ok(Ok(pidfd)), Ok(asked)) => Ok(Ok((pidfd, asked))),
        }
    }

    /// Tells a child what to become, and meanwhile looks whether it has inherited what it is to have.
    /// One that has not ends without any work, and `None` is returned.
    fn engage(
        &self,
        (pidfd, asked): (Pidfd, Asked),
        start: &mut Start,
        now: &mut Option<Surroundings>,
    ) -> Result<Option<(Arc<Child>, Channel)>, StartError> {
        // First, for what is told has left the server's group.
        let child = children::add(pidfd, start.process.clone(), asked.channel);
        let told = start.send(&child.channel, asked.work_socket);
        let right = told.and_then(|work_socket| {
            // A server that this call has started, or compared, is the right one.
            let right = now.is_some() || *look(now)? == self.surroundings;
            Ok(right.then_some(work_socket))
        });
        if let Ok(Some(work_socket)) = right {
            return Ok(Some((child, work_socket)));
        }
        // It waits for its work, and ends without, also where it cannot be signalled.
        drop(child.channel.shutdown());
        let _ = child.kill();
        if !matches!(child.wait(Deadline::after(GRACE)), Ok(Some(_))) {
            children::let_go(&child);
        }
        right.map(|_| None)
    }

    /// Has the server make the next child while this one works. Who starts a single child does not
    /// pay for another.
    fn ask_ahead(&mut self) {
        if self.proven && self.ahead.is_none() {
            // What is wrong now is told when the child is needed.
            self.ahead = self.ask().ok();
        }
        self.proven = true;
    }

    fn ask(&self) -> Result<Asked, Trouble> {
        let work_socket = WorkSocket::new().map_err(Trouble::Here)?;
        // A new pair each time: a child that nobody knows may still have the end of the last one.
        let (channel, request) = request().map_err(Trouble::Here)?;
        self.channel.send(request)?;
        Ok(Asked {
            channel,
            work_socket,
        })
    }

    fn answer(&mut self, until: Deadline) -> Result<Result<Pidfd, Refused>, Trouble> {
        let mut answer = self.channel.recv_by(until)?;
        if answer.kind() == BEGUN {
            self.begun = true;
            answer = self.channel.recv_by(until)?;
        }
        let answer: Answer = answer.expect(ANSWER)?.decode()?;
        Ok(answer.map(|born| Pidfd::of_fd(born.pidfd.0, born.pid)))
    }

    /// Says what is wrong with a server that has exited by itself, as the next one would too.
    fn explain(&self) -> Result<(), StartError> {
        if self.proven || !matches!(self.process.wait(Deadline::after(GRACE)), Ok(true)) {
            return Ok(());
        }
        match self.process.reap() {
            Ok(Some(status)) if has_exited(status) && self.begun => {
                Err(StartError::Preload(format!("it {status}")))
            }
            Ok(Some(status)) if has_exited(status) => Err(StartError::BeforeInit(status)),
            _ => Ok(()),
        }
    }

    /// Ends the server, and the child that nobody knows.
    ///
    /// It fails if the server cannot be signalled, because this process has become another user or
    /// may not send signals, and does not end by itself either, because it was stopped.
    fn end(self) -> io::Result<()> {
        let Self {
            process,
            channel,
            ahead,
            ..
        } = self;
        // First, for it is this that ends a helper which cannot be signalled; and for all who hold
        // these ends, a copy of this process included.
        let ahead = ahead.map(|asked| asked.channel);
        let sockets = [Some(channel), ahead].into_iter().flatten();
        sockets.for_each(|socket| drop(socket.shutdown()));
        let ended = process.end(GRACE);
        // A server that was reaped by somebody else is gone as well.
        let _ = process.reap();
        end_strangers(process.pid());
        if ended.is_ok() {
            births::erase(process.pid());
        }
        ended
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::There(error.into())
    }
}

/// Returns what this thread has, which is looked at once.
fn look(now: &mut Option<Surroundings>) -> Result<&Surroundings, StartError> {
    let looked = match now.take() {
        Some(looked) => looked,
        None => Surroundings::now()?.kept_for_moment(),
    };
    Ok(now.insert(looked))
}

/// Encodes what a server of process `owner` is told at its start.
pub(crate) fn first_message(owner: u32) -> Result<Message, StartError> {
    let (preloaded, (family, _)) = (PRELOADED.now(), family::identity()?);
    let serve = Serve {
        image: image().identity(),
        owner,
        family: (family.id().to_owned(), *family.key()),
        keeps: !births::may_be_inherited() || current_process().is_detached(),
        rights: Rights::now().map_err(StartError::system("read its own rights"))?,
        preloaded: inherit::routines(&preloaded),
    };
    let mut encoder = Encoder::new(SERVE);
    encoder.push(&serve)?;
    inherit::push(&preloaded, &mut encoder)?;
    Ok(encoder.finish())
}

/// Makes a pair of control sockets: one for this process, the other in a request.
fn request() -> Result<(Channel, Message), StartError> {
    let (channel, control) = Channel::pair().map_err(StartError::system("make a socket"))?;
    let request = Request {
        key: *family::identity()?.0.key(),
        control: Fd(control.into()),
    };
    Ok((channel, Message::encode(REQUEST, &request)?))
}

/// Ends the children in the group of a dead server that are not in the list of children. Where there
/// is no descriptor to look for them, the next start does.
fn end_strangers(group: u32) {
    let Ok(own) = own_children() else {
        return groups_with_strangers().push(group);
    };
    let group = Pid::from_raw(group.cast_signed());
    for pid in own {
        let stranger = Pid::from_raw(pid.cast_signed());
        if getpgid(Some(stranger)) == Ok(group) && !children::knows(pid) {
            children::abandon(pid);
        }
    }
}

/// The groups of dead servers in which nobody could look for strangers.
fn groups_with_strangers() -> MutexGuard<'static, Vec<u32>> {
    static GROUPS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

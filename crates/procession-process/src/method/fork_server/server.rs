//! The server's side.

use super::{ANSWER, Answer, BEGUN, Born, REQUEST, Refused, Request, Serve};
use crate::child::not_a_child_of;
use crate::current::{as_server, reported_name};
use crate::environment::Environment;
use crate::inherit;
use crate::start::Start;
use crate::stdio::Plan;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Pid, chdir, setpgid};
use procession_call::panic::remember_panics;
use procession_call::{Routine, produce};
use procession_os::fork::{Forked, lasting_threads, sibling};
use procession_os::image::image;
use procession_os::pidfd::Pidfd;
use procession_os::policy::on_one_processor;
use procession_os::{lifetime, parent, wait};
use procession_pipe::{Channel, Deadline};
use procession_shm::family;
use procession_wire::Fd;
use procession_wire::{Message, Packet};
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

/// Makes children until the owner is gone; returns `None` then, and in each child its control
/// socket. A server that cannot serve tells the owner why.
pub(crate) fn serve(channel: &Channel, packet: Packet) -> Option<OwnedFd> {
    match try_to_serve(channel, packet) {
        Ok(control) => control,
        Err(error) => {
            tell(channel, &Err(Refused::Useless(error.to_string())));
            None
        }
    }
}

fn try_to_serve(channel: &Channel, mut packet: Packet) -> Result<Option<OwnedFd>, Box<dyn Error>> {
    let serve: Serve = packet.take()?;
    if serve.image != image().identity() {
        return Err("it was started by another executable".into());
    }
    // Before the kernel is asked for a signal, which a change of rights takes back.
    serve.rights.take_up_after_exec()?;
    if !parent::die_with(serve.owner)? {
        return Err(not_a_child_of(serve.owner).into());
    }
    channel.send(Message::encode(BEGUN, &())?)?;
    Environment::forget_room();
    let ready = preload(&serve.preloaded, &mut packet);
    // What the owner removes from its own is to be seen neither here nor in a child.
    Environment::end();
    settle()?;
    let sample = prepare(&serve.family);
    let make = || ready.clone().and_then(|()| make());
    let owner = Pidfd::open(serve.owner)?;
    let control = if parent::go_on_without(serve.owner)? {
        requests(channel, &owner, serve.family.1, make)
    } else {
        None
    };
    let Some(control) = control else {
        // The socket may have been closed by an owner that lives.
        if serve.keeps && owner.wait(Deadline::after(KEEP))? {
            family::keep(&serve.family.0, KEEP);
        }
        return Ok(None);
    };
    drop(owner);
    signals(SigmaskHow::SIG_UNBLOCK)?;
    if !parent::die_with(serve.owner)? {
        return Ok(None);
    }
    if let Some(sample) = sample {
        rehearse(sample);
    }
    Ok(Some(control))
}

/// How long a server whose owner has ended waits for the others of the family to end, of which the
/// kernel kills most with the owner.
const KEEP: Duration = Duration::from_secs(1);

/// Does as the owner asks; returns the control socket in each child that was made, and `None` when
/// the owner is gone.
fn requests(
    channel: &Channel,
    owner: &Pidfd,
    key: [u8; 32],
    mut make: impl FnMut() -> Result<Forked, Refused>,
) -> Option<OwnedFd> {
    loop {
        let request = next(channel, owner)?;
        let Fd(control) = request.control;
        let outcome = if request.key == key {
            make()
        } else {
            Err(Refused::Stranger)
        };
        match outcome {
            Ok(Forked::Child) => return Some(control),
            outcome => answer(channel, outcome, control),
        }
    }
}

/// Does once what each child would have to do otherwise, and returns what each can [rehearse] with.
fn prepare((id, key): &(String, [u8; 32])) -> Option<Packet> {
    remember_panics(reported_name);
    // The thread's place for a panic, and how an outcome travels.
    drop(produce(|| Ok(())));
    // Where the server has a family of its own, each child says so.
    let _ = family::expect(id, *key);
    // There, all of it would be done twice.
    (!on_one_processor()).then(Start::sample).flatten()
}

/// Goes through what each child does when it has its work. Nobody waits for a child that was made in
/// advance, so that its first touch of that memory costs nothing now.
fn rehearse(sample: Packet) {
    drop(sample.decode::<Start>());
    drop(produce(|| Ok(())));
}

/// Loads what every child is to have.
fn preload(routines: &[Routine], packet: &mut Packet) -> Result<(), Refused> {
    if routines.is_empty() {
        return Ok(());
    }
    remember_panics(reported_name);
    if let Some(failure) = on_another_thread(|| inherit::call(routines, packet)?.failure)? {
        return Err(Refused::Preload(failure.to_string()));
    }
    // Nothing that it has printed may be printed again by each child.
    lifetime::flush();
    if family::joined().is_some() {
        // Its children would be of that family, and not of their owner's.
        return Err(Refused::Preload(SHARES.into()));
    }
    match lasting_threads() {
        Ok(2..) => Err(Refused::Preload("it left threads running".into())),
        _ => Ok(()),
    }
}

/// What is said of a set-up that shares something.
const SHARES: &str = "it made something that is shared between processes, before the program could share \
    anything with it; make that in the program, and hand it to every child with `inherit`";

/// Runs `work` on a thread that ends with it. What it leaves in the thread's own memory is not
/// copied then, random state above all: that of std's maps, and of generators which each thread has.
fn on_another_thread<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, Refused> {
    /// As much as a first thread has.
    const STACK: usize = 8 << 20;
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("preload".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || as_server(work))
            .map_err(|error| Refused::Preload(format!("it has no thread: {error}")))?;
        let panicked = |_| Refused::Preload("it panicked".to_owned());
        thread.join().map_err(panicked)
    })
}

fn make() -> Result<Forked, Refused> {
    sibling().map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(errno @ (Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE)) => {
            Refused::NoRoom(errno as i32)
        }
        _ => Refused::Unsupported(error.to_string()),
    })
}

/// Takes leave of what the server shares with its owner.
fn settle() -> Result<(), Box<dyn Error>> {
    prctl::set_name(c"fork-server")?;
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    chdir("/")?;
    Plan::NOWHERE.take_up()?;
    Ok(signals(SigmaskHow::SIG_BLOCK)?)
}

/// Blocks or unblocks the signals that are sent to all processes of a program or of a session in order to
/// end them. What arrives while they are blocked waits, also when it is ignored.
fn signals(how: SigmaskHow) -> io::Result<()> {
    let ending = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ];
    let set: SigSet = ending.into_iter().collect();
    Ok(sigprocmask(how, Some(&set), None)?)
}

/// Waits for a request; `None` if the owner is gone, or sends what no owner sends.
fn next(channel: &Channel, owner: &Pidfd) -> Option<Request> {
    if !channel.is_ready() {
        // A copy of the owner, which has the other end of the socket too, keeps no server.
        let mut fds = [channel.as_fd(), owner.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        wait::poll(&mut fds, Deadline::NEVER).ok()?;
        if fds[1].any().unwrap_or(true) {
            return None;
        }
    }
    let packet = channel.recv_by(Deadline::NEVER).ok()?;
    packet.expect(REQUEST).and_then(Packet::decode).ok()
}

/// Tells the owner what came of its request. The child alone keeps `control`.
fn answer(channel: &Channel, made: Result<Forked, Refused>, control: OwnedFd) {
    drop(control);
    let answer: Answer = match made {
        Ok(Forked::Child | Forked::Abandoned) => return,
        Ok(Forked::Parent(pidfd)) => Ok(Born {
            pid: pidfd.pid(),
            pidfd: Fd(pidfd.into()),
        }),
        Err(refused) => Err(refused),
    };
    tell(channel, &answer);
}

fn tell(channel: &Channel, answer: &Answer) {
    // An owner that cannot be told is gone, which the next request will show.
    let _ = Message::encode(ANSWER, answer).map(|message| channel.send(message));
}

#[cfg(test)]
mod tests {
    use super::*;
    use procession_testkit::watchdog;

    fn ask(owner: &Channel, key: [u8; 32]) -> Refused {
        let (_, control) = Channel::pair().expect("there is room for a socket");
        let control = Fd(control.into());
        let request = Message::encode(REQUEST, &Request { key, control }).expect("it is encoded");
        owner.send(request).expect("the server is there");
        let answer = owner.recv_by(Deadline::NEVER).expect("the server answers");
        let answer: Answer = answer.decode().expect("it is an answer");
        answer.expect_err("there is no child")
    }

    // PRC-035
    #[test]
    fn who_does_not_know_the_key_is_refused_and_nobody_else() {
        let _watchdog = watchdog();
        let (owner, server) = Channel::pair().expect("there is room for a socket");
        let make = || Err(Refused::NoRoom(7));
        let this = Pidfd::open(std::process::id()).expect("this process is there");
        let serving = thread::spawn(move || requests(&server, &this, [1; 32], make).is_none());
        assert!(matches!(ask(&owner, [1; 32]), Refused::NoRoom(7)));
        assert!(matches!(ask(&owner, [2; 32]), Refused::Stranger));
        assert!(matches!(ask(&owner, [1; 32]), Refused::NoRoom(7)));
        drop(owner);
        assert!(serving.join().expect("it does not panic"));
    }
}

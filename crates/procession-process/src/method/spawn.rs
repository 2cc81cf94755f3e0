//! Starting the executable again.

use crate::children::{self, Child};
use crate::environment::Environment;
use crate::error::StartError;
use crate::init::{self, MARKER};
use crate::per_process::PerProcess;
use crate::rights::Rights;
use crate::start::{Start, WorkSocket};
use crate::surroundings::Surroundings;
use crossbeam_channel::{Sender, bounded, unbounded};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use procession_os::image::image;
use procession_os::parent::on_main_thread;
use procession_os::pidfd::Pidfd;
use procession_os::spawn::close_from;
use procession_pipe::Channel;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io, thread};

/// The descriptor under which a child finds its end of the control socket.
const CONTROL: RawFd = 3;

/// What stands for this program, also when its file was moved or replaced since it started.
const PROGRAM: &str = "/proc/self/exe";

/// Starts a child; returns where it waits for its work.
pub(crate) fn start(
    start: &mut Start,
    environment: &Environment,
) -> Result<(Arc<Child>, Channel), StartError> {
    let (channel, control) = Channel::pair().map_err(StartError::system("make a socket"))?;
    let work_socket = WorkSocket::new()?;
    let rights = Rights::now().map_err(StartError::system("read its own rights"))?;
    let pidfd = exec(control.into(), environment, None)?;
    let child = children::add(pidfd, start.process.clone(), channel);
    // Exec may give it more.
    start.settings.rights = Some(rights);
    let work = start.send(&child.channel, work_socket);
    let work = work.inspect_err(|_| drop(child.kill()))?;
    Ok((child, work))
}

/// Starts the executable with `control` and the standard descriptors, and nothing else. It inherits
/// what this thread has, which is `now` if that is known.
pub(crate) fn exec(
    control: OwnedFd,
    environment: &Environment,
    now: Option<&Surroundings>,
) -> Result<Pidfd, StartError> {
    if image().is_through_loader() {
        return Err(StartError::ThroughLoader);
    }
    let environment = strings(environment.entries().map(<[u8]>::to_vec));
    let spawn = move || spawn(control.as_fd(), &environment);
    let started = if on_main_thread() {
        Ok(spawn())
    } else if let Some(now) = now {
        on_lasting_thread(now, spawn)
    } else {
        on_lasting_thread(&Surroundings::now()?, spawn)
    };
    started.and_then(|started| started).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(
                Errno::ENOENT | Errno::EACCES | Errno::EPERM | Errno::ENOEXEC | Errno::ELIBBAD,
            ) => StartError::Executable(error),
            _ => StartError::system("start a process")(error),
        }
    })
}

/// Runs `work` on a thread that ends with the process, and has what this thread has `now`.
///
/// The kernel tells a child of its parent's death when the *thread* that started it ends.
fn on_lasting_thread<R: Send + 'static>(
    now: &Surroundings,
    work: impl FnOnce() -> R + Send + 'static,
) -> io::Result<R> {
    let (reply, result) = bounded(1);
    let job: Job = Box::new(move || {
        let _ = reply.send(work());
    });
    let ended = || io::Error::other("the thread that starts processes has ended");
    starter(now)?.send(job).map_err(|_| ended())?;
    result.recv().map_err(|_| ended())
}

type Job = Box<dyn FnOnce() + Send>;

/// Returns a thread that was made by one that had what this one has `now`.
///
/// Threads inherit all of it from who makes them, and what changes it for all threads changes both.
/// A thread that is not needed any more stays, as its children do.
fn starter(now: &Surroundings) -> io::Result<Sender<Job>> {
    static STARTERS: PerProcess<Arc<Mutex<Vec<Starter>>>> = PerProcess::new();
    let starters = STARTERS.get_or_make(|| Ok(Arc::default()))?;
    let mut starters = starters.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(starter) = starters.iter().find(|starter| starter.surroundings == *now) {
        return Ok(starter.jobs.clone());
    }
    let (sender, jobs) = unbounded::<Job>();
    thread::Builder::new()
        .name("procession-start".to_owned())
        .spawn(move || jobs.into_iter().for_each(|job| job()))?;
    starters.push(Starter {
        surroundings: now.clone(),
        jobs: sender.clone(),
    });
    Ok(sender)
}

/// A thread that starts processes.
struct Starter {
    surroundings: Surroundings,
    jobs: Sender<Job>,
}

fn spawn(control: BorrowedFd<'_>, environment: &[CString]) -> io::Result<Pidfd> {
    let (descriptors, attributes) = (descriptors(control)?, attributes()?);
    let _kept = Rights::kept_on_exec()?;
    let pid = posix_spawn(
        PROGRAM,
        &descriptors,
        &attributes,
        &arguments(),
        environment,
    )?;
    let pid = pid.as_raw().cast_unsigned();
    Pidfd::open(pid).inspect_err(|_| children::abandon(pid))
}

fn descriptors(control: BorrowedFd<'_>) -> io::Result<PosixSpawnFileActions> {
    let mut actions = PosixSpawnFileActions::init()?;
    // Before the rest is closed. A descriptor that has this number already is inherited by it.
    actions.add_dup2(control.as_raw_fd(), CONTROL)?;
    actions.add_open(0, "/dev/null", OFlag::O_RDONLY, Mode::empty())?;
    if !close_from(&mut actions, CONTROL + 1)? {
        for fd in inheritable()? {
            // A number above the limit cannot be closed by such a C library.
            let _ = actions.add_close(fd);
        }
    }
    Ok(actions)
}

/// Returns the descriptors that a new program would inherit by accident.
fn inheritable() -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let fd = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok());
        found.extend(fd.filter(|&fd| fd > CONTROL && kept_on_exec(fd)));
    }
    Ok(found)
}

fn kept_on_exec(fd: RawFd) -> bool {
    // SAFETY: the descriptor is only asked for its flags; if it was closed by another thread
    // meanwhile, or is another file's by now, the answer is an error or that file's.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let flags = fcntl(fd, FcntlArg::F_GETFD);
    flags.is_ok_and(|flags| !FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC))
}

/// A child starts with no signal blocked, whatever the thread that starts it has blocked.
fn attributes() -> io::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
    attributes.set_sigmask(&SigSet::empty())?;
    Ok(attributes)
}

/// The arguments of this program, so that a `main` that looks at them before it calls `init` gets
/// there in the child too, then the marker.
fn arguments() -> Vec<CString> {
    let own = init::own_arguments().into_iter();
    let all = own.chain([MARKER.into(), init::number(CONTROL).into()]);
    strings(all.map(OsString::into_vec))
}

/// What the kernel gave or was checked has no NUL inside.
fn strings(all: impl Iterator<Item = Vec<u8>>) -> Vec<CString> {
    all.filter_map(|one| CString::new(one).ok()).collect()
}

//! What a child does between its start and its exit.

use crate::current::CurrentProcess;
use crate::current::reported_name;
use crate::inherit::{self, INHERITED};
use crate::method::fork_server::{self, SERVE};
use crate::method::set_start_method;
use crate::parent_process::ParentProcess;
use crate::settings::{SettingError, Settings};
use crate::start::{SETTLED, Start, Work};
use crate::{parcel, stdio};
use nix::sys::prctl;
use nix::sys::stat::fstat;
use nix::unistd::getppid;
use procession_call::panic::remember_panics;
use procession_call::{Failure, Outcome, PANICKED, Routine, exit_code, failed};
use procession_os::image::image;
use procession_os::pidfd::ExitStatus;
use procession_os::wait::Deadline;
use procession_os::{lifetime, parent};
use procession_pipe::{Channel, RecvError};
use procession_shm::family::{self, HandedLease, births};
use procession_wire::{Fd, Kind, Message, Packet};
use std::error::Error;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The exit code of a child that could not do what it was started for.
pub(crate) const REFUSED: i32 = 70;

/// Returns whether a process has exited of which nothing was heard, instead of refusing to start
/// or being killed.
pub(crate) fn has_exited(status: ExitStatus) -> bool {
    matches!(status, ExitStatus::Code(code) if i32::from(code) != REFUSED)
}

/// Does the work that the parent sends over `control`, and exits. The `family` is known from the start
/// to a child whose parent may be killed before it has made a note of it.
#[expect(
    clippy::exit,
    reason = "a child must not go on into the program's own `main`"
)]
pub(crate) fn run(control: OwnedFd, family: Option<&str>) -> ! {
    let channel = Channel::from(control);
    let code = match begin(&channel) {
        Ok(Some(packet)) if packet.kind() == SERVE => {
            match fork_server::serve(&channel, packet) {
                Some(control) => {
                    // The server's, of which this is a copy.
                    drop(channel);
                    run_copy(Channel::from(control), family)
                }
                None => unwanted(family),
            }
        }
        Ok(Some(first)) => {
            remember_panics(reported_name);
            work(channel, first)
        }
        Ok(None) => unwanted(family),
        Err(error) => refuse(&channel, &*error),
    };
    std::process::exit(code)
}

/// Does the work of a copy of a server, which remembers panics already, and returns the exit code.
fn run_copy(channel: Channel, family: Option<&str>) -> i32 {
    match receive(&channel) {
        Ok(Some(first)) => work(channel, first),
        Ok(None) => unwanted(family),
        Err(error) => refuse(&channel, &*error),
    }
}

/// Returns the exit code of a process that was told nothing: nobody is left to work for, or to reap it.
fn unwanted(family: Option<&str>) -> i32 {
    family.into_iter().for_each(births::note_stranger);
    REFUSED
}

/// Ends a process that looks like a child and has no parent to tell why it is none.
#[expect(
    clippy::exit,
    clippy::print_stderr,
    reason = "there is nobody else to tell"
)]
pub(crate) fn refuse_aloud(words: &str) -> ! {
    eprintln!("procession: this child process cannot start: {words}");
    std::process::exit(REFUSED)
}

/// Tells the parent why its child does not start, as an outcome, and returns the exit code.
fn refuse(channel: &Channel, error: &dyn Error) -> i32 {
    let outcome = failed(Failure::Refused(error.to_string()));
    // A parent that is gone has nobody to tell.
    let _ = parcel::send(channel, outcome.message);
    REFUSED
}

/// Receives the first message of a process that was started by exec.
fn begin(channel: &Channel) -> Result<Option<Packet>, Box<dyn Error>> {
    stdio::fill_gaps()?;
    parent::ignore_broken_pipes()?;
    receive(channel)
}

/// Receives a message; `None` if the parent is gone, or does not want this process after all.
fn receive(channel: &Channel) -> Result<Option<Packet>, Box<dyn Error>> {
    match parcel::receive(channel, Deadline::NEVER) {
        Err(RecvError::Closed) => Ok(None),
        received => Ok(Some(received?)),
    }
}

/// Becomes what the first message says, runs the setups and the task that the second one names, sends
/// what came of it, and returns the exit code.
fn work(channel: Channel, first: Packet) -> i32 {
    match ready(&channel, first) {
        Ok(Some(ready)) => deliver(channel, || ready.run()),
        // Nobody is left to work for, or another one works.
        Ok(None) => REFUSED,
        Err(error) => refuse(&channel, &*error),
    }
}

/// A child that is as it is to be, and has its work.
struct Ready {
    settled: Result<(), SettingError>,
    work: Work,
    /// The values of the setups, and the arguments.
    values: Packet,
}

impl Ready {
    fn run(mut self) -> Outcome {
        let Work { setups, task } = self.work;
        let failed = set_up(self.settled, &setups, &mut self.values);
        failed.unwrap_or_else(|| task.call(&mut self.values))
    }
}

/// Becomes the process that the message describes, and receives its work; `None` if there is none.
fn ready(channel: &Channel, first: Packet) -> Result<Option<Ready>, Box<dyn Error>> {
    let mut start = first.expect(Kind::START)?.decode::<Start>()?;
    let Fd(work) = start
        .work
        .take()
        .ok_or("it is not told where its work is")?;
    let (settings, settled) = join(start)?;
    let Some(second) = receive(&Channel::from(work))? else {
        return Ok(None);
    };
    let mut values = second.expect(Kind::WORK)?;
    let work = values.take::<Work>()?;
    // The parent has sent the first message, and nothing comes this way any more.
    stay(channel, &settings)?;
    confirm(channel, &settings);
    // What was received is not subject to them.
    let settled = settled.and_then(|()| settings.limit());
    Ok(Some(Ready {
        settled,
        work,
        values,
    }))
}

/// Becomes the process that is described, but for its limits.
fn join(start: Start) -> Result<(Settings, Result<(), SettingError>), Box<dyn Error>> {
    let Start {
        image: executable,
        family: (id, key),
        exists,
        lease,
        process,
        mut settings,
        work: _,
    } = start;
    if executable != image().identity() {
        return Err("it was started by another executable".into());
    }
    // Before the kernel is asked for a signal, which a change of rights takes back.
    if let Some(rights) = &settings.rights {
        rights.take_up_after_exec()?;
    }
    belong(&process, &settings)?;
    let lease = lease.map(|(Fd(file), shared)| HandedLease { file, shared });
    if exists {
        family::adopt_with(&id, key, lease)?;
    } else {
        family::adopt_planned(&id, key)?;
    }
    let settled = settle(process, &mut settings);
    Ok((settings, settled))
}

/// Does `work` as a copy of the parent, and exits without what the parent would do at its exit.
pub(crate) fn copied(
    control: OwnedFd,
    process: CurrentProcess,
    settings: Settings,
    work: impl FnOnce() -> Outcome,
) -> ! {
    let code = catch_unwind(AssertUnwindSafe(|| {
        work_as_copy(Channel::from(control), process, settings, work)
    }));
    lifetime::exit(code.unwrap_or(PANICKED))
}

fn work_as_copy(
    channel: Channel,
    process: CurrentProcess,
    mut settings: Settings,
    work: impl FnOnce() -> Outcome,
) -> i32 {
    // Before the kernel is asked to kill this process with its parent, which may not have made the note.
    births::note_this();
    let stays = belong(&process, &settings).and_then(|()| stay(&channel, &settings));
    if let Err(error) = stays {
        return refuse(&channel, &*error);
    }
    let settled = settle(process, &mut settings).and_then(|()| settings.limit());
    confirm(&channel, &settings);
    remember_panics(reported_name);
    deliver(channel, || {
        let setups = INHERITED.take();
        let mut packet = match inherit::packet(&setups) {
            Ok(packet) => packet,
            Err(error) => return failed(Failure::Settings(error.to_string())),
        };
        let routines = inherit::routines(&setups);
        set_up(settled, &routines, &mut packet).unwrap_or_else(work)
    })
}

/// Tells the parent of a detached process that it may end now: this process has joined the family,
/// which would otherwise end with the parent.
fn confirm(channel: &Channel, settings: &Settings) {
    if settings.detached {
        // A parent that was killed meanwhile need not be told.
        let _ = Message::encode(SETTLED, &()).map(|message| channel.send(message));
    }
}

/// Ties this process to its parent; an error if that is not there, in which case nobody hears of it,
/// or is not known here.
fn belong(process: &CurrentProcess, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let parent = process.parent_pid().unwrap_or_default();
    let is_there = if settings.detached {
        parent::outlive(parent)?
    } else {
        parent::die_with(parent)?
    };
    if is_there {
        return Ok(());
    }
    Err(not_a_child_of(parent).into())
}

/// Ties this process to its parent's end of the channel.
///
/// That is for what [`belong`] does not reach: a process that has become another user, for which the
/// kernel's signal is lost. What this does not reach is a program in this one's place, which closes the
/// socket.
fn stay(channel: &Channel, settings: &Settings) -> Result<(), Box<dyn Error>> {
    if settings.detached || parent::die_with_socket(channel.as_fd())? {
        return Ok(());
    }
    Err("its parent has ended".into())
}

/// Says why a process is not one's child: the other has ended, or has another number here.
pub(crate) fn not_a_child_of(parent: u32) -> String {
    format!(
        "it is a child of process {}, not of process {parent}: a process that has entered or made a \
         PID namespace for its children cannot start any",
        getppid()
    )
}

/// Becomes the described process, but for its limits, in the system's list of processes too.
fn settle(process: CurrentProcess, settings: &mut Settings) -> Result<(), SettingError> {
    if let Ok(name) = CString::new(process.name()) {
        // The name is for people; a process without it works as well.
        let _ = prctl::set_name(&name);
    }
    set_start_method(settings.default_method);
    ParentProcess::remember(&process);
    process.assume(settings.method);
    settings.change_owner()?;
    settings.take_up()
}

/// Runs each setup of a process that is settled; returns the outcome of what fails.
fn set_up(
    settled: Result<(), SettingError>,
    setups: &[Routine],
    packet: &mut Packet,
) -> Option<Outcome> {
    if let Err(error) = settled {
        return Some(failed(Failure::Settings(error.to_string())));
    }
    inherit::call(setups, packet)
}

/// Works, sends what came of it, and returns the exit code.
fn deliver(channel: Channel, work: impl FnOnce() -> Outcome) -> i32 {
    let socket = identity(&channel);
    let outcome = work();
    // A task that closed all descriptors may have opened its own file under this number.
    if socket != identity(&channel) {
        std::mem::forget(channel);
        return REFUSED;
    }
    let code = exit_code(outcome.failure.as_ref());
    match parcel::send(&channel, outcome.message) {
        Ok(()) => code,
        Err(error) => {
            // What is large found no memory or exceeds a limit; why is short. Without a parent the
            // kernel ends this process anyway.
            let outcome = failed(Failure::Result(error.to_string()));
            let _ = parcel::send(&channel, outcome.message);
            REFUSED
        }
    }
}

fn identity(channel: &Channel) -> Option<(u64, u64)> {
    let found = fstat(channel.as_fd()).ok()?;
    Some((found.st_dev, found.st_ino))
}

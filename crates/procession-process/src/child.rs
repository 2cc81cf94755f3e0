//! What a child does between its start and its exit.

use crate::current::CurrentProcess;
use crate::inherit::{self, INHERITED};
use crate::method::fork_server::{self, SERVE};
use crate::method::set_start_method;
use crate::outcome::{Failure, Outcome, failed};
use crate::panic::remember_panics;
use crate::parent_process::ParentProcess;
use crate::routine::Routine;
use crate::settings::{SettingError, Settings};
use crate::start::{SETTLED, Start};
use crate::{parcel, stdio};
use nix::sys::prctl;
use nix::sys::stat::fstat;
use procession_os::image::image;
use procession_os::wait::Deadline;
use procession_os::{lifetime, parent};
use procession_pipe::{Channel, RecvError};
use procession_shm::family;
use procession_wire::{Kind, Message, Packet};
use std::error::Error;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The exit code of a child that could not do what it was started for.
const REFUSED: i32 = 70;
/// The exit code of a Rust program that panics.
const PANICKED: i32 = 101;

/// Does the work that the parent sends over `control`, and exits.
#[expect(
    clippy::exit,
    reason = "a child must not go on into the program's own `main`"
)]
pub(crate) fn run(control: OwnedFd) -> ! {
    let code = match begin(control) {
        Ok(Some((channel, packet))) => work(channel, packet),
        // Nobody is left to work for.
        Ok(None) => Ok(REFUSED),
        Err(error) => Err(error),
    };
    std::process::exit(code.unwrap_or_else(|error| refuse(&error.to_string())))
}

/// Ends a process that looks like a child and is none.
#[expect(
    clippy::exit,
    clippy::print_stderr,
    reason = "there is nobody else to tell"
)]
pub(crate) fn refuse(words: &str) -> ! {
    eprintln!("procession: this child process cannot start: {words}");
    std::process::exit(REFUSED)
}

/// Receives what there is to do; a server receives how to serve, and each of its copies what
/// there is to do. `None` if there is nothing, because the parent has ended meanwhile.
fn begin(mut control: OwnedFd) -> Result<Option<(Channel, Packet)>, Box<dyn Error>> {
    stdio::fill_gaps()?;
    parent::ignore_broken_pipes()?;
    loop {
        let channel = Channel::from(control);
        let packet = match parcel::receive(&channel, Deadline::NEVER) {
            Err(RecvError::Closed) => return Ok(None),
            received => received?,
        };
        if packet.kind() != SERVE {
            return Ok(Some((channel, packet.expect(Kind::START)?)));
        }
        match fork_server::serve(channel, packet)? {
            Some(of_child) => control = of_child,
            None => return Ok(None),
        }
    }
}

/// Settles, runs the setups and the task, sends what came of it, and returns the exit code.
fn work(channel: Channel, mut packet: Packet) -> Result<i32, Box<dyn Error>> {
    let Start {
        image: executable,
        family: (id, key),
        process,
        mut settings,
        setups,
        task,
    } = packet.take::<Start>()?;
    if executable != image().identity() {
        return Err("it was started by another executable".into());
    }
    if !stay(&process, &settings)? {
        return Ok(REFUSED);
    }
    // Before the limits on what this process may open.
    family::adopt(&id, key)?;
    let settled = settle(process, &mut settings);
    confirm(&channel, &settings);
    remember_panics();
    Ok(deliver(channel, || {
        ready(settled, &setups, &mut packet).unwrap_or_else(|| task.call(&mut packet))
    }))
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
    if !stay(&process, &settings).unwrap_or(false) {
        return REFUSED;
    }
    let settled = settle(process, &mut settings);
    confirm(&channel, &settings);
    remember_panics();
    deliver(channel, || {
        let setups = INHERITED.take();
        let mut packet = match inherit::packet(&setups) {
            Ok(packet) => packet,
            Err(error) => return failed(Failure::Settings(error.to_string())),
        };
        let routines = inherit::routines(&setups);
        ready(settled, &routines, &mut packet).unwrap_or_else(work)
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

/// Ties this process to its parent; returns whether the parent is still there.
fn stay(process: &CurrentProcess, settings: &Settings) -> std::io::Result<bool> {
    let parent = process.parent_pid().unwrap_or_default();
    if settings.detached {
        return parent::outlive(parent);
    }
    parent::die_with(parent)
}

/// Becomes the described process, in the system's list of processes too.
fn settle(process: CurrentProcess, settings: &mut Settings) -> Result<(), SettingError> {
    if let Ok(name) = CString::new(process.name()) {
        // The name is for people; a process without it works as well.
        let _ = prctl::set_name(&name);
    }
    set_start_method(settings.default_method);
    ParentProcess::remember(&process);
    process.assume(settings.method);
    settings.take_up()
}

/// Runs each setup of a process that is settled; returns the outcome of what fails.
fn ready(
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
        // Without a parent the kernel ends this process anyway; without memory for the result,
        // the exit code is what can still be told.
        Err(_) => REFUSED,
    }
}

fn identity(channel: &Channel) -> Option<(u64, u64)> {
    let found = fstat(channel.as_fd()).ok()?;
    Some((found.st_dev, found.st_ino))
}

/// The codes that Rust's own runtime gives to a panic and to an error that `main` returns.
fn exit_code(failure: Option<&Failure>) -> i32 {
    match failure {
        None => 0,
        Some(Failure::Panicked(_)) => PANICKED,
        Some(_) => 1,
    }
}

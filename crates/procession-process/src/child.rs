//! What a child does between `init` and its exit.

use crate::current::CurrentProcess;
use crate::outcome::{Failure, Outcome, failed};
use crate::panic::remember_panics;
use crate::parcel;
use crate::routine::Routine;
use crate::start::Start;
use nix::sys::prctl;
use procession_os::image::image;
use procession_os::parent;
use procession_os::wait::Deadline;
use procession_pipe::{Channel, RecvError};
use procession_shm::family;
use procession_wire::{Kind, Packet};
use std::error::Error;
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// The exit code of a child whose start message was not usable.
const REFUSED: i32 = 70;

/// Does the work that the parent sends over `control`, and exits.
#[expect(
    clippy::exit,
    reason = "a child must not go on into the program's own `main`"
)]
pub(crate) fn run(control: OwnedFd) -> ! {
    let channel = Channel::from(control);
    let code = match begin(&channel) {
        Ok(Some((start, packet))) => work(&channel, &start, packet),
        // Nobody is left to work for.
        Ok(None) => REFUSED,
        Err(error) => refuse(&error.to_string()),
    };
    std::process::exit(code)
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

/// Receives the start message and settles into the life of a child; `None` if the parent has
/// ended meanwhile.
fn begin(channel: &Channel) -> Result<Option<(Start, Packet)>, Box<dyn Error>> {
    parent::ignore_broken_pipes()?;
    let mut packet = match parcel::receive(channel, Deadline::NEVER) {
        Err(RecvError::Closed) => return Ok(None),
        received => received?.expect(Kind::START)?,
    };
    let start = packet.take::<Start>()?;
    Ok(settle(&start)?.then_some((start, packet)))
}

/// Takes up the settings of the start message; returns whether the parent is still there.
fn settle(start: &Start) -> Result<bool, Box<dyn Error>> {
    if start.image != image().identity() {
        return Err("it was started by another executable".into());
    }
    if !parent::die_with(start.process.parent_pid().unwrap_or_default())? {
        return Ok(false);
    }
    if start.ignore_interrupts {
        parent::ignore_interrupts()?;
    }
    let (id, key) = &start.family;
    family::adopt(id, *key)?;
    assume(start.process.clone());
    remember_panics();
    Ok(true)
}

/// Becomes the described process, in the system's list of processes too.
fn assume(process: CurrentProcess) {
    if let Ok(name) = CString::new(process.name()) {
        // The name is for people; a process without it works as well.
        let _ = prctl::set_name(&name);
    }
    process.assume();
}

/// Runs the setups and the task, sends what came of it, and returns the exit code.
fn work(channel: &Channel, start: &Start, mut packet: Packet) -> i32 {
    let outcome =
        set_up(&start.setups, &mut packet).unwrap_or_else(|| call(start.task, &mut packet));
    let code = exit_code(outcome.failure.as_ref());
    match parcel::send(channel, outcome.message) {
        Ok(()) => code,
        // Without a parent the kernel ends this process anyway; without memory for the result,
        // the exit code is what can still be told.
        Err(_) => REFUSED,
    }
}

/// Runs each setup; returns the outcome of the first that fails.
fn set_up(setups: &[Routine], packet: &mut Packet) -> Option<Outcome> {
    setups
        .iter()
        .map(|&setup| call(setup, packet))
        .find(|outcome| outcome.failure.is_some())
}

fn call(routine: Routine, packet: &mut Packet) -> Outcome {
    match routine.resolve() {
        Ok(run) => run(&(), packet),
        Err(error) => failed(Failure::Arguments(error.to_string())),
    }
}

/// The codes that Rust's own runtime gives to a panic and to an error that `main` returns.
fn exit_code(failure: Option<&Failure>) -> i32 {
    match failure {
        None => 0,
        Some(Failure::Panicked(_)) => 101,
        Some(_) => 1,
    }
}

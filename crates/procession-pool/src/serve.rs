//! What a worker does.

use crate::protocol::{Arguments, Request, ready, refused};
use procession_pipe::{Channel, RecvError, SendError};
use procession_process::Failure;
use procession_process::outcome::{Outcome, failed};
use procession_process::routine::{Routine, Run};
use procession_wire::{Kind, Packet};

/// Answers requests until the pool closes its end.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its arguments")]
pub(crate) fn serve(channel: Channel) {
    let mut sent = channel.send(ready());
    while sent.is_ok() {
        sent = match receive(&channel) {
            Ok(request) => answer(&channel, request),
            Err(RecvError::Decode(error)) => refuse(&channel, &error.to_string()),
            Err(error @ RecvError::DescriptorsLost) => refuse(&channel, &error.to_string()),
            // The pool is gone, or sees from this worker's end that it is of no use.
            Err(_) => return,
        };
    }
}

fn receive(channel: &Channel) -> Result<Request<'static>, RecvError> {
    let packet = channel.recv()?.expect(Kind::REQUEST)?;
    Ok(packet.decode::<Request<'static>>()?)
}

fn refuse(channel: &Channel, words: &str) -> Result<(), SendError> {
    channel.send(refused(words)?)
}

fn answer(channel: &Channel, request: Request<'static>) -> Result<(), SendError> {
    let Request { routine, calls } = request;
    calls
        .into_iter()
        .try_for_each(|arguments| reply(channel, call(routine, arguments)))
}

fn call(routine: Routine, arguments: Arguments<'static>) -> Outcome {
    match prepare(routine, arguments) {
        Ok((run, mut packet)) => run(&(), &mut packet),
        Err(failure) => failed(failure),
    }
}

fn prepare(routine: Routine, arguments: Arguments<'static>) -> Result<(Run, Packet), Failure> {
    let packet = arguments.into_packet()?;
    let run = routine
        .resolve()
        .map_err(|error| Failure::Arguments(error.to_string()))?;
    Ok((run, packet))
}

/// Sends an outcome; if the kernel refuses what the task returned, sends that instead.
fn reply(channel: &Channel, outcome: Outcome) -> Result<(), SendError> {
    match channel.send(outcome.message) {
        Err(SendError::Io(error)) => {
            channel.send(failed(Failure::Result(error.to_string())).message)
        }
        sent => sent,
    }
}

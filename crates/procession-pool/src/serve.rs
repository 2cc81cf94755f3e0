//! What a worker does: the other side of the [`protocol`](crate::protocol).
//!
//! Whatever a task does short of ending its process, its caller gets an outcome: panics, errors,
//! arguments that cannot be decoded and results that cannot be encoded or sent are outcomes too.

use crate::protocol::{Arguments, Request, ready, refused};
use procession_pipe::{Channel, RecvError, SendError};
use procession_process::Failure;
use procession_process::outcome::{Outcome, failed, for_item};
use procession_process::routine::{Routine, Run};
use procession_wire::{Kind, Packet};

/// Answers requests until the pool closes its end.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its arguments")]
pub(crate) fn serve(channel: Channel) {
    let mut sent = channel.send(ready());
    while sent.is_ok() {
        sent = match receive(&channel) {
            Ok(request) => answer(&channel, request),
            Err(error) if is_past(&error) => refuse(&channel, &error),
            Err(error) => {
                // The rest of the request is on its way, and can be neither read nor passed over;
                // or the pool is gone and hears nothing.
                let _ = refuse(&channel, &error);
                return;
            }
        };
    }
}

/// Returns whether the next request can be received all the same.
fn is_past(error: &RecvError) -> bool {
    matches!(error, RecvError::Decode(_) | RecvError::DescriptorsLost)
}

/// Receives a request, whole.
fn receive(channel: &Channel) -> Result<Request<'static>, RecvError> {
    let packet = channel.recv()?.expect(Kind::REQUEST)?;
    Ok(packet.decode::<Request<'static>>()?)
}

/// Tells the pool that a request cannot be read, and why.
fn refuse(channel: &Channel, error: &RecvError) -> Result<(), SendError> {
    channel.send(refused(&error.to_string())?)
}

/// Runs the calls one after the other, and sends each outcome before the next call begins: what is
/// done stays done if the next one is fatal.
fn answer(channel: &Channel, request: Request<'static>) -> Result<(), SendError> {
    let Request {
        routine,
        first,
        item,
        calls,
    } = request;
    (0..).zip(calls).try_for_each(|(place, arguments)| {
        let item = item.map(|item| item + place);
        let outcome = for_item(item, || call(routine, arguments));
        reply(channel, first + place as u64, outcome)
    })
}

/// Runs one call.
fn call(routine: Routine, arguments: Arguments<'static>) -> Outcome {
    match prepare(routine, arguments) {
        Ok((run, mut packet)) => run(&(), &mut packet),
        Err(failure) => failed(failure),
    }
}

/// Finds the function and the arguments; nothing of the user's has run yet.
fn prepare(routine: Routine, arguments: Arguments<'static>) -> Result<(Run, Packet), Failure> {
    let packet = arguments.into_packet()?;
    let run = routine
        .resolve()
        .map_err(|error| Failure::Arguments(error.to_string()))?;
    Ok((run, packet))
}

/// Sends the outcome of the call with this number; if the kernel refuses what the task returned,
/// sends that instead.
fn reply(channel: &Channel, number: u64, outcome: Outcome) -> Result<(), SendError> {
    let send = |outcome: Outcome| channel.send(outcome.message.with_number(number));
    match send(outcome) {
        Err(SendError::Io(error)) => send(failed(Failure::Result(error.to_string()))),
        result => result,
    }
}

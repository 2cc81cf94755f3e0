//! What a worker does.
//!
//! Whatever a task does short of ending its process, its caller gets an outcome: panics, errors,
//! arguments that cannot be decoded and results that cannot be encoded or sent are outcomes too.

use crate::farewell::Farewell;
use crate::ledger::{Ledger, PAGE};
use crate::protocol::{Request, ready, refused, stopped};
use crate::row::{self, Block, Calls, NO_ITEM};
use crate::startup::Startup;
use crate::sync::Channel;
use procession_call::panic::{at_item, for_item};
use procession_call::{Failure, Outcome, Task, failed, produce, run_in, told};
use procession_os::lifetime::Original;
use procession_os::wait::Deadline;
use procession_pipe::{RecvError, SendError};
use procession_wire::{DecodeError, Kind, Message, Packet, bare};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::cell::{Cell, RefCell};

/// A worker's side of what connects it to the pool.
#[derive(Debug)]
pub(crate) struct Bench {
    channel: Channel,
    ledger: Ledger,
    /// What the tasks of this worker share.
    state: Box<dyn Any>,
    /// Outcomes that were not sent yet; they are on the ledger's page too.
    block: RefCell<Block>,
    /// Whether the rest of the request is not run.
    is_cut_short: Cell<bool>,
    /// The number of the request that comes next.
    next: Cell<u32>,
}

/// Answers requests until the pool closes its end.
pub(crate) fn serve(startup: Startup) -> anyhow::Result<Farewell> {
    startup.take_up()?;
    Ok(serve_with(startup, Box::new(())))
}

/// Runs `task`, and answers requests if it returns.
pub(crate) fn serve_after<F, A, M>(task: F, startup: Startup, args: A) -> anyhow::Result<Farewell>
where
    F: Task<A, M>,
{
    startup.take_up()?;
    let begun = crate::clock::now();
    task.call(args)?;
    startup.prepared_since(begun);
    Ok(serve_with(startup, Box::new(())))
}

/// Answers requests with what `make` returns as the worker's state.
pub(crate) fn serve_with_state<F, A, S>(
    make: F,
    startup: Startup,
    args: A,
) -> anyhow::Result<Farewell>
where
    F: Fn(A) -> S + Copy + Send + 'static,
    S: 'static,
{
    startup.take_up()?;
    let begun = crate::clock::now();
    let state = make(args);
    startup.prepared_since(begun);
    Ok(serve_with(startup, Box::new(state)))
}

fn serve_with(startup: Startup, state: Box<dyn Any>) -> Farewell {
    let bench = Bench {
        channel: startup.channel,
        ledger: startup.ledger,
        state,
        block: RefCell::new(Block::new()),
        is_cut_short: Cell::new(false),
        next: Cell::new(0),
    };
    bench.serve();
    let hook = startup.hook.filter(|_| bench.ledger.is_dismissed());
    Farewell::of(hook, &bench)
}

/// Returns whether the next request can be received all the same.
fn is_past(error: &RecvError) -> bool {
    matches!(error, RecvError::Decode(_) | RecvError::DescriptorsLost)
}

impl Bench {
    /// Answers requests until there are no more.
    fn serve(&self) {
        let mut sent = self.channel.send(ready());
        while sent.is_ok() {
            let received = self.channel.recv();
            if let Err(RecvError::Closed | RecvError::Reset) = received {
                return;
            }
            let number = self.next.get();
            self.next.set(number.wrapping_add(1));
            sent = match received {
                Ok(packet) => self.answer(number, packet),
                Err(error) if is_past(&error) => self.refuse(number, &error.to_string()),
                Err(error) => {
                    // The rest of the request is on its way, and can be neither read nor passed over.
                    let _ = self.refuse(number, &error.to_string());
                    return;
                }
            };
        }
    }

    /// Returns the worker's state, if it is of this type.
    pub(crate) fn state<S: 'static>(&self) -> Option<&S> {
        self.state.downcast_ref()
    }

    /// Does what a request asks for.
    fn answer(&self, number: u32, packet: Packet) -> Result<(), SendError> {
        let answered = match packet.kind() {
            Kind::CALLS => self.answer_row(packet),
            _ => self.answer_alone(packet),
        };
        answered.unwrap_or_else(|error| self.refuse(number, &error.to_string()))
    }

    /// Tells the pool that a request cannot be read, and why. One that was revoked is another worker's.
    fn refuse(&self, request: u32, words: &str) -> Result<(), SendError> {
        if !self.ledger.take(request) {
            return Ok(());
        }
        self.channel.send(refused(request, words)?)
    }

    /// Runs the calls of a row; the first error is the request's.
    fn answer_row(&self, mut packet: Packet) -> Result<Result<(), SendError>, DecodeError> {
        let Calls {
            request,
            is_timed,
            item,
            routine,
            ..
        } = Calls::parse(packet.rest())?;
        let resolved = routine.resolve().map_err(unknown)?;
        if !self.ledger.take(request) {
            return Ok(Ok(()));
        }
        let item = (item != NO_ITEM).then_some(item as usize);
        for_item(item, || resolved(self as &dyn Any, &mut packet));
        let mut sent = self.flush();
        if self.is_cut_short.take() && sent.is_ok() {
            sent = self.channel.send(stopped(request));
        }
        self.end(is_timed);
        Ok(sent)
    }

    /// Runs the one call of a request that has a message of its own.
    fn answer_alone(&self, packet: Packet) -> Result<Result<(), SendError>, DecodeError> {
        let Request {
            routine,
            number,
            item,
            is_timed,
            call,
        } = packet.expect(Kind::REQUEST)?.decode()?;
        let resolved = routine.resolve().map_err(unknown)?;
        if !self.ledger.take(number) {
            return Ok(Ok(()));
        }
        self.begin(number, 0, is_timed);
        let outcome = for_item(item, || match call.into_packet() {
            Ok(mut packet) => resolved(self as &dyn Any, &mut packet),
            Err(error) => failed(error.into()),
        });
        if outcome.failure.is_some() {
            self.ledger.fail();
        }
        let sent = self.reply(number, 0, outcome);
        self.end(is_timed);
        Ok(sent)
    }

    #[inline]
    fn begin(&self, request: u32, place: u32, is_timed: bool) {
        if is_timed {
            let now = crate::clock::now();
            self.ledger.worked_until(now);
            self.ledger.begin_at(now);
        }
        self.ledger.begin(request, place);
    }

    /// The outcomes of a request are on their way; until then a worker may be stopped, and its time goes on.
    #[inline]
    fn end(&self, is_timed: bool) {
        if is_timed {
            self.ledger.worked_until(crate::clock::now());
            self.ledger.begin_at(0);
        }
    }

    /// Sends the outcome of one call; if the kernel refuses what the task returned, sends that
    /// instead.
    fn reply(&self, request: u32, place: u32, outcome: Outcome) -> Result<(), SendError> {
        let number = u64::from(request) << 32 | u64::from(place);
        let send = |outcome: Outcome| self.channel.send(outcome.message.with_number(number));
        match send(outcome) {
            Err(SendError::Io(error)) => send(failed(Failure::Result(error.to_string()))),
            result => result,
        }
    }

    /// Begins a block, the first outcome of which is that of the call in this place of a request.
    fn open(&self, block: &mut Block, request: u32, first: u32) {
        block.begin(request, first);
        self.ledger.open(request, first);
    }

    /// Ends an outcome in the block, and sends what has no room on the page.
    #[inline]
    fn keep(&self, block: &mut Block, from: usize, place: u32) -> Result<(), SendError> {
        if from < PAGE * 8
            && let Some(word) = block.end_in_word(from)
        {
            self.ledger.put_word(from, word);
            return Ok(());
        }
        let outcome = block.end(from);
        if from + outcome.len() <= PAGE * 8 {
            self.ledger.put(from, outcome);
            return Ok(());
        }
        self.keep_elsewhere(block, from, place)
    }

    #[cold]
    fn keep_elsewhere(&self, block: &mut Block, from: usize, place: u32) -> Result<(), SendError> {
        if from > 0 {
            let last = block.take_last(from);
            self.send(block)?;
            self.open(block, block.request(), place);
            block.put_back(&last);
            if last.len() <= PAGE * 8 {
                self.ledger.put(0, &last);
                return Ok(());
            }
        }
        self.send(block)?;
        self.open(block, block.request(), place + 1);
        Ok(())
    }

    /// Sends an outcome in a message of its own, behind those before it.
    #[cold]
    fn send_alone(
        &self,
        block: &mut Block,
        from: usize,
        place: u32,
        message: Message,
    ) -> Result<(), SendError> {
        block.back_to(from);
        self.send(block)?;
        self.open(block, block.request(), place + 1);
        let outcome = Outcome {
            message,
            failure: None,
        };
        self.reply(block.request(), place, outcome)
    }

    /// Sends the outcomes that were not sent yet.
    fn flush(&self) -> Result<(), SendError> {
        self.send(&mut self.block.borrow_mut())
    }

    fn send(&self, block: &mut Block) -> Result<(), SendError> {
        if block.count() == 0 {
            return Ok(());
        }
        let sent = self.channel.send_bytes_by(block.message(), Deadline::NEVER);
        // They are on their way; a pool that finds them on the page too knows that it has them.
        block.begin(block.request(), 0);
        sent
    }
}

fn unknown(error: procession_call::RoutineError) -> DecodeError {
    DecodeError::Value(error.to_string())
}

/// Runs calls of a task and gives the outcomes to the bench: those of a row, or one whose arguments have a
/// message of their own, which is answered by what this returns.
pub(crate) fn call<A, R>(
    context: &dyn Any,
    packet: &mut Packet,
    task: impl Fn(&Bench, A) -> Result<R, Failure>,
) -> Outcome
where
    A: DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let Some(bench) = context.downcast_ref::<Bench>() else {
        return failed(Failure::Arguments(NO_BENCH.to_owned()));
    };
    if packet.kind() != Kind::CALLS {
        return produce(|| {
            let args = packet.take_last::<A>()?;
            task(bench, args)
        });
    }
    match Calls::parse(packet.rest()) {
        Ok(calls) => run_row(bench, &calls, |args| task(bench, row::read::<A>(args)?)),
        Err(error) => return failed(error.into()),
    }
    told()
}

const NO_BENCH: &str = "the task is one for a pool's worker";

/// Runs the calls of a row one after the other. What is done stays done if the next one is fatal: its
/// outcome is on the ledger before the next begins.
fn run_row<R: Serialize + DeserializeOwned>(
    bench: &Bench,
    calls: &Calls<'_>,
    mut task: impl FnMut(Option<&[u8]>) -> Result<R, Failure>,
) {
    let mut block = bench.block.borrow_mut();
    bench.open(&mut block, calls.request, 0);
    let original = Original::here();
    for (place, arguments) in (0..).zip(calls.arguments()) {
        if bench.ledger.is_stopped(calls.request) {
            bench.is_cut_short.set(true);
            return;
        }
        if calls.item != NO_ITEM {
            at_item(calls.item as usize + place as usize);
        }
        bench.begin(calls.request, place, calls.is_timed);
        let from = block.len();
        let written = run_in(
            original,
            || task(arguments),
            |value: R| {
                let is_in = block.value(|bytes| bare::write(&value, bytes))?;
                (!is_in).then(|| encode(&value)).transpose()
            },
        );
        let sent = match written {
            Ok(None) => bench.keep(&mut block, from, place),
            Ok(Some(message)) => bench.send_alone(&mut block, from, place, message),
            Err(failure) => {
                bench.ledger.fail();
                block.back_to(from);
                if block.failure(&failure) {
                    bench.keep(&mut block, from, place)
                } else {
                    bench.send_alone(&mut block, from, place, failed(failure).message)
                }
            }
        };
        // The pool is gone.
        if sent.is_err() {
            return;
        }
    }
}

/// Encodes a result that has to travel in a message of its own.
fn encode<R: Serialize + DeserializeOwned>(
    value: &R,
) -> Result<Message, procession_wire::EncodeError> {
    let mut encoder = procession_wire::Encoder::new(Kind::OUTCOME);
    encoder.push(&None::<Failure>)?;
    encoder.push(value)?;
    Ok(encoder.finish())
}

//! The place of one worker in a pool.

use super::tally::Tally;
use crate::call::{Answer, Call, Loss};
use crate::chunk::Chunk;
use crate::ledger::{Left, Progress, Sent, is_before};
use crate::row::{BLOCK_HEAD, BlockHead};
use crate::waiter::Wakes;
use crate::worker::{LONGEST, Worker};
use procession_wire::{Kind, Packet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many chunks are on their way to one worker.
pub(crate) const AHEAD: usize = 16;

/// How many bytes they have; a single one may have more.
const AHEAD_BYTES: usize = 2 * LONGEST;

/// How many workers of each slot end in a row without having started, before the pool is broken.
const FAILURES: u32 = 5;

/// How long a slot stays empty after so many of its workers ended without having been asked for
/// anything; the last holds for more.
///
/// The first successor is started at once: an idle worker was killed. What fails again and again
/// must not keep the machine busy. A worker that ends in a task is no failure, however many do.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// What a worker that was ready, and ended before it was asked for anything, counts for at most:
/// it is replaced after a pause that nobody notices.
const IDLE_ENDS: usize = 2;

/// What is said of a worker whose page says what cannot be.
const WRITTEN_OVER: &str = "the worker has written over the memory that it shares with the pool";

/// How far a worker is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not said that it can be asked, or there is none.
    #[default]
    Starting,
    Ready,
    /// It has more memory than it may: it is dismissed as soon as it has nothing to do.
    Heavy,
    /// It was told to end.
    Dismissed,
}

/// The place of one worker.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(super) worker: Option<Arc<Worker>>,
    pub(super) stage: Stage,
    /// What it was sent and has not answered, in that order.
    pub(super) sent: VecDeque<Chunk>,
    pub(super) sent_bytes: usize,
    /// The numbers of what it was sent.
    pub(super) numbers: Sent,
    /// Whether a part of a request waits for room in the socket.
    pub(super) is_blocked: bool,
    /// When the socket was found closed of a worker that has not ended.
    pub(super) hung: Option<Instant>,
    /// What is said of the call that the worker is running, if not how it ended: it did what no worker does,
    /// or was killed for a reason.
    pub(super) fault: Option<Loss>,
    /// How many calls the worker was sent.
    pub(super) calls: usize,
    /// How many in a row ended without having been ready.
    pub(super) failures: u32,
    /// How many in a row ended without having been asked for anything.
    pub(super) barren: usize,
    /// The request that the worker is to begin next, and since when that has been waited for.
    pub(super) waited: Option<(u32, Instant)>,
    /// Until when others are preferred to a worker that did not begin what it was sent: it may be stopped.
    pub(super) avoided: Option<Instant>,
    /// How far the worker was when it was last looked at.
    pub(super) progress: Option<Progress>,
    /// How often in a row it was found stopped by a signal.
    pub(super) stopped: u32,
    /// Since when it has had nothing to do, as far as that was looked at, and the next request's number then.
    pub(super) idle: Option<(u32, Instant)>,
    /// When the next worker may be started.
    pub(super) due: Option<Instant>,
    pub(super) tally: Tally,
}

impl Slot {
    pub(super) fn is_of(&self, worker: &Arc<Worker>) -> bool {
        let own = self.worker.as_ref();
        own.is_some_and(|own| Arc::ptr_eq(own, worker))
    }

    /// Returns whether the worker can be asked.
    pub(super) fn is_ready(&self) -> bool {
        let is_there = self.stage == Stage::Ready && self.hung.is_none() && self.fault.is_none();
        is_there && self.stopped == 0
    }

    /// Returns whether there is a worker that is not to end.
    pub(super) fn is_staffed(&self) -> bool {
        let is_there = self.worker.is_some() && self.hung.is_none() && self.fault.is_none();
        is_there && self.stage != Stage::Dismissed
    }

    pub(super) fn is_starting(&self) -> bool {
        self.worker.is_some() && self.stage == Stage::Starting && self.hung.is_none()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.is_ready() && !self.is_blocked && self.sent.is_empty()
    }

    /// Returns the number of the request that the worker was sent, and has not begun though it is at nothing.
    pub(super) fn not_begun(&self) -> Option<u32> {
        let number = self.sent.front().filter(|_| !self.is_blocked)?.number;
        let taken = self.worker.as_ref()?.ledger().taken_of(self.numbers)?;
        (!is_before(number, taken)).then_some(number)
    }

    /// Kills a worker whose page says what cannot be.
    pub(super) fn check_page(&mut self) {
        let worker = self.worker.as_ref().filter(|_| self.fault.is_none());
        if worker.is_some_and(|worker| worker.ledger().taken_of(self.numbers).is_none()) {
            self.astray(WRITTEN_OVER.to_owned());
        }
    }

    pub(super) fn is_hopeless(&self) -> bool {
        self.failures >= FAILURES
    }

    /// Tells the worker to end if it has done all that it may, of `most` calls, before a chunk of `next`.
    pub(super) fn retire_after(&mut self, most: usize, next: usize) {
        let is_spent = self.sent.is_empty() && self.calls > 0 && self.calls + next > most;
        if is_spent && self.is_ready() {
            self.dismiss();
        }
    }

    /// Tells the worker to end, which has nothing to do.
    pub(super) fn dismiss(&mut self) {
        if let Some(worker) = &self.worker {
            worker.dismiss();
            self.stage = Stage::Dismissed;
        }
    }

    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let has_room = self.sent.len() < AHEAD && self.sent_bytes + bytes <= AHEAD_BYTES;
        self.is_ready() && !self.is_blocked && (has_room || self.sent.is_empty())
    }

    pub(super) fn unsettled(&self) -> usize {
        let left = |chunk: &Chunk| chunk.count - chunk.settled;
        self.sent.iter().map(left).sum()
    }

    pub(super) fn employ(&mut self, worker: &Arc<Worker>) {
        self.worker = Some(Arc::clone(worker));
        self.numbers = Sent::default();
        self.due = None;
        self.calls = 0;
        self.stage = Stage::Starting;
        (self.waited, self.avoided) = (None, None);
        (self.progress, self.stopped) = (None, 0);
        self.idle = None;
        self.tally.begin_worker();
    }

    /// Takes a message of the worker.
    pub(super) fn take(&mut self, mut packet: Packet, wakes: &mut Wakes) -> Result<(), String> {
        self.tally.bytes_received += packet.rest().len() as u64;
        match packet.kind() {
            Kind::READY if self.stage == Stage::Starting => {
                self.stage = Stage::Ready;
                if let Some(worker) = &self.worker {
                    self.tally.ready = Some(worker.age());
                    worker.forget_names();
                }
                self.failures = 0;
                Ok(())
            }
            Kind::OUTCOMES => {
                let head = BlockHead::parse(packet.rest()).map_err(|error| error.to_string())?;
                self.check(head)?;
                self.settle(head.count as usize, Answer::Block(packet), wakes);
                Ok(())
            }
            Kind::OUTCOME => {
                let number = packet.take_number().map_err(|error| error.to_string())?;
                let (request, first) = ((number >> 32) as u32, number as u32);
                self.check(BlockHead {
                    request,
                    first,
                    count: 1,
                })?;
                self.settle(1, Answer::Message(packet), wakes);
                Ok(())
            }
            Kind::STOPPED => {
                let number = packet.take_number().map_err(|error| error.to_string())?;
                let front = self.sent.front_mut();
                let front = front.filter(|chunk| u64::from(chunk.number) == number);
                let Some(loss) = front.and_then(|chunk| chunk.stop.take()) else {
                    return Err("the worker stopped what it was to go on with".to_owned());
                };
                let Some(mut chunk) = self.sent.pop_front() else {
                    return Ok(());
                };
                self.sent_bytes -= chunk.len();
                chunk.lose(loss, wakes);
                Ok(())
            }
            Kind::REFUSED => {
                let number = packet.take_number().map_err(|error| error.to_string())?;
                let words = packet.decode().unwrap_or_else(|error| error.to_string());
                let next = self.sent.front().map(|chunk| u64::from(chunk.number));
                if next != Some(number) {
                    return Err("the worker refused another request".to_owned());
                }
                let Some(mut chunk) = self.sent.pop_front() else {
                    return Ok(());
                };
                self.sent_bytes -= chunk.len();
                chunk.lose(Loss::Exchange(words), wakes);
                Ok(())
            }
            _ => Err("the worker sent a message of an unknown kind".to_owned()),
        }
    }

    /// Checks that outcomes are those of the calls that come next.
    pub(super) fn check(&self, head: BlockHead) -> Result<(), String> {
        let is_next = self.sent.front().is_some_and(|chunk| {
            let left = chunk.count - chunk.settled;
            chunk.number == head.request
                && chunk.settled == head.first as usize
                && (1..=left).contains(&(head.count as usize))
        });
        is_next
            .then_some(())
            .ok_or_else(|| "the worker sent the outcome of another call".to_owned())
    }

    /// Settles the next calls that the worker was sent.
    pub(super) fn settle(&mut self, count: usize, answer: Answer, wakes: &mut Wakes) {
        let Some(chunk) = self.sent.front_mut() else {
            return;
        };
        let len = chunk.len();
        if !matches!(answer, Answer::Lost(_)) {
            self.tally.answered += count as u64;
        }
        self.numbers.answered = chunk.number.wrapping_add(1);
        chunk.settle(count, answer, wakes);
        if chunk.is_done() {
            self.sent_bytes -= len;
            self.sent.pop_front();
        }
    }

    /// Something else than the worker writes to its socket, or it is not itself any more. What it is
    /// running fails when it has ended.
    pub(super) fn astray(&mut self, words: String) {
        self.fault = Some(Loss::Exchange(words));
        if let Some(worker) = &self.worker {
            worker.kill();
        }
    }

    /// Returns whether nothing is believed any more that comes from the worker. What one that took too long
    /// had sent before it was killed is as good as ever.
    pub(super) fn is_astray(&self) -> bool {
        matches!(self.fault, Some(Loss::Exchange(_)))
    }

    /// Settles the calls whose outcomes a worker that has ended left on its page.
    pub(super) fn salvage(&mut self, left: Left, wakes: &mut Wakes) {
        let Left {
            request,
            first,
            count,
            bytes,
        } = left;
        let head = BlockHead {
            request,
            first,
            count,
        };
        if self.check(head).is_err() {
            // They were sent before the worker ended, or there were none.
            return;
        }
        let mut message = vec![Kind::OUTCOMES.0, 0, 0];
        message.resize(message.len() + BLOCK_HEAD, 0);
        message.extend(bytes);
        if let Ok(packet) = Packet::parse(message, Vec::new()) {
            self.settle(count as usize, Answer::Block(packet), wakes);
        }
    }

    /// Settles the call that a worker was running which has ended, and notes what it did not begin.
    pub(super) fn lose_running(
        &mut self,
        worker: &Worker,
        loss: &Loss,
        handovers: usize,
        retries: u32,
        wakes: &mut Wakes,
    ) {
        let taken = worker.ledger().taken_of(self.numbers);
        let Some(chunk) = self.sent.front_mut() else {
            return;
        };
        let Some(taken) = taken else {
            // All of it may have begun.
            chunk.settle(
                chunk.count - chunk.settled,
                Answer::Lost(Loss::Exchange(WRITTEN_OVER.to_owned())),
                wakes,
            );
            self.sent.pop_front();
            self.sent.iter_mut().for_each(Chunk::cut);
            return;
        };
        if is_before(chunk.number, taken) {
            // One, unless what the worker sent was not believed: none of these runs again.
            let begun = worker.ledger().begun(chunk.number) as usize;
            let left = begun.min(chunk.count).saturating_sub(chunk.settled);
            let may_repeat = left == 1 && loss.is_death() && chunk.deaths < retries;
            if left > 0 {
                if may_repeat && chunk.repeat() {
                    self.tally.retried += 1;
                } else {
                    chunk.settle(left, Answer::Lost(loss.clone()), wakes);
                }
            }
        } else {
            chunk.bounces += 1;
            if chunk.bounces >= handovers {
                chunk.lose(loss.clone(), wakes);
            }
        }
        if chunk.is_done() {
            self.sent.pop_front();
        }
        self.sent.iter_mut().for_each(Chunk::cut);
    }

    /// Empties the slot; returns whether the worker was never ready.
    pub(super) fn vacate(&mut self) -> bool {
        let stage = std::mem::take(&mut self.stage);
        let worker = self.worker.as_ref();
        let failures = worker.map_or(0, |worker| worker.ledger().failures());
        self.tally.end_worker(failures);
        self.worker = None;
        self.is_blocked = false;
        self.hung = None;
        self.sent_bytes = 0;
        if stage == Stage::Starting {
            return true;
        }
        self.barren = if self.calls > 0 || stage == Stage::Dismissed {
            0
        } else {
            (self.barren + 1).min(IDLE_ENDS)
        };
        self.rest();
        false
    }

    /// Makes the pause that is due before the next worker.
    pub(super) fn rest(&mut self) {
        let pause = PAUSES[self.barren.min(PAUSES.len() - 1)];
        self.due = Instant::now().checked_add(pause);
    }

    /// Has the worker not run the rest of the chunk that it is at, if that is of a call that is meant.
    pub(super) fn stop(&mut self, is_meant: impl Fn(&Arc<Call>) -> bool, loss: &Loss) {
        let Some(worker) = &self.worker else { return };
        let Some(taken) = worker.ledger().taken_of(self.numbers) else {
            return;
        };
        let at = taken.wrapping_sub(1);
        let mut sent = self.sent.iter_mut();
        let chunk = sent.find(|chunk| chunk.number == at && is_meant(&chunk.call));
        if let Some(chunk) = chunk.filter(|chunk| chunk.count > 1) {
            chunk.stop = Some(loss.clone());
            worker.ledger().stop(at);
        }
    }

    /// Takes back what the worker has not begun, also a request that was sent in part: the rest follows, and
    /// the worker passes over it.
    pub(super) fn take_back(&mut self) -> VecDeque<Chunk> {
        let Some(worker) = &self.worker else {
            return VecDeque::new();
        };
        let Some(taken) = worker.ledger().revoke(self.numbers) else {
            // What it may have begun runs nowhere else.
            return VecDeque::new();
        };
        self.numbers.revoked = self.numbers.next;
        let begun = |chunk: &&Chunk| is_before(chunk.number, taken);
        let kept = self.sent.iter().take_while(begun).count();
        let back = self.sent.split_off(kept);
        self.sent_bytes = self.sent.iter().map(Chunk::len).sum();
        let returned: usize = back.iter().map(|chunk| chunk.count).sum();
        self.calls = self.calls.saturating_sub(returned);
        back
    }
}

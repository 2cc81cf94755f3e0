//! The thread of a pool that minds its workers: it replaces those that end, ends those that must, and
//! collects while no caller does.

use crate::crew::{Crew, MinderTurn, TICK};
use crate::exit::is_exiting;
use crate::watch::Woken;
use crate::worker::{Recipe, Worker};
use procession_os::shield::shield;
use procession_os::wait::Deadline;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a worker that was dismissed may take to end before it is killed.
const LEAVE: Duration = Duration::from_secs(10);

/// How long one that was killed may take before it is asked whether it can be.
const REACH: Duration = Duration::from_secs(1);

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Minder {
    crew: Arc<Crew>,
    recipe: Recipe,
    /// The workers that are to end, since when, and whether they were killed.
    leaving: Vec<(Arc<Worker>, Instant, bool)>,
    /// How often a caller had left the duty when this thread last looked.
    looked: u64,
}

impl Minder {
    pub(crate) fn new(crew: Arc<Crew>, recipe: Recipe) -> Self {
        Self {
            crew,
            recipe,
            leaving: Vec::new(),
            looked: 0,
        }
    }

    /// Works until the pool is over and its workers have ended.
    pub(crate) fn run(mut self) {
        loop {
            for (at, worker, status) in self.crew.take_ended() {
                self.crew.drain(at, &worker);
                self.crew.bury(at, &worker, status);
                self.leaving
                    .retain(|(leaving, ..)| !Arc::ptr_eq(leaving, &worker));
            }
            let now = Instant::now();
            let next = match self.staff(now) {
                Staffed::Over if self.all_have_left(now) => {
                    if self.crew.conclude() {
                        return;
                    }
                    continue;
                }
                Staffed::Over => Some(now + REACH),
                Staffed::Started => continue,
                Staffed::Until(next) => earlier(
                    earlier(next, self.end_overstaying(now)),
                    self.time_limits(now),
                ),
            };
            self.collect_or_sleep(next);
        }
    }

    /// Ends workers whose call takes too long, or that have had nothing to do for too long; returns when to look
    /// again.
    fn time_limits(&self, now: Instant) -> Option<Instant> {
        let next = self.crew.expire_due(now);
        let mut state = self.crew.lock();
        let next = earlier(next, state.dispatch.time_out(now));
        earlier(next, state.dispatch.dismiss_idle(now))
    }

    /// Starts a worker where one is missing.
    fn staff(&self, now: Instant) -> Staffed {
        let state = self.crew.lock();
        if state.dispatch.is_over() {
            return Staffed::Over;
        }
        let vacancy = state.dispatch.vacancy(now);
        drop(state);
        let at = match vacancy {
            Ok(_) if is_exiting() => return Staffed::Until(None),
            Ok(at) => at,
            Err(next) => return Staffed::Until(next),
        };
        let employed = Worker::start(&self.recipe, at)
            .map_err(|error| error.to_string())
            .and_then(|worker| self.employ(at, Arc::new(worker)));
        if let Err(reason) = employed {
            self.crew
                .change(|dispatch, wakes| dispatch.failed(at, &reason, wakes));
        }
        Staffed::Started
    }

    fn employ(&self, at: usize, worker: Arc<Worker>) -> Result<(), String> {
        let employed = self.crew.employ(at, &worker);
        if !matches!(employed, Ok(true)) {
            worker.kill();
            // It is in no slot, so nothing else waits for its end.
            let _ = worker.process().wait_timeout(REACH);
        }
        employed.map(drop).map_err(|error| error.to_string())
    }

    /// Ends workers that have closed their socket and go on without it; returns when to look again.
    fn end_overstaying(&self, now: Instant) -> Option<Instant> {
        let (over, next) = self.crew.lock().dispatch.overstaying(now);
        let killed = !over.is_empty();
        for worker in over {
            worker.kill();
        }
        earlier(next, killed.then_some(now + REACH))
    }

    /// Sees to it that the workers end; returns whether all have, or cannot be made to.
    fn all_have_left(&mut self, now: Instant) -> bool {
        let state = self.crew.lock();
        let at_once = state.dispatch.loss().is_some();
        // A hook takes as long as it takes, as a task does.
        let patient = state.dispatch.has_hook();
        let workers = state.dispatch.workers();
        drop(state);
        for (_, worker) in &workers {
            if !self.leaving.iter().any(|(it, ..)| Arc::ptr_eq(it, worker)) {
                if at_once {
                    worker.hang_up();
                } else {
                    worker.dismiss();
                }
                self.leaving.push((Arc::clone(worker), now, false));
            }
        }
        let mut left = workers.len();
        for (worker, since, killed) in &mut self.leaving {
            let is_late = now.duration_since(*since) >= LEAVE;
            let may_stay = patient && !worker.process().is_stopped();
            if !*killed && (at_once || is_late && !may_stay) {
                worker.kill();
                (*since, *killed) = (now, true);
            }
            if *killed && now.duration_since(*since) >= REACH && worker.refusal().is_some() {
                left -= 1;
            }
        }
        if left == 0 {
            for (worker, ..) in &self.leaving {
                if let Some(words) = worker.refusal() {
                    shield(|| log::error!("{words}"));
                }
            }
        }
        left == 0
    }

    /// Collects once if it has the duty, and sleeps if there is nothing to do.
    fn collect_or_sleep(&mut self, next: Option<Instant>) {
        let mut deadline = next.map_or(Deadline::NEVER, |next| {
            Deadline::after(next.saturating_duration_since(Instant::now()))
        });
        match self.crew.minder_turn(&mut self.looked) {
            MinderTurn::Sleep => {}
            MinderTurn::LookAgain => deadline = deadline.min(Deadline::after(TICK)),
            MinderTurn::Collect => {
                let found = self.crew.sweep();
                self.crew.has_collected();
                if found || self.crew.look_again(deadline, || false) {
                    return;
                }
                match self.crew.prepare_to_sleep(deadline) {
                    Some(until) => deadline = until,
                    None => return,
                }
            }
        }
        // What the kernel cannot tell is looked at again.
        if self.crew.bells.sleep(deadline) == Ok(Woken::ToCollect) {
            self.crew.answer_all();
            self.crew.has_collected();
        }
    }
}

/// What came of looking for a slot without a worker.
enum Staffed {
    /// The pool wants no workers any more.
    Over,
    /// A worker was started, or could not be.
    Started,
    /// None is to be started before that.
    Until(Option<Instant>),
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

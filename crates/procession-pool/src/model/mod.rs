//! A pool on a model of processes, for the tests under loom.
//!
//! A worker is a thread, and what connects it to the pool are locks of loom's. Everything else is the code that
//! runs in a pool and in its workers: who has which call, who collects, what the minder does, and what a
//! worker notes of its work.
#![expect(
    missing_debug_implementations,
    reason = "what it is made of has no state that could be shown without the lock"
)]

pub(crate) mod channel;
pub(crate) mod kernel;
pub(crate) mod process;
pub(crate) mod shared;

use crate::call::{Call, Want};
use crate::crew::Crew;
use crate::dispatch::Limits;
use crate::entry::CallEntry;
use crate::error::PoolError;
use crate::feed::Feed;
use crate::minder::Minder;
use crate::outcome::Results;
use crate::sync::Process;
use crate::worker::{Recipe, Worker};
use loom::thread::{self, JoinHandle};
use procession_call::{Routine, Task};
use procession_os::wait::Deadline;
use std::sync::{Arc, Mutex};

/// A pool. There can be one in each run of a model.
#[derive(Clone)]
pub struct Pool {
    crew: Arc<Crew>,
    /// Its own thread, and those of its workers.
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// A call to a pool.
#[derive(Clone)]
pub struct Submitted {
    crew: Arc<Crew>,
    call: Arc<Call>,
}

loom::lazy_static! {
    /// What has run. It is no step of anybody's.
    static ref RAN: Mutex<Vec<u64>> = Mutex::default();
}

/// What the workers run.
fn next(n: u64) -> u64 {
    RAN.lock().expect("nobody panics with it").push(n);
    n + 1
}

impl Pool {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If the model refuses something, which it never does.
    pub fn new(workers: usize) -> Self {
        let threads = Arc::<Mutex<Vec<_>>>::default();
        let started = Arc::clone(&threads);
        let recipe = Recipe {
            name: "Worker".to_owned(),
            configure: Box::new(|builder| builder),
            processors: Vec::new(),
            hook: None,
            spawn: Box::new(move |_, startup| {
                let (process, thread) = Process::serving(startup);
                note(&started, thread);
                Ok(process)
            }),
        };
        let crew = Crew::new(workers, Limits::default()).expect("it is refused nothing");
        for at in 0..workers {
            let worker = Worker::start(&recipe, at).expect("it is refused nothing");
            let employed = crew.employ(at, &Arc::new(worker));
            assert!(matches!(employed, Ok(true)), "the pool wants workers");
        }
        let minder = Minder::new(Arc::clone(&crew), recipe);
        let is_here = crew.minder_is_here();
        let thread = thread::spawn(move || {
            minder.run();
            drop(is_here);
        });
        note(&threads, thread);
        Self { crew, threads }
    }

    /// Returns whether all workers have started, and nothing is outstanding.
    pub fn is_at_rest(&self) -> bool {
        !self.crew.lock().dispatch.is_busy()
    }

    /// Calls a function with each item, in chunks of so many.
    ///
    /// # Panics
    ///
    /// If the function cannot be named.
    pub fn submit(&self, items: &[u64], chunk: usize, will_wait: bool) -> Submitted {
        let call = Call::new("next", true);
        let mut feed = feed(next, &call, chunk);
        for item in items {
            feed.push(&(*item,));
        }
        feed.end_row();
        for chunk in feed.take() {
            self.crew.submit(chunk, will_wait);
        }
        call.complete();
        Submitted {
            crew: Arc::clone(&self.crew),
            call,
        }
    }

    /// Returns how often an item has run.
    ///
    /// # Panics
    ///
    /// If a thread has panicked.
    pub fn runs(&self, item: u64) -> usize {
        let ran = RAN.lock().expect("nobody panics with it");
        ran.iter().filter(|&&it| it == item).count()
    }

    /// Kills the worker in a slot, if there is one.
    pub fn kill(&self, slot: usize) {
        let workers = self.crew.workers();
        if let Some((_, worker)) = workers.iter().find(|(at, _)| *at == slot) {
            worker.kill();
        }
    }

    /// Lets what was accepted finish.
    pub fn join(&self) {
        self.crew.close();
        self.wait();
    }

    /// Ends the pool.
    pub fn terminate(&self) {
        self.crew.terminate();
        self.wait();
    }

    /// Waits until all threads have ended.
    fn wait(&self) {
        assert!(self.crew.wait_for_minder(Deadline::NEVER));
        let take = || self.threads.lock().expect("nobody panics with it").pop();
        while let Some(thread) = take() {
            thread.join().expect("no thread panics");
        }
    }
}

fn note(threads: &Mutex<Vec<JoinHandle<()>>>, thread: JoinHandle<()>) {
    threads.lock().expect("nobody panics with it").push(thread);
}

impl Submitted {
    /// Waits until all is settled; returns the results.
    ///
    /// # Panics
    ///
    /// If the wait ends before.
    pub fn wait(&self) -> Vec<Result<u64, String>> {
        assert!(self.crew.wait(&self.call, Want::End, Deadline::NEVER));
        self.take()
    }

    /// Returns the results, if all is settled.
    pub fn results(&self) -> Option<Vec<Result<u64, String>>> {
        self.call.is_ready(Want::End).then(|| self.take())
    }

    /// Takes back what has not begun; returns whether that was all of it.
    pub fn cancel(&self) -> bool {
        self.crew.cancel(&self.call)
    }

    fn take(&self) -> Vec<Result<u64, String>> {
        let mut settled = self.call.take();
        settled.sort_by_key(|settled| settled.first);
        let mut told = Told(Vec::new());
        for settled in settled {
            settled.decode(&self.call, &mut told);
        }
        told.0
    }
}

/// Results, with their errors in words.
struct Told(Vec<Result<u64, String>>);

impl Results<u64> for Told {
    fn value(&mut self, value: u64) {
        self.0.push(Ok(value));
    }

    fn error(&mut self, error: PoolError) {
        self.0.push(Err(error.to_string()));
    }
}

/// Begins with calls to a task.
fn feed<F: Task<(u64,), M>, M: 'static>(task: F, call: &Arc<Call>, chunk: usize) -> Feed {
    let routine =
        Routine::of_function::<CallEntry<(u64,), M>, F>(task).expect("the function can be named");
    Feed::new(Arc::clone(call), routine, chunk, Limits::default())
}

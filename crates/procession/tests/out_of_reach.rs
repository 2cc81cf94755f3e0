//! Workers and servers that their program cannot signal any more.
//!
//! Each scene is a process of its own, which starts them, loses that right, and ends them.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use log::LevelFilter;
use nix::errno::Errno;
use nix::unistd::{Uid, geteuid, setuid};
use procession::{
    Event, Manager, ManagerError, Pool, PoolError, Process, StartMethod, Task, Value,
    set_start_method,
};
use procession_testkit::sandbox::refuse_to_all;
use procession_testkit::{alive, eventually, kill9, records, watchdog};
use serde::{Deserialize, Serialize};
use std::thread::park;

procession::enable_in_tests!();

/// How a program loses the right to signal its children.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Loss {
    /// It becomes another user.
    User,
    /// It is in a sandbox.
    Sandbox,
}

impl Loss {
    /// All that this program can play.
    fn all() -> Vec<Self> {
        if geteuid().is_root() {
            vec![Self::User, Self::Sandbox]
        } else {
            vec![Self::Sandbox]
        }
    }

    fn take_effect(self) {
        match self {
            Self::User => setuid(Uid::from_raw(65534)).unwrap(),
            Self::Sandbox => refuse_to_all(libc::SYS_pidfd_send_signal, Errno::EPERM),
        }
    }
}

/// What a scene tells of itself: what it started, and whether it came to its end.
type Told = Value<[u32; 3]>;

/// Plays a scene, in a process of its own for each start method and loss; returns what they started.
fn play<M>(scene: impl Task<(StartMethod, Loss, Told), M, Output = ()>) -> Vec<u32> {
    let start = |(method, loss)| {
        let told = Told::new([0; 3]).unwrap();
        let builder = Process::builder().start_method(StartMethod::Spawn);
        let process = builder.spawn(scene, (method, loss, told.clone()));
        (process.unwrap(), told)
    };
    let methods = StartMethod::ALL.into_iter();
    let each = methods.flat_map(|method| Loss::all().into_iter().map(move |loss| (method, loss)));
    let scenes: Vec<_> = each.map(start).collect();
    let played = scenes.into_iter().map(|(process, told)| {
        let joined = process.join();
        (told.get(), joined)
    });
    let played: Vec<_> = played.collect();
    let started = played
        .iter()
        .flat_map(|([first, second, _], _)| [*first, *second]);
    let started: Vec<u32> = started.filter(|&pid| pid != 0).collect();
    if played.iter().any(|([.., done], _)| *done == 0) {
        let left = started.into_iter().filter(|&pid| alive(pid));
        left.for_each(kill9);
        panic!("a scene failed: {played:?}");
    }
    started
}

/// How many workers a pool has: one that makes copies can only start the first without threads.
fn size(method: StartMethod) -> usize {
    match method {
        StartMethod::Fork => 1,
        _ => 2,
    }
}

fn work(begun: Event) {
    begun.set();
    loop {
        park();
    }
}

fn drop_a_busy_pool(method: StartMethod, loss: Loss, told: Told) {
    set_start_method(method);
    let pool = Pool::new(size(method)).unwrap();
    let workers = pool.worker_pids();
    let begun = Event::new().unwrap();
    let ask = |_| pool.apply_async(work, (begun.clone(),)).unwrap();
    let calls: Vec<_> = (0..4).map(ask).collect();
    begun.wait();
    loss.take_effect();
    drop(pool);
    for call in calls {
        assert!(matches!(call.get(), Err(PoolError::Terminated)));
    }
    told.set([workers[0], *workers.last().unwrap(), 0]);
    assert!(!workers.iter().any(|&worker| alive(worker)));
    told.set([workers[0], *workers.last().unwrap(), 1]);
}

// POL-100
#[test]
fn a_busy_pool_is_dropped_and_its_workers_end() {
    let _watchdog = watchdog();
    assert!(!play(drop_a_busy_pool).into_iter().any(alive));
}

fn join_an_idle_pool(method: StartMethod, loss: Loss, told: Told) {
    set_start_method(method);
    let pool = Pool::new(size(method)).unwrap();
    let workers = pool.worker_pids();
    assert_eq!(pool.map(|n: u32| n, [1, 2]).unwrap(), [1, 2]);
    loss.take_effect();
    pool.join();
    assert!(pool.worker_pids().is_empty());
    told.set([workers[0], *workers.last().unwrap(), 1]);
}

// POL-100
#[test]
fn an_idle_pool_is_joined() {
    let _watchdog = watchdog();
    assert!(!play(join_an_idle_pool).into_iter().any(alive));
}

fn die_with_a_busy_pool(method: StartMethod, loss: Loss, told: Told) {
    set_start_method(method);
    let pool = Pool::new(size(method)).unwrap();
    let workers = pool.worker_pids();
    let begun = Event::new().unwrap();
    let _call = pool.apply_async(work, (begun.clone(),)).unwrap();
    begun.wait();
    loss.take_effect();
    told.set([workers[0], *workers.last().unwrap(), 1]);
    kill9(std::process::id());
}

// POL-100
#[test]
fn workers_die_with_a_program_that_is_killed() {
    let _watchdog = watchdog();
    for worker in play(die_with_a_busy_pool) {
        eventually("the worker has ended", || !alive(worker));
    }
}

/// Holds up whoever drops it.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        loop {
            park();
        }
    }
}

fn shut_down_a_server_that_hangs(method: StartMethod, loss: Loss, told: Told) {
    set_start_method(method);
    let manager = Manager::start().unwrap();
    let _endless = manager.host(|| Endless, ()).unwrap();
    let server = manager.pid();
    loss.take_effect();
    let error = manager.shutdown().unwrap_err();
    assert!(matches!(error, ManagerError::Server(_)), "{error}");
    assert!(error.to_string().contains("SIGKILL"), "{error}");
    drop(manager);
    told.set([server, 0, 1]);
}

// MGR-031
#[test]
fn a_server_that_hangs_is_ended() {
    let _watchdog = watchdog();
    assert!(!play(shut_down_a_server_that_hangs).into_iter().any(alive));
}

/// Closes all by which the worker could be reached, and goes on.
fn close_and_work(go: Event, begun: Event) {
    go.wait();
    // SAFETY: nothing that this process does from here on needs a descriptor.
    assert_eq!(unsafe { libc::close_range(3, u32::MAX, 0) }, 0);
    work(begun);
}

fn drop_a_pool_that_cannot_be_ended(method: StartMethod, loss: Loss, told: Told) {
    records::keep(LevelFilter::Info);
    set_start_method(method);
    let (go, begun) = (Event::new().unwrap(), Event::new().unwrap());
    let pool = Pool::new(1).unwrap();
    let call = pool.apply_async(close_and_work, (go.clone(), begun.clone()));
    let _call = call.unwrap();
    let worker = pool.worker_pids()[0];
    told.set([worker, 0, 0]);
    loss.take_effect();
    go.set();
    begun.wait();
    drop(pool);
    let expected = format!("ERROR the worker (pid {worker}) cannot be ended: ");
    let kept = records::kept();
    assert!(
        kept.iter().any(|line| line.starts_with(&expected)),
        "{kept:?}"
    );
    told.set([worker, 0, 1]);
    // An exit would look after the worker once more.
    kill9(std::process::id());
}

// POL-101
#[test]
fn a_worker_that_cannot_be_ended_is_told_of_and_left() {
    let _watchdog = watchdog();
    for worker in play(drop_a_pool_that_cannot_be_ended) {
        // With the right to signal it, the kernel has ended it with its parent.
        if alive(worker) {
            kill9(worker);
        }
        eventually("the worker has ended", || !alive(worker));
    }
}

//! The lock of readers and writers, between processes and between threads.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_process::Process;
use procession_shm::Value;
use procession_sync::{AcquireError, Event, LockError, LockResult, RwLock};
use procession_testkit::{eventually, kill9, watchdog};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(99);

/// All ways to acquire it, without the guards.
type Way = fn(&RwLock) -> Result<(), Option<LockError>>;
const READ: [Way; 3] = [
    |lock| answer(lock.read()),
    |lock| answer(lock.try_read()),
    |lock| answer(lock.read_timeout(LONG)),
];
const WRITE: [Way; 3] = [
    |lock| answer(lock.write()),
    |lock| answer(lock.try_write()),
    |lock| answer(lock.write_timeout(LONG)),
];

/// What was answered: `Err(None)` if it is poisoned.
fn answer<G>(result: LockResult<G>) -> Result<(), Option<LockError>> {
    match result {
        Ok(_guard) => Ok(()),
        Err(AcquireError::Poisoned(_)) => Err(None),
        Err(AcquireError::Failed(error)) => Err(Some(error)),
    }
}

/// The answer that another thread gets.
fn elsewhere(lock: &RwLock, way: Way) -> Result<(), Option<LockError>> {
    thread::scope(|scope| scope.spawn(|| way(lock)).join().unwrap())
}

fn hold_to_read(lock: RwLock, holding: Event, go_on: Event) {
    let _guard = lock.read().unwrap();
    holding.set();
    go_on.wait();
}

fn hold_to_write(lock: RwLock, holding: Event, go_on: Event) {
    let _guard = lock.write().unwrap();
    holding.set();
    go_on.wait();
}

/// A process that holds the lock until it is told to go on.
struct Holder {
    process: Process<()>,
    go_on: Event,
}

impl Holder {
    fn reader(lock: &RwLock) -> Self {
        let (holding, go_on) = (Event::new().unwrap(), Event::new().unwrap());
        let args = (lock.clone(), holding.clone(), go_on.clone());
        let process = Process::spawn(hold_to_read, args).unwrap();
        holding.wait();
        Self { process, go_on }
    }

    fn writer(lock: &RwLock) -> Self {
        let (holding, go_on) = (Event::new().unwrap(), Event::new().unwrap());
        let args = (lock.clone(), holding.clone(), go_on.clone());
        let process = Process::spawn(hold_to_write, args).unwrap();
        holding.wait();
        Self { process, go_on }
    }

    fn let_go(self) {
        self.go_on.set();
        self.process.join().unwrap();
    }

    fn kill(self) {
        kill9(self.process.pid());
        assert!(self.process.join().is_err());
    }
}

// SYN-032
#[test]
fn readers_of_several_processes_are_in_at_once() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let (one, another) = (Holder::reader(&lock), Holder::reader(&lock));
    let guard = lock.try_read().unwrap();
    assert_eq!((lock.readers(), lock.locked()), (3, false));
    drop(guard);
    assert_eq!(answer(lock.try_write()), Err(Some(LockError::WouldBlock)));
    let start = Instant::now();
    let refused = answer(lock.write_timeout(SHORT));
    assert_eq!(refused, Err(Some(LockError::TimedOut)));
    assert!(start.elapsed() >= SHORT);
    // Whoever gave up keeps nobody out.
    assert_eq!(elsewhere(&lock, READ[1]), Ok(()));
    one.let_go();
    assert_eq!(answer(lock.try_write()), Err(Some(LockError::WouldBlock)));
    another.let_go();
    assert_eq!(answer(lock.try_write()), Ok(()));
}

// SYN-032
#[test]
fn a_writer_is_alone() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let writer = Holder::writer(&lock);
    assert!(lock.locked());
    for refused in [answer(lock.try_read()), answer(lock.try_write())] {
        assert_eq!(refused, Err(Some(LockError::WouldBlock)));
    }
    for refused in [
        answer(lock.read_timeout(SHORT)),
        answer(lock.write_timeout(SHORT)),
    ] {
        assert_eq!(refused, Err(Some(LockError::TimedOut)));
    }
    let shown = format!("{lock:?}");
    let process = format!(
        "RwLock {{ writer: Some(Owner {{ process: Some({}),",
        writer.process.pid()
    );
    assert!(shown.starts_with(&process), "{shown}");
    writer.let_go();
    let free = "RwLock { writer: None, readers: 0, poisoned: false, .. }";
    assert_eq!(format!("{lock:?}"), free);
}

fn write_pair(lock: RwLock, pair: Value<[u64; 2]>) {
    for number in 0..500 {
        let _guard = lock.write().unwrap();
        pair.update(|pair| pair[0] = number);
        pair.update(|pair| pair[1] = number);
    }
}

fn read_pair(lock: RwLock, pair: Value<[u64; 2]>) {
    for _ in 0..500 {
        let _guard = lock.read().unwrap();
        let [one, other] = pair.get();
        assert_eq!(one, other);
    }
}

// SYN-032
#[test]
fn readers_never_see_half_of_what_a_writer_writes() {
    let _watchdog = watchdog();
    let shared = (RwLock::new().unwrap(), Value::new([0, 0]).unwrap());
    let processes = [
        Process::spawn(write_pair, shared.clone()).unwrap(),
        Process::spawn(read_pair, shared.clone()).unwrap(),
        Process::spawn(write_pair, shared.clone()).unwrap(),
        Process::spawn(read_pair, shared.clone()).unwrap(),
    ];
    for process in processes {
        process.join().unwrap();
    }
    assert_eq!((shared.0.readers(), shared.0.locked()), (0, false));
}

// SYN-033
#[test]
fn a_dead_writer_is_told_on_every_path() {
    let _watchdog = watchdog();
    for way in READ.into_iter().chain(WRITE) {
        let lock = RwLock::new().unwrap();
        Holder::writer(&lock).kill();
        assert!(!lock.locked());
        assert_eq!(way(&lock), Err(None));
        assert!(lock.is_poisoned());
        drop(lock.read().or_else(AcquireError::repaired).unwrap());
        assert_eq!(way(&lock), Ok(()));
    }
}

// SYN-033
#[test]
fn a_dead_reader_gives_back_its_share_on_every_path() {
    let _watchdog = watchdog();
    for way in WRITE {
        let lock = RwLock::new().unwrap();
        let (living, dead) = (Holder::reader(&lock), Holder::reader(&lock));
        dead.kill();
        assert_eq!(answer(lock.try_write()), Err(Some(LockError::WouldBlock)));
        assert_eq!(lock.readers(), 1);
        living.kill();
        assert_eq!(way(&lock), Ok(()), "a reader leaves nothing half done");
        assert_eq!(lock.readers(), 0);
    }
}

fn learn(lock: RwLock, waiting: Event) -> [bool; 2] {
    waiting.set();
    [lock.read().is_err(), lock.write().is_err()]
}

// SYN-033
#[test]
fn a_waiter_in_another_process_learns_of_the_writers_death() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let writer = Holder::writer(&lock);
    let waiting = Event::new().unwrap();
    let waiter = Process::spawn(learn, (lock.clone(), waiting.clone())).unwrap();
    waiting.wait();
    writer.kill();
    assert_eq!(waiter.join().unwrap(), [true, true]);
}

fn write_once(lock: RwLock, waiting: Event, written: Value<bool>) {
    waiting.set();
    let _guard = lock.write().unwrap();
    written.set(true);
}

/// A process that waits to write.
fn waiting_writer(lock: &RwLock) -> (Process<()>, Value<bool>) {
    let (waiting, written) = (Event::new().unwrap(), Value::new(false).unwrap());
    let args = (lock.clone(), waiting.clone(), written.clone());
    let writer = Process::spawn(write_once, args).unwrap();
    waiting.wait();
    // From now on it is let first.
    let first = Err(Some(LockError::WouldBlock));
    eventually("it waits", || elsewhere(lock, READ[1]) == first);
    (writer, written)
}

/// Reads in turn with another, each until the other reads too, or does not get in for a while.
fn relay(lock: RwLock, turns: Value<u32>, odd: u32) {
    while turns.get() != ENDED {
        if turns.get() % 2 != odd {
            thread::yield_now();
            continue;
        }
        let _guard = lock.read().unwrap();
        let mine = turns.update(|turns| {
            *turns = turns.saturating_add(1);
            *turns
        });
        let begun = Instant::now();
        while turns.get() == mine && begun.elapsed() < 2 * SHORT {
            thread::yield_now();
        }
    }
}

const ENDED: u32 = u32::MAX;

// SYN-034
#[test]
fn a_stream_of_readers_does_not_keep_a_writer_out() {
    let _watchdog = watchdog();
    let (lock, turns) = (RwLock::new().unwrap(), Value::new(0).unwrap());
    let relay = |odd| Process::spawn(relay, (lock.clone(), turns.clone(), odd)).unwrap();
    let readers = [relay(0), relay(1)];
    for _ in 0..3 {
        eventually("there are always readers", || lock.readers() > 1);
        // Without a turn of its own it would find a reader whenever it looks.
        drop(lock.write().unwrap());
    }
    turns.set(ENDED);
    for reader in readers {
        reader.join().unwrap();
    }
}

// SYN-034
#[test]
fn a_waiting_writer_goes_before_readers_that_come_later() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let reading = lock.read().unwrap();
    let (writer, written) = waiting_writer(&lock);
    let refused = elsewhere(&lock, |lock| answer(lock.read_timeout(SHORT)));
    assert_eq!(refused, Err(Some(LockError::TimedOut)));
    thread::scope(|scope| {
        let later = scope.spawn(|| {
            let _guard = lock.read().unwrap();
            written.get()
        });
        drop(reading);
        assert!(later.join().unwrap(), "it read before the writer");
    });
    writer.join().unwrap();
}

// SYN-034
#[test]
fn a_stopped_writer_delays_readers_for_a_moment_only() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let reading = lock.read().unwrap();
    let (writer, written) = waiting_writer(&lock);
    let pid = Pid::from_raw(writer.pid().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    // Were it waited for, this would take until it goes on.
    assert_eq!(elsewhere(&lock, READ[0]), Ok(()));
    drop(reading);
    assert_eq!(elsewhere(&lock, READ[0]), Ok(()));
    assert_eq!(answer(lock.write()), Ok(()));
    assert!(!written.get());
    kill(pid, Signal::SIGCONT).unwrap();
    writer.join().unwrap();
    assert!(written.get());
}

// SYN-034
#[test]
fn a_writer_that_is_killed_while_it_waits_delays_readers_for_a_moment_only() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let reading = lock.read().unwrap();
    let (writer, _) = waiting_writer(&lock);
    kill9(writer.pid());
    assert!(writer.join().is_err());
    assert_eq!(elsewhere(&lock, READ[0]), Ok(()));
    drop(reading);
    assert_eq!(answer(lock.write()), Ok(()));
    assert!(!lock.is_poisoned(), "it changed nothing");
}

// SYN-032
#[test]
fn a_thread_may_read_again_and_nothing_else() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let reading = lock.read().unwrap();
    for way in WRITE {
        assert_eq!(way(&lock), Err(Some(LockError::HeldByThisThread)));
    }
    let (writer, written) = waiting_writer(&lock);
    for way in READ {
        assert_eq!(way(&lock), Ok(()), "the writer waits for this thread");
    }
    assert!(!written.get());
    drop(reading);
    writer.join().unwrap();

    let writing = lock.write().unwrap();
    for way in READ.into_iter().chain(WRITE) {
        assert_eq!(way(&lock), Err(Some(LockError::HeldByThisThread)));
    }
    drop(writing);
    assert_eq!(WRITE[0](&lock), Ok(()));
}

// SYN-032
#[test]
fn a_writer_that_goes_on_reading_is_not_overtaken() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let reading = lock.write().unwrap().downgrade();
    assert_eq!(elsewhere(&lock, READ[0]), Ok(()));
    let (writer, written) = waiting_writer(&lock);
    let pid = Pid::from_raw(writer.pid().cast_signed());
    // So that this thread is in before it.
    kill(pid, Signal::SIGSTOP).unwrap();
    drop(reading);
    let writing = lock.write().unwrap();
    kill(pid, Signal::SIGCONT).unwrap();
    let reading = writing.downgrade();
    assert_eq!((lock.readers(), lock.locked()), (1, false));
    eventually("it waits", || elsewhere(&lock, READ[1]).is_err());
    assert!(!written.get());
    drop(reading);
    writer.join().unwrap();
    assert!(written.get());
}

#[test]
fn only_a_writers_panic_poisons() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _reading = lock.read().unwrap();
        panic!("half read");
    }));
    assert!(panic.is_err() && !lock.is_poisoned());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _reading = lock.write().unwrap().downgrade();
        panic!("half read");
    }));
    assert!(panic.is_err() && !lock.is_poisoned());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _writing = lock.write().unwrap();
        panic!("half written");
    }));
    assert!(panic.is_err());
    assert_eq!(answer(lock.read()), Err(None));
    lock.clear_poison();
    assert_eq!(answer(lock.write()), Ok(()));
}

fn leak(lock: RwLock) {
    mem::forget(lock.read().unwrap());
    assert_eq!(elsewhere(&lock, WRITE[1]), Err(Some(LockError::WouldBlock)));
}

#[test]
fn a_leaked_guard_holds_it_until_its_thread_or_process_ends() {
    let _watchdog = watchdog();
    let lock = RwLock::new().unwrap();
    let same = lock.clone();
    let leak_to_write = move || mem::forget(same.write().unwrap());
    thread::spawn(leak_to_write).join().unwrap();
    assert_eq!(answer(lock.write()), Err(None));
    lock.clear_poison();
    Process::spawn(leak, (lock.clone(),))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(answer(lock.write()), Ok(()));
}

#[test]
fn two_locks_do_not_mix() {
    let _watchdog = watchdog();
    let (one, two) = (RwLock::new().unwrap(), RwLock::new().unwrap());
    let _reading = one.read().unwrap();
    assert_eq!(answer(two.write()), Ok(()));
    let other_handle = one.clone();
    drop(two.read().unwrap());
    assert_eq!(
        answer(other_handle.write()),
        Err(Some(LockError::HeldByThisThread))
    );
}

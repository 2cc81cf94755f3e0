//! A process that waits for an item, or for room, gets it though another one is there again at once.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_process::Process;
use procession_queue::{JoinableQueue, Queue};
use procession_shm::Shared;
use procession_testkit::{kill9, watchdog};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

/// How often the test may have something while another waits for it. A waiter that is not starved
/// needs a few, and some more on a busy machine; with nothing that prevents it, it is never served.
const ENOUGH: u32 = 100;
const HOLD: Duration = Duration::from_millis(20);

type Flag = Shared<AtomicU32>;

const STARTING: u32 = 0;
const WAITING: u32 = 1;
const SERVED: u32 = 2;

/// Makes that this process, when it wakes, does not take the processor from the one that wakes it,
/// which would end the competition before it begins.
fn never_preempt() {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters outlive the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
    assert_eq!(result, 0, "a process may become less urgent");
}

/// In the waiter: does what waits.
fn wait_with(flag: &Flag, work: impl FnOnce()) {
    never_preempt();
    flag.store(WAITING, SeqCst);
    work();
    flag.store(SERVED, SeqCst);
}

fn get(queue: Queue<u32>, flag: Flag) {
    wait_with(&flag, || _ = queue.get().unwrap());
}

fn get_joinable(queue: JoinableQueue<u32>, flag: Flag) {
    wait_with(&flag, || _ = queue.get().unwrap());
}

fn put(queue: Queue<u32>, flag: Flag) {
    wait_with(&flag, || queue.put(&0).unwrap());
}

/// Starts a process, and returns when it has waited for a while.
fn waiter(start: impl FnOnce(Flag) -> Process<()>) -> (Process<()>, Flag) {
    let flag = Shared::new(AtomicU32::new(STARTING)).unwrap();
    let child = start(flag.clone());
    while flag.load(SeqCst) == STARTING {
        thread::yield_now();
    }
    thread::sleep(HOLD);
    (child, flag)
}

fn getter(queue: &Queue<u32>) -> (Process<()>, Flag) {
    waiter(|flag| Process::spawn(get, (queue.clone(), flag)).unwrap())
}

fn putter(queue: &Queue<u32>) -> (Process<()>, Flag) {
    waiter(|flag| Process::spawn(put, (queue.clone(), flag)).unwrap())
}

/// Does `turn` again and again until the waiter was served.
fn until_served(flag: &Flag, mut turn: impl FnMut()) {
    for _ in 0..ENOUGH {
        if flag.load(SeqCst) == SERVED {
            return;
        }
        turn();
    }
    panic!("the waiter is starved");
}

/// Holds an item for a while if it got one.
fn hold<T, E>(got: Result<T, E>) {
    if got.is_ok() {
        thread::sleep(HOLD);
    }
}

/// Has a process wait for an item of `queue`, and takes turns until it has one.
fn consumer_is_served(queue: &Queue<u32>, turn: impl FnMut(&Flag)) {
    is_served(getter(queue), turn);
}

/// Has a process wait for room in `queue`, and takes turns until it has some.
fn producer_is_served(queue: &Queue<u32>, turn: impl FnMut(&Flag)) {
    is_served(putter(queue), turn);
}

fn is_served((waiter, flag): (Process<()>, Flag), mut turn: impl FnMut(&Flag)) {
    until_served(&flag, || turn(&flag));
    waiter.join().unwrap();
}

// QUE-050
#[test]
fn an_item_that_is_put_back_and_got_again_reaches_who_waits() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    consumer_is_served(&queue, |_| {
        queue.put(&7).unwrap();
        hold(queue.get_timeout(HOLD));
    });
}

// QUE-050
#[test]
fn an_item_that_is_tried_for_reaches_who_waits() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    consumer_is_served(&queue, |_| {
        queue.put(&7).unwrap();
        hold(queue.try_get());
    });
}

// QUE-050
#[test]
fn who_gets_all_items_at_once_leaves_one_to_who_waits() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    consumer_is_served(&queue, |_| {
        queue.put_many(&[1, 2, 3]).unwrap();
        hold(queue.try_get_many(9));
    });
}

// QUE-050
#[test]
fn an_item_of_a_joinable_queue_reaches_who_waits() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    let start = |flag| Process::spawn(get_joinable, (queue.clone(), flag)).unwrap();
    is_served(waiter(start), |_| {
        queue.put(&7).unwrap();
        hold(queue.get_timeout(HOLD));
    });
}

/// Runs `work` now and then until `test` has ended.
fn beside(work: impl Fn() + Sync, test: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                thread::sleep(HOLD);
                work();
            }
        });
        test();
        over.store(true, SeqCst);
    });
}

// QUE-050
#[test]
fn a_slow_producer_serves_all_consumers() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let get = |flag: &Flag| {
        while queue.get_timeout(HOLD).is_err() && flag.load(SeqCst) != SERVED {}
    };
    let put = || queue.put(&7).unwrap();
    beside(put, || consumer_is_served(&queue, get));
}

/// Returns a queue that is full with one item.
fn full() -> Queue<u32> {
    let queue = Queue::bounded(1).unwrap();
    queue.put(&7).unwrap();
    queue
}

// QUE-051
#[test]
fn room_that_is_made_and_used_again_reaches_who_waits() {
    let _watchdog = watchdog();
    let queue = full();
    producer_is_served(&queue, |_| {
        queue.get().unwrap();
        hold(queue.put_timeout(&7, HOLD));
    });
}

// QUE-051
#[test]
fn room_that_is_tried_for_reaches_who_waits() {
    let _watchdog = watchdog();
    let queue = full();
    producer_is_served(&queue, |_| {
        queue.get().unwrap();
        hold(queue.try_put(&7));
    });
}

// QUE-051
#[test]
fn a_slow_consumer_serves_all_producers() {
    let _watchdog = watchdog();
    let queue = full();
    let put = |flag: &Flag| {
        while queue.put_timeout(&7, HOLD).is_err() && flag.load(SeqCst) != SERVED {}
    };
    beside(|| _ = queue.try_get(), || producer_is_served(&queue, put));
}

// QUE-052
#[test]
fn nothing_is_kept_for_who_was_killed() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(1).unwrap();
    let (consumer, _) = getter(&queue);
    kill9(consumer.pid());
    consumer.join().unwrap_err();
    for i in 0..100 {
        queue.put(&i).unwrap();
        assert_eq!(queue.try_get().unwrap(), i);
    }
    queue.put(&7).unwrap();
    let (producer, _) = putter(&queue);
    kill9(producer.pid());
    producer.join().unwrap_err();
    for _ in 0..100 {
        queue.get().unwrap();
        queue.try_put(&7).unwrap();
    }
}

// QUE-052
#[test]
fn who_is_stopped_delays_nobody_for_long() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let (stopped, stopped_flag) = getter(&queue);
    let signal = |signal| kill(Pid::from_raw(stopped.pid().cast_signed()), signal).unwrap();
    signal(Signal::SIGSTOP);
    let (child, flag) = getter(&queue);
    let turn = || {
        queue.put(&7).unwrap();
        hold(queue.get_timeout(HOLD));
    };
    until_served(&flag, turn);
    child.join().unwrap();
    for i in 0..100 {
        queue.put(&i).unwrap();
        assert_eq!(queue.try_get().unwrap(), i);
    }
    signal(Signal::SIGCONT);
    queue.put(&7).unwrap();
    stopped.join().unwrap();
    assert_eq!(stopped_flag.load(SeqCst), SERVED);
}

//! Operations on shared things, cut short at any of their instructions: a child is traced, executes
//! a number of single instructions, and is killed there.
//!
//! The suite spreads some kills over each operation; with `PROCESSION_TEST_EVERY_STEP=1` there is
//! one at each instruction.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession::{
    AcquireError, Array, BoundedSemaphore, Condition, Connection, Event, GetError, Lock,
    LockResult, Pipe, Process, Queue, RLock, RecvError, Semaphore, Value,
};
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::{eventually, watchdog};
use std::cell::Cell;
use std::env;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

procession::enable_in_tests!();

/// Longer than anything takes that does not wait for a dead process.
const LONG: Duration = Duration::from_secs(20);

/// How many kills are spread over an operation.
fn kills(instructions: usize) -> usize {
    match env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        None => 40,
    }
}

/// In the child: does `work` once, so that nothing is made or loaded on the way of the second time,
/// of which the test executes a part.
fn stepped(go: &Event, work: impl Fn()) {
    work();
    go.wait();
    steps::begin();
    work();
    steps::end();
}

/// Kills children of `start` within their work, each at another instruction, and one behind it;
/// `check` looks after each kill at what it left, and is told whether the work was done.
fn cut_short(start: impl Fn(Event) -> Process<()>, check: impl Fn(Reached)) {
    let _watchdog = watchdog();
    let kill_after = |steps| {
        let go = Event::new().unwrap();
        let child = start(go.clone());
        let traced = Traced::new(child.pid());
        go.set();
        let reached = traced.kill_after(steps);
        child.join().unwrap_err();
        check(reached);
        reached
    };
    let Reached::End(instructions) = kill_after(usize::MAX) else {
        panic!("the work has no end");
    };
    let kills = kills(instructions);
    for kill in 0..kills {
        kill_after(kill * instructions / kills);
    }
}

/// Has the lock again, whatever state it was left in.
fn recovered<G>(got: LockResult<G>) -> G {
    got.or_else(AcquireError::into_inner).unwrap()
}

#[test]
fn a_lock_is_had_again() {
    fn pair(lock: Lock, go: Event) {
        stepped(&go, || drop(lock.acquire().unwrap()));
    }
    let lock = Lock::new().unwrap();
    let start = |go| Process::spawn(pair, (lock.clone(), go)).unwrap();
    cut_short(start, |reached| {
        let got = lock.acquire_timeout(LONG);
        assert!(got.is_ok() || reached == Reached::Inside);
        drop(recovered(got));
        lock.clear_poison();
    });
}

#[test]
fn a_reentrant_lock_is_had_again() {
    fn pairs(lock: RLock, go: Event) {
        stepped(&go, || {
            let outer = lock.acquire().unwrap();
            drop(lock.acquire().unwrap());
            drop(outer);
        });
    }
    let lock = RLock::new().unwrap();
    let start = |go| Process::spawn(pairs, (lock.clone(), go)).unwrap();
    cut_short(start, |reached| {
        let got = lock.acquire_timeout(LONG);
        assert!(got.is_ok() || reached == Reached::Inside);
        let guard = recovered(got);
        assert_eq!(lock.depth(), 1);
        drop(guard);
        lock.clear_poison();
    });
}

#[test]
fn no_permit_is_lost_and_none_is_made() {
    fn pair(semaphore: Semaphore, go: Event) {
        stepped(&go, || drop(semaphore.acquire().unwrap()));
    }
    let semaphore = Semaphore::new(2).unwrap();
    let start = |go| Process::spawn(pair, (semaphore.clone(), go)).unwrap();
    cut_short(start, |_| {
        let first = semaphore.acquire_timeout(LONG).unwrap();
        let second = semaphore.acquire_timeout(LONG).unwrap();
        semaphore.try_acquire().unwrap_err();
        drop((first, second));
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn a_bounded_semaphore_keeps_its_bound() {
    fn pair(semaphore: BoundedSemaphore, go: Event) {
        stepped(&go, || drop(semaphore.acquire().unwrap()));
    }
    let semaphore = BoundedSemaphore::new(1).unwrap();
    let start = |go| Process::spawn(pair, (semaphore.clone(), go)).unwrap();
    cut_short(start, |_| {
        drop(semaphore.acquire_timeout(LONG).unwrap());
        semaphore.release(1).unwrap_err();
    });
}

#[test]
fn an_event_is_set_or_not_and_can_be_set() {
    fn set_and_clear(event: Event, go: Event) {
        stepped(&go, || {
            event.clear();
            event.set();
        });
    }
    let event = Event::new().unwrap();
    let start = |go| Process::spawn(set_and_clear, (event.clone(), go)).unwrap();
    cut_short(start, |reached| {
        assert!(event.is_set() || reached == Reached::Inside);
        event.clear();
        assert!(!event.wait_timeout(Duration::ZERO));
        event.set();
        assert!(event.wait_timeout(LONG));
    });
}

#[test]
fn a_value_is_the_old_or_the_new_one() {
    fn add(value: Value<[u64; 4]>, go: Event) {
        stepped(&go, || {
            let [first, ..] = value.get();
            value.set([first + 1; 4]);
        });
    }
    let value = Value::new([0; 4]).unwrap();
    let start = |go| {
        value.set([0; 4]);
        Process::spawn(add, (value.clone(), go)).unwrap()
    };
    cut_short(start, |reached| {
        let got = value.lock_timeout(LONG);
        let poisoned = got.is_err();
        let found = *recovered(got);
        value.clear_poison();
        let whole = found == [1; 4] || found == [2; 4];
        assert!(whole || poisoned, "{found:?} and not poisoned");
        assert!(found == [2; 4] || reached == Reached::Inside);
    });
}

#[test]
fn an_array_says_that_a_writer_died_in_it() {
    fn fill(array: Array<u64>, go: Event) {
        stepped(&go, || {
            let mut guard = array.lock().unwrap();
            let next = guard[0] + 1;
            guard.fill(next);
        });
    }
    let array = Array::<u64>::zeroed(16).unwrap();
    let start = |go| {
        array.lock().unwrap().fill(0);
        Process::spawn(fill, (array.clone(), go)).unwrap()
    };
    cut_short(start, |reached| {
        let got = array.lock_timeout(LONG);
        let poisoned = got.is_err();
        let found = recovered(got).to_vec();
        array.clear_poison();
        let whole = found == [1; 16] || found == [2; 16];
        assert!(whole || poisoned, "{found:?} and not poisoned");
        assert!(found == [2; 16] || reached == Reached::Inside);
    });
}

/// Takes all that is in a queue, and sees that it still works.
fn drained(queue: &Queue<String>) -> Vec<String> {
    let mut items = Vec::new();
    loop {
        match queue.try_get() {
            Ok(item) => items.push(item),
            Err(GetError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
    }
    queue.put_timeout(&"after".to_owned(), LONG).unwrap();
    assert_eq!(queue.get_timeout(LONG).unwrap(), "after");
    items
}

#[test]
fn an_item_is_put_whole_or_not_at_all() {
    fn put(queue: Queue<String>, go: Event) {
        stepped(&go, || queue.put(&"item".to_owned()).unwrap());
    }
    for queue in [Queue::new().unwrap(), Queue::bounded(2).unwrap()] {
        let start = |go| Process::spawn(put, (queue.clone(), go)).unwrap();
        cut_short(start, |reached| {
            let items = drained(&queue);
            assert!(items.iter().all(|item| item == "item"));
            let done = items.len() == 2;
            assert!(done || (items.len() == 1 && reached == Reached::Inside));
        });
    }
}

#[test]
fn at_most_the_item_that_was_being_got_is_lost() {
    fn get(queue: Queue<String>, go: Event) {
        stepped(&go, || drop(queue.get().unwrap()));
    }
    let queue = Queue::new().unwrap();
    let start = |go| {
        for number in 0..3 {
            queue.put(&number.to_string()).unwrap();
        }
        Process::spawn(get, (queue.clone(), go)).unwrap()
    };
    cut_short(start, |reached| {
        let items = drained(&queue);
        assert!(items == ["2"] || (items == ["1", "2"] && reached == Reached::Inside));
    });
}

type Ends = (Connection<String, String>, Connection<String, String>);

fn over_rings() -> Ends {
    Pipe::builder().rings(4096).duplex().unwrap()
}

#[test]
fn a_message_is_sent_whole_or_not_at_all() {
    fn send(here: Connection<String, String>, go: Event) {
        stepped(&go, || here.send(&"message".to_owned()).unwrap());
    }
    // The other end goes with its child, so each has a pipe of its own.
    let there = Cell::new(None);
    for ends in [over_rings as fn() -> Ends, || Pipe::duplex().unwrap()] {
        let start = |go| {
            let (here, other) = ends();
            there.set(Some(other));
            Process::spawn(send, (here, go)).unwrap()
        };
        cut_short(start, |reached| {
            let there = there.take().unwrap();
            let (messages, ends): (Vec<_>, Vec<_>) = [0; 3]
                .map(|_| there.recv())
                .into_iter()
                .partition(Result::is_ok);
            assert!(
                messages
                    .iter()
                    .all(|message| matches!(message, Ok(text) if text == "message"))
            );
            assert!(ends.iter().all(|end| matches!(end, Err(RecvError::Closed))));
            let done = messages.len() == 2;
            assert!(done || (messages.len() == 1 && reached == Reached::Inside));
        });
    }
}

#[test]
fn at_most_the_message_that_was_being_received_is_lost() {
    fn receive(here: Connection<String, String>, go: Event) {
        stepped(&go, || drop(here.recv().unwrap()));
    }
    // A holder of the same end goes on behind the dead one.
    let ends = Cell::new(None);
    let start = |go| {
        let (here, there) = over_rings();
        for number in 0..3 {
            there.send(&number.to_string()).unwrap();
        }
        let (keep, pass) = Pipe::duplex().unwrap();
        pass.send(&here).unwrap();
        ends.set(Some((there, keep.recv().unwrap())));
        let _: (
            Connection<(), Connection<String, String>>,
            Connection<_, ()>,
        ) = (keep, pass);
        Process::spawn(receive, (here, go)).unwrap()
    };
    cut_short(start, |reached| {
        let (there, same) = ends.take().unwrap();
        drop(there);
        let left: Vec<_> = same.iter().map_while(Result::ok).collect();
        assert!(left == ["2"] || (left == ["1", "2"] && reached == Reached::Inside));
    });
}

/// Receives until `last` has come; what came before it.
fn until_last(there: &Connection<String, String>) -> Vec<String> {
    let texts = there.iter().map(Result::unwrap);
    texts.take_while(|text| text != "last").collect()
}

// CON-040
#[test]
fn a_receiver_that_sleeps_is_woken_by_the_next_sender() {
    fn send(here: Connection<String, String>, go: Event) {
        stepped(&go, || here.send(&"message".to_owned()).unwrap());
    }
    // It sleeps, as one that receives or as one that others watch beside, while the child is traced.
    let prepare = [
        |_: &Connection<String, String>| (),
        |there: &Connection<String, String>| assert!(!there.arm().unwrap()),
    ];
    let ends = Cell::new(None);
    for prepare in prepare {
        let start = |go| {
            let (here, there) = over_rings();
            prepare(&there);
            let same = here.try_clone().unwrap();
            let receiver = thread::spawn(move || until_last(&there));
            ends.set(Some((same, receiver)));
            Process::spawn(send, (here, go)).unwrap()
        };
        cut_short(start, |reached| {
            let (same, receiver) = ends.take().unwrap();
            same.send(&"last".to_owned()).unwrap();
            let messages = receiver.join().unwrap();
            assert!(messages.iter().all(|message| message == "message"));
            let done = messages.len() == 2;
            assert!(done || (messages.len() == 1 && reached == Reached::Inside));
        });
    }
}

// CON-040
#[test]
fn a_receiver_killed_while_it_falls_asleep_or_wakes_leaves_the_end_to_others() {
    fn receive(there: Connection<String, String>, before: Event, go: Event) {
        stepped_waiting(&before, &go, || drop(there.recv().unwrap()));
    }
    let ends = Cell::new(None);
    let start = |go| {
        let (here, there) = over_rings();
        here.send(&"first".to_owned()).unwrap();
        let before = Event::new().unwrap();
        let same = there.try_clone().unwrap();
        let child = Process::spawn(receive, (there, before.clone(), go)).unwrap();
        before.wait();
        let send = move || {
            thread::sleep(WAIT);
            here.send(&"second".to_owned()).unwrap();
            here
        };
        ends.set(Some((same, thread::spawn(send))));
        child
    };
    cut_short(start, |reached| {
        let (same, sending) = ends.take().unwrap();
        let here = sending.join().unwrap();
        let receiver = thread::spawn(move || until_last(&same));
        thread::sleep(WAIT);
        here.send(&"last".to_owned()).unwrap();
        let left = receiver.join().unwrap();
        assert!(left.is_empty() || (left == ["second"] && reached == Reached::Inside));
    });
}

/// How long a waiter waits before it has what it waits for: it has counted itself by then as one
/// that must not be overtaken.
const WAIT: Duration = Duration::from_millis(5);

/// In the child: as [`stepped`], when the test says that it holds what this waits for.
fn stepped_waiting(before: &Event, go: &Event, work: impl Fn()) {
    work();
    before.set();
    go.wait();
    steps::begin();
    work();
    steps::end();
}

/// Holds something from before this returns until a child has waited for it for a while; `work`
/// calls what it is given when it holds it.
fn hold(work: impl FnOnce(&dyn Fn()) + Send + 'static) {
    let (tell, told) = channel();
    thread::spawn(move || {
        work(&|| {
            tell.send(()).unwrap();
            thread::sleep(WAIT);
        });
    });
    told.recv().unwrap();
}

#[test]
fn a_waiter_blocks_no_other() {
    fn wait(value: Value<u64>, before: Event, go: Event) {
        stepped_waiting(&before, &go, || drop(value.lock().unwrap()));
    }
    let value = Value::new(0_u64).unwrap();
    let start = |go| {
        let before = Event::new().unwrap();
        let args = (value.clone(), before.clone(), go);
        let child = Process::spawn(wait, args).unwrap();
        before.wait();
        let same = value.clone();
        hold(move |hold| same.update(|_| hold()));
        child
    };
    cut_short(start, |reached| {
        let got = value.lock_timeout(LONG);
        assert!(got.is_ok() || reached == Reached::Inside);
        drop(recovered(got));
        value.clear_poison();
        for _ in 0..100 {
            value.set(1);
        }
        assert_eq!(value.segment().overdue(), 0, "the dead are not forgotten");
    });
}

#[test]
fn a_waiter_for_a_permit_keeps_none() {
    fn wait(semaphore: Semaphore, before: Event, go: Event) {
        stepped_waiting(&before, &go, || drop(semaphore.acquire().unwrap()));
    }
    let semaphore = Semaphore::new(1).unwrap();
    let start = |go| {
        let before = Event::new().unwrap();
        let args = (semaphore.clone(), before.clone(), go);
        let child = Process::spawn(wait, args).unwrap();
        before.wait();
        let same = semaphore.clone();
        hold(move |hold| {
            let _held = same.acquire().unwrap();
            hold();
        });
        child
    };
    cut_short(start, |_| {
        let permit = semaphore.acquire_timeout(LONG).unwrap();
        semaphore.try_acquire().unwrap_err();
        drop(permit);
        for _ in 0..100 {
            drop(semaphore.try_acquire().unwrap());
        }
    });
}

/// Stops a process of the test's own, and returns when it does nothing any more.
fn stop(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    eventually("it is stopped", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") T ")
    });
}

fn go_on(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGCONT).unwrap();
}

/// Waits for a notice; tells whether one came.
fn wait_for_notice(condition: Condition) -> bool {
    let guard = recovered(condition.acquire());
    let got = condition.wait_timeout(guard, LONG);
    recovered(got).1
}

/// In the child: as [`wait_for_notice`], and says so while it has the lock.
fn wait_stepped(condition: Condition, done: Event, go: Event) {
    // So that nothing is loaded on the way.
    let rehearsal = Condition::new(&Lock::new().unwrap()).unwrap();
    let guard = rehearsal.acquire().unwrap();
    drop(rehearsal.wait_timeout(guard, WAIT).unwrap());
    go.wait();
    let guard = recovered(condition.acquire());
    steps::begin();
    let got = condition.wait_timeout(guard, LONG);
    done.set();
    drop(got);
    steps::end();
}

/// Gives one notice when two wait, unless it is told first that they will not; tells whether it did.
fn notify_two(condition: &Condition, over: &AtomicBool) -> bool {
    while condition.waiters() < 2 {
        if over.load(Ordering::Relaxed) {
            return false;
        }
        thread::yield_now();
    }
    let _guard = recovered(condition.acquire());
    condition.notify_one().unwrap();
    true
}

/// Kills a waiter that is given a notice after so many instructions, and asserts that another has it, or is told that
/// the lock's owner died, unless the waiter had acted upon it.
fn kill_the_notified_after(steps: usize) -> Reached {
    let condition = Condition::new(&Lock::new().unwrap()).unwrap();
    let (done, go) = (Event::new().unwrap(), Event::new().unwrap());
    let other = Process::spawn(wait_for_notice, (condition.clone(),)).unwrap();
    eventually("the other waits", || condition.waiters() == 1);
    // The notice is left to the child.
    stop(other.pid());
    let over = Arc::new(AtomicBool::new(false));
    let (same, until) = (condition.clone(), Arc::clone(&over));
    let notifier = thread::spawn(move || notify_two(&same, &until));
    let args = (condition.clone(), done.clone(), go.clone());
    let child = Process::spawn(wait_stepped, args).unwrap();
    let traced = Traced::new(child.pid());
    go.set();
    let reached = traced.kill_after(steps);
    child.join().unwrap_err();

    over.store(true, Ordering::Relaxed);
    let is_given = notifier.join().unwrap();
    go_on(other.pid());
    let poisoned = condition.acquire().is_err();
    condition.lock().clear_poison();
    if !is_given || poisoned || done.is_set() {
        eventually("the other is told", || {
            condition.notify_all().unwrap();
            !other.is_alive()
        });
    }
    assert!(other.join().unwrap(), "nobody has had the notice");
    reached
}

// SYN-026
#[test]
fn a_notice_that_a_killed_waiter_had_taken_goes_to_another() {
    let _watchdog = watchdog();
    let Reached::End(instructions) = kill_the_notified_after(usize::MAX) else {
        panic!("the work has no end");
    };
    // The notice is taken in the second half. Each death is noticed when the other looks for it, which takes a while.
    let kills = kills(instructions).min(instructions / 2) / 4;
    for kill in 0..kills {
        kill_the_notified_after(instructions - kill * (instructions / 2) / kills);
    }
}

#[test]
fn a_waiter_for_an_item_blocks_no_other() {
    fn wait(queue: Queue<String>, before: Event, go: Event) {
        stepped_waiting(&before, &go, || drop(queue.get().unwrap()));
    }
    let queue = Queue::new().unwrap();
    let putting = Cell::new(None);
    let start = |go| {
        queue.put(&"first".to_owned()).unwrap();
        let before = Event::new().unwrap();
        let args = (queue.clone(), before.clone(), go);
        let child = Process::spawn(wait, args).unwrap();
        before.wait();
        let same = queue.clone();
        let put = move || {
            thread::sleep(WAIT);
            same.put(&"second".to_owned()).unwrap();
        };
        putting.set(Some(thread::spawn(put)));
        child
    };
    cut_short(start, |reached| {
        putting.take().unwrap().join().unwrap();
        let items = drained(&queue);
        assert!(items.is_empty() || (items == ["second"] && reached == Reached::Inside));
        for _ in 0..100 {
            queue.put(&"item".to_owned()).unwrap();
            assert_eq!(queue.try_get().unwrap(), "item");
        }
    });
}

//! The state machines, in every order in which their threads can run, on small bounds.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p procession-sync --release --test loom`
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread::{self, JoinHandle};
use procession_sync::model::{Barrier, Condition, Event, RwLock, Semaphore};
use procession_sync::{BarrierError, LockError, PermitError};

/// With more preemptions than these the number of orders grows beyond what is tried in minutes.
fn check(preemptions: usize, model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn with<T, R>(shared: &Arc<T>, run: fn(&T) -> R) -> JoinHandle<R>
where
    T: 'static,
    R: 'static,
{
    let shared = Arc::clone(shared);
    thread::spawn(move || run(&shared))
}

#[test]
fn an_event_wakes_all_who_wait() {
    check(3, || {
        let event = Arc::new(Event::new());
        let waiters = [
            with(&event, |event| event.wait(true)),
            with(&event, |event| event.wait(true)),
        ];
        event.set();
        for waiter in waiters {
            assert!(waiter.join().unwrap());
        }
    });
}

// SYN-028
#[test]
fn an_event_that_is_cleared_again_was_set_all_the_same() {
    check(3, || {
        let event = Arc::new((Event::new(), Event::new()));
        // The waiter is known to wait, or to be about to, when the event is set.
        let waiter = with(&event, |(event, there)| {
            there.set();
            event.wait(true)
        });
        event.1.wait(true);
        event.0.set();
        event.0.clear();
        event.0.set();
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn an_event_shows_what_came_before_it() {
    check(3, || {
        let shared = Arc::new((Event::new(), AtomicU32::new(0)));
        let waiter = with(&shared, |(event, number)| {
            assert!(event.wait(true));
            number.load(Ordering::Relaxed)
        });
        shared.1.store(7, Ordering::Relaxed);
        shared.0.set();
        assert_eq!(waiter.join().unwrap(), 7);
    });
}

#[test]
fn a_semaphore_lets_in_as_many_as_it_has_permits() {
    check(2, || {
        let shared = Arc::new((Semaphore::new(1, 1), AtomicU32::new(0)));
        let enter = |(semaphore, inside): &(Semaphore, AtomicU32)| {
            semaphore.acquire(true).unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
            inside.fetch_sub(1, Ordering::Relaxed);
            semaphore.release().unwrap();
        };
        let others = [with(&shared, enter), with(&shared, enter)];
        enter(&shared);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.0.free(), 1);
    });
}

// SYN-041: under loom every waiter that sleeps is overdue.
#[test]
fn a_waiter_that_died_when_it_was_overdue_keeps_no_permit() {
    check(2, || {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        semaphore.die_overdue();
        let enter = |semaphore: &Semaphore| {
            semaphore.acquire(true).unwrap();
            semaphore.release().unwrap();
        };
        let other = with(&semaphore, enter);
        if semaphore.try_acquire().is_ok() {
            semaphore.release().unwrap();
        }
        other.join().unwrap();
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn a_released_permit_reaches_somebody_who_waits() {
    check(3, || {
        let semaphore = Arc::new(Semaphore::new(0, 2));
        let waiter = with(&semaphore, |semaphore| {
            semaphore.acquire(true).unwrap();
            semaphore.forget().unwrap();
        });
        let impatient = with(&semaphore, |semaphore| match semaphore.acquire(false) {
            Ok(()) => semaphore.forget().unwrap(),
            Err(error) => {
                assert_eq!(error, PermitError::TimedOut);
                semaphore.add(1).unwrap_or(());
            }
        });
        semaphore.add(1).unwrap();
        impatient.join().unwrap();
        // Whichever of them got the first permit, there is one more for the other.
        semaphore.add(1).unwrap_or(());
        waiter.join().unwrap();
    });
}

#[test]
fn a_notice_reaches_who_waited_before() {
    check(3, || {
        let condition = Arc::new(Condition::new(0));
        let waiter = with(&condition, |condition| {
            let mut guard = condition.lock();
            while *guard == 0 {
                guard = condition.wait(guard, true).unwrap().0;
            }
        });
        *condition.lock() = 1;
        condition.notify(1).unwrap();
        waiter.join().unwrap();
        assert_eq!(condition.waiters(), 0);
    });
}

#[test]
fn notices_to_two_are_not_taken_by_one() {
    check(2, || {
        let condition = Arc::new(Condition::new(0));
        let wait = |condition: &Condition| {
            let guard = condition.lock();
            let mut guard = condition.wait(guard, true).unwrap().0;
            *guard += 1;
        };
        let waiters = [with(&condition, wait), with(&condition, wait)];
        // One at a time, to as many as are there.
        while *condition.lock() < 2 {
            if condition.waiters() > 0 {
                condition.notify(1).unwrap();
            }
            thread::yield_now();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(condition.waiters(), 0);
    });
}

#[test]
fn who_stops_waiting_takes_no_notice_from_another() {
    check(2, || {
        let condition = Arc::new(Condition::new(0));
        let impatient = with(&condition, |condition| {
            let guard = condition.lock();
            let notified = condition.wait(guard, false).unwrap().1;
            if notified {
                // It had its notice: passes it on.
                condition.notify(1).unwrap();
            }
        });
        let waiter = with(&condition, |condition| {
            let mut guard = condition.lock();
            while *guard == 0 {
                guard = condition.wait(guard, true).unwrap().0;
            }
        });
        *condition.lock() = 1;
        condition.notify(1).unwrap();
        impatient.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(condition.waiters(), 0);
    });
}

#[test]
fn a_barrier_lets_all_go_in_each_round() {
    check(2, || {
        let barrier = Arc::new(Barrier::new(2));
        let rounds = |barrier: &Barrier| {
            let first = barrier.wait(true).unwrap();
            (first, barrier.wait(true).unwrap())
        };
        let other = with(&barrier, rounds);
        let (mine, other) = (rounds(&barrier), other.join().unwrap());
        assert_eq!(mine.0 + other.0, 1);
        assert_eq!(mine.1 + other.1, 1);
    });
}

#[test]
fn a_round_trips_or_breaks_for_all() {
    check(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let impatient = with(&barrier, |barrier| barrier.wait(false));
        let patient = barrier.wait(true);
        match impatient.join().unwrap() {
            Ok(index) => assert_eq!(patient, Ok(1 - index)),
            Err(error) => {
                assert_eq!(error, BarrierError::TimedOut);
                assert_eq!(patient, Err(BarrierError::Broken));
            }
        }
    });
}

#[test]
fn abort_and_reset_reach_who_waits() {
    check(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let waiter = with(&barrier, |barrier| barrier.wait(true));
        let aborter = with(&barrier, Barrier::abort);
        aborter.join().unwrap();
        assert_eq!(waiter.join().unwrap(), Err(BarrierError::Broken));
        barrier.reset().unwrap();
        let one = with(&barrier, |barrier| barrier.wait(true));
        let (mine, other) = (barrier.wait(true), one.join().unwrap());
        assert_eq!(mine.unwrap() + other.unwrap(), 1);
    });
}

#[test]
fn recovery_wakes_and_frees_but_never_too_much() {
    check(3, || {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        let other = with(&semaphore, |semaphore| {
            semaphore.acquire(true).unwrap();
            semaphore.recover();
            assert_eq!(semaphore.free(), 0);
            semaphore.release().unwrap();
        });
        semaphore.acquire(true).unwrap();
        assert_eq!(semaphore.try_acquire(), Err(PermitError::WouldBlock));
        semaphore.release().unwrap();
        other.join().unwrap();
        assert_eq!(semaphore.free(), 1);
    });
}

#[test]
fn recovery_lets_every_waiter_look_again() {
    check(3, || {
        let condition = Arc::new(Condition::new(0));
        let waiter = with(&condition, |condition| {
            let mut guard = condition.lock();
            while *guard == 0 {
                guard = condition.wait(guard, true).unwrap().0;
            }
        });
        *condition.lock() = 1;
        // In the place of the notice that a dead process owes.
        condition.recover();
        waiter.join().unwrap();
        assert_eq!(condition.waiters(), 0);
    });
}

#[test]
fn recovery_breaks_the_round_for_all() {
    check(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let waiter = with(&barrier, |barrier| barrier.wait(true));
        barrier.recover();
        assert_eq!(waiter.join().unwrap(), Err(BarrierError::Broken));
    });
}

#[test]
fn a_notice_is_not_taken_by_who_gave_it() {
    check(3, || {
        let condition = Arc::new(Condition::new(0));
        let waiter = with(&condition, |condition| {
            let mut guard = condition.lock();
            *guard = 1;
            condition.wait(guard, true).unwrap().1
        });
        let mut guard = condition.lock();
        if *guard == 0 {
            drop(guard);
            // It joins under the lock that it changes this under.
            while *condition.lock() == 0 {
                thread::yield_now();
            }
            guard = condition.lock();
        }
        condition.notify(1).unwrap();
        let (guard, notified) = condition.wait(guard, false).unwrap();
        assert!(!notified);
        drop(guard);
        assert!(waiter.join().unwrap());
    });
}

/// How many are inside: a writer counts as many.
type Inside = AtomicU32;
const WRITER: u32 = 100;

fn write_alone(inside: &Inside) {
    assert_eq!(inside.fetch_add(WRITER, Ordering::Relaxed), 0);
    inside.fetch_sub(WRITER, Ordering::Relaxed);
}

fn read_beside(inside: &Inside) {
    assert!(inside.fetch_add(1, Ordering::Relaxed) < WRITER);
    inside.fetch_sub(1, Ordering::Relaxed);
}

fn write((lock, inside): &(RwLock, Inside)) {
    lock.write(true, || write_alone(inside)).unwrap();
}

fn write_if_free((lock, inside): &(RwLock, Inside)) {
    let written = lock.write(false, || write_alone(inside));
    assert!(matches!(written, Ok(()) | Err(LockError::TimedOut)));
}

fn read((lock, inside): &(RwLock, Inside)) {
    lock.read(false, || read_beside(inside)).unwrap();
}

#[test]
fn a_writer_is_alone_and_everybody_gets_in() {
    check(2, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let others = [with(&shared, write), with(&shared, read)];
        write(&shared);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.0.readers(), 0);
    });
}

#[test]
fn a_reader_and_a_writer_meet_again_and_again() {
    check(3, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let writer = with(&shared, |shared| {
            write(shared);
            write(shared);
        });
        read(&shared);
        read(&shared);
        writer.join().unwrap();
    });
}

#[test]
fn a_thread_that_reads_does_not_wait_for_a_writer_that_waits_for_it() {
    check(3, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let writer = with(&shared, write);
        let (lock, inside) = &*shared;
        let again = || lock.read(true, || read_beside(inside)).unwrap();
        lock.read(false, again).unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_writer_that_gives_up_lets_those_in_who_let_it_go_first() {
    check(2, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let others = [with(&shared, write_if_free), with(&shared, read)];
        read(&shared);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn another_writer_goes_first_when_the_first_gives_up() {
    check(2, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let others = [with(&shared, write_if_free), with(&shared, write)];
        read(&shared);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_writer_that_goes_on_reading_lets_readers_in_and_no_writer() {
    check(2, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let others = [with(&shared, write), with(&shared, read)];
        let (lock, inside) = &*shared;
        let (write, read) = (|| write_alone(inside), || read_beside(inside));
        lock.write_then_read(write, read).unwrap();
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_writer_that_is_killed_while_it_waits_delays_readers_for_a_while() {
    check(3, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let reader = with(&shared, read);
        shared.0.abandon();
        shared.0.expire();
        write(&shared);
        reader.join().unwrap();
    });
}

#[test]
fn recovery_lets_readers_and_writers_look_again() {
    check(2, || {
        let shared = Arc::new((RwLock::new(), Inside::new(0)));
        let others = [with(&shared, write), with(&shared, read)];
        let (lock, inside) = &*shared;
        let look = || {
            read_beside(inside);
            lock.recover();
        };
        lock.read(false, look).unwrap();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(lock.readers(), 0);
    });
}

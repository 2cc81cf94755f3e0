//! Semaphores, bounded and not.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use procession_process::Process;
use procession_shm::Value;
use procession_sync::{BoundedSemaphore, Event, PermitError, Semaphore};
use procession_testkit::helper::roundtrip;
use procession_testkit::{kill9, watchdog};
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

procession_process::enable_in_tests!();

// SYN-003
#[test]
fn permits_are_counted() {
    let _watchdog = watchdog();
    let semaphore = BoundedSemaphore::new(2).unwrap();
    assert_eq!((semaphore.available(), semaphore.bound()), (2, 2));
    let first = semaphore.acquire().unwrap();
    let second = semaphore.try_acquire().unwrap();
    assert_eq!((semaphore.available(), semaphore.locked()), (0, true));
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        PermitError::WouldBlock
    );
    drop(first);
    assert_eq!((semaphore.available(), semaphore.locked()), (1, false));
    drop(second);
    assert_eq!(semaphore.available(), 2);
}

// SYN-003: what Python leaves unchecked.
#[test]
fn a_bounded_semaphore_is_not_released_too_often() {
    let _watchdog = watchdog();
    let semaphore = BoundedSemaphore::new(2).unwrap();
    let too_often = Err(PermitError::OverRelease { limit: 2 });
    assert_eq!(semaphore.release(1), too_often);
    let permit = semaphore.acquire().unwrap();
    assert_eq!(
        semaphore.release(1),
        too_often,
        "its permit will be dropped"
    );
    permit.forget().unwrap();
    assert_eq!(semaphore.release(2), too_often);
    assert_eq!(semaphore.available(), 1, "nothing is released in part");
    semaphore.release(1).unwrap();
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn an_unbounded_one_has_as_many_as_were_released() {
    let _watchdog = watchdog();
    let semaphore = Semaphore::new(0).unwrap();
    semaphore.release(3).unwrap();
    assert_eq!(semaphore.available(), 3);
    let overflow = semaphore.release(u32::MAX);
    assert_eq!(overflow, Err(PermitError::OverRelease { limit: u32::MAX }));
    semaphore.acquire().unwrap().forget().unwrap();
    assert_eq!(semaphore.available(), 2);
}

// SYN-004, SYN-030
#[test]
fn timeouts_end_waiting() {
    let _watchdog = watchdog();
    let semaphore = Semaphore::new(0).unwrap();
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        PermitError::WouldBlock
    );
    let at_once = semaphore.acquire_timeout(Duration::ZERO);
    assert_eq!(at_once.unwrap_err(), PermitError::TimedOut);
    let (start, timeout) = (Instant::now(), Duration::from_millis(30));
    let refused = semaphore.acquire_timeout(timeout).unwrap_err();
    assert_eq!(refused, PermitError::TimedOut);
    assert!(start.elapsed() >= timeout);
    semaphore.release(1).unwrap();
    assert!(semaphore.acquire_timeout(Duration::MAX).is_ok());
}

#[test]
fn debug_shows_what_is_free_and_held() {
    let _watchdog = watchdog();
    let semaphore = BoundedSemaphore::new(3).unwrap();
    let permit = semaphore.acquire().unwrap();
    let shown = "BoundedSemaphore { available: 2, held: 1, bound: 3, .. }";
    assert_eq!(format!("{semaphore:?}"), shown);
    assert!(format!("{permit:?}").starts_with("Permit { of: Semaphore { available: 2"));
    assert_eq!(roundtrip(&semaphore).available(), 2);
}

fn enter_often(semaphore: BoundedSemaphore, inside: Value<i64>) -> i64 {
    let enter = |_| {
        let _permit = semaphore.acquire().unwrap();
        inside.update(|inside| *inside += 1);
        let seen = inside.get();
        inside.update(|inside| *inside -= 1);
        seen
    };
    (0..300).map(enter).max().unwrap()
}

#[test]
fn no_more_are_inside_than_it_has_permits() {
    let _watchdog = watchdog();
    let semaphore = BoundedSemaphore::new(2).unwrap();
    let inside = Value::new(0).unwrap();
    let spawn = |_| Process::spawn(enter_often, (semaphore.clone(), inside.clone())).unwrap();
    let processes: Vec<_> = (0..4).map(spawn).collect();
    for process in processes {
        assert!(process.join().unwrap() <= 2);
    }
    assert_eq!((semaphore.available(), inside.get()), (2, 0));
}

#[test]
fn a_released_permit_wakes_who_waits_in_another_process() {
    let _watchdog = watchdog();
    let semaphore = Semaphore::new(0).unwrap();
    let take = |semaphore: Semaphore| semaphore.acquire().unwrap().forget().unwrap();
    let processes: Vec<_> = (0..3)
        .map(|_| Process::spawn(take, (semaphore.clone(),)).unwrap())
        .collect();
    for _ in 0..3 {
        semaphore.release(1).unwrap();
    }
    for process in processes {
        process.join().unwrap();
    }
    assert_eq!(semaphore.available(), 0);
}

fn hold_two(semaphore: Semaphore, holding: Event) {
    let _first = semaphore.acquire().unwrap();
    mem::forget(semaphore.acquire().unwrap());
    holding.set();
    Event::new().unwrap().wait();
}

#[test]
fn the_permits_of_the_dead_are_given_back_on_every_path() {
    let _watchdog = watchdog();
    let paths: [fn(&Semaphore) -> bool; 3] = [
        |semaphore| semaphore.acquire().is_ok(),
        |semaphore| semaphore.try_acquire().is_ok(),
        |semaphore| semaphore.acquire_timeout(Duration::from_secs(99)).is_ok(),
    ];
    for acquires in paths {
        let (semaphore, holding) = (Semaphore::new(2).unwrap(), Event::new().unwrap());
        let holder = Process::spawn(hold_two, (semaphore.clone(), holding.clone())).unwrap();
        holding.wait();
        assert_eq!(
            semaphore.try_acquire().unwrap_err(),
            PermitError::WouldBlock
        );
        kill9(holder.pid());
        assert!(holder.join().is_err());
        assert!(acquires(&semaphore));
        assert_eq!(semaphore.available(), 2);
    }
}

#[test]
fn who_waits_gets_the_permit_of_a_holder_that_is_killed() {
    let _watchdog = watchdog();
    let (semaphore, holding) = (Semaphore::new(2).unwrap(), Event::new().unwrap());
    let holder = Process::spawn(hold_two, (semaphore.clone(), holding.clone())).unwrap();
    holding.wait();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| semaphore.acquire().map(drop));
        kill9(holder.pid());
        waiter.join().unwrap().unwrap();
    });
    assert!(holder.join().is_err());
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_leaked_permit_is_given_back_when_its_process_ends() {
    let _watchdog = watchdog();
    let semaphore = Semaphore::new(1).unwrap();
    let leak = |semaphore: Semaphore| mem::forget(semaphore.acquire().unwrap());
    let leaker = Process::spawn(leak, (semaphore.clone(),)).unwrap();
    leaker.join().unwrap();
    assert!(semaphore.try_acquire().is_ok());
}

#[test]
fn a_dead_waiter_takes_no_permit() {
    let _watchdog = watchdog();
    let (semaphore, there) = (Semaphore::new(0).unwrap(), Event::new().unwrap());
    let wait = |semaphore: Semaphore, there: Event| {
        there.set();
        drop(semaphore.acquire());
    };
    let waiter = Process::spawn(wait, (semaphore.clone(), there.clone())).unwrap();
    there.wait();
    kill9(waiter.pid());
    assert!(waiter.join().is_err());
    semaphore.release(1).unwrap();
    assert!(semaphore.try_acquire().is_ok());
}

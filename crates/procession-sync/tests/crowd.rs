//! More processes at one time than a semaphore, a condition or an rwlock can keep account of.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use procession_shm::{AcquireError, LockError, fork::before};
use procession_sync::{Condition, Lock, PermitError, RwLock, Semaphore};
use procession_testkit::{eventually, watchdog};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::time::Duration;

/// More than there can be.
const MANY: u32 = 600;
const ROOM: u8 = b'r';
const FULL: u8 = b'f';
const SHORT: Duration = Duration::from_millis(1);

fn main() {
    let room = a_semaphore_says_that_too_many_hold_permits();
    a_condition_says_that_too_many_wait(room);
    an_rwlock_says_that_too_many_read(room);
}

/// A pipe by which the children tell one byte each.
struct Crowd {
    children: Vec<Pid>,
    hear: PipeReader,
    say: PipeWriter,
}

impl Crowd {
    fn new() -> Self {
        let (hear, say) = pipe().expect("there are descriptors");
        let children = Vec::new();
        Self {
            children,
            hear,
            say,
        }
    }

    /// Adds a child that does that, and waits for what it says.
    fn add(&mut self, work: impl FnOnce(&mut dyn FnMut(u8))) -> u8 {
        let prepared = before().expect("there is a family");
        // SAFETY: the only other thread of this program, the watchdog, sleeps.
        let forked = unsafe { fork() }.expect("the system has room for a process");
        let ForkResult::Parent { child } = forked else {
            prepared.in_child();
            set_pdeathsig(Signal::SIGKILL).expect("the signal exists");
            let mut say = |byte| self.say.write_all(&[byte]).expect("it is heard");
            work(&mut say);
            end()
        };
        prepared.in_parent();
        self.children.push(child);
        let mut said = [0];
        self.hear.read_exact(&mut said).expect("the child says it");
        said[0]
    }

    fn kill_one(&mut self) {
        let child = self.children.swap_remove(0);
        kill(child, Signal::SIGKILL).expect("it is our child");
        waitpid(child, None).expect("it is our child");
    }

    fn all_end_well(&mut self) {
        for child in self.children.drain(..) {
            let status = waitpid(child, None).expect("it is our child");
            assert_eq!(status, WaitStatus::Exited(child, 0));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        while !self.children.is_empty() {
            self.kill_one();
        }
    }
}

#[expect(clippy::exit, reason = "a child must not go on into the tests")]
fn end() -> ! {
    std::process::exit(0)
}

/// Returns for how many there is room.
fn a_semaphore_says_that_too_many_hold_permits() -> usize {
    let _watchdog = watchdog();
    let semaphore = Semaphore::new(2 * MANY).expect("there is room");
    let mut crowd = Crowd::new();
    let hold = |say: &mut dyn FnMut(u8)| match semaphore.acquire() {
        Ok(_permit) => {
            say(ROOM);
            nix::unistd::pause();
        }
        Err(error) => {
            assert_eq!(error, PermitError::TooManyProcesses);
            say(FULL);
        }
    };
    while crowd.add(hold) == ROOM {
        assert!(crowd.children.len() < MANY as usize, "there is no limit");
    }
    let holders = crowd.children.len() as u32 - 1;
    assert!(holders > 400, "about 500 can hold permits, not {holders}");
    assert_eq!(semaphore.available(), 2 * MANY - holders);
    let refused = [
        semaphore.try_acquire().map(drop),
        semaphore.acquire().map(drop),
        semaphore.acquire_timeout(SHORT).map(drop),
    ];
    assert_eq!(refused, [Err(PermitError::TooManyProcesses); 3]);

    // The place of a dead process can be had.
    crowd.kill_one();
    let permit = semaphore.acquire().expect("there is a place");
    let another = semaphore.try_acquire().expect("it is the same place");
    drop((permit, another));
    crowd.kill_one();
    assert_eq!(crowd.add(hold), ROOM);
    holders as usize
}

fn a_condition_says_that_too_many_wait(room: usize) {
    let _watchdog = watchdog();
    let lock = Lock::new().expect("there is room");
    let condition = Condition::new(&lock).expect("there is room");
    let mut crowd = Crowd::new();
    for _ in 0..room {
        crowd.add(|say| {
            let guard = condition.acquire().expect("nobody dies with it");
            // Said with the lock, which the next one therefore gets when this one waits.
            say(ROOM);
            drop(condition.wait(guard).expect("there is a place"));
        });
    }
    let wait_shortly = || {
        let guard = condition.acquire().expect("nobody dies with it");
        condition.wait_timeout(guard, SHORT).map(|waited| waited.1)
    };
    let refused = wait_shortly();
    assert!(matches!(
        refused,
        Err(AcquireError::Failed(LockError::TooManyProcesses))
    ));

    // The place of a dead process can be had.
    crowd.kill_one();
    assert!(!wait_shortly().expect("there is a place"));
    eventually("all are woken", || {
        condition.notify_all().expect("it is sound");
        condition.waiters() == 0
    });
    crowd.all_end_well();
}

fn an_rwlock_says_that_too_many_read(room: usize) {
    let _watchdog = watchdog();
    let lock = RwLock::new().expect("there is room");
    let mut crowd = Crowd::new();
    for _ in 0..room {
        let said = crowd.add(|say| {
            let _guard = lock.read().expect("there is a place");
            say(ROOM);
            nix::unistd::pause();
        });
        assert_eq!(said, ROOM);
    }
    for refused in [lock.read(), lock.try_read(), lock.read_timeout(SHORT)] {
        let error = refused.expect_err("there is no place").into_inner();
        assert_eq!(error.map(drop), Err(LockError::TooManyProcesses));
    }

    // The place of a dead process can be had.
    crowd.kill_one();
    drop(lock.read().expect("there is a place"));
    drop(crowd);
    drop(lock.write().expect("nobody reads any more"));
    assert_eq!(lock.readers(), 0);
}

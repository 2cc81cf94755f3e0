//! What acquiring costs in memory of the process: nothing.

use procession_sync::{AcquireError, BoundedSemaphore, Lock, RLock};
use procession_testkit::allocation::{Counting, in_ten_runs};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn acquiring_allocates_nothing_but_the_first_time() {
    let _watchdog = procession_testkit::watchdog();
    let lock = Lock::new().unwrap();
    assert_eq!(in_ten_runs(|| drop(lock.acquire().unwrap())), 0);
    let semaphore = BoundedSemaphore::new(2).unwrap();
    assert_eq!(in_ten_runs(|| drop(semaphore.acquire().unwrap())), 0);
    let rlocks = [RLock::new().unwrap(), RLock::new().unwrap()];
    let all = || {
        let outer = rlocks[0].acquire().unwrap();
        let other = rlocks[1].acquire().unwrap();
        let inner = rlocks[0].try_acquire().unwrap();
        drop(outer);
        drop(inner);
        drop(rlocks[0].acquire().or_else(AcquireError::repaired).unwrap());
        drop(other);
    };
    assert_eq!(in_ten_runs(all), 0);
}

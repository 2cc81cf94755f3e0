//! How one waits, by each policy, on all processors and on one.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use procession_os::policy::{WaitPolicy, set_wait_policy, wait_policy};
use procession_os::robust::{Acquired, LockError, RobustMutex};
use procession_os::wait::Deadline;
use procession_os::{futex, policy};
use procession_testkit::helper::{Helper, read, say};
use procession_testkit::watchdog;
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

procession_testkit::helpers!(on_all_processors, on_one_processor);

const ALL: [WaitPolicy; 3] = [WaitPolicy::Balanced, WaitPolicy::Latency, WaitPolicy::Park];
const SHORT: Duration = Duration::from_millis(5);

fn run(helper: &str) {
    let mut helper = Helper::start(helper, &["go".to_owned()]);
    assert_eq!(helper.hear(), "done");
    assert!(helper.end().success());
}

#[test]
fn all_policies_wait_for_each_other_on_all_processors() {
    let _watchdog = watchdog();
    run("on_all_processors");
}

fn on_all_processors() {
    if read().is_some() {
        each_policy(true);
    }
}

#[test]
fn all_policies_wait_for_each_other_on_one_processor() {
    let _watchdog = watchdog();
    run("on_one_processor");
}

fn on_one_processor() {
    if read().is_some() {
        let mut one = CpuSet::new();
        let allowed = nix::sched::sched_getaffinity(Pid::this()).expect("it can be asked");
        let first = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu) == Ok(true));
        one.set(first.expect("it runs somewhere"))
            .expect("it is there");
        sched_setaffinity(Pid::this(), &one).expect("it is allowed");
        each_policy(false);
    }
}

fn each_policy(several_processors: bool) {
    assert_eq!(wait_policy(), WaitPolicy::Balanced);
    for policy in ALL {
        set_wait_policy(policy);
        assert_eq!(wait_policy(), policy);
        words_are_passed_to_and_fro();
        a_mutex_is_passed_on();
        timeouts_last(policy);
        one_processor_is_not_spun_on(policy, several_processors);
        looking_in_vain_is_given_up_for_a_while(policy);
    }
    say("done");
}

/// Two threads wait for each other's number.
fn words_are_passed_to_and_fro() {
    let word = AtomicU32::new(0);
    let play = |parity| {
        for turn in (parity..2000).step_by(2) {
            wait_until(&word, turn);
            word.store(turn + 1, Ordering::Release);
            futex::wake(&word, 1);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
    assert_eq!(word.into_inner(), 2000);
}

fn wait_until(word: &AtomicU32, turn: u32) {
    let check = || (word.load(Ordering::Acquire) == turn).then_some(());
    let park = |deadline| {
        let seen = word.load(Ordering::Acquire);
        if seen != turn {
            return futex::wait(word, seen, deadline);
        }
        Ok(true)
    };
    let waited = wait_policy().wait(Deadline::NEVER, check, park);
    assert_eq!(waited.expect("the word is mapped"), Some(()));
}

struct Counter {
    mutex: RobustMutex,
    count: UnsafeCell<u32>,
}

// SAFETY: the count is used under the mutex only.
unsafe impl Sync for Counter {}

fn a_mutex_is_passed_on() {
    let mut memory = Box::new(MaybeUninit::<Counter>::zeroed());
    // SAFETY: the mutex lies inside of the memory, which is nobody else's.
    let mutex = unsafe { &raw mut (*memory.as_mut_ptr()).mutex };
    // SAFETY: as above.
    unsafe { RobustMutex::init_at(mutex) }.expect("it is made");
    // SAFETY: the mutex was just made, and zero is a count.
    let counter = unsafe { memory.assume_init_ref() };
    let count = || {
        for _ in 0..1000 {
            assert_eq!(counter.mutex.lock(), Ok(Acquired::Clean));
            // SAFETY: the mutex is held.
            unsafe { *counter.count.get() += 1 };
            // SAFETY: this thread has locked it.
            unsafe { counter.mutex.unlock() }.expect("it is sound");
        }
    };
    thread::scope(|scope| {
        scope.spawn(count);
        scope.spawn(count);
        count();
    });
    // SAFETY: nobody else uses it any more.
    assert_eq!(unsafe { *counter.count.get() }, 3000);
    assert_eq!(counter.mutex.lock(), Ok(Acquired::Clean));
    let refused = thread::scope(|scope| {
        let wait = || counter.mutex.lock_until(Deadline::after(SHORT));
        scope.spawn(wait).join().expect("it does not panic")
    });
    assert_eq!(refused, Err(LockError::TimedOut));
    // SAFETY: this thread has locked it.
    unsafe { counter.mutex.unlock() }.expect("it is sound");
}

fn timeouts_last(policy: WaitPolicy) {
    let start = Instant::now();
    let word = AtomicU32::new(0);
    let park = |deadline| futex::wait(&word, 0, deadline);
    let waited = policy.wait(Deadline::after(SHORT), || None::<()>, park);
    assert_eq!(waited.expect("the word is mapped"), None);
    assert!(start.elapsed() >= SHORT);
}

fn one_processor_is_not_spun_on(policy: WaitPolicy, several_processors: bool) {
    let mut looks = 0;
    let look = || {
        looks += 1;
        None::<Infallible>
    };
    assert!(policy.spin(Deadline::after(SHORT), look).is_none());
    let spins = several_processors && policy != policy::WaitPolicy::Park;
    let several = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    assert_eq!(
        looks > 1,
        spins && several,
        "{policy:?} looked {looks} times"
    );
}

/// How often a wait for something that never comes looks.
fn looks_in_vain(policy: WaitPolicy) -> usize {
    let mut looks = 0;
    let look = || {
        looks += 1;
        None::<Infallible>
    };
    assert!(policy.spin_while_it_pays(Deadline::NEVER, look).is_none());
    policy.sleep(|| ());
    looks
}

fn looking_in_vain_is_given_up_for_a_while(policy: WaitPolicy) {
    let looks: Vec<_> = (0..20).map(|_| looks_in_vain(policy)).collect();
    let once = looks.iter().filter(|&&looks| looks == 1).count();
    match policy {
        WaitPolicy::Park => assert_eq!(once, 20),
        WaitPolicy::Balanced => assert!(once >= 10, "{looks:?}"),
        WaitPolicy::Latency => assert!(once == 0 || once == 20, "{looks:?}"),
    }
    // What is there is found at once.
    let found = policy.spin_while_it_pays(Deadline::NEVER, || Some(7));
    assert_eq!(found, Some(7));
}

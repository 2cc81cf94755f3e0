//! Timeouts do not follow the wall clock, which somebody may set at any time.
//!
//! The clock of a machine that tests run on is not theirs to set, and no namespace has one of its
//! own. So this program gives itself the wall clock it wants: whoever asks the C library for the
//! time of day in this process gets one that jumps by an hour at each look. And the kernel ends
//! this process if it is asked to wait until a time of day.

use libc::{c_int, c_long, clockid_t, timespec};
use procession_os::wait::Deadline;
use procession_shm::{AcquireError, LockError, Value};
use procession_sync::{
    Barrier, BarrierError, BoundedSemaphore, Condition, Event, Lock, PermitError, RLock, Semaphore,
    WaitPolicy, set_wait_policy,
};
use procession_testkit::sandbox::install;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How often the time of day was asked for.
static LOOKS: AtomicI64 = AtomicI64::new(0);

const HOUR: i64 = 3600;

/// Stands in for the C library's: the standard library's clocks come here.
// SAFETY: it does what the function of that name is there for.
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: clockid_t, at: *mut timespec) -> c_int {
    // SAFETY: the caller vouches for the pointer.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, at) };
    if clock == libc::CLOCK_REALTIME && result == 0 {
        let looks = LOOKS.fetch_add(1, Ordering::Relaxed);
        let jump = HOUR * (looks + 1) * if looks % 2 == 0 { 1 } else { -1 };
        // SAFETY: the kernel has written there.
        unsafe { (*at).tv_sec += jump };
    }
    result as c_int
}

fn main() {
    let _watchdog = procession_testkit::watchdog();
    the_wall_clock_jumps();
    forbid_waiting_for_a_time_of_day();
    for policy in [WaitPolicy::Balanced, WaitPolicy::Latency, WaitPolicy::Park] {
        set_wait_policy(policy);
        timeouts_do_not_follow_the_wall_clock();
    }
}

fn the_wall_clock_jumps() {
    let (first, second, third) = (SystemTime::now(), SystemTime::now(), SystemTime::now());
    assert!(first > second && third > second, "the stand-in is not used");
}

// SYN-030
fn timeouts_do_not_follow_the_wall_clock() {
    let looks = LOOKS.load(Ordering::Relaxed);
    let lock = Lock::new().expect("there is room");
    let value = Value::new(1).expect("there is room");
    let rlock = RLock::new().expect("there is room");
    let held = lock.acquire().expect("it is free");
    let also_held = (value.lock(), rlock.acquire());
    thread::scope(|scope| {
        let all = scope.spawn(|| {
            lasts(|timeout| lock.acquire_timeout(timeout).map(drop).map_err(reason));
            lasts(|timeout| rlock.acquire_timeout(timeout).map(drop).map_err(reason));
            lasts(|timeout| {
                let held = value.segment().lock_until(Deadline::after(timeout));
                held.map(drop)
            });
        });
        all.join().expect("they time out");
    });
    drop((held, also_held));
    everything_else_lasts(&lock);
    assert_eq!(LOOKS.load(Ordering::Relaxed), looks, "it was looked at");
}

fn everything_else_lasts(lock: &Lock) {
    let semaphore = Semaphore::new(0).expect("there is room");
    let acquired = |timeout| semaphore.acquire_timeout(timeout).map(drop);
    assert_eq!(lasts(acquired), PermitError::TimedOut);
    let bounded = BoundedSemaphore::new(0).expect("there is room");
    let acquired = |timeout| bounded.acquire_timeout(timeout).map(drop);
    assert_eq!(lasts(acquired), PermitError::TimedOut);
    let barrier = Barrier::new(2).expect("there is room");
    let waited = lasts(|timeout| barrier.wait_timeout(timeout));
    assert!(matches!(
        waited,
        BarrierError::TimedOut | BarrierError::Broken
    ));

    let event = Event::new().expect("there is room");
    lasts(|timeout| refused(!event.wait_timeout(timeout)));
    let condition = Condition::new(lock).expect("there is room");
    lasts(|timeout| {
        let guard = condition.acquire().expect("it is free");
        let (_guard, notified) = condition.wait_timeout(guard, timeout).expect("it is sound");
        refused(!notified)
    });
    lasts(|timeout| {
        let guard = condition.acquire().expect("it is free");
        let waited = condition.wait_for_timeout(guard, timeout, || false);
        refused(!waited.expect("it is sound").1)
    });
}

/// Checks that it gives up after the timeout, and returns with what.
fn lasts<R, E>(work: impl FnOnce(Duration) -> Result<R, E>) -> E {
    let timeout = Duration::from_millis(20);
    let start = Instant::now();
    let Err(error) = work(timeout) else {
        panic!("it was not to be had");
    };
    assert!(start.elapsed() >= timeout, "it gave up early");
    error
}

fn refused(refused: bool) -> Result<(), ()> {
    if refused { Err(()) } else { Ok(()) }
}

fn reason<G>(error: AcquireError<G>) -> LockError {
    error.into_inner().map(drop).expect_err("it is not held")
}

/// Has the kernel end this process when any thread of it asks to wait by the wall clock.
fn forbid_waiting_for_a_time_of_day() {
    let futex = libc::SYS_futex;
    let sleep = libc::SYS_clock_nanosleep;
    let program = [
        load(NUMBER),
        unless_equal(futex, 5),
        load(SECOND_ARGUMENT),
        unless_any(libc::FUTEX_CLOCK_REALTIME, 3),
        // Without a timeout there is nothing to take the clock for.
        load(FOURTH_ARGUMENT),
        unless_any(-1, 1),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        // The number again, in either case.
        load(NUMBER),
        unless_equal(sleep, 3),
        load(FIRST_ARGUMENT),
        unless_equal(c_long::from(libc::CLOCK_REALTIME), 1),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    install(&program, libc::SECCOMP_FILTER_FLAG_TSYNC);
}

/// Where `struct seccomp_data` has the number of the call and the lower halves of the arguments.
const NUMBER: u32 = 0;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;
const FOURTH_ARGUMENT: u32 = 40;

fn load(offset: u32) -> libc::sock_filter {
    filter(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0)
}

/// Skips so many instructions unless what was loaded is this.
fn unless_equal(this: c_long, skip: u8) -> libc::sock_filter {
    filter(
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        this as u32,
        skip,
    )
}

/// Skips so many instructions unless what was loaded has one of these bits.
fn unless_any(bits: c_int, skip: u8) -> libc::sock_filter {
    filter(
        libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
        bits as u32,
        skip,
    )
}

fn answer(with: u32) -> libc::sock_filter {
    filter(libc::BPF_RET | libc::BPF_K, with, 0)
}

fn filter(code: u32, k: u32, jf: u8) -> libc::sock_filter {
    let code = code as u16;
    libc::sock_filter { code, jt: 0, jf, k }
}

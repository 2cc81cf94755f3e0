//! A pool among what is hostile to it: a process that is forked by hand, workers that are killed in the middle of
//! large messages or write over the memory that they share with it, no descriptors, many workers, one processor.

#![expect(
    clippy::unwrap_used,
    reason = "programs of their own fail by panicking, like tests"
)]

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork};
use procession_pipe::{PipeReader, pipe};
use procession_pool::{MapResults, Pool, PoolError};
use procession_process::{ExitStatus, Process};
use procession_shm::Value;
use procession_testkit::{alive, children, eventually, exists, kill9, watchdog};
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

procession_process::enable_in_tests!();

/// Marsaglia's xorshift64, with a seed that is printed, and that `PROCESSION_STORM_SEED` repeats.
struct Random(u64);

impl Random {
    #[expect(clippy::print_stdout, reason = "a test that fails is repeated by it")]
    fn new(test: &str) -> Self {
        let given = std::env::var("PROCESSION_STORM_SEED");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is later").subsec_nanos();
        let seed = given.map_or(u64::from(now), |seed| seed.parse().expect("it is a number"));
        println!("{test}: seed {seed}");
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn pause(millis: u64) -> u64 {
    thread::sleep(Duration::from_millis(millis));
    millis
}

fn next(n: u64) -> u64 {
    n + 1
}

/// A worker may have died, and been reaped, since its number was read.
fn kill_if_there(pid: u32) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
}

/// Runs `program` in a process of its own.
fn alone(program: fn()) {
    fn run(index: usize) {
        PROGRAMS[index]();
    }
    let _watchdog = watchdog();
    let index = PROGRAMS
        .iter()
        .position(|&it| std::ptr::fn_addr_eq(it, program));
    let index = index.expect("it is in the list");
    Process::spawn(run, (index,)).unwrap().join().unwrap();
}

const PROGRAMS: [fn(); 4] = [
    fork_by_hand,
    without_descriptors,
    with_many_workers,
    on_one_processor,
];

/// Asks a copy of a pool, and of a call's results, for everything.
fn ask(pool: &Pool, results: &mut MapResults<std::ops::Range<u64>, u64>) {
    let copied = |result: Result<(), PoolError>| matches!(result, Err(PoolError::Copied));
    assert!(copied(pool.apply(pause, (0,)).map(drop)));
    assert!(copied(pool.map(next, 0..9).map(drop)));
    assert!(copied(pool.apply_async(next, (1,)).map(drop)));
    assert!(copied(pool.imap(next, 0..9).map(drop)));
    assert!(results.is_done());
    let results: Vec<_> = results.collect();
    assert!(results.len() == 1 && results.into_iter().all(|it| copied(it.map(drop))));
    pool.close();
    pool.terminate();
    pool.join();
}

/// Forks a busy owner again and again. The copies ask the pool for all that it does, and drop it.
fn fork_by_hand() {
    let pool = Pool::new(2).unwrap();
    pool.map_chunked(pause, [1; 8], 1).unwrap();
    let workers = pool.worker_pids();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                assert!(
                    pool.map_chunked(next, 0..100, 3)
                        .unwrap()
                        .into_iter()
                        .eq(1..101)
                );
                rounds += 1;
            }
            rounds
        });
        for round in 0..20 {
            let mut results = pool.imap(next, 0..1000).unwrap();
            assert_eq!(results.next().unwrap().unwrap(), 1);
            let waited_for = pool.apply_async(pause, (round % 3,)).unwrap();
            // SAFETY: the copy calls what the pool offers, which touches no lock there, and exits.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => {
                    // In case that it hangs.
                    alarm::set(60);
                    ask(&pool, &mut results);
                    let waited_for = waited_for.get();
                    assert!(matches!(waited_for, Err(PoolError::Copied)));
                    // SAFETY: nothing that the original needs is undone.
                    unsafe { nix::libc::_exit(7) };
                }
                ForkResult::Parent { child } => {
                    assert!(results.map(Result::unwrap).eq(2..1001));
                    assert_eq!(waited_for.get().unwrap(), round % 3);
                    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 7)));
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(busy.join().unwrap() > 0);
    });
    assert_eq!(pool.worker_pids(), workers);
    pool.join();
}

// POL-181
#[test]
fn a_busy_owner_may_be_forked_by_hand() {
    alone(fork_by_hand);
}

const LARGE: usize = 64 << 20;

/// Returns what it was given, with the number of its process in front.
fn stamped(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
    bytes
}

// POL-182
#[test]
fn large_arguments_and_results_are_whole_or_failed_while_workers_are_killed() {
    let _watchdog = watchdog();
    let mut random = Random::new("large");
    let pool = Pool::new(2).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut whole = 0;
            for _ in 0..5 {
                match pool.apply(stamped, (vec![7; LARGE],)) {
                    Ok(bytes) => {
                        assert!(bytes.len() == LARGE && bytes[4..].iter().all(|&byte| byte == 7));
                        whole += 1;
                    }
                    Err(PoolError::WorkerDied { status, .. }) => {
                        assert_eq!(status, ExitStatus::Signal(9));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            done.store(true, Ordering::Relaxed);
            whole
        });
        while !done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(random.below(300)));
            let pids = pool.worker_pids();
            if !pids.is_empty() {
                kill_if_there(pids[random.below(pids.len() as u64) as usize]);
            }
        }
        calls.join().unwrap();
    });
    let bytes = pool.apply(stamped, (vec![7; LARGE],)).unwrap();
    assert_eq!(bytes.len(), LARGE);
}

fn read_one(mut reader: PipeReader) -> u8 {
    let mut byte = [0];
    std::io::Read::read_exact(&mut reader, &mut byte).expect("a byte was written");
    byte[0]
}

fn with_a_byte() -> PipeReader {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[7]).unwrap();
    reader
}

/// Lets the calling process open no more files; returns the limit that it had.
fn no_more_files() -> (u64, u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let free = File::open("/dev/null").unwrap();
    let lowest = std::os::fd::AsRawFd::as_raw_fd(&free).cast_unsigned();
    setrlimit(Resource::RLIMIT_NOFILE, lowest.into(), hard).unwrap();
    (soft, hard)
}

fn without_descriptors() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(read_one, (with_a_byte(),)).unwrap(), 7);
    let reader = with_a_byte();
    let (soft, hard) = no_more_files();
    // It needs a descriptor for each on the way.
    assert!(pool.apply(read_one, (reader,)).is_err());
    assert!(pool.map(next, 0..100).unwrap().into_iter().eq(1..101));
    // There is no successor, and one worker does.
    let victim = pool.worker_pids()[0];
    kill9(victim);
    eventually("it is gone", || !exists(victim));
    for _ in 0..20 {
        assert!(
            pool.map_chunked(next, 0..20, 1)
                .unwrap()
                .into_iter()
                .eq(1..21)
        );
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    eventually("the worker is replaced", || pool.worker_pids().len() == 2);
    assert_eq!(pool.apply(read_one, (with_a_byte(),)).unwrap(), 7);

    // The same in a worker: the call that it has no room for fails, and no other.
    drop(pool);
    let pool = Pool::new(1).unwrap();
    pool.apply(
        || {
            no_more_files();
        },
        (),
    )
    .unwrap();
    let pid = pool.apply(std::process::id, ()).unwrap();
    let items = [Some(1), None, Some(2)];
    let item = |number: Option<PipeReader>| number.map(read_one);
    let mut results = pool
        .imap_chunked(item, items.map(|it| it.map(|_: i32| with_a_byte())), 3)
        .unwrap();
    assert!(results.next().unwrap().is_err());
    assert!(results.next().unwrap().unwrap().is_none());
    assert!(results.next().unwrap().is_err());
    assert_eq!(pool.apply(std::process::id, ()).unwrap(), pid);
}

// POL-183
#[test]
fn a_call_for_which_no_descriptor_is_left_fails_alone() {
    alone(without_descriptors);
}

const MANY: usize = 200;

fn with_many_workers() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(10_000), hard).unwrap();
    let mut random = Random::new("many");
    let me = std::process::id();
    let pool = Pool::new(MANY).unwrap();
    let pids = pool.worker_pids();
    assert_eq!(pids.len(), MANY);
    assert!(
        pool.map_chunked(next, 0..10_000, 1)
            .unwrap()
            .into_iter()
            .eq(1..10_001)
    );
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            pool.imap_chunked(pause, [1; 2000], 1)
                .unwrap()
                .filter(Result::is_err)
                .count()
        });
        for _ in 0..MANY / 4 {
            kill_if_there(pids[random.below(MANY as u64) as usize]);
        }
        // Each costs the item that it was running, at most.
        assert!(call.join().unwrap() <= MANY / 4);
    });
    eventually("those that were killed are replaced", || {
        let pids = pool.worker_pids();
        pids.len() == MANY && pids.into_iter().all(alive)
    });
    drop(pool);
    assert_eq!(children(me), []);
}

// POL-184
#[test]
fn a_pool_may_have_two_hundred_workers() {
    alone(with_many_workers);
}

fn on_one_processor() {
    let may = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|&at| may.is_set(at).unwrap());
    one.set(first.expect("there is one")).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    let pool = Pool::new(3).unwrap();
    for round in 0..20 {
        assert!(pool.map(next, 0..1000).unwrap().into_iter().eq(1..1001));
        assert!(
            pool.imap(next, 0..100)
                .unwrap()
                .map(Result::unwrap)
                .eq(1..101)
        );
        assert_eq!(pool.apply(next, (round,)).unwrap(), round + 1);
        let pids = pool.worker_pids();
        kill_if_there(pids[round as usize % pids.len()]);
        let polled = pool.apply_async(next, (round,)).unwrap();
        eventually("it is done", || polled.ready());
    }
}

// POL-187
#[test]
fn one_processor_is_enough() {
    alone(on_one_processor);
}

/// Stops the process that owns the pool, at any moment of its calls, and lets it go on.
// POL-185
#[test]
fn an_owner_that_is_stopped_goes_on() {
    fn own() {
        let pool = Pool::new(2).unwrap();
        for _ in 0..200 {
            assert_eq!(pool.map_chunked(pause, [1; 20], 3).unwrap(), [1; 20]);
            assert_eq!(pool.apply(pause, (1,)).unwrap(), 1);
        }
    }
    let _watchdog = watchdog();
    let mut random = Random::new("stopped owner");
    let owner = Process::spawn(own, ()).unwrap();
    while owner.exit_status().is_none() {
        let send = |signal| {
            let _ = kill(Pid::from_raw(owner.pid().cast_signed()), signal);
        };
        thread::sleep(Duration::from_millis(random.below(60)));
        send(Signal::SIGSTOP);
        thread::sleep(Duration::from_millis(random.below(60)));
        send(Signal::SIGCONT);
        if owner.wait_timeout(Duration::ZERO).unwrap().is_some() {
            break;
        }
    }
    owner.join().unwrap();
}

/// The memory that this worker shares with the pool: the rings and the page.
fn shared_with_the_pool() -> Vec<Range<u64>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let is_shared = rest.starts_with("rw-s") && rest.contains("/procession-");
        // The names of what the pool shares with a worker are gone.
        let (from, to) =
            (is_shared && rest.ends_with("(deleted)")).then(|| range.split_once('-'))??;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        Some(number(from)?..number(to)?)
    });
    let shared: Vec<_> = shared.collect();
    assert!(shared.len() >= 2, "the rings and the page: {maps}");
    shared
}

/// Writes over the memory that this worker shares with the pool, in so many places.
fn scribble(seed: u64, places: u64) {
    let mut random = Random(seed | 1);
    let shared = shared_with_the_pool();
    let memory = File::options().write(true).open("/proc/self/mem").unwrap();
    for _ in 0..places {
        let range = &shared[random.below(shared.len() as u64) as usize];
        // Half of them where the words are that say what is where.
        let len = match random.below(2) {
            0 => range.end - range.start,
            _ => 512,
        };
        let at = range.start + random.below(len / 8) * 8;
        let word = match random.below(3) {
            0 => random.below(u64::MAX),
            1 => random.below(256),
            _ => u64::MAX << random.below(64),
        };
        memory.write_at(&word.to_le_bytes(), at).unwrap();
    }
}

/// Such a worker may overlook what it is sent from then on, and what it returned may be lost, so it is killed. The
/// pool talks to it, and to the others, while it writes.
// POL-186
#[test]
fn a_worker_that_writes_over_what_it_shares_with_the_pool_harms_no_other() {
    let _watchdog = watchdog();
    let mut random = Random::new("scribble");
    let pool = Pool::new(3).unwrap();
    let culprit = Value::new(0_u32).unwrap();
    for _ in 0..20 {
        pool.map_chunked(pause, [1; 9], 1).unwrap();
        let others = [150; 2].map(|millis| pool.apply_async(pause, (millis,)).unwrap());
        let call = |pid: Value<u32>, seed: u64, places: u64| {
            pid.set(std::process::id());
            thread::sleep(Duration::from_millis(30));
            for round in 0..20 {
                scribble(seed + round, places);
            }
        };
        let (seed, places) = (random.below(1 << 60), 1 + random.below(200));
        culprit.set(0);
        let args = (culprit.clone(), seed, places);
        let mut scribbled = pool.apply_async(call, args).unwrap();
        thread::scope(|scope| {
            // The third worker is sent, and answers, one item after the other; so is the culprit, perhaps.
            let busy = scope.spawn(|| {
                let results = pool.imap_chunked(next, 0..2000, 1).unwrap();
                results.count()
            });
            for other in others {
                assert_eq!(other.get().unwrap(), 150, "seed {seed}");
            }
            eventually("it has begun", || culprit.get() != 0);
            // Whatever came of it, it is a result.
            let _ = scribbled.get_timeout(Duration::from_millis(100));
            kill_if_there(culprit.get());
            assert_eq!(busy.join().unwrap(), 2000, "seed {seed}");
        });
        eventually("its call ends", || {
            // If the page says what it might say though the call had not begun, another worker runs it.
            kill_if_there(culprit.get());
            scribbled.ready()
        });
        eventually("it is gone", || {
            !pool.worker_pids().contains(&culprit.get())
        });
        for _ in 0..3 {
            let results = pool.imap_chunked(next, 0..100, 7).unwrap();
            assert!(results.map(Result::unwrap).eq(1..101), "seed {seed}");
        }
    }
}

/// What a worker has begun is known by its page alone. If that says what cannot be, the call may have begun.
// POL-186
#[test]
fn what_a_worker_may_have_begun_does_not_run_again_though_its_page_is_written_over() {
    fn deny(runs: Value<u32>, word: u64) {
        *runs.lock().unwrap() += 1;
        let shared = shared_with_the_pool().into_iter();
        let page = shared.min_by_key(|range| range.end - range.start).unwrap();
        let words = word
            .to_le_bytes()
            .repeat(((page.end - page.start) / 8) as usize);
        let memory = File::options().write(true).open("/proc/self/mem").unwrap();
        memory.write_all_at(&words, page.start).unwrap();
        kill9(std::process::id());
    }
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    for word in [0, 1, u64::MAX, 1 << 63, 1 << 32, 0xFF_0000_00FF] {
        assert_eq!(pool.map_chunked(next, 0..9, 1).unwrap().len(), 9);
        let runs = Value::new(0).unwrap();
        let denied = pool.apply(deny, (runs.clone(), word));
        assert!(denied.is_err(), "{word:x}");
        assert_eq!(pool.apply(next, (1,)).unwrap(), 2);
        assert_eq!(runs.get(), 1, "{word:x}");
    }
}

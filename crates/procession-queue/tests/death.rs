//! Processes that are killed while they wait, memory that runs out, memory that is overwritten.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_process::Process;
use procession_queue::{JoinableQueue, PutError, Queue};
use procession_testkit::{eventually, kill9, shared_memory, watchdog};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

procession_process::enable_in_tests!();

/// Waits until the process sleeps in the kernel.
fn asleep(pid: u32) {
    eventually("the process sleeps", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('S')
    });
}

fn get_one(queue: Queue<u32>, before: Queue<()>) -> u32 {
    before.put(&()).unwrap();
    queue.get().unwrap()
}

fn put_one(queue: Queue<u32>, before: Queue<()>) {
    before.put(&()).unwrap();
    queue.put(&7).unwrap();
}

// QUE-012
#[test]
fn a_reader_killed_in_get_blocks_no_other() {
    let _watchdog = watchdog();
    let (queue, before) = (Queue::new().unwrap(), Queue::new().unwrap());
    let spawn = || Process::spawn(get_one, (queue.clone(), before.clone())).unwrap();
    let (victim, survivor) = (spawn(), spawn());
    for _ in 0..2 {
        before.get().unwrap();
    }
    asleep(victim.pid());
    kill9(victim.pid());
    queue.put(&5).unwrap();
    assert_eq!(survivor.join().unwrap(), 5);
    assert!(victim.join().is_err());
    queue.put(&6).unwrap();
    assert_eq!(queue.get().unwrap(), 6);
}

fn get_for_ever(queue: Queue<u32>) {
    while queue.get().is_ok() {}
}

#[test]
fn timeouts_hold_though_a_stopped_process_may_hold_the_lock() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let child = Process::spawn(get_for_ever, (queue.clone(),)).unwrap();
    let pid = Pid::from_raw(child.pid().cast_signed());
    for _ in 0..50 {
        queue.put_many(&[1; 500]).unwrap();
        kill(pid, Signal::SIGSTOP).unwrap();
        // One of both: an item, or the end of the timeout.
        let _ = queue.get_timeout(Duration::from_millis(1));
        kill(pid, Signal::SIGCONT).unwrap();
    }
    kill9(child.pid());
    assert!(child.join().is_err());
}

#[test]
fn a_writer_killed_in_put_blocks_no_other() {
    let _watchdog = watchdog();
    let (queue, before) = (Queue::bounded(1).unwrap(), Queue::new().unwrap());
    queue.put(&5).unwrap();
    let spawn = || Process::spawn(put_one, (queue.clone(), before.clone())).unwrap();
    let (victim, survivor) = (spawn(), spawn());
    for _ in 0..2 {
        before.get().unwrap();
    }
    asleep(victim.pid());
    kill9(victim.pid());
    assert!(victim.join().is_err());
    assert_eq!(queue.get().unwrap(), 5);
    assert_eq!(queue.get().unwrap(), 7);
    survivor.join().unwrap();
    assert!(queue.is_empty().unwrap());
}

#[test]
fn when_memory_runs_out_put_fails_and_the_queue_goes_on() {
    let _watchdog = watchdog();
    Process::spawn(run_out_of_memory, ())
        .unwrap()
        .join()
        .unwrap();
}

fn run_out_of_memory() {
    let queue = Queue::new().unwrap();
    let block = vec![7_u8; 10_000];
    // Above this size, making a segment is the error that a full `/dev/shm` gives.
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 100_000, hard).unwrap();
    for _ in 0..3 {
        let put = (0..1000).find(|_| queue.put(&block).is_err()).unwrap();
        assert!(matches!(queue.put(&block), Err(PutError::Memory(_))));
        assert!(matches!(
            queue.put(&vec![7; 3 << 20]),
            Err(PutError::Memory(_))
        ));
        let refused = queue
            .put_many(&[vec![], block.clone(), vec![]])
            .unwrap_err();
        assert_eq!(refused.put, 1);
        assert_eq!(queue.len().unwrap(), put + 1);
        for _ in 0..put {
            assert_eq!(queue.get().unwrap(), block);
        }
        assert_eq!(queue.get().unwrap(), []);
    }
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
    for _ in 0..100 {
        queue.put(&block).unwrap();
    }
    assert_eq!(queue.get_many(200).unwrap().len(), 100);
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed is needed to repeat the test")]
fn garbage_in_the_memory_is_an_error() {
    let _watchdog = watchdog();
    let seed = u64::from(std::process::id()) << 16 | 1;
    println!("seed {seed}");
    let child = Process::spawn(scribble, (seed,)).unwrap();
    child.join().unwrap();
}

fn scribble(seed: u64) {
    let mut random = Random(seed);
    for round in 0..150 {
        let before = shared_memory("");
        let queue = JoinableQueue::bounded(round % 3 * 100).unwrap();
        fill(&queue, &mut random);
        let mine = format!("-{:x}-", std::process::id());
        let names: Vec<_> = shared_memory("")
            .into_iter()
            .filter(|name| name.contains(&mine) && !before.contains(name))
            .collect();
        for _ in 0..=random.below(2) {
            let name = &names[random.below(names.len())];
            scribble_over(name, &mut random);
        }
        use_it(&queue);
    }
}

/// Puts small items, or so many that there are several chunks, or one that has its own segment.
fn fill(queue: &JoinableQueue<(u32, String)>, random: &mut Random) {
    let (items, len) = [(9, 3), (60, 10_000), (3, 3_000_000)][random.below(3)];
    for number in 0..random.below(items) as u32 {
        let item = (number, "x".repeat(len));
        queue.put_timeout(&item, Duration::ZERO).unwrap();
    }
    let _ = queue.get_many_timeout(random.below(30), Duration::ZERO);
}

/// Writes garbage behind the header of a segment: a little, at any place; often what is likely to
/// be taken for something.
fn scribble_over(name: &str, random: &mut Random) {
    let path = format!("/dev/shm/{name}");
    let file = File::options().write(true).open(path).unwrap();
    // The control block and the head of a chunk are small beside the rest.
    let size = file.metadata().unwrap().len() as usize;
    let limit = [384, 1152, size][random.below(3)].min(size - 208);
    let at = 256 + random.below(limit.saturating_sub(256).max(8)) / 8 * 8;
    let words = 1 + random.below(25);
    let mut word = || match random.below(4) {
        0 => u64::MAX - random.below(300) as u64,
        1 => random.below(300) as u64,
        2 => (1 << random.below(64)) | (1 + random.below(3) as u64),
        _ => random.below(usize::MAX) as u64,
    };
    let bytes: Vec<u8> = (0..words).flat_map(|_| word().to_ne_bytes()).collect();
    file.write_all_at(&bytes, at as u64).unwrap();
}

fn use_it(queue: &JoinableQueue<(u32, String)>) {
    for _ in 0..3 {
        let _ = queue.put_timeout(&(2, "two".to_string()), Duration::ZERO);
        let _ = queue.put_timeout(&(3, "3".repeat(150_000)), Duration::ZERO);
        let _ = queue.put_many_timeout(
            &[(4, "4".repeat(100_000)), (5, "5".repeat(100_000))],
            Duration::ZERO,
        );
        let _ = queue.get_timeout(Duration::ZERO);
        let _ = queue.get_many_timeout(40, Duration::ZERO);
        let _ = queue.join_timeout(Duration::ZERO);
        let _ = (queue.is_closed(), queue.capacity(), queue.len());
    }
}

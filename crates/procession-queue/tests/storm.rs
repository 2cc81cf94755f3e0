//! Producers and consumers that are killed at random moments.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use procession_process::Process;
use procession_queue::{GetError, Queue};
use procession_shm::Array;
use procession_testkit::{kill9, shared_memory, watchdog};
use std::time::Duration;
use std::{fs, io, thread};

procession_process::enable_in_tests!();

/// How many processes are killed.
const KILLS: u32 = 60;
/// The most items that one producer puts.
const EACH: u32 = 1 << 20;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What all processes of a storm have.
type Shared = (Queue<(u32, String)>, Queue<()>, Array<u64>);

/// Puts numbers, and counts what it has put before and after.
fn produce((queue, _, counts): Shared, index: u32) {
    for number in index * EACH..(index + 1) * EACH {
        // Of many lengths, so that records end everywhere in a chunk.
        let text = "x".repeat(number as usize * 37 % 700);
        if queue.put(&(number, text)).is_err() {
            return;
        }
        counts.set(index as usize, u64::from(number % EACH + 1));
    }
}

/// Writes what it has got to a file, which outlives it.
fn consume((queue, stop, _): Shared, path: String) {
    let mut file = fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    while stop.is_empty().unwrap() {
        match queue.get_timeout(Duration::from_millis(5)) {
            Ok((number, text)) => {
                assert_eq!(text.len(), number as usize * 37 % 700);
                io::Write::write_all(&mut file, &number.to_ne_bytes()).unwrap();
            }
            Err(GetError::Empty) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn read_numbers(path: &str) -> Vec<u32> {
    let bytes = fs::read(path).unwrap_or_default();
    let numbers = bytes
        .chunks_exact(4)
        .map(|number| u32::from_ne_bytes(number.try_into().unwrap()));
    numbers.collect()
}

struct Storm {
    shared: Shared,
    random: Random,
    folder: String,
    producers: Vec<Process<()>>,
    consumers: Vec<Process<()>>,
    started: u32,
    consumers_started: u32,
    consumers_killed: u32,
}

impl Storm {
    fn start_producer(&mut self) {
        let args = (self.shared.clone(), self.started);
        self.started += 1;
        self.producers.push(Process::spawn(produce, args).unwrap());
    }

    fn start_consumer(&mut self) {
        let path = format!("{}/{}", self.folder, self.consumers_started);
        self.consumers_started += 1;
        let consumer = Process::spawn(consume, (self.shared.clone(), path)).unwrap();
        self.consumers.push(consumer);
    }

    fn kill_one(&mut self) {
        thread::sleep(Duration::from_micros(self.random.below(20_000)));
        let index = self.random.below(2) as usize;
        let killed = if self.random.below(2) == 0 {
            self.start_producer();
            self.producers.swap_remove(index)
        } else {
            self.consumers_killed += 1;
            self.start_consumer();
            self.consumers.swap_remove(index)
        };
        kill9(killed.pid());
        assert!(killed.join().is_err());
    }
}

// QUE-012
#[test]
fn a_storm_of_kills_loses_only_what_the_killed_had_in_hand() {
    let _watchdog = watchdog();
    for capacity in [0, 7] {
        storm(capacity);
    }
}

#[expect(clippy::print_stdout, reason = "the seed is needed to repeat a storm")]
fn storm(capacity: usize) {
    let seed = u64::from(std::process::id()) << 20 | capacity as u64 | 1;
    println!("capacity {capacity}, seed {seed}");
    let folder = std::env::temp_dir().join(format!("procession-storm-{seed}"));
    fs::create_dir_all(&folder).unwrap();
    let mut storm = Storm {
        shared: (
            Queue::bounded(capacity).unwrap(),
            Queue::new().unwrap(),
            Array::zeroed(KILLS as usize + 2).unwrap(),
        ),
        random: Random(seed),
        folder: folder.to_str().unwrap().to_owned(),
        producers: Vec::new(),
        consumers: Vec::new(),
        started: 0,
        consumers_started: 0,
        consumers_killed: 0,
    };
    for _ in 0..2 {
        storm.start_producer();
        storm.start_consumer();
    }
    (0..KILLS).for_each(|_| storm.kill_one());
    // The living producers end by kill too, which is one more item in hand for each.
    for producer in storm.producers.drain(..) {
        kill9(producer.pid());
        assert!(producer.join().is_err());
    }
    let queue = &storm.shared.0;
    while !queue.is_empty().unwrap() {
        thread::sleep(Duration::from_millis(1));
    }
    storm.shared.1.put(&()).unwrap();
    storm
        .consumers
        .drain(..)
        .for_each(|consumer| consumer.join().unwrap());
    check(&storm, &folder);
    fs::remove_dir_all(folder).unwrap();
}

fn check(storm: &Storm, folder: &std::path::Path) {
    let paths = (0..storm.consumers_started).map(|index| format!("{}/{index}", folder.display()));
    let mut got: Vec<u32> = paths.flat_map(|path| read_numbers(&path)).collect();
    got.sort_unstable();
    let distinct = got.len();
    got.dedup();
    assert_eq!(got.len(), distinct, "an item was got twice");
    let mut missing = 0;
    for index in 0..storm.started {
        let counted = storm.shared.2.get(index as usize) as usize;
        let of = |&&number: &&u32| number / EACH == index;
        let arrived = got.iter().filter(of).count();
        assert!(arrived <= counted + 1, "an item came from nowhere");
        let last = got
            .iter()
            .rev()
            .find(of)
            .map_or(0, |&last| (last % EACH) as usize + 1);
        missing += counted.max(last) - arrived;
    }
    let killed = storm.consumers_killed as usize;
    assert!(
        missing <= killed,
        "{missing} items are missing, {killed} consumers were killed"
    );
    // Nobody is blocked: the queue goes on.
    let queue = &storm.shared.0;
    queue.put(&(1, String::new())).unwrap();
    assert_eq!(queue.get().unwrap().0, 1);
}

#[test]
fn the_memory_of_a_storm_goes_with_its_family() {
    let _watchdog = watchdog();
    let root = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_family_of_its_own", "--nocapture"])
        .env("PROCESSION_TEST_ROOT", "1")
        .output()
        .unwrap();
    assert!(root.status.success());
    let text = String::from_utf8_lossy(&root.stdout).into_owned();
    let (_, family) = text.split_once("family=").unwrap();
    assert!(shared_memory(&family[..16]).is_empty());
}

#[test]
#[expect(clippy::print_stdout, reason = "the other test reads it")]
fn a_family_of_its_own() {
    if std::env::var_os("PROCESSION_TEST_ROOT").is_none() {
        return;
    }
    let queue = Queue::new().unwrap();
    for round in 0..5 {
        let child = Process::spawn(put_for_ever, (queue.clone(),)).unwrap();
        while queue.len().unwrap() < 2000 * (round + 1) {
            thread::yield_now();
        }
        kill9(child.pid());
        assert!(child.join().is_err());
    }
    println!("family={}", procession_shm::family::current().unwrap().id());
}

fn put_for_ever(queue: Queue<Vec<u8>>) {
    while queue.put(&vec![0; 1000]).is_ok() {}
}

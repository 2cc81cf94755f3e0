//! Memory that a process of the family writes over.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a task fails by panicking, like a test, and seeds are needed to repeat"
)]

use procession_dict::Dict;
use procession_process::Process;
use procession_testkit::{shared_memory, watchdog};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

procession_process::enable_in_tests!();

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

const KEYS: usize = 200;

fn value(key: u64, random: &mut Random) -> Vec<u64> {
    let len = [1, 10, 50, 10_000][random.below(4).min(random.below(5))];
    vec![key; len]
}

// DCT-010
#[test]
fn garbage_in_the_memory_is_an_error() {
    let _watchdog = watchdog();
    let seed = u64::from(std::process::id()) << 16 | 1;
    println!("seed {seed}");
    let mut random = Random(seed);
    // Each in a process of its own: a lock that was overwritten while it was held takes its holder along.
    for _ in 0..6 {
        let seed = random.below(1 << 40) as u64 | 1;
        println!("seed of the scribbles {seed}");
        let child = Process::spawn(scribble, (seed,)).unwrap();
        child.join().unwrap();
    }
}

fn scribble(seed: u64) {
    let mut random = Random(seed);
    for round in 0..40 {
        let mine = format!("-{:x}-", std::process::id());
        let before = shared_memory("");
        let dict = Dict::builder()
            .stripes(1 + round % 4)
            .create::<u64, Vec<u64>>();
        let dict = dict.unwrap().with_timeout(Duration::from_millis(1));
        for _ in 0..[5, 200, 1000][random.below(3)] {
            let key = random.below(KEYS) as u64;
            dict.insert(key, value(key, &mut random)).unwrap();
        }
        let names: Vec<_> = shared_memory("")
            .into_iter()
            .filter(|name| name.contains(&mine) && !before.contains(name))
            .collect();
        for _ in 0..=random.below(3) {
            let name = &names[random.below(names.len())];
            scribble_over(name, &mut random);
        }
        use_it(&dict, &mut random);
    }
}

/// Writes garbage behind the header of a segment, often what is likely to be taken for something.
fn scribble_over(name: &str, random: &mut Random) {
    let path = format!("/dev/shm/{name}");
    let file = File::options().write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len() as usize;
    // The control block and the stripes are small beside the rest.
    let limit = [512, 1024, 4096, size][random.below(4)].min(size - 256);
    let at = 256 + random.below(limit.saturating_sub(256).max(8)) / 8 * 8;
    let mut word = || match random.below(4) {
        0 => u64::MAX - random.below(300) as u64,
        1 => random.below(300) as u64,
        2 => random.below(1 << 50) as u64,
        _ => (random.below(600) as u64) << 32 | random.below(600) as u64,
    };
    let garbage: Vec<u8> = (0..25).flat_map(|_| word().to_ne_bytes()).collect();
    let len = (8 * (1 + random.below(25))).min(size - at);
    file.write_all_at(&garbage[..len], at as u64).unwrap();
}

/// Whatever comes of it, it comes.
fn use_it(dict: &Dict<u64, Vec<u64>>, random: &mut Random) {
    for _ in 0..20 {
        let key = random.below(KEYS) as u64;
        let _ = dict.get(key);
        let _ = dict.insert(key, value(key, random));
        let _ = dict.remove(random.below(KEYS) as u64);
        let _ = dict.alter(key, Option::take);
    }
    let _ = dict.items();
    let _ = dict.len();
    let _ = dict.extend((0..50).map(|key| (key, vec![key; 20])));
    let _ = dict.pop();
    let _ = dict.wait_for_timeout(KEYS as u64, Duration::ZERO);
    let _ = dict.clear();
    let _ = format!("{dict:?}");
}

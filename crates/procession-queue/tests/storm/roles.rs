//! What the processes of a storm do until they are killed.

use procession_queue::{GetError, JoinError, JoinableQueue, Queue};
use procession_shm::Array;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// The most items that one producer puts.
pub(crate) const EACH: u32 = 1 << 20;
/// How many items go through one hand at a time, if it is more than one.
pub(crate) const MANY: u32 = 3;

const SHORT: Duration = Duration::from_millis(2);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Put,
    PutMany,
    Get,
    GetMany,
    Wait,
}

impl Role {
    /// Who is there at any time.
    pub(crate) const ALL: [Self; 5] = [
        Self::Put,
        Self::PutMany,
        Self::Get,
        Self::GetMany,
        Self::Wait,
    ];

    pub(crate) fn produces(self) -> bool {
        matches!(self, Self::Put | Self::PutMany)
    }

    /// How many items are lost at the most when a consumer is killed.
    pub(crate) fn in_hand(self) -> usize {
        match self {
            Self::Get => 1,
            Self::GetMany => MANY as usize,
            Self::Put | Self::PutMany | Self::Wait => 0,
        }
    }
}

/// A number, and a text that follows from it.
pub(crate) type Numbered = (u32, String);

/// What all processes of a storm have.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) queue: JoinableQueue<Numbered>,
    /// Nobody puts anything into it.
    pub(crate) idle: Queue<()>,
    /// Nobody takes anything out of it.
    pub(crate) full: Queue<()>,
    /// Not empty when it is over.
    pub(crate) stop: Queue<()>,
    /// Whether items are so long that a chunk has room for a few.
    long: bool,
    /// How many items each producer has put.
    pub(crate) counts: Array<u64>,
}

impl Shared {
    pub(crate) fn new(capacity: usize, long: bool, processes: usize) -> Self {
        let full = Queue::bounded(1).unwrap();
        full.put(&()).unwrap();
        Self {
            queue: JoinableQueue::bounded(capacity).unwrap(),
            idle: Queue::new().unwrap(),
            full,
            stop: Queue::new().unwrap(),
            long,
            counts: Array::zeroed(processes).unwrap(),
        }
    }

    fn goes_on(&self) -> bool {
        self.stop.is_empty().unwrap()
    }
}

fn numbered(number: u32, long: bool) -> Numbered {
    // Of many lengths, so that records end everywhere in a chunk; a few have segments of their own.
    let len = match number % 1500 {
        1499 => 150_000,
        _ if long => 50_000 + number as usize * 37 % 70_000,
        _ => number as usize * 37 % 700,
    };
    (number, "x".repeat(len))
}

/// Plays the role until the end of the process.
pub(crate) fn play(role: Role, shared: Shared, index: u32, path: String) {
    match role {
        Role::Put => produce(&shared, index, 1),
        Role::PutMany => produce(&shared, index, MANY),
        Role::Get => consume(&shared, &path, |queue| Ok(vec![queue.get_timeout(SHORT)?])),
        Role::GetMany => consume(&shared, &path, |queue| {
            queue.get_many_timeout(MANY as usize, SHORT)
        }),
        Role::Wait => wait(&shared),
    }
}

/// Puts numbers, and counts what it has put.
fn produce(shared: &Shared, index: u32, many: u32) {
    for first in (0..EACH - many).step_by(many as usize) {
        let numbers = first..first + many;
        let items: Vec<_> = numbers
            .map(|number| numbered(index * EACH + number, shared.long))
            .collect();
        match &items[..] {
            [item] => shared.queue.put(item).unwrap(),
            items => shared.queue.put_many(items).unwrap(),
        }
        shared.counts.set(index as usize, u64::from(first + many));
    }
}

/// Writes what it has got to a file, which outlives it.
fn consume(
    shared: &Shared,
    path: &str,
    get: fn(&Queue<Numbered>) -> Result<Vec<Numbered>, GetError>,
) {
    let mut file = File::create(path).unwrap();
    while shared.goes_on() {
        let items = match get(&shared.queue) {
            Err(GetError::Empty) => continue,
            items => items.unwrap(),
        };
        let bytes: Vec<u8> = items
            .iter()
            .flat_map(|(number, _)| number.to_ne_bytes())
            .collect();
        file.write_all(&bytes).unwrap();
        for item in items {
            assert!(
                item == numbered(item.0, shared.long),
                "item {} is another one",
                item.0
            );
            shared.queue.task_done().unwrap();
        }
    }
}

/// Waits for what does not happen.
fn wait(shared: &Shared) {
    while shared.goes_on() {
        assert!(shared.idle.get_timeout(SHORT).is_err());
        assert!(shared.full.put_timeout(&(), SHORT).is_err());
        match shared.queue.join_timeout(SHORT) {
            Ok(()) | Err(JoinError::TimedOut | JoinError::Lost { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Marsaglia's xorshift64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % limit
    }
}

//! What must hold whatever the dead were doing.

use crate::Storm;
use crate::roles::{EACH, MANY, Role};
use procession_queue::{GetError, Queue};
use std::fmt;
use std::fs;

/// What became of the items.
#[derive(Default)]
pub(crate) struct Tally {
    killed: [usize; Role::ALL.len()],
    put: usize,
    arrived: usize,
    undone: u64,
}

impl Tally {
    pub(crate) fn check(&mut self, storm: &Storm) {
        let got = all_that_was_got(storm);
        let in_hand: usize = storm.dead.iter().map(|role| role.in_hand()).sum();
        let mut missing = 0;
        for index in 0..storm.started {
            let range = index * EACH..(index + 1) * EACH;
            let of_it = &got[lower(&got, range.start)..lower(&got, range.end)];
            let counted = storm.shared.counts.get(index as usize) as usize;
            assert!(of_it.len() <= counted + MANY as usize, "items from nowhere");
            let last = of_it
                .last()
                .map_or(0, |&last| (last - range.start) as usize + 1);
            self.put += counted.max(last);
            missing += counted.max(last) - of_it.len();
        }
        self.arrived += got.len();
        assert!(
            missing <= in_hand,
            "{missing} missing, {in_hand} were in hand"
        );
        for (role, killed) in Role::ALL.into_iter().zip(&mut self.killed) {
            *killed += storm.dead.iter().filter(|&&dead| dead == role).count();
        }
        self.undone += undone(storm, in_hand as u64);
        goes_on(&storm.shared.queue, &(1, String::new()));
        goes_on(&storm.shared.idle, &());
        storm.shared.full.get().unwrap();
        goes_on(&storm.shared.full, &());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (role, killed) in Role::ALL.into_iter().zip(self.killed) {
            write!(f, "{role:?} {killed}, ")?;
        }
        let lost = self.put - self.arrived;
        write!(
            f,
            "{} items put, {lost} lost, {} not done",
            self.put, self.undone
        )
    }
}

/// Where the first number is that is not below `number`.
fn lower(numbers: &[u32], number: u32) -> usize {
    numbers.partition_point(|&other| other < number)
}

/// Returns the numbers of all items that arrived somewhere, in order.
fn all_that_was_got(storm: &Storm) -> Vec<u32> {
    let files = (0..storm.started).filter_map(|index| fs::read(storm.path(index)).ok());
    let numbers = files.flat_map(|bytes| {
        let numbers = bytes.chunks_exact(4);
        let numbers = numbers.map(|number| u32::from_ne_bytes(number.try_into().unwrap()));
        numbers.collect::<Vec<_>>()
    });
    let mut got: Vec<u32> = numbers.collect();
    got.sort_unstable();
    assert!(got.is_sorted_by(|a, b| a < b), "an item was got twice");
    got
}

/// Returns how many items were got and not done, which is what dead consumers had in hand.
fn undone(storm: &Storm, in_hand: u64) -> u64 {
    let queue = &storm.shared.queue;
    let unfinished = queue.unfinished().unwrap() as u64;
    assert!(
        unfinished <= in_hand,
        "{unfinished} are not done, {in_hand} were in hand"
    );
    assert_eq!(queue.forget_lost().unwrap(), unfinished);
    queue.join().unwrap();
    unfinished
}

/// Nobody holds a lock, nobody has to be woken.
fn goes_on<T>(queue: &Queue<T>, item: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + fmt::Debug,
{
    queue.put(item).unwrap();
    assert_eq!(queue.len().unwrap(), 1);
    assert_eq!(&queue.get().unwrap(), item);
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
}

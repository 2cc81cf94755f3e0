//! What a message costs in memory of the process.

use procession_testkit::allocation::{Counting, bytes_in};
use procession_wire::{Kind, Packet, schema};
use serde::de::DeserializeOwned;
use std::collections::VecDeque;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns how many bytes are allocated for what says that it is long.
fn allocated_for<T: DeserializeOwned>(head: &[u8]) -> usize {
    let mut message = vec![Kind::VALUE.0, 0, 0];
    message.extend(schema::<T>().to_le_bytes());
    message.extend(head);
    message.extend([1; 100]);
    let packet = Packet::parse(message, Vec::new()).expect("it is a message");
    bytes_in(|| drop(packet.decode::<T>().map(drop).expect_err("it is too short")))
}

// VAL-011
#[test]
fn what_says_that_it_is_long_takes_no_more_memory_than_its_bytes_justify() {
    // A billion numbers each of its own length, as many of two bytes, and more than can be counted.
    let heads: [&[u8]; 3] = [
        &[0x80, 0xa8, 0xd6, 0xb9, 0x07],
        &[0x81, 0xa8, 0xd6, 0xb9, 0x07, 2],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2],
    ];
    for head in heads {
        let allocated = [
            allocated_for::<Vec<u8>>(head),
            allocated_for::<Vec<bool>>(head),
            allocated_for::<Vec<f64>>(head),
            allocated_for::<Vec<u128>>(head),
            allocated_for::<VecDeque<i16>>(head),
            allocated_for::<Vec<char>>(head),
            allocated_for::<Vec<String>>(head),
            allocated_for::<String>(head),
        ];
        assert!(
            allocated.iter().all(|&bytes| bytes < 10_000),
            "{allocated:?}"
        );
    }
}

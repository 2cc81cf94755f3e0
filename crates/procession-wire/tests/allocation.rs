//! What a message costs in memory of the process.

use procession_wire::{Kind, Packet, schema};
use serde::de::DeserializeOwned;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;

struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches for both, and the memory is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns how many bytes are allocated for what says that it is long.
fn allocated_for<T: DeserializeOwned>(head: &[u8]) -> usize {
    let mut message = vec![Kind::VALUE.0, 0, 0];
    message.extend(schema::<T>().to_le_bytes());
    message.extend(head);
    message.extend([1; 100]);
    let packet = Packet::parse(message, Vec::new()).expect("it is a message");
    let before = ALLOCATED.get();
    packet.decode::<T>().map(drop).expect_err("it is too short");
    ALLOCATED.get() - before
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

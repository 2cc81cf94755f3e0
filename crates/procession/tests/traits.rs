//! What every handle can do: be shared by threads, be cloned, be shown, and outlive a panic.

use procession::manager::{Dict, List, Namespace};
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Event, JoinableQueue, Lock, Producer, Queue,
    RLock, RawArray, RawValue, RwLock, Semaphore, Shared, SimpleQueue, Value,
};
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

const fn is_a_handle<T: Clone + Debug + Send + Sync>() {}

/// As `std::sync::Mutex` does, they poison what a panic leaves half done.
const fn survives_a_panic<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! all {
    ($($handle:ty),* $(,)?) => {
        const _: () = {
            $(is_a_handle::<$handle>(); survives_a_panic::<$handle>();)*
        };
    };
}

all! {
    Array<u64>, Value<u64>, Array<bool>, Value<char>, RawValue<bool>, Shared<AtomicBool>, RawArray<u64>, RawValue<u64>,
    Lock, RLock, RwLock, Semaphore, BoundedSemaphore, Condition, Condition<RLock>, Event, Barrier,
    Queue<String>, JoinableQueue<String>, SimpleQueue<String>, Producer<String>,
}

const _: () = {
    is_a_handle::<Dict<String, u32>>();
    is_a_handle::<List<u32>>();
    is_a_handle::<Namespace>();
};

#[test]
fn a_panic_is_caught_without_more_ado() {
    let array = Array::from_iter(0..3).unwrap();
    let caught = catch_unwind(|| array.update(0, |_| panic!("half done")));
    assert!(caught.is_err() && array.is_poisoned());
    array.clear_poison();
    assert_eq!(array.to_vec(), [0, 1, 2]);
}

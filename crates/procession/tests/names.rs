//! Whoever depends on the facade alone can name what its methods return.

use procession::{
    AccessError, Array, AtomicFlag, Barrier, BarrierError, BoundedSemaphore, Closed, GetError,
    ListError, ListItem, LockResult, PermitError, Plain, PutError, PutManyError, Queue, ReadGuard,
    RwLock, RwLockReadGuard, RwLockWriteGuard, ShareableList, Shared, SharedMemory, Value, View,
    ViewError,
};
use procession_testkit::watchdog;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

procession::enable_in_tests!();

const SOON: Duration = Duration::from_millis(1);

#[test]
fn errors_of_synchronisation_can_be_told_apart() {
    let _watchdog = watchdog();
    let barrier = Barrier::new(2).unwrap();
    assert!(matches!(
        barrier.wait_timeout(SOON),
        Err(BarrierError::TimedOut)
    ));
    assert!(matches!(barrier.wait(), Err(BarrierError::Broken)));
    let semaphore = BoundedSemaphore::new(1).unwrap();
    let _permit = semaphore.acquire().unwrap();
    let refused = semaphore.acquire_timeout(SOON);
    assert!(matches!(refused, Err(PermitError::TimedOut)));
}

#[test]
fn errors_of_queues_can_be_told_apart() {
    let _watchdog = watchdog();
    let queue = Queue::<u8>::new().unwrap();
    queue.shutdown().unwrap();
    assert!(matches!(queue.get(), Err(GetError::Closed(Closed))));
    let refused = queue.put_many(&[1]);
    let Err(PutManyError { put: 0, error }) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(error, PutError::Closed(Closed)));
}

#[test]
fn what_lies_in_memory_can_be_named() {
    let _watchdog = watchdog();
    let list = ShareableList::new([ListItem::from(5), "five".into()]).unwrap();
    assert!(matches!(list.get(0), Ok(ListItem::Int(5))));
    let array = Array::<u8>::zeroed(1).unwrap();
    assert!(matches!(
        array.try_get(1),
        Err(AccessError::OutOfBounds { .. })
    ));
}

#[test]
fn what_bools_and_chars_lie_in_can_be_named() {
    fn shared<T: Plain>(value: T) -> T {
        Value::new(value).unwrap().get()
    }
    fn stop(flag: &AtomicFlag) {
        flag.store(true, Ordering::Relaxed);
    }
    let _watchdog = watchdog();
    assert_eq!((shared('c'), shared(true)), ('c', true));
    let flag = Shared::new(AtomicBool::new(false)).unwrap();
    stop(&flag);
    assert!(flag.load(Ordering::Relaxed));
    let refused = ListItem::try_from(u64::MAX);
    assert!(matches!(refused, Err(ListError::IntTooLarge(_))));
}

#[test]
fn what_a_block_is_seen_as_can_be_named() {
    fn first(view: View<'_, f64>) -> f64 {
        view.get(0)
    }
    let _watchdog = watchdog();
    let block = SharedMemory::create_anonymous(8).unwrap();
    block.view::<f64>().fill(1.5);
    assert!(first(block.view()) > 1.0);
    let refused = block.view_at::<f64>(4, 1);
    assert!(matches!(refused, Err(ViewError::Misaligned { .. })));
}

#[test]
fn guards_can_be_named() {
    let _watchdog = watchdog();
    let array = Array::from_iter(0..3).unwrap();
    let read: LockResult<ReadGuard<'_, [i32]>> = array.read();
    assert_eq!(read.unwrap()[..], [0, 1, 2]);
    let lock = RwLock::new().unwrap();
    let writing: RwLockWriteGuard<'_> = lock.write().unwrap();
    let reading: RwLockReadGuard<'_> = writing.downgrade();
    assert_eq!(lock.readers(), 1);
    drop(reading);
}

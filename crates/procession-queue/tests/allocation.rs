//! What an item costs in memory of the process: nothing, once the first is through.

use procession_queue::Queue;
use procession_testkit::allocation::{Counting, in_ten_runs};
use procession_testkit::watchdog;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// QUE-053
#[test]
fn an_item_that_is_put_and_got_takes_no_memory() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let small = || {
        queue.put(&(7_u64, [1_u8; 30])).unwrap();
        queue.get().unwrap();
    };
    assert_eq!(in_ten_runs(small), 0);
    assert_eq!(in_ten_runs(|| assert!(queue.try_get().is_err())), 0);
}

#[test]
fn a_large_item_takes_the_memory_that_its_receiver_gets() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let item = vec![7_u8; 1 << 20];
    let large = || {
        queue.put(&item).unwrap();
        queue.get().unwrap();
    };
    // The receiver's, and what names a chunk where the next one begins.
    assert!(in_ten_runs(large) <= 10 + 40);
}

// QUE-053
#[test]
fn items_that_go_together_share_their_memory() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let items = [[7_u64; 8]; 100];
    let all = || {
        queue.put_many(&items).unwrap();
        assert_eq!(queue.get_many(100).unwrap().len(), 100);
    };
    // For a hundred of them the lists of the items that are put and got, which grow, and the result.
    let once = in_ten_runs(all) / 10;
    assert!(once <= 14, "{once}");
}

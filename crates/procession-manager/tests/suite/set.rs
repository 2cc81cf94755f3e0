//! The managed set.

use super::{manager, start};
use procession_manager::{Object, Set};
use procession_testkit::watchdog;

// MGR-024
#[test]
fn it_is_made_of_whatever_can_be_iterated_over() {
    let _watchdog = watchdog();
    let manager = manager();
    assert!(manager.set::<u8>().unwrap().is_empty().unwrap());
    let set = manager.set_from(vec![3, 1, 3, 2]).unwrap();
    assert_eq!(set.to_vec().unwrap(), [3, 1, 2], "once each, and in order");
    let set = manager.set_from("hello".chars()).unwrap();
    assert_eq!(set.len().unwrap(), 4);
}

// MGR-063
#[test]
fn it_has_the_operations_of_a_set() {
    let _watchdog = watchdog();
    let manager = manager();
    let set = manager.set_from(1..5).unwrap();
    assert!(set.add(5).unwrap() && !set.add(5).unwrap());
    assert!(set.contains(&5).unwrap());
    assert!(set.discard(&5).unwrap() && !set.discard(&5).unwrap());
    assert_eq!(set.union([9, 1]).unwrap(), [1, 2, 3, 4, 9]);
    assert_eq!(set.intersection([9, 1]).unwrap(), [1]);
    assert_eq!(set.difference([9, 1]).unwrap(), [2, 3, 4]);
    assert_eq!(set.symmetric_difference([9, 1]).unwrap(), [2, 3, 4, 9]);
    assert!(set.is_disjoint([9]).unwrap() && !set.is_disjoint([9, 1]).unwrap());
    assert!(set.is_subset(0..9).unwrap() && !set.is_subset([1]).unwrap());
    assert!(set.is_superset([1]).unwrap() && !set.is_superset([9]).unwrap());
    set.update([7, 8]).unwrap();
    set.difference_update([1, 2]).unwrap();
    set.intersection_update([3, 4, 7]).unwrap();
    set.symmetric_difference_update([7, 6]).unwrap();
    assert_eq!(set.to_vec().unwrap(), [3, 4, 6]);
    set.retain(|item| *item != 4).unwrap();
    assert_eq!(set.with(|items| items.len()).unwrap(), 2);
    assert_eq!(set.pop().unwrap(), Some(6));
    set.clear().unwrap();
    assert_eq!(set.pop().unwrap(), None);
}

// MGR-063
#[test]
fn other_processes_add_and_iterate_in_batches() {
    let _watchdog = watchdog();
    let manager = manager();
    let set = manager.set().unwrap();
    let add =
        |set: Set<u32>, from: u32| -> anyhow::Result<()> { Ok(set.update(from..from + 500)?) };
    for child in [0, 250].map(|from| start(add, (set.clone(), from))) {
        child.join().unwrap();
    }
    let mut items = Vec::new();
    let fetched = set.items().unwrap();
    set.clear().unwrap();
    items.extend(fetched.map(Result::unwrap));
    items.sort_unstable();
    assert_eq!(
        items,
        (0..750).collect::<Vec<_>>(),
        "as they were at the call"
    );
    assert_eq!(
        manager.object_count().unwrap(),
        1,
        "nothing is left of the iterator"
    );
}

#[test]
fn its_text_is_pythons() {
    let _watchdog = watchdog();
    let manager = manager();
    let set = manager.set::<Object>().unwrap();
    assert_eq!(set.repr().unwrap(), "set()");
    set.add(1).unwrap();
    set.add("it's").unwrap();
    assert_eq!(set.repr().unwrap(), r#"{1, "it's"}"#);
}

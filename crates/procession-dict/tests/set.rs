//! What a set does.

use procession_dict::Set;
use procession_testkit::helper::roundtrip;
use procession_testkit::watchdog;
use std::collections::HashSet;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

// DCT-011
#[test]
fn a_value_is_there_once_until_it_is_taken_out() {
    let _watchdog = watchdog();
    let set = Set::<String>::new().unwrap();
    assert!(set.is_empty().unwrap());
    assert!(set.add("a").unwrap() && set.add("b").unwrap());
    assert!(!set.add("a").unwrap());
    assert!(set.contains(&"a".to_owned()).unwrap() && !set.contains(&"c".to_owned()).unwrap());
    assert_eq!(set.len().unwrap(), 2);
    assert!(set.discard(&"a".to_owned()).unwrap() && !set.discard(&"a".to_owned()).unwrap());
    assert_eq!(set.to_vec().unwrap(), ["b"]);
    assert_eq!(format!("{set:?}"), "Set { len: 1, .. }");
}

// DCT-011
#[test]
fn it_takes_and_gives_many_values() {
    let _watchdog = watchdog();
    let set = Set::from_items((0..3000).chain(0..10)).unwrap();
    assert_eq!(set.len().unwrap(), 3000);
    set.retain(|number| number % 7 == 0).unwrap();
    set.update([1, 7]).unwrap();
    let mut expected: HashSet<i32> = (0..3000).filter(|number| number % 7 == 0).collect();
    expected.insert(1);
    assert_eq!(
        set.iter().collect::<Result<HashSet<_>, _>>().unwrap(),
        expected
    );
    assert_eq!(set.pop().unwrap(), Some(1));
    for value in &set {
        assert!(set.discard(&value.unwrap()).unwrap());
    }
    assert!(set.is_empty().unwrap());
    set.add(5).unwrap();
    set.clear().unwrap();
    assert_eq!(set.to_vec().unwrap(), []);
}

// DCT-011
#[test]
fn a_handle_leads_to_the_same_set_and_a_wait_ends_when_the_value_is_there() {
    let _watchdog = watchdog();
    let set = Set::<u32>::new()
        .unwrap()
        .with_timeout(Duration::from_secs(20));
    let same = roundtrip(&set);
    assert!(!set.wait_for_timeout(7_u32, Duration::ZERO).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| set.wait_for(7_u32).unwrap());
        same.add(7_u32).unwrap();
    });
    assert!(set.wait_for_timeout(7_u32, Duration::ZERO).unwrap());
}

// DCT-011
#[test]
fn sets_are_combined_with_other_values() {
    let _watchdog = watchdog();
    let set = Set::from_items((0..1000).map(|number| number.to_string())).unwrap();
    let some = || (990..1010).map(|number: u32| number.to_string());
    assert_eq!(set.union(some()).unwrap().len(), 1010);
    assert_eq!(set.intersection(some()).unwrap().len(), 10);
    assert_eq!(set.difference(some()).unwrap().len(), 990);
    assert_eq!(set.symmetric_difference(some()).unwrap().len(), 1000);
    assert!(!set.is_disjoint(some()).unwrap() && !set.is_superset(some()).unwrap());
    set.symmetric_difference_update(some()).unwrap();
    assert_eq!(set.len().unwrap(), 1000);
    assert!(!set.contains(&"995".to_owned()).unwrap());
    set.intersection_update(some()).unwrap();
    let rest: Vec<_> = (1000..1010).map(|number| number.to_string()).collect();
    assert_eq!(set.to_vec().unwrap(), rest);
    assert!(set.is_subset(some()).unwrap());
    set.difference_update(some()).unwrap();
    assert!(set.is_empty().unwrap() && set.is_disjoint(some()).unwrap());
}

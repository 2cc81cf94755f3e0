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
    assert!(set.insert("a").unwrap() && set.insert("b").unwrap());
    assert!(!set.insert("a").unwrap());
    assert!(set.contains("a").unwrap() && !set.contains("c").unwrap());
    assert_eq!(set.len().unwrap(), 2);
    assert!(set.remove("a").unwrap() && !set.remove("a").unwrap());
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
    set.extend([1, 7]).unwrap();
    let mut expected: HashSet<i32> = (0..3000).filter(|number| number % 7 == 0).collect();
    expected.insert(1);
    assert_eq!(
        set.iter().collect::<Result<HashSet<_>, _>>().unwrap(),
        expected
    );
    assert_eq!(set.pop().unwrap(), Some(1));
    for value in &set {
        assert!(set.remove(value.unwrap()).unwrap());
    }
    assert!(set.is_empty().unwrap());
    set.insert(5).unwrap();
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
        same.insert(7_u32).unwrap();
    });
    assert!(set.wait_for_timeout(7_u32, Duration::ZERO).unwrap());
}

//! Dicts and sets.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::types::{Dict, Place, Set};
use procession::Process;
use procession_testkit::{eventually, kill9, watchdog};
use std::thread;

fn words(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
    let own = |(word, count): &(&str, u32)| ((*word).to_owned(), *count);
    pairs.iter().map(own).collect()
}

// MGR-068
#[test]
fn a_key_has_a_value_until_it_is_taken_out() {
    let _watchdog = watchdog();
    let place = Place::new();
    let dict = place.dict::<String, u32>([]);
    assert!(dict.is_empty().unwrap());
    assert_eq!(dict.insert("a", 1_u32).unwrap(), None);
    assert_eq!(dict.insert("a", 2_u32).unwrap(), Some(1));
    assert_eq!(dict.get("a").unwrap(), Some(2));
    assert_eq!(dict.get("b").unwrap(), None);
    assert!(dict.contains_key("a").unwrap() && !dict.contains_key("b").unwrap());
    assert_eq!(dict.get_or_insert("a", 9_u32).unwrap(), 2);
    assert_eq!(dict.get_or_insert("b", 9_u32).unwrap(), 9);
    assert_eq!(dict.len().unwrap(), 2);
    assert_eq!(dict.remove("a").unwrap(), Some(2));
    assert_eq!(dict.remove("a").unwrap(), None);
    assert_eq!(dict.pop().unwrap(), Some(("b".to_owned(), 9)));
    assert_eq!(dict.pop().unwrap(), None);
}

// MGR-068
#[test]
fn keys_have_the_order_in_which_they_came() {
    let _watchdog = watchdog();
    let place = Place::new();
    let dict = place.dict((0..5).rev().map(|key| (key, key * key)));
    assert_eq!(dict.keys().unwrap(), [4, 3, 2, 1, 0]);
    dict.insert(2, 7).unwrap();
    dict.insert(5, 8).unwrap();
    dict.remove(3).unwrap();
    dict.insert(3, 9).unwrap();
    assert_eq!(dict.keys().unwrap(), [4, 2, 1, 0, 5, 3]);
    assert_eq!(dict.values().unwrap(), [16, 7, 1, 0, 8, 9]);
    let items = [(4, 16), (2, 7), (1, 1), (0, 0), (5, 8), (3, 9)];
    assert_eq!(dict.items().unwrap(), items);
    assert!(dict.copy().unwrap().into_iter().eq(items));
    let keys: Vec<i32> = dict.iter().map(Result::unwrap).collect();
    assert_eq!(keys, [4, 2, 1, 0, 5, 3]);
    assert!((&dict).into_iter().map(Result::unwrap).eq(keys));
    assert_eq!(dict.pop().unwrap(), Some((3, 9)), "the last");
}

// MGR-068
#[test]
fn many_keys_are_one_step() {
    let _watchdog = watchdog();
    let place = Place::new();
    let dict = place.dict_from_keys([1, 2, 1], "x".to_owned());
    assert_eq!(dict.values().unwrap(), ["x", "x"]);
    dict.update([(2, "y".to_owned()), (3, "z".to_owned())])
        .unwrap();
    dict.extend([(3, "3".to_owned())]).unwrap();
    let some = |text: &str| Some(text.to_owned());
    let values = [some("3"), None, some("x")];
    assert_eq!(dict.get_many([3, 4, 1]).unwrap(), values);
    let both = dict
        .union([(1, "1".to_owned()), (9, "9".to_owned())])
        .unwrap();
    assert!(both.keys().copied().eq([1, 2, 3, 9]));
    assert_eq!((both[&1].as_str(), dict.get(1).unwrap()), ("1", some("x")));
    let removed = [some("y"), None, None];
    assert_eq!(dict.remove_many([2, 2, 7]).unwrap(), removed);
    dict.clear().unwrap();
    assert_eq!(dict.len().unwrap(), 0);
}

// MGR-068
#[test]
fn what_depends_on_the_value_is_one_step() {
    let _watchdog = watchdog();
    let place = Place::new();
    let dict = place.dict(words(&[("a", 5)]));
    let add = |count: &mut u32, by: u32| {
        *count += by;
        *count
    };
    assert_eq!(dict.update_with("a", add, 2).unwrap(), Some(7));
    assert_eq!(dict.update_with("b", add, 2).unwrap(), None);
    assert_eq!(dict.get_or_insert_with("a", || 9).unwrap(), 7);
    assert_eq!(dict.get_or_insert_with("b", || 9).unwrap(), 9);
    assert_eq!(dict.pop_if("a", |count| *count > 7).unwrap(), None);
    assert_eq!(dict.pop_if("a", |count| *count == 7).unwrap(), Some(7));
    assert_eq!(dict.pop_if("a", |_| true).unwrap(), None);
    assert!(dict.compare_and_swap("c", None, Some(1)).unwrap());
    assert!(!dict.compare_and_swap("c", None, Some(2)).unwrap());
    assert!(!dict.compare_and_swap("c", Some(2), None).unwrap());
    assert!(dict.compare_and_swap("c", Some(1), None).unwrap());
    assert_eq!(dict.items().unwrap(), words(&[("b", 9)]));
    let count = |count: &mut Option<u32>| *count.get_or_insert(0) += 1;
    for word in ["x", "b", "x", "y"] {
        dict.alter(word, count).unwrap();
    }
    // A key that is there keeps its place.
    let counted = words(&[("b", 10), ("x", 2), ("y", 1)]);
    assert_eq!(dict.items().unwrap(), counted);
    assert_eq!(dict.alter("x", Option::take).unwrap(), Some(2));
    assert_eq!(dict.alter("x", Option::take).unwrap(), None);
    dict.retain(|word, count| word == "y" && *count == 1)
        .unwrap();
    assert_eq!(dict.items().unwrap(), words(&[("y", 1)]));
}

// MGR-068
#[test]
fn no_change_is_lost_among_processes() {
    fn count(dict: Dict<String, u32>) {
        for round in 0..200 {
            let word = ["a", "b"][round % 2];
            let add = |count: &mut u32, by: u32| *count += by;
            dict.update_with(word, add, 1).unwrap();
            dict.alter("c", |count| *count.get_or_insert(0) += 1)
                .unwrap();
        }
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let dict = place.dict(words(&[("a", 0), ("b", 0)]));
    let children = [(); 3].map(|()| Process::spawn(count, (dict.clone(),)).unwrap());
    for child in children {
        child.join().unwrap();
    }
    let counted = words(&[("a", 300), ("b", 300), ("c", 600)]);
    assert_eq!(dict.items().unwrap(), counted);
}

// MGR-068
#[test]
fn a_dict_in_a_dict_is_the_same_for_all() {
    fn insert(outer: Dict<u8, Dict<u8, u8>>) {
        let inner = outer.get(1_u8).unwrap().unwrap();
        inner.insert(2_u8, 3_u8).unwrap();
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let inner = place.dict::<u8, u8>([]);
    let outer = place.dict::<u8, Dict<u8, u8>>([]);
    outer.insert(1_u8, inner.clone()).unwrap();
    Process::spawn(insert, (outer,)).unwrap().join().unwrap();
    assert_eq!(inner.get(2_u8).unwrap(), Some(3));
}

// MGR-068
#[test]
fn a_killed_process_leaves_whole_values() {
    fn change(dict: Dict<u8, [u64; 8]>) {
        for round in 0.. {
            dict.insert((round % 4) as u8, [round; 8]).unwrap();
            dict.remove(((round + 2) % 4) as u8).unwrap();
        }
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let dict = place.dict::<u8, [u64; 8]>([]);
    for _ in 0..4 {
        dict.clear().unwrap();
        let child = Process::spawn(change, (dict.clone(),)).unwrap();
        eventually("the child changes it", || dict.len().unwrap() > 1);
        kill9(child.pid());
        child.join().unwrap_err();
        for (_, value) in dict.items().unwrap() {
            assert!(value.iter().all(|word| *word == value[0]), "{value:?}");
        }
        dict.insert(9_u8, [9; 8]).unwrap();
        assert_eq!(dict.get(9_u8).unwrap(), Some([9; 8]));
    }
}

// MGR-068
#[test]
fn a_set_has_each_item_once_and_is_combined() {
    let _watchdog = watchdog();
    let place = Place::new();
    let set = place.set([3, 1, 3, 2]);
    assert_eq!(set.to_vec().unwrap(), [3, 1, 2]);
    assert!(set.add(4).unwrap() && !set.add(4).unwrap());
    assert!(set.contains(&4).unwrap() && set.discard(&4).unwrap());
    assert!(!set.contains(&4).unwrap() && !set.discard(&4).unwrap());
    assert_eq!(set.union([9, 1]).unwrap(), [3, 1, 2, 9]);
    assert_eq!(set.intersection([9, 1]).unwrap(), [1]);
    assert_eq!(set.difference([9, 1]).unwrap(), [3, 2]);
    assert_eq!(set.symmetric_difference([9, 1]).unwrap(), [3, 2, 9]);
    assert!(set.is_superset([1, 2]).unwrap() && !set.is_superset([1, 9]).unwrap());
    assert!(set.is_subset([1, 2, 3, 4]).unwrap() && !set.is_subset([1, 2]).unwrap());
    assert!(set.is_disjoint([9]).unwrap() && !set.is_disjoint([9, 1]).unwrap());
    set.update([5, 6]).unwrap();
    set.retain(|item| item % 2 == 1).unwrap();
    assert_eq!(set.to_vec().unwrap(), [3, 1, 5]);
    set.intersection_update([1, 5, 7]).unwrap();
    set.difference_update([1]).unwrap();
    set.symmetric_difference_update([5, 8, 9]).unwrap();
    assert_eq!(set.to_vec().unwrap(), [8, 9]);
    assert_eq!((set.pop().unwrap(), set.len().unwrap()), (Some(9), 1));
    set.clear().unwrap();
    assert!(set.is_empty().unwrap());
}

// MGR-068
#[test]
fn one_of_many_adds_an_item() {
    fn add(set: Set<u32>) -> usize {
        (0..100_u32).filter(|item| set.add(*item).unwrap()).count()
    }
    let _watchdog = watchdog();
    let place = Place::new();
    let set = place.set::<u32>([]);
    let child = Process::spawn(add, (set.clone(),)).unwrap();
    let same = set.clone();
    let thread = thread::spawn(|| add(same));
    assert_eq!(child.join().unwrap() + thread.join().unwrap(), 100);
    assert_eq!(set.len().unwrap(), 100);
}

//! The managed dict.

use super::{manager, start};
use indexmap::IndexMap;
use procession_manager::{Dict, ManagerError, Object, Refusal};
use procession_testkit::watchdog;

#[test]
fn keys_keep_the_order_in_which_they_came() {
    // MGR-003
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager.dict::<i64, String>().unwrap();
    let letter = |number: i64| char::from_u32(number as u32).unwrap().to_string();
    for number in 65..70 {
        assert_eq!(dict.insert(number, letter(number)).unwrap(), None);
    }
    let expected: Vec<(i64, String)> = (65..70).map(|number| (number, letter(number))).collect();
    assert_eq!(dict.keys().unwrap(), (65..70).collect::<Vec<_>>());
    assert_eq!(dict.values().unwrap(), ["A", "B", "C", "D", "E"]);
    assert_eq!(dict.items().unwrap(), expected);
    assert_eq!(
        dict.copy().unwrap(),
        expected.into_iter().collect::<IndexMap<_, _>>()
    );
    assert_eq!(dict.len().unwrap(), 5);
}

#[test]
fn it_has_the_operations_of_a_dict() {
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager
        .dict_from([("a".to_owned(), 1), ("b".to_owned(), 2)])
        .unwrap();
    assert_eq!(dict.insert("a", 10).unwrap(), Some(1));
    assert_eq!(dict.get("a").unwrap(), Some(10));
    assert_eq!(dict.get("z").unwrap(), None);
    assert_eq!(dict.get_or_insert("a", 7).unwrap(), 10);
    assert_eq!(dict.get_or_insert("c", 7).unwrap(), 7);
    assert!(dict.contains_key("c").unwrap());
    assert_eq!(dict.remove("a").unwrap(), Some(10));
    assert_eq!(dict.remove("a").unwrap(), None);
    dict.update([("b".to_owned(), 20), ("d".to_owned(), 30)])
        .unwrap();
    assert_eq!(dict.keys().unwrap(), ["b", "c", "d"]);
    assert_eq!(dict.pop().unwrap(), Some(("d".to_owned(), 30)));
    dict.clear().unwrap();
    assert!(dict.is_empty().unwrap());
    assert_eq!(dict.pop().unwrap(), None);
}

#[test]
fn it_takes_all_kinds_of_objects() {
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager.dict::<Object, Object>().unwrap();
    let fill = |dict: Dict<Object, Object>| -> anyhow::Result<()> {
        dict.insert(1, "1")?;
        dict.insert("2", 2)?;
        dict.insert(0.25, Object::None)?;
        Ok(())
    };
    start(fill, (dict.clone(),)).join().unwrap();
    assert_eq!(dict.repr().unwrap(), "{1: '1', '2': 2, 0.25: None}");
    assert_eq!(
        dict.get(1.0).unwrap(),
        Some("1".into()),
        "1 and 1.0 are one key"
    );
}

#[test]
fn no_count_of_two_processes_is_lost() {
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager.dict::<String, u32>().unwrap();
    let count = |dict: Dict<String, u32>| {
        for _ in 0..100 {
            dict.call(
                |dict, key| *dict.entry(key).or_insert(0) += 1,
                "n".to_owned(),
            )
            .unwrap();
        }
    };
    for child in [start(count, (dict.clone(),)), start(count, (dict.clone(),))] {
        child.join().unwrap();
    }
    assert_eq!(dict.get("n").unwrap(), Some(200));
}

#[test]
fn iterating_gives_each_key_once() {
    // MGR-004
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager
        .dict_from((0..3).map(|number| (number, ())))
        .unwrap();
    let mut iter = dict.iter();
    let keys: Vec<i32> = iter.by_ref().map(Result::unwrap).collect();
    assert_eq!(keys, [0, 1, 2]);
    assert!(iter.next().is_none());
}

#[test]
fn a_change_of_size_ends_the_iteration() {
    // MGR-004
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager
        .dict_from((0..3).map(|number| (number, ())))
        .unwrap();
    let mut iter = dict.iter();
    assert_eq!(iter.next().unwrap().unwrap(), 0);
    dict.insert(3, ()).unwrap();
    let error = iter.next().unwrap().unwrap_err();
    assert!(
        matches!(error, ManagerError::Refused(Refusal::Resized)),
        "{error}"
    );
    assert!(iter.next().is_none());
}

// MGR-062
#[test]
fn compound_steps_are_one_call() {
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager
        .dict_from([("a".to_owned(), 1), ("b".to_owned(), 2)])
        .unwrap();
    let add = |value: &mut i32, by: i32| {
        *value += by;
        *value
    };
    assert_eq!(dict.update_with("a", add, 10).unwrap(), Some(11));
    assert_eq!(dict.update_with("z", add, 10).unwrap(), None);
    assert_eq!(dict.get_or_insert("a", 5).unwrap(), 11);
    assert_eq!(dict.get_or_insert_with("c", || 3).unwrap(), 3);
    assert_eq!(dict.pop_if("b", |value| *value > 5).unwrap(), None);
    assert_eq!(dict.pop_if("b", |value| *value == 2).unwrap(), Some(2));
    let keys = ["c", "b", "a"].map(str::to_owned);
    assert_eq!(dict.get_many(keys).unwrap(), [Some(3), None, Some(11)]);
    assert!(dict.compare_and_swap("b", None, Some(20)).unwrap());
    assert!(!dict.compare_and_swap("b", None, Some(30)).unwrap());
    assert!(dict.compare_and_swap("a", Some(11), None).unwrap());
    dict.update([("d".to_owned(), 4)]).unwrap();
    assert_eq!(
        dict.keys().unwrap(),
        ["c", "b", "d"],
        "in the order in which they came"
    );
    dict.retain(|_, value| *value != 4).unwrap();
    let removed = dict.remove_many(["c", "x"].map(str::to_owned)).unwrap();
    assert_eq!(removed, [Some(3), None]);
    assert_eq!(dict.items().unwrap(), [("b".to_owned(), 20)]);
}

// MGR-067
#[test]
fn it_is_united_reversed_and_made_of_keys_as_pythons() {
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager
        .dict_from([(1, "a".to_owned()), (2, "b".to_owned())])
        .unwrap();
    let both = dict
        .union([(2, "x".to_owned()), (3, "c".to_owned())])
        .unwrap();
    let both: Vec<(i32, &str)> = both
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    assert_eq!(both, [(1, "a"), (2, "x"), (3, "c")]);
    assert_eq!(
        dict.get(2).unwrap().as_deref(),
        Some("b"),
        "it is as it was"
    );
    let reversed: Vec<i32> = dict.iter().rev().map(Result::unwrap).collect();
    assert_eq!(reversed, [2, 1]);
    let dict = manager
        .dict_from_keys(["x", "y", "x"].map(str::to_owned), 7)
        .unwrap();
    let expected = [("x".to_owned(), 7), ("y".to_owned(), 7)];
    assert_eq!(dict.items().unwrap(), expected);
    // A handle is one object under all keys.
    let shared = manager.list::<i32>().unwrap();
    let lists = manager.dict_from_keys([1, 2], shared).unwrap();
    lists.get(1).unwrap().unwrap().append(5).unwrap();
    assert_eq!(lists.get(2).unwrap().unwrap().to_vec().unwrap(), [5]);
}

// MGR-067
#[test]
fn an_iteration_from_both_ends_notices_a_change_of_the_size() {
    let _watchdog = watchdog();
    let manager = manager();
    let dict = manager.dict_from((0..4).map(|key| (key, ()))).unwrap();
    let mut iter = dict.iter();
    let ends = [iter.next_back(), iter.next()].map(|key| key.unwrap().unwrap());
    assert_eq!(ends, [3, 0]);
    assert_eq!(iter.next().unwrap().unwrap(), 1);
    assert_eq!(iter.next_back().unwrap().unwrap(), 2);
    assert!(iter.next().is_none() && iter.next_back().is_none());
    let mut iter = dict.iter().rev();
    assert_eq!(iter.next().unwrap().unwrap(), 3);
    dict.remove(0).unwrap();
    let error = iter.next().unwrap().unwrap_err();
    assert!(
        matches!(error, ManagerError::Refused(Refusal::Resized)),
        "{error}"
    );
    assert!(iter.next().is_none());
}

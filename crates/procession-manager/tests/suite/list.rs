//! The managed list.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::{manager, start};
use procession_manager::{List, ManagerError, Object, Refusal, Slice};
use procession_testkit::watchdog;

#[test]
fn it_has_the_operations_of_a_list() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([1, 2, 3]).unwrap();
    list.append(4).unwrap();
    list.extend([2, 2]).unwrap();
    list.insert(0, 9).unwrap();
    assert_eq!(list.to_vec().unwrap(), [9, 1, 2, 3, 4, 2, 2]);
    assert_eq!(list.set(1, 7).unwrap(), 1);
    assert_eq!(list.remove(0).unwrap(), 9);
    assert_eq!(list.pop().unwrap(), Some(2));
    assert_eq!(list.to_vec().unwrap(), [7, 2, 3, 4, 2]);
    assert_eq!(list.slice(1..3).unwrap(), [2, 3]);
    assert_eq!(list.slice(3..100).unwrap(), [4, 2]);
    assert!(list.slice(7..9).unwrap().is_empty());
    list.clear().unwrap();
    assert!(list.is_empty().unwrap());
    assert_eq!(list.pop().unwrap(), None);
}

fn change(list: List<i64>) -> anyhow::Result<()> {
    assert_eq!(list.index(&3)?, Some(2));
    assert_eq!(list.count(&1)?, 2);
    list.sort()?;
    list.reverse()?;
    assert!(list.contains(&4)?);
    assert_eq!(list.iter().collect::<Result<Vec<_>, _>>()?, [4, 3, 1, 1]);
    assert_eq!(list.len()?, 4);
    assert_eq!(list.pop()?, Some(1));
    Ok(())
}

#[test]
fn a_child_changes_it() {
    // MGR-021
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([1, 4, 3, 1]).unwrap();
    start(change, (list.clone(),)).join().unwrap();
    assert_eq!(list.to_vec().unwrap(), [4, 3, 1]);
}

#[test]
fn two_processes_append_at_once() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list().unwrap();
    let append = |list: List<u32>, from: u32| {
        for number in from..from + 100 {
            list.append(number).unwrap();
        }
    };
    for child in [
        start(append, (list.clone(), 0)),
        start(append, (list.clone(), 100)),
    ] {
        child.join().unwrap();
    }
    list.sort().unwrap();
    assert_eq!(list.to_vec().unwrap(), (0..200).collect::<Vec<_>>());
}

#[test]
fn iterating_sees_changes_and_ends_once() {
    // MGR-001
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from(0..10).unwrap();
    let mut iter = list.iter();
    assert_eq!(iter.next().unwrap().unwrap(), 0);
    list.set(1, 100).unwrap();
    list.append(10).unwrap();
    let rest: Vec<i32> = iter.by_ref().map(Result::unwrap).collect();
    assert_eq!(rest, [100, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    list.append(11).unwrap();
    assert!(iter.next().is_none(), "it has ended");
}

#[test]
fn an_index_beyond_the_end_is_refused() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from(["a".to_owned()]).unwrap();
    let refused = |error: ManagerError| match error {
        ManagerError::Refused(Refusal::Index { index, len }) => (index, len),
        error => panic!("{error}"),
    };
    assert_eq!(refused(list.set(1, "b".to_owned()).unwrap_err()), (1, 1));
    assert_eq!(refused(list.remove(5).unwrap_err()), (5, 1));
    assert_eq!(refused(list.insert(2, "b".to_owned()).unwrap_err()), (2, 1));
    assert_eq!(list.get(1).unwrap(), None);
    assert_eq!(
        list.remove(5).unwrap_err().to_string(),
        "there is nothing at index 5: the length is 1"
    );
}

#[test]
fn several_operations_are_one_step() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([5, 6]).unwrap();
    let move_out = |items: &mut Vec<i32>, limit: i32| -> Vec<i32> {
        items.extract_if(.., |item| *item < limit).collect()
    };
    assert_eq!(list.call(move_out, 6).unwrap(), [5]);
    assert_eq!(list.with(|items| items.len()).unwrap(), 1);
}

#[test]
fn its_text_is_pythons() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list::<Object>().unwrap();
    list.append(1.into()).unwrap();
    list.append("it's".into()).unwrap();
    assert_eq!(list.repr().unwrap(), r#"[1, "it's"]"#);
    let list = manager.list_from((0..10).rev()).unwrap();
    assert_eq!(list.repr().unwrap(), "[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]");
}

// MGR-061
#[test]
fn places_count_from_either_end_and_slices_have_steps() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from(0..6).unwrap();
    assert_eq!(list.get(-1).unwrap(), Some(5));
    assert_eq!(list.get(-7).unwrap(), None);
    assert_eq!(list.get_many(&[5, 0, 9]).unwrap(), [Some(5), Some(0), None]);
    assert_eq!(list.slice(..).unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(list.slice(Slice::from(1..).end(-1)).unwrap(), [1, 2, 3, 4]);
    assert_eq!(list.slice(Slice::from(..).step(-2)).unwrap(), [5, 3, 1]);
    assert_eq!(list.set(-6, 10).unwrap(), 0);
    list.insert(-1, 45).unwrap();
    assert_eq!(list.remove(-1).unwrap(), 5);
    list.set_slice(1..3, [7, 8, 9]).unwrap();
    assert_eq!(list.to_vec().unwrap(), [10, 7, 8, 9, 3, 4, 45]);
    list.set_slice(Slice::from(..).step(3), [0, 0, 0]).unwrap();
    assert_eq!(list.to_vec().unwrap(), [0, 7, 8, 0, 3, 4, 0]);
    let error = list.set_slice(Slice::from(..).step(3), [1]).unwrap_err();
    let refused = matches!(
        error,
        ManagerError::Refused(Refusal::Length {
            len: 1,
            expected: 3
        })
    );
    assert!(refused, "{error}");
    assert_eq!(
        list.remove_slice(Slice::from(..).step(3)).unwrap(),
        [0, 0, 0]
    );
    assert_eq!(list.remove_slice(5..).unwrap(), [0; 0]);
    assert!(list.remove_item(&8).unwrap() && !list.remove_item(&8).unwrap());
    list.repeat(2).unwrap();
    assert_eq!(list.to_vec().unwrap(), [7, 3, 4, 7, 3, 4]);
    list.repeat(0).unwrap();
    assert!(list.is_empty().unwrap());
}

// MGR-062
#[test]
fn compound_steps_are_one_call() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([-3_i32, 1, 2]).unwrap();
    list.sort_by_key(|item| item.abs()).unwrap();
    assert_eq!(list.to_vec().unwrap(), [1, 2, -3]);
    assert_eq!(list.pop_if(|item| *item > 0).unwrap(), None);
    assert_eq!(list.pop_if(|item| *item < 0).unwrap(), Some(-3));
    assert!(list.compare_and_swap(0, &1, 10).unwrap());
    assert!(!list.compare_and_swap(-2, &1, 20).unwrap());
    assert!(list.compare_and_swap(9, &1, 20).is_err());
    list.set_many([(0, 11), (1, 12)]).unwrap();
    assert!(list.set_many([(0, 7), (5, 7)]).is_err());
    assert_eq!(list.to_vec().unwrap(), [11, 12], "all or none");
    let add = |item: &mut i32, by: i32| {
        *item += by;
        *item
    };
    assert_eq!(list.update_with(-1, add, 5).unwrap(), 17);
    assert!(list.update_with(2, add, 5).is_err());
    list.extend(20..23).unwrap();
    list.retain(|item| item % 2 == 0).unwrap();
    assert_eq!(list.to_vec().unwrap(), [20, 22]);
}

// MGR-067
#[test]
fn it_is_added_to_multiplied_and_reversed_as_pythons() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([1, 2, 3]).unwrap();
    assert_eq!(list.concat([4, 5]).unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(list.repeated(2).unwrap(), [1, 2, 3, 1, 2, 3]);
    assert_eq!(list.repeated(0).unwrap(), [0; 0]);
    assert_eq!(list.to_vec().unwrap(), [1, 2, 3], "it is as it was");
    let reversed: Vec<i32> = list.iter().rev().map(Result::unwrap).collect();
    assert_eq!(reversed, [3, 2, 1]);
    let array = manager.array([1, 2, 3]).unwrap();
    let reversed: Vec<i32> = array.iter().rev().map(Result::unwrap).collect();
    assert_eq!(reversed, [3, 2, 1]);
}

// MGR-067
#[test]
fn iterating_from_both_ends_meets_in_the_middle() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from(0..5).unwrap();
    let mut iter = list.iter();
    assert_eq!(iter.next().unwrap().unwrap(), 0);
    assert_eq!(iter.next_back().unwrap().unwrap(), 4);
    // What comes behind what was last is not seen any more, as in Python's `reversed`.
    list.append(5).unwrap();
    assert_eq!(iter.next_back().unwrap().unwrap(), 3);
    let rest: Vec<i32> = iter.by_ref().map(Result::unwrap).collect();
    assert_eq!(rest, [1, 2]);
    assert!(iter.next().is_none() && iter.next_back().is_none());
    // Nor does it come back when the list has become shorter than the place that was next.
    let mut iter = list.iter().rev();
    assert_eq!(iter.next().unwrap().unwrap(), 5);
    list.clear().unwrap();
    assert!(iter.next().is_none());
    list.extend(0..9).unwrap();
    assert!(iter.next().is_none(), "it has ended");
}

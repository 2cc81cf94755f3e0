//! The managed value and the managed array.

use super::{manager, start};
use procession_manager::{Array, ManagerError, Refusal, Slice, Value};
use procession_testkit::watchdog;

#[test]
fn a_child_reads_and_writes_a_value() {
    // MGR-022
    let _watchdog = watchdog();
    let manager = manager();
    let value = manager.value(1_i64).unwrap();
    let change = |value: Value<i64>| -> anyhow::Result<i64> {
        let before = value.get()?;
        value.set(2)?;
        Ok(before)
    };
    assert_eq!(start(change, (value.clone(),)).join().unwrap(), 1);
    assert_eq!(value.swap(3).unwrap(), 2);
    assert_eq!(value.get().unwrap(), 3);
}

#[test]
fn no_update_of_a_value_is_lost() {
    let _watchdog = watchdog();
    let manager = manager();
    let value = manager.value(0_u64).unwrap();
    let count = |value: Value<u64>, by: u64| {
        for _ in 0..100 {
            value.update_with(|value, by| *value += by, by).unwrap();
        }
    };
    for child in [
        start(count, (value.clone(), 1)),
        start(count, (value.clone(), 2)),
    ] {
        child.join().unwrap();
    }
    assert_eq!(value.update(|value| *value).unwrap(), 300);
}

#[test]
fn a_child_looks_into_an_array() {
    // MGR-023
    let _watchdog = watchdog();
    let manager = manager();
    let array = manager.array(0..10).unwrap();
    let look = |array: Array<i32>| -> anyhow::Result<()> {
        assert_eq!(array.index(&4)?, Some(4));
        assert_eq!(array.len()?, 10);
        assert_eq!(
            array.iter().collect::<Result<Vec<_>, _>>()?,
            (0..10).collect::<Vec<_>>()
        );
        assert_eq!(array.slice(2..4)?, [2, 3]);
        array.set(0, -1)?;
        Ok(())
    };
    start(look, (array.clone(),)).join().unwrap();
    assert_eq!(array.get(0).unwrap(), -1);
}

#[test]
fn an_array_has_a_fixed_length() {
    let _watchdog = watchdog();
    let manager = manager();
    let array = manager.array(["a".to_owned(), "b".to_owned()]).unwrap();
    let error = array.set(2, "c".to_owned()).unwrap_err();
    assert!(matches!(
        error,
        ManagerError::Refused(Refusal::Index { index: 2, len: 2 })
    ));
    assert!(matches!(
        array.get(9),
        Err(ManagerError::Refused(Refusal::Index { .. }))
    ));
    array.fill("x".to_owned()).unwrap();
    assert_eq!(array.to_vec().unwrap(), ["x", "x"]);
    array
        .call(|array, text: String| array[0] = text, "y".to_owned())
        .unwrap();
    assert_eq!(array.with(|array| array.concat()).unwrap(), "yx");
}

// MGR-062
#[test]
fn compound_steps_are_one_call() {
    let _watchdog = watchdog();
    let manager = manager();
    let value = manager.value(1).unwrap();
    assert!(value.compare_and_swap(&1, 2).unwrap());
    assert!(!value.compare_and_swap(&1, 3).unwrap());
    assert_eq!(value.swap(5).unwrap(), 2);
    let array = manager.array(0..5).unwrap();
    assert_eq!((array.get(-1).unwrap(), array.swap(-1, 9).unwrap()), (4, 4));
    assert_eq!(array.slice(Slice::from(..).step(2)).unwrap(), [0, 2, 9]);
    array.set_slice(-2.., [7, 7]).unwrap();
    assert_eq!(array.count(&7).unwrap(), 2);
    assert!(
        array.set_slice(.., [1]).is_err(),
        "its length does not change"
    );
    assert_eq!(array.with(|elements| elements.len()).unwrap(), 5);
    let namespace = manager.namespace().unwrap();
    namespace.update([("x".to_owned(), 1.into())]).unwrap();
    assert!(namespace.contains("x").unwrap());
}

//! The managed value and the managed array.

use super::{manager, start};
use procession_manager::{Array, ManagerError, Refusal, Value};
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
    assert_eq!(value.replace(3).unwrap(), 2);
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

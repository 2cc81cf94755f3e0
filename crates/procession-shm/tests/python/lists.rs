//! Lists in CPython's layout.

use crate::interpreter::Python;
use crate::{exists, interpreter, tracker_has_ended};
use procession_shm::{ListError, ListItem, ShareableList};
use procession_testkit::python::NO_ARGUMENTS;
use procession_testkit::watchdog;

/// The Pythons whose lists have the layout that 3.9 introduced.
fn pythons() -> impl Iterator<Item = Python> {
    interpreter::all()
        .into_iter()
        .filter(|python| python.version >= (3, 9))
}

fn one_of_each() -> Vec<ListItem> {
    vec![
        i64::MIN.into(),
        (-0.25).into(),
        true.into(),
        false.into(),
        "howdy".into(),
        "12345678".into(),
        "".into(),
        b"by\0tes".into(),
        b"".into(),
        ().into(),
    ]
}

const ONE_OF_EACH: &str =
    "[-2**63, -0.25, True, False, 'howdy', '12345678', '', b'by\\0tes', b'', None]";

// SHM-017
#[test]
fn python_reads_and_writes_ours() {
    let _watchdog = watchdog();
    for python in pythons() {
        let list = ShareableList::new(one_of_each()).unwrap();
        let script = format!(
            r#"
items = attach_list(sys.argv[1])
wanted = {ONE_OF_EACH}
assert list(items) == wanted, list(items)
assert [type(item) for item in items] == [type(item) for item in wanted]
assert items.format == sys.argv[2], items.format
items[0] = 5
items[1] = "wörds"
items[4] = None
items[5] = b"0123456789abcdef"
items[9] = 1.5
say(tracker())
"#
        );
        let format = list.format().unwrap();
        tracker_has_ended(&python.run(&script, &[list.block().name(), &format]));
        assert_eq!(list.get(0).unwrap(), ListItem::Int(5));
        assert_eq!(list.get(1).unwrap(), ListItem::from("wörds"));
        assert_eq!(list.get(4).unwrap(), ListItem::None);
        assert_eq!(list.get(5).unwrap(), b"0123456789abcdef".into());
        assert_eq!(list.get(9).unwrap(), ListItem::Float(1.5));
        assert_eq!(list.get(7).unwrap(), b"by\0tes".into());
    }
}

#[test]
fn ours_is_pythons_byte_for_byte() {
    let _watchdog = watchdog();
    let list = ShareableList::new(one_of_each()).unwrap();
    let bytes = procession_testkit::helper::hex(&list.block().to_vec());
    for python in pythons() {
        let script = format!(
            r"
items = ShareableList({ONE_OF_EACH})
say(bytes(items.shm.buf).hex())
items.shm.close()
items.shm.unlink()
"
        );
        assert_eq!(
            python.run(&script, NO_ARGUMENTS),
            bytes,
            "{:?}",
            python.version
        );
    }
}

#[test]
fn what_is_not_ascii_has_room() {
    let _watchdog = watchdog();
    let text = "naïve ☃ 漢字漢字漢字漢字漢字";
    for python in pythons() {
        let list = ShareableList::new([text]).unwrap();
        let script = "items = attach_list(sys.argv[1]); say(items[0] == sys.argv[2])";
        let said = python.run(script, &[list.block().name(), text]);
        assert_eq!(said, "True", "{:?}", python.version);
    }
}

#[test]
fn we_read_and_write_pythons() {
    let _watchdog = watchdog();
    for python in pythons() {
        let script = format!(
            r#"
items = ShareableList({ONE_OF_EACH})
items[1], items[4] = "abc", 7
say(items.shm.name)
wait()
wanted = ["x", "abc", None, 2.5, b"howdy", "ä", True, b"1\x002", "", -1]
assert list(items) == wanted, list(items)
say(items.format)
items.shm.close()
items.shm.unlink()
"#
        );
        let mut running = python.start(&script, NO_ARGUMENTS);
        let name = running.hear();
        let list = ShareableList::attach(&name).unwrap();
        let mut wanted = one_of_each();
        (wanted[1], wanted[4]) = ("abc".into(), 7.into());
        assert_eq!(list.to_vec().unwrap(), wanted);
        let new: [ListItem; 10] = [
            "x".into(),
            "abc".into(),
            ListItem::None,
            2.5.into(),
            b"howdy".into(),
            "ä".into(),
            true.into(),
            b"1\x002".into(),
            "".into(),
            (-1).into(),
        ];
        for (index, item) in new.into_iter().enumerate() {
            list.set(index, item).unwrap();
        }
        running.go_on();
        assert_eq!(running.hear(), list.format().unwrap());
        drop(list);
        running.end();
        assert!(!exists(&name));
    }
}

#[test]
fn empty_lists_are_exchanged() {
    let _watchdog = watchdog();
    for python in pythons() {
        let list = ShareableList::new(Vec::<ListItem>::new()).unwrap();
        let script = "say(len(attach_list(sys.argv[1])))";
        assert_eq!(python.run(script, &[list.block().name()]), "0");
        assert!(
            ShareableList::attach(list.block().name())
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn the_layout_before_3_9_is_refused() {
    let _watchdog = watchdog();
    for python in interpreter::all()
        .iter()
        .filter(|python| python.version < (3, 9))
    {
        let script = r#"
items = ShareableList([1, "two", 3.0])
say(items.shm.name)
wait()
items.shm.close()
items.shm.unlink()
"#;
        let mut running = python.start(script, NO_ARGUMENTS);
        let refused = ShareableList::attach(&running.hear());
        assert!(matches!(refused, Err(ListError::Damaged(_))));
        running.go_on();
        running.end();
    }
}

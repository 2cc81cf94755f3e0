//! Lists in named blocks.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{BlockError, ListError, ListItem, ShareableList, SharedMemory};
use procession_testkit::helper::{Helper, arrive, roundtrip, send};
use procession_testkit::watchdog;
use procession_wire::Packet;
use proptest::prelude::*;
use std::thread;

procession_testkit::helpers!(change_a_list);

fn items() -> Vec<ListItem> {
    vec![
        "howdy".into(),
        b"HoWdY".into(),
        (-273.154).into(),
        100.into(),
        ListItem::None,
        true.into(),
        42.into(),
    ]
}

#[test]
fn items_are_read_and_replaced() {
    let _watchdog = watchdog();
    let list = ShareableList::new(items()).unwrap();
    assert_eq!(list.len(), 7);
    assert_eq!(list.to_vec().unwrap(), items());
    assert_eq!(list.format().unwrap(), "8s8sdqxxxxxx?xxxxxxxx?q");
    list.set(3, "some").unwrap();
    assert_eq!(list.format().unwrap(), "8s8sd8sxxxxxx?xxxxxxxx?q");
    list.set(3, 1.5).unwrap();
    list.set(0, ListItem::None).unwrap();
    list.set(0, "eight by").unwrap();
    list.set(4, b"now").unwrap();
    let wanted: [ListItem; 7] = [
        "eight by".into(),
        b"HoWdY".into(),
        (-273.154).into(),
        1.5.into(),
        b"now".into(),
        true.into(),
        42.into(),
    ];
    assert_eq!(list.to_vec().unwrap(), wanted);
    assert_eq!(list.iter().len(), 7);
    let text = format!("{list:?}");
    assert!(
        text.contains("eight by") && text.contains(list.block().name()),
        "{text}"
    );
}

#[test]
fn counting_and_finding_compare_as_python() {
    let _watchdog = watchdog();
    let list: [ListItem; 8] = [
        1.into(),
        1.0.into(),
        true.into(),
        "1".into(),
        b"1".into(),
        ListItem::None,
        i64::MAX.into(),
        9_223_372_036_854_775_807.0.into(),
    ];
    let list = ShareableList::new(list).unwrap();
    assert_eq!(list.count(1).unwrap(), 3);
    assert_eq!(list.count(true).unwrap(), 3);
    assert_eq!(list.count(1.0).unwrap(), 3);
    assert_eq!(list.count("1").unwrap(), 1);
    assert_eq!(list.count(f64::NAN).unwrap(), 0);
    assert_eq!(list.index(b"1").unwrap(), Some(4));
    assert_eq!(list.index(ListItem::None).unwrap(), Some(5));
    // Rounded to a float it is one more.
    assert_eq!(list.count(i64::MAX).unwrap(), 1);
    assert_eq!(list.index("2").unwrap(), None);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let _watchdog = watchdog();
    let list = ShareableList::new(["seven b"]).unwrap();
    let refused = list.set(0, "nine byte").unwrap_err();
    assert!(matches!(refused, ListError::TooLong { len: 9, room: 8 }));
    let refused = list.set(1, 0).unwrap_err();
    assert!(matches!(
        refused,
        ListError::OutOfBounds { index: 1, len: 1 }
    ));
    assert!(list.get(usize::MAX).is_err());
    assert_eq!(list.get(0).unwrap(), "seven b".into());

    let long = "x".repeat(9_999_991);
    let list = ShareableList::new([long.as_str()]).unwrap();
    assert_eq!(list.format().unwrap(), "9999992s");
    assert_eq!(list.get(0).unwrap(), ListItem::Str(long.clone()));
    let refused = ShareableList::new([long + "x"]).unwrap_err();
    assert!(matches!(refused, ListError::TooLong { len: 9_999_992, .. }));
}

#[test]
fn what_ends_in_nul_is_refused() {
    let _watchdog = watchdog();
    let refused = ShareableList::new(["abc\0"]).unwrap_err();
    assert!(matches!(refused, ListError::EndsInNul));
    let list = ShareableList::new([b"a\0bc"]).unwrap();
    let refused = list.set(0, b"\0").unwrap_err();
    assert!(matches!(refused, ListError::EndsInNul));
    assert_eq!(list.get(0).unwrap(), b"a\0bc".into());
}

#[test]
fn a_name_is_used_once() {
    let _watchdog = watchdog();
    let name = format!("test-list-{}", std::process::id());
    let list = ShareableList::with_name(&name, [1]).unwrap();
    let again = ShareableList::with_name(&name, [2]).unwrap_err();
    assert!(matches!(
        again,
        ListError::Block(BlockError::AlreadyExists(_))
    ));
    assert_eq!(
        ShareableList::attach(&name).unwrap().get(0).unwrap(),
        1.into()
    );
    drop(list);
    let gone = ShareableList::attach(&name).unwrap_err();
    assert!(matches!(gone, ListError::Block(BlockError::NotFound(_))));
}

// SHM-017
#[test]
fn a_handle_is_as_small_for_a_long_list_and_live() {
    let _watchdog = watchdog();
    let short = ShareableList::new([1]).unwrap();
    let long = ShareableList::new(0..1000).unwrap();
    let difference = send(&short).len().abs_diff(send(&long).len());
    // What the numbers in the names differ by.
    assert!(difference < 8, "{difference}");
    let same = roundtrip(&long);
    same.set(999, "nine").unwrap();
    assert_eq!(long.get(999).unwrap(), "nine".into());
    assert!(Helper::with("change_a_list", &long).end().success());
    assert_eq!(same.get(0).unwrap(), ListItem::from(-1));
}

fn change_a_list() {
    let Some(list) = arrive::<ShareableList>() else {
        return;
    };
    list.set(0, -1).unwrap();
}

// SHM-018
#[test]
fn a_handle_that_is_decoded_after_the_end_is_not_found() {
    let _watchdog = watchdog();
    let list = ShareableList::new([1]).unwrap();
    let bytes = send(&list);
    list.block().unlink().unwrap();
    let packet = Packet::parse(bytes, Vec::new()).unwrap();
    let gone = packet.decode::<ShareableList>().unwrap_err().to_string();
    assert!(gone.contains("there is no block named"), "{gone}");
    assert_eq!(list.get(0).unwrap(), 1.into());
}

#[test]
fn a_number_that_is_being_written_is_never_torn() {
    let _watchdog = watchdog();
    let list = ShareableList::new([0, 0]).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..5_000 {
                list.set(1, if round % 2 == 0 { -1 } else { 0 }).unwrap();
            }
        });
        while !writer.is_finished() {
            let ListItem::Int(found) = list.get(1).unwrap() else {
                panic!("it is another type")
            };
            assert!(found == 0 || found == -1, "{found}");
        }
    });
}

/// A block of these bytes.
fn block_of(bytes: &[u8]) -> SharedMemory {
    let block = SharedMemory::create_anonymous(bytes.len()).unwrap();
    block.write_at(0, bytes).unwrap();
    block
}

/// Uses everything of whatever is there.
fn use_it(bytes: &[u8]) {
    let block = block_of(bytes);
    let Ok(list) = ShareableList::attach(block.name()) else {
        return;
    };
    for index in 0..list.len() {
        let _ = list.get(index);
        for item in items() {
            if list.set(index, item.clone()).is_ok() {
                let _ = list.get(index);
            }
        }
    }
    let _ = (list.to_vec(), list.format(), list.count(1), list.index("x"));
    assert_eq!(block.len(), bytes.len());
}

fn good() -> Vec<u8> {
    ShareableList::new(items()).unwrap().block().to_vec()
}

#[test]
fn blocks_that_are_no_lists_are_refused() {
    let _watchdog = watchdog();
    let mut cases = vec![vec![0], vec![0; 8], vec![0xff; 16], vec![0xff; 4096]];
    cases.extend(
        (0..good().len())
            .step_by(7)
            .skip(1)
            .map(|len| good()[..len].to_vec()),
    );
    for count in [-1, 8, 1 << 40, i64::MAX, i64::MIN] {
        let mut bytes = good();
        bytes[..8].copy_from_slice(&count.to_ne_bytes());
        cases.push(bytes);
    }
    for bytes in cases {
        let refused = ShareableList::attach(block_of(&bytes).name());
        assert!(matches!(refused, Err(ListError::Damaged(_))), "{bytes:?}");
    }
}

#[test]
fn slots_of_other_lengths_are_used_as_far_as_they_go() {
    let _watchdog = watchdog();
    let mut bytes = good();
    // The first slot is made shorter, the second longer.
    bytes[16..24].copy_from_slice(&4_i64.to_ne_bytes());
    let block = block_of(&bytes);
    let list = ShareableList::attach(block.name()).unwrap();
    assert!(matches!(list.get(0), Err(ListError::Damaged(_))));
    assert!(matches!(
        list.set(0, 5),
        Err(ListError::TooLong { len: 8, room: 4 })
    ));
    list.set(0, "four").unwrap();
    list.set(1, "exactly 12 b").unwrap();
    assert_eq!(list.get(0).unwrap(), "four".into());
    assert_eq!(list.get(1).unwrap(), "exactly 12 b".into());
    assert_eq!(list.get(2).unwrap(), items()[2]);
}

#[test]
fn text_that_is_none_is_an_error() {
    let _watchdog = watchdog();
    let list = ShareableList::new(["abc"]).unwrap();
    list.block().write_at(24, &[0xff]).unwrap();
    assert!(matches!(list.get(0), Err(ListError::NotText)));
    let codes = list.block().len() - 1;
    list.block().write_at(codes, &[9]).unwrap();
    assert!(matches!(list.get(0), Err(ListError::Damaged(_))));
    assert!(list.to_vec().is_err() && list.format().is_err());
    list.set(0, "def").unwrap();
    assert_eq!(list.get(0).unwrap(), "def".into());
}

proptest! {
    #[test]
    fn random_blocks_never_crash(bytes in prop::collection::vec(any::<u8>(), 1..200), items in 0_u8..6) {
        let mut bytes = bytes;
        use_it(&bytes);
        // With a number of items that may be.
        let count = [items, 0, 0, 0, 0, 0, 0, 0];
        let len = bytes.len().min(8);
        bytes[..len].copy_from_slice(&count[..len]);
        use_it(&bytes);
    }

    #[test]
    fn a_few_wrong_bytes_never_crash(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = good();
        for (index, byte) in at {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        use_it(&bytes);
    }

    #[test]
    fn what_is_put_in_comes_out(texts in prop::collection::vec("[^\0]{0,20}", 0..6), number: i64, float: f64) {
        let mut items: Vec<ListItem> = texts.into_iter().map(Into::into).collect();
        items.push(number.into());
        items.push(float.into());
        let list = ShareableList::new(items.clone()).unwrap();
        prop_assert_eq!(list.to_vec().unwrap(), items.clone());
        let same = ShareableList::attach(list.block().name()).unwrap();
        prop_assert_eq!(same.to_vec().unwrap(), items);
    }
}

/// Each integer at both of its ends, and whether an `int` of 64 bits is as large.
macro_rules! at_both_ends {
    ($list:ident, $($int:ty: $least:expr, $most:expr);* $(;)?) => {$(
        for (value, fits) in [(<$int>::MIN, $least), (<$int>::MAX, $most)] {
            let set = $list.set(0, value);
            let again = $list.set(0, Some(value));
            let made = ShareableList::new([value]);
            let item = ListItem::try_from(value);
            if fits {
                let wanted = ListItem::Int(value.try_into().unwrap());
                assert_eq!((set.unwrap(), again.unwrap()), ((), ()));
                assert_eq!($list.get(0).unwrap(), wanted);
                assert_eq!(made.unwrap().to_vec().unwrap(), [wanted]);
                assert_eq!($list.count(value).unwrap(), 1);
                assert_eq!($list.index(value).unwrap(), Some(0));
            } else {
                $list.set(0, 5).unwrap();
                for refused in [set, again, made.map(drop), item.map(drop)] {
                    let refused = refused.unwrap_err();
                    assert!(refused.to_string().starts_with(&value.to_string()), "{refused}");
                    assert!(matches!(refused, ListError::IntTooLarge(_)));
                }
                assert!($list.count(value).is_err() && $list.index(value).is_err());
                assert_eq!($list.get(0).unwrap(), ListItem::Int(5), "it is as it was");
            }
        }
    )*};
}

// SHM-031
#[test]
fn integers_of_every_size_are_checked() {
    let _watchdog = watchdog();
    let list = ShareableList::new([0]).unwrap();
    at_both_ends! {
        list,
        u64: true, false;
        usize: true, false;
        isize: true, true;
        u128: true, false;
        i128: false, false;
    }
    list.set(0, "len".len()).unwrap();
    assert_eq!(list.get(0).unwrap(), ListItem::Int(3));
    list.set(0, None::<u64>).unwrap();
    assert_eq!(list.get(0).unwrap(), ListItem::None);
}

//! What a dict does, in one process.

use procession_dict::{Dict, DictError};
use procession_queue::Queue;
use procession_testkit::helper::roundtrip;
use procession_testkit::watchdog;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

// DCT-001
#[test]
fn what_is_inserted_is_there_until_it_is_replaced_or_removed() {
    let _watchdog = watchdog();
    let dict = Dict::<String, u64>::new().unwrap();
    assert!(dict.is_empty().unwrap());
    assert_eq!(dict.insert("a", 1_u64).unwrap(), None);
    assert_eq!(dict.insert("b", 2_u64).unwrap(), None);
    assert_eq!(dict.insert("a", 3_u64).unwrap(), Some(1));
    assert_eq!(
        (dict.get("a").unwrap(), dict.get("b").unwrap()),
        (Some(3), Some(2))
    );
    assert_eq!(dict.len().unwrap(), 2);
    assert!(dict.contains_key("b").unwrap() && !dict.contains_key("c").unwrap());
    assert_eq!(dict.remove("a").unwrap(), Some(3));
    assert_eq!(dict.remove("a").unwrap(), None);
    assert_eq!((dict.get("a").unwrap(), dict.len().unwrap()), (None, 1));
}

// DCT-001
#[test]
fn it_agrees_with_a_hash_map_over_many_changes() {
    let _watchdog = watchdog();
    let mut random = Random(0x5eed);
    // With few and with many keys, so that it grows and shrinks.
    for keys in [10, 300, 5000] {
        let (dict, mut map) = (Dict::<u64, Vec<u8>>::new().unwrap(), HashMap::new());
        for _ in 0..20_000 {
            let key = random.below(keys);
            match random.below(10) {
                0..6 => {
                    let value = vec![key as u8; random.below(200) as usize];
                    assert_eq!(
                        dict.insert(key, value.clone()).unwrap(),
                        map.insert(key, value)
                    );
                }
                6..9 => assert_eq!(dict.remove(key).unwrap(), map.remove(&key)),
                _ => assert_eq!(dict.get(key).unwrap().as_ref(), map.get(&key)),
            }
        }
        assert_eq!(dict.len().unwrap(), map.len());
        let items: HashMap<_, _> = dict.items().unwrap().into_iter().collect();
        assert_eq!(items, map);
    }
}

// DCT-002
#[test]
fn it_iterates_in_the_order_in_which_the_keys_were_inserted() {
    let _watchdog = watchdog();
    let dict = Dict::<u32, u32>::new().unwrap();
    for key in (0..1000_u32).rev() {
        dict.insert(key, key * 2).unwrap();
    }
    dict.insert(500_u32, 7_u32).unwrap();
    dict.remove(999_u32).unwrap();
    dict.insert(999_u32, 8_u32).unwrap();
    let mut expected: Vec<u32> = (0..999).rev().collect();
    expected.push(999);
    assert_eq!(dict.keys().unwrap(), expected);
    assert_eq!(
        dict.iter().collect::<Result<Vec<_>, _>>().unwrap(),
        expected
    );
    assert_eq!(dict.iter().len(), 1000);
    let values = dict.values().unwrap();
    assert_eq!((values[0], values[498], values[999]), (998 * 2, 7, 8));
    assert_eq!(dict.items().unwrap()[0], (998, 998 * 2));
    assert_eq!(dict.pop().unwrap(), Some((999, 8)));
    assert_eq!(dict.pop().unwrap(), Some((0, 0)));
}

// DCT-002
#[test]
fn an_iteration_goes_over_the_keys_of_its_beginning() {
    let _watchdog = watchdog();
    let dict = Dict::from_items((0..100).map(|key| (key, ()))).unwrap();
    let mut seen = Vec::new();
    for key in &dict {
        let key = key.unwrap();
        dict.remove(key).unwrap();
        dict.insert(key + 1000, ()).unwrap();
        seen.push(key);
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert_eq!(dict.len().unwrap(), 100);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Circle { radius: f64 },
    Polygon(Vec<(f64, f64)>),
    Nothing,
}

// DCT-003
#[test]
fn keys_and_values_are_whatever_serde_carries() {
    let _watchdog = watchdog();
    let dict = Dict::<(String, i8), Shape>::new().unwrap();
    let shapes = [
        Shape::Circle { radius: 1.5 },
        Shape::Polygon(vec![(0.0, 1.0); 50]),
        Shape::Nothing,
    ];
    for (number, shape) in shapes.iter().enumerate() {
        let key = ("shape".to_owned(), number as i8);
        dict.insert(key.clone(), shape.clone()).unwrap();
        assert_eq!(dict.get(key).unwrap().as_ref(), Some(shape));
    }
    let dict = Dict::<(), BTreeMap<String, Option<Vec<u64>>>>::new().unwrap();
    let value = BTreeMap::from([
        ("a".to_owned(), None),
        ("b".to_owned(), Some(vec![1, 1 << 60])),
    ]);
    dict.insert((), value.clone()).unwrap();
    assert_eq!(dict.get(()).unwrap(), Some(value));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sparse {
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    word: Option<String>,
}

// Such values say themselves what they are.
// DCT-003
#[test]
fn a_value_may_leave_fields_out_and_a_key_may_not() {
    let _watchdog = watchdog();
    let sparse = |word: Option<&str>| Sparse {
        number: 7,
        word: word.map(str::to_owned),
    };
    let dict = Dict::<u8, Sparse>::new().unwrap();
    for value in [sparse(None), sparse(Some("word")), sparse(None)] {
        dict.insert(1, value.clone()).unwrap();
        assert_eq!(dict.get(1).unwrap(), Some(value));
    }
    let dict = Dict::<Sparse, u8>::new().unwrap();
    let refused = dict.insert(sparse(None), 1).unwrap_err();
    assert!(matches!(refused, DictError::Key(name) if name.ends_with("Sparse")));
    assert!(dict.is_empty().unwrap());
}

#[derive(Debug, Deserialize)]
struct Refusing;

impl Serialize for Refusing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not me"))
    }
}

// DCT-003
#[test]
fn what_cannot_be_encoded_is_refused_before_anything_is_changed() {
    let _watchdog = watchdog();
    let dict = Dict::<u8, Option<Refusing>>::new().unwrap();
    dict.insert(1, None).unwrap();
    let refused = dict.insert(1, Some(Refusing)).unwrap_err();
    assert!(matches!(&refused, DictError::Encode(_)), "{refused}");
    assert!(refused.to_string().contains("not me"));
    let refused = dict.extend([(2, None), (3, Some(Refusing))]).unwrap_err();
    assert!(matches!(refused, DictError::Encode(_)));
    let refused = dict
        .alter(1, |value| *value = Some(Some(Refusing)))
        .unwrap_err();
    assert!(matches!(refused, DictError::Encode(_)));
    assert_eq!(dict.keys().unwrap(), [1]);
    assert!(dict.get(1).unwrap().unwrap().is_none());

    let dict = Dict::<Vec<u8>, Vec<u8>>::new().unwrap();
    let refused = dict.insert(vec![0; 100_000], vec![]).unwrap_err();
    assert!(matches!(refused, DictError::TooLarge { what: "key", .. }));
    assert!(dict.is_empty().unwrap());
}

// DCT-003
#[test]
fn large_values_come_back_whole_and_their_memory_goes_with_them() {
    let _watchdog = watchdog();
    let dict = Dict::<u8, Vec<u8>>::new().unwrap();
    let large = |byte: u8| vec![byte; 3_000_001];
    for byte in 0..5 {
        dict.insert(byte, large(byte)).unwrap();
    }
    assert_eq!(dict.insert(0, large(9)).unwrap(), Some(large(0)));
    assert_eq!(dict.insert(0, vec![1]).unwrap(), Some(large(9)));
    assert_eq!(dict.remove(1).unwrap(), Some(large(1)));
    assert_eq!(dict.values().unwrap()[3], large(4));
    dict.alter(2, |value| value.as_mut().unwrap().push(7))
        .unwrap();
    assert_eq!(dict.get(2).unwrap().unwrap().len(), 3_000_002);
    dict.clear().unwrap();
    assert_eq!(dict.get(3).unwrap(), None);
}

// DCT-003
#[test]
fn a_value_may_have_handles_in_it() {
    let _watchdog = watchdog();
    let queues = Dict::<String, Vec<Queue<u32>>>::new().unwrap();
    queues.insert("a", vec![Queue::new().unwrap()]).unwrap();
    // The dict alone has it now, and however often it is looked at, it is the same one.
    for number in 0..5 {
        queues.get("a").unwrap().unwrap()[0].put(&number).unwrap();
    }
    let more = Queue::new().unwrap();
    more.put(&100).unwrap();
    queues
        .alter("a", |queues| queues.as_mut().unwrap().push(more.clone()))
        .unwrap();
    let items = queues.items().unwrap();
    assert_eq!(items[0].1[0].get().unwrap(), 0);
    drop(items);
    let taken = queues.remove("a").unwrap().unwrap();
    assert_eq!(taken[0].get_many(10).unwrap(), [1, 2, 3, 4]);
    assert_eq!(taken[1].get().unwrap(), 100);
    queues.insert("b", taken.clone()).unwrap();
    queues.clear().unwrap();
    taken[0].put(&7).unwrap();
    assert_eq!(taken[0].get().unwrap(), 7);
}

// DCT-003
#[test]
fn dicts_nest() {
    let _watchdog = watchdog();
    let outer = Dict::<String, Dict<u8, u8>>::new().unwrap();
    let make = || Dict::new().unwrap();
    outer
        .get_or_insert_with("a", make)
        .unwrap()
        .insert(1, 2)
        .unwrap();
    let inner = outer.get("a").unwrap().unwrap();
    assert_eq!(inner.get(1).unwrap(), Some(2));
    inner.insert(1, 3).unwrap();
    assert_eq!(outer.get("a").unwrap().unwrap().get(1).unwrap(), Some(3));
}

// DCT-003
#[test]
fn descriptors_are_refused() {
    let _watchdog = watchdog();
    let files = Dict::<u8, procession_wire::Fd<std::os::fd::OwnedFd>>::new().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let refused = files
        .insert(1, procession_wire::Fd(file.into()))
        .unwrap_err();
    assert!(matches!(refused, DictError::Descriptors));
    assert!(files.is_empty().unwrap());
}

// DCT-004
#[test]
fn compound_operations_are_one_step() {
    let _watchdog = watchdog();
    let dict = Dict::<String, i64>::new().unwrap();
    assert_eq!(dict.get_or_insert("a", 1).unwrap(), 1);
    assert_eq!(dict.get_or_insert("a", 2).unwrap(), 1);
    assert_eq!(dict.get_or_insert_with("b", || 5).unwrap(), 5);
    let before = dict.alter("a", |value| value.replace(10)).unwrap();
    assert_eq!(before, Some(1));
    assert!(dict.alter("c", |value| value.is_none()).unwrap());
    assert!(!dict.contains_key("c").unwrap(), "nothing was put there");
    assert_eq!(dict.pop_if("a", |value| *value == 1).unwrap(), None);
    assert_eq!(dict.pop_if("a", |value| *value == 10).unwrap(), Some(10));
    assert_eq!(dict.pop_if("a", |_| true).unwrap(), None);
    assert!(!dict.compare_and_swap("b", Some(4), Some(6)).unwrap());
    assert!(dict.compare_and_swap("b", Some(5), Some(6)).unwrap());
    assert!(!dict.compare_and_swap("z", Some(5), Some(6)).unwrap());
    dict.update([
        ("b".to_owned(), 7),
        ("x".to_owned(), 1),
        ("b".to_owned(), 8),
    ])
    .unwrap();
    assert_eq!(
        dict.items().unwrap(),
        [("b".to_owned(), 8), ("x".to_owned(), 1)]
    );
    let keys = ["x", "y", "b"].map(str::to_owned);
    let values = dict.get_many(keys.clone()).unwrap();
    assert_eq!(values, [Some(1), None, Some(8)]);
    assert_eq!(dict.copy().unwrap().get("b"), Some(&8));
    let sum = dict.update_with("x", |value, (a, b)| std::mem::replace(value, a + b), (3, 4));
    assert_eq!(sum.unwrap(), Some(1));
    assert_eq!(dict.get("x").unwrap(), Some(7));
    assert_eq!(dict.update_with("y", |value, ()| *value, ()).unwrap(), None);
    assert!(dict.compare_and_swap("y", None, Some(1)).unwrap());
    assert!(dict.compare_and_swap("y", Some(1), None).unwrap());
    dict.extend([("c".to_owned(), 1), ("d".to_owned(), 2)])
        .unwrap();
    let taken = dict
        .remove_many(["c", "y", "d"].map(str::to_owned))
        .unwrap();
    assert_eq!(taken, [Some(1), None, Some(2)]);
    dict.retain(|key, _| key == "x").unwrap();
    assert_eq!(dict.keys().unwrap(), ["x"]);
    dict.clear().unwrap();
    assert_eq!(dict.pop().unwrap(), None);
}

// DCT-004
#[test]
fn a_function_may_use_the_dict_that_it_changes() {
    let _watchdog = watchdog();
    let dict = Dict::from_items([(1, 10), (2, 20)]).unwrap();
    dict.alter(1, |value| *value = dict.remove(2).unwrap())
        .unwrap();
    assert_eq!(dict.items().unwrap(), [(1, 20)]);
    // A change of the same key from within: it is asked again.
    let mut calls = 0;
    dict.alter(1, |value| {
        calls += 1;
        if calls == 1 {
            dict.insert(1, 100).unwrap();
        }
        *value = value.map(|value| value + 1);
    })
    .unwrap();
    assert_eq!((calls, dict.get(1).unwrap()), (2, Some(101)));
    dict.retain(|&key, _| {
        dict.insert(key + 1, 0).unwrap();
        false
    })
    .unwrap();
    assert_eq!(dict.keys().unwrap(), [2]);
}

// DCT-004
#[test]
fn a_panic_in_a_function_changes_nothing_and_blocks_nobody() {
    let _watchdog = watchdog();
    let dict = Dict::from_items([(1, 10)]).unwrap();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let same = dict.clone();
    let panicked = thread::spawn(move || same.alter(1, |_| panic!("half done"))).join();
    std::panic::set_hook(hook);
    assert!(panicked.is_err());
    assert_eq!(dict.insert(1, 11).unwrap(), Some(10));
}

#[test]
fn a_handle_is_small_and_leads_to_the_same_dict() {
    let _watchdog = watchdog();
    let dict = Dict::from_items((0..1000).map(|key| (key, key))).unwrap();
    let same = roundtrip(&dict);
    same.insert(1, 100).unwrap();
    assert_eq!(dict.get(1).unwrap(), Some(100));
    assert!(procession_testkit::helper::send(&dict).0.len() < 60);
}

// DCT-010
#[test]
fn a_dict_of_other_types_is_refused() {
    let _watchdog = watchdog();
    let dict = Dict::<u8, u16>::new().unwrap();
    let names = [dict.clone()].map(|dict| format!("{dict:?}"));
    assert_eq!(names, ["Dict { len: 0, .. }"]);
    let sent = procession_testkit::helper::send(&Wrapped(dict));
    let packet = procession_wire::Packet::parse(sent.0, sent.1).unwrap();
    let refused = packet.decode::<Wrapped<Dict<u8, u32>>>().unwrap_err();
    assert!(!refused.to_string().is_empty());
}

// DCT-006
#[test]
fn a_wait_ends_when_the_key_is_there() {
    let _watchdog = watchdog();
    let dict = Dict::<u64, String>::new().unwrap();
    let short = Duration::from_millis(2);
    assert_eq!(dict.wait_for_timeout(7_u64, short).unwrap(), None);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(dict.wait_for(7_u64).unwrap(), "seven"));
        }
        for key in 100..200_u64 {
            dict.insert(key, "another").unwrap();
        }
        dict.insert(7_u64, "seven").unwrap();
    });
    assert_eq!(
        dict.wait_for_timeout(7_u64, Duration::ZERO)
            .unwrap()
            .as_deref(),
        Some("seven")
    );
}

#[derive(Debug, Serialize, Deserialize)]
struct Wrapped<T>(T);

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

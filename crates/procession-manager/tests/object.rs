//! The dynamic value: Python's equality, order and text, and bytes that nobody can abuse.

use indexmap::{IndexMap, IndexSet};
use procession_manager::{Object, UnexpectedKind};
use procession_wire::{Encoder, Kind, Message, Packet};
use proptest::prelude::*;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

fn hash(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    hasher.finish()
}

fn travelled(object: &Object) -> Object {
    let (bytes, fds) = Message::encode(Kind::VALUE, object)
        .expect("it encodes")
        .deliver();
    Packet::parse(bytes, fds)
        .and_then(Packet::decode)
        .expect("it decodes")
}

#[test]
fn equal_numbers_are_one_key() {
    for [one, other] in [
        [Object::from(1), Object::from(1.0)],
        [Object::from(1), Object::from(true)],
        [Object::from(0), Object::from(-0.0)],
        [Object::from(f64::NAN), Object::from(f64::NAN)],
        [
            Object::from(-9.223_372_036_854_776e18),
            Object::from(i64::MIN),
        ],
    ] {
        assert_eq!(one, other);
        assert_eq!(hash(&one), hash(&other));
    }
}

#[test]
fn numbers_are_compared_without_rounding() {
    let large = 1_i64 << 53;
    assert_ne!(
        Object::from(large + 1),
        Object::from(9_007_199_254_740_992.0)
    );
    assert!(Object::from(large + 1) > Object::from(9_007_199_254_740_992.0));
    assert!(Object::from(i64::MAX) < Object::from(9.223_372_036_854_776e18));
    assert!(Object::from(i64::MIN) > Object::from(f64::NEG_INFINITY));
    assert!(Object::from(-2) < Object::from(-1.5) && Object::from(-1) > Object::from(-1.5));
    assert!(Object::from(f64::NAN) > Object::from(f64::INFINITY));
}

#[test]
fn kinds_do_not_mix() {
    assert_ne!(Object::from("a"), Object::from(b"a"));
    assert_ne!(Object::from(vec![1]), Object::from((1,)));
    assert_ne!(Object::from(0), Object::None);
    let kinds = [
        Object::None,
        Object::from(9.5),
        Object::from(""),
        Object::from(b""),
        Object::Tuple(Vec::new()),
        Object::List(Vec::new()),
        Object::Dict(IndexMap::new()),
        Object::Set(IndexSet::new()),
    ];
    assert!(kinds.is_sorted());
}

#[test]
fn dicts_are_equal_in_any_order() {
    let [one, other] = [[("a", 1), ("b", 2)], [("b", 2), ("a", 1)]];
    let [one, other] = [one, other].map(|items| Object::from(IndexMap::from(items)));
    assert_eq!(one, other);
    assert_eq!(hash(&one), hash(&other));
    assert_eq!(one.cmp(&other), std::cmp::Ordering::Equal);
    assert_eq!(one.to_string(), "{'a': 1, 'b': 2}");
    assert_eq!(other.to_string(), "{'b': 2, 'a': 1}");
}

// MGR-067
#[test]
fn a_set_has_each_item_once_and_equals_another_in_any_order() {
    let set = Object::Set([1.into(), "a".into(), 1.0.into(), true.into()].into());
    let other = Object::from(IndexSet::from([Object::from("a"), 1.into()]));
    assert_eq!(set, other);
    assert_eq!(hash(&set), hash(&other));
    assert_eq!(set.cmp(&other), std::cmp::Ordering::Equal);
    assert_ne!(set, Object::from(vec![Object::from(1), "a".into()]));
    assert_eq!((set.kind(), set.to_string().as_str()), ("set", "{1, 'a'}"));
    assert_eq!(Object::Set(IndexSet::new()).to_string(), "set()");
    assert_eq!(travelled(&set), set);
    // As a key, which Python's is not, and among values.
    let dict = Object::from(IndexMap::from([(set, 1)]));
    assert_eq!(travelled(&dict).to_string(), "{{1, 'a'}: 1}");
    let numbers = Object::from(BTreeSet::from([3, 1, 2]));
    assert_eq!(numbers, HashSet::from([1, 2, 3]).into());
    let back = IndexSet::<u8>::try_from(numbers.clone()).unwrap();
    assert_eq!(back, IndexSet::from([1, 2, 3]));
    let error = Vec::<u8>::try_from(numbers).unwrap_err();
    assert_eq!(error.to_string(), "expected list, found set");
}

#[test]
fn texts_are_pythons() {
    // Each right side was printed by CPython.
    for (object, text) in [
        (Object::None, "None"),
        (true.into(), "True"),
        (Object::from(-7), "-7"),
        (1.0.into(), "1.0"),
        (0.1.into(), "0.1"),
        (1e15.into(), "1000000000000000.0"),
        (1e16.into(), "1e+16"),
        (1.5e300.into(), "1.5e+300"),
        (0.0001.into(), "0.0001"),
        (0.00001.into(), "1e-05"),
        (1.25e-7.into(), "1.25e-07"),
        (f64::INFINITY.into(), "inf"),
        (f64::NEG_INFINITY.into(), "-inf"),
        (f64::NAN.into(), "nan"),
        ((-0.0).into(), "-0.0"),
        ("it's".into(), "\"it's\""),
        ("say \"it's\"".into(), "'say \"it\\'s\"'"),
        ("a\\b\n\r\t\0\u{7f}".into(), r"'a\\b\n\r\t\x00\x7f'"),
        (
            "é\u{301}\u{a0}\u{2028}\u{e000}\u{10ffff}".into(),
            "'é\u{301}\\xa0\\u2028\\ue000\\U0010ffff'",
        ),
        (b"a'\xff\n".into(), r#"b"a'\xff\n""#),
        ((1,).into(), "(1,)"),
        (Object::Tuple(vec![]), "()"),
        ((1, "a", vec![None, Some(2)]).into(), "(1, 'a', [None, 2])"),
    ] {
        assert_eq!(object.to_string(), text);
    }
}

#[test]
fn values_come_back_as_what_they_are() {
    assert_eq!(u8::try_from(Object::from(200)).unwrap(), 200);
    assert_eq!(f64::try_from(Object::from(2)), Ok(2.0));
    assert_eq!(Vec::<i32>::try_from(Object::from((1, 2))).unwrap(), [1, 2]);
    assert!(bool::try_from(Object::from(true)).unwrap());
    let dict = Object::from(IndexMap::from([("a", 1)]));
    let dict: IndexMap<String, i64> = dict.try_into().unwrap();
    assert_eq!(dict["a"], 1);
    let error: UnexpectedKind = String::try_from(Object::from(2)).unwrap_err();
    assert_eq!(error.to_string(), "expected str, found int");
    assert!(u8::try_from(Object::from(256)).is_err());
    assert!(Object::try_from(u64::MAX).is_err());
}

fn nested(depth: usize) -> Object {
    (1..depth).fold(Object::None, |inner, _| Object::List(vec![inner]))
}

#[test]
fn depth_has_a_limit_on_both_sides() {
    let deepest = nested(100);
    assert_eq!(travelled(&deepest), deepest);
    let error = Message::encode(Kind::VALUE, &nested(101)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("an object nests more than 100 levels deep"),
        "{error}"
    );
    // Postcard's tag of a list and its length, over and over.
    let deep = [6, 1].repeat(100_000);
    assert!(postcard::from_bytes::<Object>(&deep).is_err());
    let mut encoder = Encoder::new(Kind::VALUE);
    encoder.push(&Object::None).unwrap();
    let (mut bytes, fds) = encoder.finish().deliver();
    bytes.pop();
    // In a message, twice the length.
    bytes.extend([6, 2].repeat(100_000));
    let error = Packet::parse(bytes, fds)
        .unwrap()
        .decode::<Object>()
        .unwrap_err();
    assert!(
        error.to_string().contains("more than 100 levels"),
        "{error}"
    );
}

fn objects() -> impl Strategy<Value = Object> {
    let leaf = prop_oneof![
        Just(Object::None),
        any::<bool>().prop_map(Object::Bool),
        any::<i64>().prop_map(Object::Int),
        (-3_i64..3).prop_map(Object::Int),
        any::<f64>().prop_map(Object::Float),
        (-3_i8..3).prop_map(|number| Object::Float(f64::from(number) / 2.0)),
        ".{0,4}".prop_map(Object::Str),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Object::Bytes),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Object::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Object::Tuple),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4)
                .prop_map(|items| Object::Dict(items.into_iter().collect())),
            prop::collection::vec(inner, 0..4)
                .prop_map(|items| Object::Set(items.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn order_equality_and_hash_agree(a in objects(), b in objects(), c in objects()) {
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert!(a != b || hash(&a) == hash(&b));
        prop_assert!(a > b || b > c || a <= c);
    }

    #[test]
    fn what_travels_arrives(object in objects()) {
        let arrived = travelled(&object);
        prop_assert_eq!(arrived.to_string(), object.to_string());
        prop_assert_eq!(arrived, object);
    }

    #[test]
    fn garbage_is_an_object_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = postcard::from_bytes::<Object>(&bytes);
    }
}

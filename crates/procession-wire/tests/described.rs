//! Values that say what they are: they come back, and no bytes make their reader panic, take much
//! memory or go down too far.

use procession_wire::{DecodeError, Kind, Message, Packet, schema};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::thread;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tree {
    Leaf,
    Node { left: Box<Self>, right: Box<Self> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Job {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    bytes: Vec<u8>,
    pair: (u8, u8),
    body: Json,
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Number),
        ".*".prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            prop::collection::btree_map(".*", inner, 0..4).prop_map(Json::Object),
        ]
    })
}

fn roundtrip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let message = Message::encode(Kind::VALUE, value).expect("it can be written");
    let packet = Packet::parse(message.bytes(), Vec::new()).expect("it is whole");
    packet.decode().expect("it can be read")
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    let mut bytes = vec![Kind::VALUE.0, 0, 0];
    bytes.extend((!schema::<T>()).to_le_bytes());
    bytes.extend(body);
    Packet::parse(bytes, Vec::new())?.decode()
}

proptest! {
    #[test]
    fn values_come_back(
        id in any::<u32>(),
        note in any::<Option<String>>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        pair in any::<(u8, u8)>(),
        body in json(),
    ) {
        let job = Job { id, note, bytes, pair, body };
        prop_assert_eq!(roundtrip(&job), job);
    }

    #[test]
    fn garbage_is_an_error_or_a_value(body in prop::collection::vec(0_u8..32, 0..200)) {
        let _ = decode::<Job>(&body);
        let _ = decode::<Json>(&body);
        let _ = decode::<Tree>(&body);
        let _ = decode::<(u8, Vec<u64>, Option<String>)>(&body);
    }

    #[test]
    fn a_change_is_an_error_or_a_value(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let body = Json::List(vec![Json::Text("text".into()), Json::Number(7), Json::Null]);
        let job = Job { id: 1, note: None, bytes: vec![1, 2, 3], pair: (4, 5), body };
        let message = Message::encode(Kind::VALUE, &job).expect("it can be written");
        let mut body = message.bytes()[11..].to_vec();
        let at = at.index(body.len());
        body[at] = to;
        let _ = decode::<Job>(&body);
    }
}

#[test]
fn every_cut_is_refused() {
    let value = Json::List(vec![Json::Text("text".into()), Json::Number(7)]);
    let message = Message::encode(Kind::VALUE, &value).expect("it can be written");
    let body = &message.bytes()[11..];
    assert_eq!(decode::<Json>(body), Ok(value));
    for len in 0..body.len() {
        assert!(
            decode::<Json>(&body[..len]).is_err(),
            "{len} bytes were accepted"
        );
    }
}

#[test]
fn runs_of_bytes_of_any_length_come_back() {
    for len in [0, 1, 2, 65_534, 65_535, 65_536, 200_000] {
        let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let job = Job {
            id: 1,
            note: None,
            bytes,
            pair: (1, 2),
            body: Json::Null,
        };
        assert_eq!(roundtrip(&job), job);
        let message = Message::encode(Kind::VALUE, &job).expect("it can be written");
        assert!(message.bytes().len() < len + 100);
    }
}

/// How many levels such a value may have.
const MAX_LEVELS: u32 = 128;

/// Runs on a thread with as much stack as std gives to any.
fn on_a_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join()).expect("nothing panics")
}

#[test]
fn no_bytes_lead_too_far_down() {
    // `Some`, and a sequence.
    for (tag, tail) in [(19_u8, 0_u8), (20, 25)] {
        let mut body = vec![0];
        body.extend(std::iter::repeat_n(tag, 1_000_000));
        body.push(tail);
        let refused = on_a_thread(|| decode::<Json>(&body)).expect_err("it is too deep");
        assert!(refused.to_string().contains("nests more than"), "{refused}");
    }
}

#[test]
fn what_is_as_deep_as_it_may_be_is_read_on_any_thread() {
    on_a_thread(|| {
        let list = (0..MAX_LEVELS - 1).fold(Json::Null, |inner, _| Json::List(vec![inner]));
        let written = Message::encode(Kind::VALUE, &list);
        let message = written.expect("it can be written");
        let packet = Packet::parse(message.bytes(), Vec::new()).expect("it is whole");
        let read = packet.decode::<Json>();
        assert!(read.is_ok_and(|read| read == list));
        let deeper = |left| Tree::Node {
            left: Box::new(left),
            right: Box::new(Tree::Leaf),
        };
        let tree = (0..MAX_LEVELS - 1).fold(Tree::Leaf, |left, _| deeper(left));
        assert!(roundtrip(&tree) == tree);
        let refused = Message::encode(Kind::VALUE, &deeper(tree)).expect_err("it is too deep");
        assert!(
            refused.to_string().contains("more than 128 levels"),
            "{refused}"
        );
    });
}

//! How deep a value may nest: the writer says so first, and no bytes get a reader further down.

use procession_wire::{DecodeError, Kind, MAX_DEPTH, Message, Packet, schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::thread;

#[derive(Default, Serialize, Deserialize)]
struct Node {
    name: String,
    numbers: Vec<u64>,
    next: Option<Box<Self>>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Bare {
    next: Option<Box<Self>>,
}

#[derive(Default, Serialize, Deserialize)]
enum Expression {
    #[default]
    Nothing,
    Not(Box<Self>),
    Pair(u8, Box<Self>),
    Call {
        function: Box<Self>,
        arguments: Vec<Self>,
    },
}

#[derive(Default, Serialize, Deserialize)]
struct Nested(Vec<Self>);

#[derive(Default, Serialize, Deserialize)]
struct Tree {
    children: BTreeMap<u8, Self>,
}

/// In a debug build each of its levels takes many kilobytes of the stack.
#[derive(Default, Serialize, Deserialize)]
struct Wide {
    matrix: [[[u64; 8]; 8]; 8],
    next: Option<Box<Self>>,
}

/// A type that can nest, and how.
struct Case<T> {
    /// How many levels one more of it is.
    levels: u32,
    deeper: fn(T) -> T,
    /// The bytes of one more of it, before those of what is inside.
    before: &'static [u8],
    innermost: &'static [u8],
}

impl<T: Default + Serialize + DeserializeOwned + 'static> Case<T> {
    fn nested(&self, times: u32) -> T {
        (0..times).fold(T::default(), |value, _| (self.deeper)(value))
    }

    fn bytes(&self, times: u32) -> Vec<u8> {
        let mut bytes = vec![Kind::VALUE.0, 0, 0];
        bytes.extend(schema::<T>().to_le_bytes());
        (0..times).for_each(|_| bytes.extend(self.before));
        bytes.extend(self.innermost);
        bytes
    }

    fn check(self) {
        let most = MAX_DEPTH / self.levels - 1;
        let message = Message::encode(Kind::VALUE, &self.nested(most)).expect("it is not too deep");
        assert!(message.bytes() == self.bytes(most), "it has another form");
        decode::<T>(message.bytes()).expect("it is not too deep");

        let words = format!("the value cannot be encoded: {TOO_DEEP}");
        let refused = Message::encode(Kind::VALUE, &self.nested(MAX_DEPTH + 1));
        assert_eq!(refused.expect_err("it is too deep").to_string(), words);

        for times in [MAX_DEPTH + 1, 1_000_000] {
            let refused = decode::<T>(&self.bytes(times)).err();
            assert_eq!(refused, Some(DecodeError::Value(TOO_DEEP.to_owned())));
        }
    }
}

const TOO_DEEP: &str = "it nests more than 500 levels deep";

/// Decodes on a thread with as much stack as std gives to any.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(), DecodeError> {
    let decode = || Packet::parse(bytes, Vec::new())?.decode::<T>().map(drop);
    thread::scope(|scope| scope.spawn(decode).join()).expect("nothing panics")
}

#[test]
fn a_list_of_structs() {
    Case {
        levels: 2,
        deeper: |next| Node {
            next: Some(Box::new(next)),
            ..Node::default()
        },
        before: &[0, 0, 1],
        innermost: &[0, 0, 0],
    }
    .check();
}

#[test]
fn options_alone() {
    Case {
        levels: 1,
        deeper: |next| Bare {
            next: Some(Box::new(next)),
        },
        before: &[1],
        innermost: &[0],
    }
    .check();
}

#[test]
fn newtype_variants() {
    Case {
        levels: 1,
        deeper: |inner| Expression::Not(Box::new(inner)),
        before: &[1],
        innermost: &[0],
    }
    .check();
}

#[test]
fn tuple_variants() {
    Case {
        levels: 1,
        deeper: |inner| Expression::Pair(7, Box::new(inner)),
        before: &[2, 7],
        innermost: &[0],
    }
    .check();
}

#[test]
fn struct_variants() {
    Case {
        levels: 2,
        deeper: |inner| Expression::Call {
            function: Box::default(),
            arguments: vec![inner],
        },
        before: &[3, 0, 2],
        innermost: &[0],
    }
    .check();
}

#[test]
fn sequences() {
    Case {
        levels: 2,
        deeper: |inner| Nested(vec![inner]),
        before: &[2],
        innermost: &[0],
    }
    .check();
}

#[test]
fn maps() {
    Case {
        levels: 2,
        deeper: |inner| Tree {
            children: [(7, inner)].into(),
        },
        before: &[1, 7],
        innermost: &[0],
    }
    .check();
}

#[test]
fn levels_that_take_much_of_the_stack_are_refused_before_it_is_used_up() {
    let mut bytes = vec![Kind::VALUE.0, 0, 0];
    bytes.extend(schema::<Wide>().to_le_bytes());
    for _ in 0..MAX_DEPTH {
        bytes.extend([0; 512]);
        bytes.push(1);
    }
    let refused = decode::<Wide>(&bytes).expect_err("it is too deep");
    let words = "its levels take too much of the stack";
    assert_eq!(refused, DecodeError::Value(words.to_owned()));
}

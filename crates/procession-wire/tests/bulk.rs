//! Sequences of numbers: whatever they are in, and however they are written and read, they are the
//! same.

use procession_wire::{DecodeError, Kind, Message, Packet, schema};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, LinkedList, VecDeque};
use std::fmt::{self, Debug, Formatter};

fn round<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let message = Message::encode(Kind::VALUE, value).expect("it can be encoded");
    let packet = Packet::parse(message.bytes(), Vec::new()).expect("it is whole");
    packet.decode().expect("it was encoded")
}

fn back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(round(value), *value);
}

/// A value as bytes, without what stands before it.
fn bytes<T: Serialize + DeserializeOwned>(value: &T) -> Vec<u8> {
    let message = Message::encode(Kind::VALUE, value).expect("it can be encoded");
    message.bytes()[3 + 8..].to_vec()
}

/// Reads a value from its bytes.
fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, DecodeError> {
    let mut message = vec![Kind::VALUE.0, 0, 0];
    message.extend(schema::<T>().to_le_bytes());
    message.extend(value);
    Packet::parse(message, Vec::new())?.decode()
}

/// A sequence that shows its elements one by one, and reads them so.
#[derive(Debug, PartialEq)]
struct Singly<T>(Vec<T>);

impl<T: Serialize> Serialize for Singly<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for element in &self.0 {
            sequence.serialize_element(element)?;
        }
        sequence.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Singly<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LinkedList::deserialize(deserializer).map(|list| Self(list.into_iter().collect()))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped<T>(T);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Choice<T> {
    Nothing,
    One(Vec<T>),
    Pair(u8, Vec<T>),
    Named { numbers: Vec<T>, after: u8 },
}

/// All places in which a sequence can be.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Places<T> {
    before: u8,
    field: Vec<T>,
    nested: Vec<Vec<T>>,
    tuple: (Vec<T>, u8, Vec<T>),
    option: Option<Vec<T>>,
    map: BTreeMap<u8, Vec<T>>,
    choices: [Choice<T>; 4],
    wrapped: Wrapped<Wrapped<Vec<T>>>,
    boxed: Box<[T]>,
    cow: Cow<'static, [u8]>,
    deque: VecDeque<T>,
    array: [Vec<T>; 2],
    after: u8,
}

fn places<T: Clone>(numbers: &[T], nested: Vec<Vec<T>>) -> Places<T> {
    let all = || numbers.to_vec();
    let mut deque: VecDeque<T> = all().into();
    // Where it can be, it is in two pieces.
    deque.rotate_left(numbers.len() / 2);
    for _ in 0..numbers.len() / 3 {
        let last = deque.pop_back().expect("there are more");
        deque.push_front(last);
    }
    Places {
        before: 1,
        field: all(),
        map: nested
            .iter()
            .cloned()
            .zip(0..)
            .map(|(one, key)| (key, one))
            .collect(),
        nested,
        tuple: (all(), 2, all()),
        option: Some(all()),
        choices: [
            Choice::Nothing,
            Choice::One(all()),
            Choice::Pair(3, all()),
            Choice::Named {
                numbers: all(),
                after: 4,
            },
        ],
        wrapped: Wrapped(Wrapped(all())),
        boxed: all().into(),
        cow: Cow::Owned(vec![5; 40]),
        deque,
        array: [all(), Vec::new()],
        after: 6,
    }
}

/// Whatever the bits of a number are, and what is a number of few bits now and then.
macro_rules! numbers {
    ($($name:ident: $ty:ty, $number:expr;)*) => {
        $(proptest! {
            #![proptest_config(ProptestConfig::with_cases(40))]
            #[test]
            fn $name(
                numbers in vec($number, 0..70),
                nested in vec(vec($number, 0..20), 0..4),
            ) {
                back(&places(&numbers, nested));
                // Written as a whole and read one by one, and the other way round.
                let whole = bytes(&numbers);
                prop_assert_eq!(read::<Singly<$ty>>(&whole).unwrap().0, numbers.clone());
                let singly = bytes(&Singly(numbers.clone()));
                prop_assert_eq!(read::<Vec<$ty>>(&singly).unwrap(), numbers.clone());
                // Never much longer than in memory, nor than one by one.
                prop_assert!(whole.len() <= size_of_val(&numbers[..]) + 12 || whole.len() <= singly.len() + 1);
                for end in 0..whole.len() {
                    prop_assert!(read::<Vec<$ty>>(&whole[..end]).is_err());
                }
            }
        })*
    };
}

fn mixed<T: Arbitrary + Clone>(small: impl Strategy<Value = T>) -> impl Strategy<Value = T> {
    prop_oneof![any::<T>(), small]
}

numbers! {
    of_u8: u8, any::<u8>();
    of_u16: u16, mixed(0..200_u16);
    of_u32: u32, mixed(0..70_000_u32);
    of_u64: u64, mixed(0..300_u64);
    of_usize: usize, 0..300_usize;
    of_u128: u128, mixed(0..300_u128);
    of_i8: i8, any::<i8>();
    of_i16: i16, mixed(-128..128_i16);
    of_i32: i32, mixed(-130..130_i32);
    of_i64: i64, -40_000..40_000_i64;
    of_isize: isize, any::<isize>();
    of_i128: i128, mixed(-130..130_i128);
    of_f32: f32, -1e9..1e9_f32;
    of_f64: f64, any::<f64>();
    of_bool: bool, any::<bool>();
    of_char: char, any::<char>();
    of_units: (), Just(());
}

// VAL-010
#[test]
fn every_width_at_its_edges() {
    macro_rules! edges {
        ($($ty:ident)*) => {
            $(for shift in 0..$ty::BITS {
                let bit: $ty = 1 << shift;
                for number in [bit, bit.wrapping_sub(1), !bit, bit.wrapping_neg()] {
                    let mut numbers: Vec<$ty> = vec![0; 20];
                    numbers[7] = number;
                    back(&numbers);
                    assert_eq!(read::<Singly<$ty>>(&bytes(&numbers)).unwrap().0, numbers);
                }
            })*
        };
    }
    edges! { i16 i32 i64 isize i128 }
    for shift in 0..u64::BITS {
        for number in [1_u64 << shift, (1 << shift) - 1, !(1 << shift)] {
            back(&vec![number; 20]);
            back(&vec![u128::from(number) << 64; 20]);
            back(&vec![number as u32; 20]);
        }
    }
}

#[test]
fn not_a_number_keeps_its_bits() {
    let odd = f64::from_bits(0x7ff8_dead_beef_0001);
    let [read] = round(&vec![odd]).try_into().expect("there is one");
    assert_eq!(read.to_bits(), odd.to_bits());
}

#[test]
fn small_numbers_take_one_byte_each() {
    assert_eq!(bytes(&vec![7_u64; 1000]).len(), 2 + 1 + 1000);
    assert_eq!(bytes(&vec![-7_i64; 1000]).len(), 2 + 1 + 1000);
    assert_eq!(bytes(&vec![u64::MAX; 1000]).len(), 2 + 1 + 8000);
    assert_eq!(bytes(&vec![7_u64; 3]), [6, 7, 7, 7]);
    assert_eq!(bytes(&vec![7_u8; 3]), [6, 7, 7, 7]);
}

/// An array longer than those that serde knows.
#[derive(Debug, PartialEq)]
struct Long<T, const N: usize>([T; N]);

impl<T: Serialize, const N: usize> Serialize for Long<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for element in &self.0 {
            tuple.serialize_element(element)?;
        }
        tuple.end()
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Long<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T, const N: usize>([Option<T>; N]);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for All<T, N> {
            type Value = Long<T, N>;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                write!(f, "{N} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                mut self,
                mut elements: A,
            ) -> Result<Self::Value, A::Error> {
                for place in &mut self.0 {
                    *place = elements.next_element()?;
                }
                let missing = || A::Error::custom("there are too few");
                let all = self.0.into_iter().collect::<Option<Vec<_>>>();
                let all = all.and_then(|all| all.try_into().ok());
                all.map(Long).ok_or_else(missing)
            }
        }

        deserializer.deserialize_tuple(N, All([const { None }; N]))
    }
}

#[test]
fn arrays_longer_than_those_of_serde() {
    back(&vec![Long([1.5_f64; 100]), Long([2.5; 100])]);
    back(&(1_u8, Long([1_000_u16; 64]), 2_u8));
    back(&Long::<u8, 0>([]));
    back(&vec![[1.5_f32; 3]; 50]);
}

/// Reads a `Vec<u8>` with a visitor of its own, which has a limit.
#[derive(Debug, Serialize, PartialEq)]
struct Digits(Vec<u8>);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachBelowTen;

        impl<'de> Visitor<'de> for EachBelowTen {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("digits")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<u8>, A::Error> {
                let mut digits = Vec::new();
                while let Some(digit) = elements.next_element()? {
                    if digit > 9 {
                        return Err(A::Error::custom("no digit"));
                    }
                    digits.push(digit);
                }
                Ok(digits)
            }
        }

        deserializer.deserialize_seq(EachBelowTen).map(Self)
    }
}

// VAL-010
#[test]
fn a_visitor_of_the_users_sees_each_element() {
    let digits = |digits: &[u8]| read::<Digits>(&bytes(&digits.to_vec()));
    assert_eq!(digits(&[1, 2, 9]), Ok(Digits(vec![1, 2, 9])));
    assert_eq!(digits(&[1, 10]), Err(DecodeError::Value("no digit".into())));
}

/// Numbers in a type of the user's, which is read with another one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Id(u64);

#[test]
fn numbers_are_read_as_what_contains_them() {
    let numbers: Vec<u64> = (0..1000).map(|number| number * 77).collect();
    let ids: BTreeSet<Id> = numbers.iter().copied().map(Id).collect();
    assert_eq!(read::<BTreeSet<Id>>(&bytes(&numbers)), Ok(ids));
    assert_eq!(
        read::<Vec<u64>>(&bytes(&numbers.iter().copied().map(Id).collect::<Vec<_>>())),
        Ok(numbers)
    );
}

// VAL-011
#[test]
fn no_other_value_comes_of_garbage() {
    let refused = |bytes: &[u8]| {
        assert!(read::<Vec<bool>>(bytes).is_err(), "{bytes:?}");
        assert!(read::<Vec<char>>(bytes).is_err(), "{bytes:?}");
        assert!(read::<Vec<u16>>(bytes).is_err(), "{bytes:?}");
        assert!(read::<Singly<u16>>(bytes).is_err(), "{bytes:?}");
        assert!(read::<Vec<String>>(bytes).is_err(), "{bytes:?}");
    };
    // More than there are, with and without a width; and as many as would wrap around.
    refused(&[0xfe, 1, 1, 1, 1]);
    refused(&[0xff, 1, 2, 1, 1]);
    refused(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 16]);
    refused(&[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 8, 0, 0, 0,
    ]);
    refused(&[
        0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1,
    ]);
    // Widths that there are not, and one that is more than the type's.
    refused(&[3, 0]);
    refused(&[3, 3, 0, 0, 0]);
    refused(&[3, 4, 0xff, 0xff, 0xff, 0xff]);
    refused(&[3]);
    // A width where each element says how long it is.
    assert!(read::<Vec<u8>>(&[3, 1, 7]).is_err());
    assert!(read::<Vec<f64>>(&[3, 8, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    assert!(read::<Vec<(u8, u8)>>(&[3, 1, 7]).is_err());
    assert!(read::<Vec<bool>>(&[4, 1, 2]).is_err());
    assert!(read::<Singly<bool>>(&[4, 1, 2]).is_err());
    // A surrogate, and more bytes than there are in a character.
    assert!(read::<Vec<char>>(&[2, 3, 0xed, 0xa0, 0x80]).is_err());
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_value(garbage in vec(any::<u8>(), 0..200)) {
        let _ = read::<Vec<u64>>(&garbage);
        let _ = read::<Vec<bool>>(&garbage);
        let _ = read::<Vec<char>>(&garbage);
        let _ = read::<Singly<i128>>(&garbage);
        let _ = read::<VecDeque<i16>>(&garbage);
        let _ = read::<Places<f64>>(&garbage);
        let _ = read::<Places<usize>>(&garbage);
    }

    #[test]
    fn maps_of_numbers(map in btree_map(any::<u64>(), vec(any::<f32>(), 0..30), 0..5)) {
        back(&map);
    }
}

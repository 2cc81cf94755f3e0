//! Messages: what comes out is what went in, or an error.

use procession_wire::handle::{self, Claim};
use procession_wire::{DecodeError, EncodeError, Encoder, Kind, Message, Packet};
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Named { name: String, sides: Vec<u16> },
    Pair(Option<i64>, f64),
}

struct Fd(OwnedFd);

impl Serialize for Fd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Fd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handle::deserialize_fd(deserializer).map(Self)
    }
}

fn dev_null() -> OwnedFd {
    std::fs::File::open("/dev/null")
        .expect("/dev/null opens")
        .into()
}

fn receive(message: Message) -> Packet {
    let (bytes, fds) = message.deliver();
    Packet::parse(bytes, fds).expect("the message is whole")
}

#[test]
fn a_value_comes_back() {
    for shape in [
        Shape::Empty,
        Shape::Named {
            name: "square".into(),
            sides: vec![1; 4],
        },
        Shape::Pair(Some(-3), 0.25),
    ] {
        let message = Message::encode(Kind::VALUE, &shape).unwrap();
        assert_eq!(receive(message).decode::<Shape>().unwrap(), shape);
    }
}

#[test]
fn another_type_is_refused() {
    let message = Message::encode(Kind::VALUE, &300_u64).unwrap();
    let refused = receive(message).decode::<(u8, u8)>();
    assert_eq!(
        refused,
        Err(DecodeError::WrongType {
            expected: "(u8, u8)"
        })
    );
}

#[test]
fn another_kind_is_refused() {
    let message = Message::encode(Kind::REPLY, &()).unwrap();
    let refused = receive(message).expect(Kind::VALUE).map(drop);
    assert_eq!(refused, Err(DecodeError::UnexpectedKind(Kind::REPLY.0)));
}

#[test]
fn left_over_bytes_are_refused() {
    let mut encoder = Encoder::new(Kind::VALUE);
    encoder.push(&1_u8).unwrap();
    encoder.push(&2_u8).unwrap();
    let refused = receive(encoder.finish()).decode::<u8>();
    assert_eq!(refused, Err(DecodeError::LeftOver(9)));
}

#[test]
fn every_cut_is_refused() {
    let value = (String::from("cut"), vec![1_u32, 2, 3]);
    let message = Message::encode(Kind::VALUE, &value).unwrap();
    for len in 0..message.bytes().len() {
        let cut = message.bytes()[..len].to_vec();
        let decoded = Packet::parse(cut, Vec::new()).and_then(Packet::decode::<(String, Vec<u32>)>);
        assert!(decoded.is_err(), "{len} bytes were accepted");
    }
}

#[test]
fn a_descriptor_travels() {
    let message = Message::encode(Kind::VALUE, &[Fd(dev_null()), Fd(dev_null())]).unwrap();
    assert_eq!(message.fds().len(), 2);
    let [first, second] = receive(message).decode::<[Fd; 2]>().unwrap();
    assert_ne!(first.0.as_raw_fd(), second.0.as_raw_fd());
}

#[test]
fn a_descriptor_that_did_not_arrive_is_missed() {
    let message = Message::encode(Kind::VALUE, &Fd(dev_null())).unwrap();
    let refused = Packet::parse(message.bytes().to_vec(), Vec::new()).map(drop);
    assert_eq!(
        refused,
        Err(DecodeError::Descriptors {
            announced: 1,
            arrived: 0
        })
    );
}

#[test]
fn too_many_descriptors_are_refused_with_words() {
    let many: Vec<Fd> = (0..=handle::MAX_FDS).map(|_| Fd(dev_null())).collect();
    let EncodeError::Value(words) = Message::encode(Kind::VALUE, &many).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(words, "a message carries at most 253 file descriptors");
}

#[test]
fn a_handle_outside_of_a_message_is_refused() {
    let refused = postcard::to_stdvec(&Fd(dev_null()));
    assert!(refused.is_err());
    assert!(postcard::from_bytes::<Fd>(&[0]).is_err());
}

/// A type that is sent and never received.
macro_rules! sent_only {
    ($($ty:ty)*) => {
        $(impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <()>::deserialize(deserializer)?;
                Err(serde::de::Error::custom("it is sent only"))
            }
        })*
    };
}

sent_only! { Counted Once Asking Panicking }

/// Counts the claims on it.
struct Counted(Arc<AtomicI32>);
struct CountedClaim(Arc<AtomicI32>, bool);

impl Claim for CountedClaim {
    fn delivered(mut self: Box<Self>) {
        self.1 = true;
    }

    fn again(&self) -> Option<Box<dyn Claim>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Self(Arc::clone(&self.0), false)))
    }
}

impl Drop for CountedClaim {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        handle::departing::<S::Error>(CountedClaim(Arc::clone(&self.0), false))?;
        serializer.serialize_unit()
    }
}

#[test]
fn a_claim_goes_with_the_message_or_comes_back() {
    let claims = Arc::new(AtomicI32::new(0));
    let message = Message::encode(Kind::VALUE, &Counted(Arc::clone(&claims))).unwrap();
    assert_eq!(claims.load(Ordering::Relaxed), 1);
    drop(message);
    assert_eq!(claims.load(Ordering::Relaxed), 0);

    Message::encode(Kind::VALUE, &Counted(Arc::clone(&claims)))
        .unwrap()
        .deliver();
    assert_eq!(claims.load(Ordering::Relaxed), 1);
}

#[test]
fn a_copy_of_a_message_has_claims_and_descriptors_of_its_own() {
    let claims = Arc::new(AtomicI32::new(0));
    let first = Message::encode(Kind::VALUE, &Counted(Arc::clone(&claims))).unwrap();
    let copy = first.again().unwrap();
    assert_eq!(claims.load(Ordering::Relaxed), 2);
    assert_eq!(copy.bytes(), first.bytes());
    first.deliver();
    drop(copy);
    assert_eq!(claims.load(Ordering::Relaxed), 1);

    let file = std::fs::File::open("/dev/null").unwrap();
    let first = Message::encode(
        Kind::VALUE,
        &procession_wire::Fd(std::os::fd::OwnedFd::from(file)),
    )
    .unwrap();
    let (bytes, fds) = first.again().unwrap().deliver();
    drop(first);
    let fd: procession_wire::Fd = Packet::parse(bytes, fds).unwrap().decode().unwrap();
    assert!(fd.0.try_clone().is_ok());

    let once = Message::encode(Kind::VALUE, &Once).unwrap();
    assert!(once.again().is_none());
}

/// A handle that is sent once only.
struct Once;

impl Claim for Once {
    fn delivered(self: Box<Self>) {}
}

impl Serialize for Once {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handle::departing::<S::Error>(Self)?;
        serializer.serialize_unit()
    }
}

/// Encodes a message of its own, with a claim in it, while it is being encoded.
struct Asking(Arc<AtomicI32>, Arc<AtomicI32>);

impl Serialize for Asking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let asked = Message::encode(Kind::REQUEST, &Counted(Arc::clone(&self.1)));
        asked.map_err(|_| serde::ser::Error::custom("the question cannot be encoded"))?;
        Counted(Arc::clone(&self.0)).serialize(serializer)
    }
}

#[test]
fn messages_that_are_encoded_one_inside_the_other_are_kept_apart() {
    let (outer, inner) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicI32::new(0)));
    let asking = || Asking(Arc::clone(&outer), Arc::clone(&inner));
    for before in [0, 1] {
        let mut encoder = Encoder::new(Kind::VALUE);
        (0..before).for_each(|_| encoder.push(&Counted(Arc::clone(&outer))).unwrap());
        encoder.push(&asking()).unwrap();
        assert_eq!(outer.load(Ordering::Relaxed), before + 1);
        assert_eq!(inner.load(Ordering::Relaxed), 0);
        drop(encoder.finish());
        assert_eq!(outer.load(Ordering::Relaxed), 0);
    }
}

struct Panicking;

impl Serialize for Panicking {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_while_encoding_leaves_no_context_behind() {
    let panicked = std::panic::catch_unwind(|| Message::encode(Kind::VALUE, &Panicking));
    assert!(panicked.is_err());
    assert!(postcard::to_stdvec(&Fd(dev_null())).is_err());
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(packet) = Packet::parse(bytes.clone(), Vec::new()) {
            prop_assert!(packet.decode::<Shape>().is_err());
        }
        let mut honest_header = vec![Kind::VALUE.0, 0, 0];
        honest_header.extend(procession_wire::schema::<Vec<Shape>>().to_le_bytes());
        honest_header.extend(bytes);
        let _ = Packet::parse(honest_header, Vec::new()).unwrap().decode::<Vec<Shape>>();
    }

    #[test]
    fn values_round_trip(name in ".*", sides in prop::collection::vec(any::<u16>(), 0..50)) {
        let shape = Shape::Named { name, sides };
        let message = Message::encode(Kind::VALUE, &shape).unwrap();
        prop_assert_eq!(receive(message).decode::<Shape>().unwrap(), shape);
    }
}

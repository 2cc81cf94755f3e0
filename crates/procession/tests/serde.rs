//! Every representation and attribute of serde, carried by everything that carries values.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use procession::manager::Manager;
use procession::{ByteBuf, Pipe, Pool, Process, Queue};
use procession_testkit::watchdog;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Debug;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

procession::enable_in_tests!();

/// What is asked of a value here.
trait Value: Serialize + DeserializeOwned + Debug + Clone + PartialEq + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Debug + Clone + PartialEq + Send + 'static> Value for T {}

/// What carries values.
struct Carriers {
    pool: Pool,
    manager: Manager,
}

impl Carriers {
    fn new() -> Self {
        Self {
            pool: Pool::new(1).unwrap(),
            manager: Manager::start().unwrap(),
        }
    }

    /// Carries `value` by each of them, alone and among others; what arrives is `expected`.
    fn carry_as<T: Value>(&self, value: T, expected: T) {
        self.each(&value, &expected);
        let among = |value: &T| {
            (
                7_u8,
                vec![value.clone(), value.clone()],
                Some(value.clone()),
                'x',
            )
        };
        self.each(&among(&value), &among(&expected));
        let keyed = |value: &T| BTreeMap::from([(3_u16, value.clone())]);
        self.each(&keyed(&value), &keyed(&expected));
    }

    fn carry<T: Value>(&self, value: T) {
        self.carry_as(value.clone(), value);
    }

    /// None of them takes `value`, for the reason that is in `words`.
    fn refuse<T: Value>(&self, value: T, words: &str) {
        let says = |error: &dyn std::fmt::Display| {
            let error = error.to_string();
            assert!(error.contains(words), "{error}");
        };
        let queue = Queue::new().unwrap();
        says(&queue.put(&value).unwrap_err());
        assert!(queue.is_empty().unwrap());
        let (here, _there) = Pipe::duplex::<T, T>().unwrap();
        says(&here.send(&value).unwrap_err());
        let echo = |value: T| value;
        says(&Process::spawn(echo, (value.clone(),)).unwrap_err());
        says(&self.pool.apply(echo, (value.clone(),)).unwrap_err());
        says(&self.pool.map(echo, [value.clone()]).unwrap_err());
        says(&self.manager.host(echo, (value.clone(),)).unwrap_err());
        says(&self.manager.list::<T>().unwrap().append(value).unwrap_err());
    }

    fn each<T: Value>(&self, value: &T, expected: &T) {
        let queue = Queue::new().unwrap();
        queue.put(value).unwrap();
        assert_eq!(&queue.get().unwrap(), expected);

        let (here, there) = Pipe::duplex::<T, T>().unwrap();
        here.send(value).unwrap();
        assert_eq!(&there.recv().unwrap(), expected);

        let echo = |value: T| value;
        let echoed = Process::spawn(echo, (value.clone(),)).unwrap().join();
        assert_eq!(&echoed.unwrap(), expected);
        let with_more = |value: T, _: bool| value;
        let echoed = Process::spawn(with_more, (value.clone(), true))
            .unwrap()
            .join();
        assert_eq!(&echoed.unwrap(), expected);

        assert_eq!(&self.pool.apply(echo, (value.clone(),)).unwrap(), expected);
        let mapped = self.pool.map(echo, [value.clone(), value.clone()]).unwrap();
        assert_eq!(mapped, [expected.clone(), expected.clone()]);

        let object = self.manager.host(echo, (value.clone(),)).unwrap();
        assert_eq!(&object.with(|held| held.clone()).unwrap(), expected);
        let is_same = object.call(|held, sent: T| *held == sent, value.clone());
        assert!(is_same.unwrap());
        let list = self.manager.list::<T>().unwrap();
        list.append(value.clone()).unwrap();
        assert_eq!(list.get(0).unwrap().as_ref(), Some(expected));
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(u32),
    Tuple(u32, String),
    Struct { x: f64, y: Option<i64> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Newtype(Inner),
    Map(BTreeMap<String, u8>),
    Struct { x: f64, y: Option<i64> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value")]
enum Adjacent {
    Unit,
    Newtype(u32),
    Tuple(u32, String),
    Struct { x: f64, y: Option<i64> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    Address(IpAddr),
    Pair(bool, char),
    Struct { x: f64, inner: Box<Self> },
    Many(Vec<Self>),
    Enum(External),
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    name: String,
    bytes: Vec<u8>,
}

// VAL-001
#[test]
fn enums() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    carriers.carry(External::Unit);
    carriers.carry(External::Newtype(7));
    carriers.carry(External::Tuple(7, "seven".into()));
    carriers.carry(External::Struct {
        x: 0.5,
        y: Some(-7),
    });
    carriers.carry(Internal::Unit);
    carriers.carry(Internal::Newtype(inner()));
    carriers.carry(Internal::Map([("one".into(), 1)].into()));
    carriers.carry(Internal::Struct { x: 0.5, y: None });
    carriers.carry(Adjacent::Unit);
    carriers.carry(Adjacent::Newtype(7));
    carriers.carry(Adjacent::Tuple(7, "seven".into()));
    carriers.carry(Adjacent::Struct {
        x: 0.5,
        y: Some(-7),
    });
}

fn inner() -> Inner {
    Inner {
        name: "inner".into(),
        bytes: vec![1, 2, 255],
    }
}

// VAL-002
#[test]
fn untagged_enums() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    carriers.carry(Untagged::Number(-7));
    carriers.carry(Untagged::Text("seven".into()));
    carriers.carry(Untagged::Pair(true, 'x'));
    carriers.carry(Untagged::Struct {
        x: 0.5,
        inner: Box::new(Untagged::Many(vec![Untagged::Number(1), Untagged::Nothing])),
    });
    carriers.carry(Untagged::Enum(External::Newtype(7)));
    carriers.carry(Untagged::Enum(External::Tuple(7, "seven".into())));
    carriers.carry(Untagged::Nothing);
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Sparse {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip)]
    cached: u8,
    last: u32,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct OneWay {
    a: u32,
    #[serde(skip_serializing)]
    secret: String,
    #[serde(skip_deserializing)]
    derived: u32,
    b: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
struct Tagged {
    x: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    before: u8,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: HashMap<String, serde_json::Value>,
    after: u8,
}

// VAL-003
#[test]
fn fields_that_are_left_out_or_stand_elsewhere() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    let full = Sparse {
        id: 1,
        note: Some("note".into()),
        tags: vec!["tag".into()],
        cached: 0,
        last: 2,
    };
    let sparse = Sparse {
        id: 1,
        last: 2,
        ..Sparse::default()
    };
    carriers.carry(full.clone());
    carriers.carry(sparse.clone());
    carriers.carry(vec![full.clone(), sparse, full]);
    let one_way = OneWay {
        a: 1,
        secret: "secret".into(),
        derived: 2,
        b: 3,
    };
    let arrives = OneWay {
        secret: String::new(),
        derived: 0,
        ..one_way
    };
    carriers.each(&one_way, &arrives);
    carriers.each(
        &vec![one_way.clone(), one_way],
        &vec![arrives.clone(), arrives],
    );
    carriers.carry(Tagged { x: 7 });
    carriers.carry(Flat {
        before: 1,
        inner: inner(),
        rest: HashMap::from([("more".into(), serde_json::json!([1, null, {"a": 2.5}]))]),
        after: 2,
    });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "other", rename_all = "camelCase", deny_unknown_fields)]
struct Renamed {
    first_name: String,
    #[serde(alias = "old", alias = "older")]
    current: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "snake_case", deserialize = "UPPERCASE"))]
enum RenamedVariants {
    One,
    Two(u8),
    Three { x: u8 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum SkippedVariant {
    One,
    #[serde(skip)]
    #[expect(dead_code, reason = "it is not sent, and is counted all the same")]
    Never,
    #[serde(alias = "Zwei")]
    Two(u8),
    Three {
        x: u8,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(u8, Inner, u16);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent {
    inner: Inner,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Even(u32);

impl TryFrom<String> for Even {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number: u32 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
        if number.is_multiple_of(2) {
            Ok(Self(number))
        } else {
            Err("it is odd".into())
        }
    }
}

impl From<Even> for String {
    fn from(even: Even) -> Self {
        even.0.to_string()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct With {
    #[serde(with = "loosely")]
    loose: u32,
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    text: u32,
    #[serde(bound = "")]
    none: Option<u8>,
}

/// Reads whatever it finds.
mod loosely {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(value: &u32, to: S) -> Result<S::Ok, S::Error> {
        value.to_string().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        let text = value.as_str().and_then(|text| text.parse().ok());
        text.ok_or_else(|| serde::de::Error::custom("no number"))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_text<S: Serializer>(value: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn from_text<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Does not say how many it has.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Uncounted(Vec<u32>);

impl Serialize for Uncounted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|_| true))
    }
}

// VAL-004
#[test]
fn names_and_ways_of_ones_own() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    carriers.carry(Renamed {
        first_name: "Ada".into(),
        current: 3,
    });
    carriers.carry(RenamedVariants::One);
    carriers.carry(RenamedVariants::Two(2));
    carriers.carry(RenamedVariants::Three { x: 3 });
    carriers.carry(SkippedVariant::One);
    carriers.carry(SkippedVariant::Two(2));
    carriers.carry(SkippedVariant::Three { x: 3 });
    carriers.carry(SkippedVariant::Other);
    carriers.carry(Pair(1, inner(), 2));
    carriers.carry(Unit);
    carriers.carry(Transparent { inner: inner() });
    carriers.carry(Even(4));
    carriers.carry(With {
        loose: 7,
        text: 8,
        none: None,
    });
    carriers.carry(Uncounted(vec![1, 2, 3]));
}

// VAL-005
#[test]
fn the_standard_library_and_json() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    carriers.carry((i128::MIN, u128::MAX, f32::MIN, 'ß', ()));
    carriers.carry((
        NonZeroU32::MIN,
        Duration::from_millis(7),
        "::1".parse::<IpAddr>().unwrap(),
    ));
    carriers.carry(HashMap::from([(
        (1_u8, true),
        BTreeSet::from(["a".to_owned()]),
    )]));
    carriers.carry([Ok::<_, String>(Box::new(1_u8)), Err("no".into())]);
    carriers.carry((
        PathBuf::from("/tmp"),
        std::ffi::OsString::from("any"),
        [[0_u8; 3]; 2],
    ));
    let json = serde_json::json!({"a": [1, -2, 2.5, null, true, "text"], "b": {"c": u64::MAX}});
    carriers.carry(json.clone());
    carriers.carry((inner(), json, inner()));
    carriers.carry((i128::from(i64::MAX) + 1, Untagged::Nothing));
}

/// Has another name for writing, which its reader does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TwoNames {
    id: u8,
    #[serde(rename(serialize = "written", deserialize = "read"))]
    value: u32,
}

/// Leaves out what its reader wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lacking {
    id: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NeverWritten {
    #[serde(skip_serializing)]
    secret: String,
    id: u8,
}

/// Sequences of numbers, also in what has to say what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Numbers {
    bytes: ByteBuf,
    floats: Vec<f64>,
    nested: Vec<Vec<i32>>,
    boxed: Box<[u64]>,
    #[serde(flatten)]
    more: BTreeMap<String, Vec<u16>>,
}

// VAL-010
#[test]
fn numbers_as_a_whole() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    let numbers: Vec<i64> = (0..500).map(|number| number * number - 70_000).collect();
    carriers.carry(numbers.clone());
    carriers.carry((vec![1.5_f32; 100], VecDeque::from(vec![true, false]), 7_u8));
    carriers.carry(vec![vec![7_u8; 5_000]; 2]);
    carriers.carry(Numbers {
        bytes: ByteBuf::from(vec![7; 1000]),
        floats: vec![0.1; 100],
        nested: vec![vec![-1; 20]; 3],
        boxed: numbers.iter().map(|number| number.unsigned_abs()).collect(),
        more: BTreeMap::from([("more".to_owned(), vec![300; 30])]),
    });
}

// VAL-006
#[test]
fn what_could_not_be_read_again_is_refused_where_it_is_sent() {
    let _watchdog = watchdog();
    let carriers = Carriers::new();
    let lacking = |tags: &[String]| Lacking {
        id: 1,
        tags: tags.to_vec(),
    };
    carriers.carry(lacking(&["tag".into()]));
    carriers.refuse(lacking(&[]), "missing field `tags`");
    carriers.refuse(lacking(&[]), "#[serde(default)]");
    carriers.carry(lacking(&["tag".into()]));
    carriers.refuse(TwoNames { id: 1, value: 2 }, "missing field `read`");
    let never = NeverWritten {
        secret: "secret".into(),
        id: 1,
    };
    carriers.refuse(never.clone(), "missing field `secret`");
    carriers.refuse(never, "serde::NeverWritten");
    let path: PathBuf = std::ffi::OsString::from_vec(vec![b'/', 0xff]).into();
    carriers.carry(path.clone().into_os_string());
    carriers.refuse(path, "an `OsString` can");
}

//! Types with proxies of their own, made by `#[shared]`.
#![expect(
    clippy::unused_self,
    reason = "what is shared is public and has a receiver, whatever else it needs"
)]

use super::manager;
use procession_call::Failure;
use procession_manager::{ManagerError, New, Proxy, Shared};
use procession_process::Process;
use procession_testkit::watchdog;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

struct Maths {
    offset: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Overflow;

#[procession_manager::shared(crate = "procession_manager")]
impl Maths {
    pub const ZERO: i64 = 0;

    pub fn new() -> Self {
        Self { offset: Self::ZERO }
    }

    /// Adds two numbers and the offset.
    pub fn add(&self, x: i64, y: i64) -> i64 {
        self.offset(x + y)
    }

    pub fn mul(&self, x: i64, y: i64) -> i64 {
        x * y
    }

    pub fn shift(&mut self, by: i64) {
        self.offset += by;
    }

    pub fn checked(&self, x: i64, y: i64) -> Result<i64, Overflow> {
        x.checked_add(y).ok_or(Overflow)
    }

    pub fn parse(&self, text: &str, suffix: &str) -> anyhow::Result<i64> {
        let digits = text.strip_suffix(suffix).unwrap_or(text);
        Ok(digits.parse()?)
    }

    pub fn sum(&self, numbers: &[i64], (low, high): (i64, i64), extra: &BTreeSet<i64>) -> i64 {
        let inside = numbers
            .iter()
            .filter(|&&number| low <= number && number < high);
        inside.chain(extra).sum()
    }

    pub(crate) fn inner(&self) -> i64 {
        self.offset
    }

    fn offset(&self, x: i64) -> i64 {
        x + self.offset
    }
}

#[test]
fn a_custom_type_has_its_methods() {
    // MGR-008
    let _watchdog = watchdog();
    let manager = manager();
    let maths: MathsProxy = manager.create(Maths::new, ()).unwrap();
    assert_eq!(maths.add(4, 3).unwrap(), 7);
    assert_eq!(maths.mul(7, 8).unwrap(), 56);
    maths.shift(10).unwrap();
    assert_eq!(maths.add(4, 3).unwrap(), 17);
    assert_eq!(maths.inner().unwrap(), 10);
    manager.shutdown().unwrap();
}

#[test]
fn results_nest_and_anyhow_results_do_not() {
    let _watchdog = watchdog();
    let manager = manager();
    let maths = manager.create(Maths::new, ()).unwrap();
    assert_eq!(maths.checked(1, 2).unwrap(), Ok(3));
    assert_eq!(maths.checked(1, i64::MAX).unwrap(), Err(Overflow));
    assert_eq!(maths.parse("12 m", " m").unwrap(), 12);
    let error = maths.parse("12 km", " m").unwrap_err();
    assert!(
        matches!(error, ManagerError::Call(Failure::Failed(_))),
        "{error}"
    );
}

#[test]
fn references_in_arguments_travel_as_values() {
    let _watchdog = watchdog();
    let manager = manager();
    let maths = manager.create(Maths::new, ()).unwrap();
    assert_eq!(
        maths
            .sum(&[1, 2, 3, 4], (2, 4), &BTreeSet::from([10]))
            .unwrap(),
        15
    );
}

#[test]
fn a_proxy_goes_to_other_processes() {
    #[derive(Serialize, Deserialize)]
    struct Work {
        maths: MathsProxy,
        x: i64,
    }
    let _watchdog = watchdog();
    let manager = manager();
    let maths = manager.create(Maths::new, ()).unwrap();
    let work = Work {
        maths: maths.clone(),
        x: 5,
    };
    let child = Process::spawn(|work: Work| work.maths.shift(work.x).unwrap(), (work,)).unwrap();
    child.join().unwrap();
    assert_eq!(maths.add(0, 0).unwrap(), 5);
    assert!(format!("{maths:?}").starts_with("MathsProxy("));
    let plain: &Proxy<Maths> = maths.as_ref();
    assert_eq!(plain.with(|maths| maths.offset).unwrap(), 5);
}

struct Stack<T>(Vec<T>);

#[procession_manager::shared(crate = "procession_manager")]
impl<T> Stack<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + 'static,
{
    pub fn push(&mut self, item: T) -> usize {
        self.0.push(item);
        self.0.len()
    }

    pub fn swap(&mut self, items: Vec<T>) -> Vec<T> {
        std::mem::replace(&mut self.0, items)
    }

    pub fn largest(&self) -> Option<T>
    where
        T: Ord,
    {
        self.0.iter().max().cloned()
    }
}

#[test]
fn a_generic_type_has_a_generic_proxy() {
    let _watchdog = watchdog();
    let manager = manager();
    let stack: StackProxy<String> = manager.create(|| Stack(Vec::new()), ()).unwrap();
    assert_eq!(stack.push("a".to_owned()).unwrap(), 1);
    assert_eq!(stack.push("b".to_owned()).unwrap(), 2);
    assert_eq!(stack.largest().unwrap().as_deref(), Some("b"));
    assert_eq!(stack.swap(Vec::new()).unwrap(), ["a", "b"]);
}

#[derive(Default)]
struct Meeting {
    arrived: AtomicU64,
}

#[procession_manager::shared(concurrent, proxy = "MeetingPoint", crate = "procession_manager")]
impl Meeting {
    pub fn wait_for(&self, parties: u64) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        while self.arrived.load(Ordering::SeqCst) < parties {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_concurrent_object_serves_several_callers_at_once() {
    let _watchdog = watchdog();
    let manager = manager();
    let point: MeetingPoint = manager.create(Meeting::default, ()).unwrap();
    let start = || Process::spawn(|p: MeetingPoint| p.wait_for(3).unwrap(), (point.clone(),));
    let children = [start().unwrap(), start().unwrap()];
    point.wait_for(3).unwrap();
    for child in children {
        child.join().unwrap();
    }
}

mod elsewhere {
    /// A type that is private to its module, with a proxy that is not.
    pub(crate) struct Hidden;

    #[procession_manager::shared(crate = "procession_manager")]
    impl Hidden {
        pub(crate) fn answer(&self) -> u8 {
            42
        }
    }
}

#[test]
fn a_proxy_is_as_visible_as_its_methods() {
    let _watchdog = watchdog();
    let manager = manager();
    let hidden: elsewhere::HiddenProxy = manager.create(|| elsewhere::Hidden, ()).unwrap();
    assert_eq!(hidden.answer().unwrap(), 42);
}

#[test]
fn a_type_may_implement_the_trait_by_hand() {
    struct Plain(u8);
    impl Shared for Plain {
        type Access = procession_manager::Locked;
        type Proxy = Proxy<Self>;
    }
    let _watchdog = watchdog();
    let manager = manager();
    let plain = manager.create(|| Plain(3), ()).unwrap();
    assert_eq!(plain.with(|plain| plain.0).unwrap(), 3);
}

/// A tree of words, which uses what the attribute can do.
struct Tree {
    words: Vec<String>,
    visits: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Crowded;

#[derive(Debug)]
struct Lost;

impl From<ManagerError> for Lost {
    fn from(_: ManagerError) -> Self {
        Self
    }
}

impl Serialize for Lost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Lost {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

#[procession_manager::shared(lend(words: Vec<String>), crate = "procession_manager")]
impl Tree {
    /// Makes a tree of one word.
    pub fn of(word: impl Into<String>) -> Self {
        let words = vec![word.into()];
        Self { words, visits: 0 }
    }

    pub fn read(text: &str) -> Result<Self, std::num::ParseIntError> {
        let visits = text.parse()?;
        let words = Vec::new();
        Ok(Self { words, visits })
    }

    pub fn push(&mut self, word: impl Into<String>) -> usize {
        self.words.push(word.into());
        self.words.len()
    }

    pub fn extend(&mut self, words: impl IntoIterator<Item = String>) {
        self.words.extend(words);
    }

    pub fn words(&self) -> impl Iterator<Item = String> {
        self.words.iter().cloned()
    }

    pub fn split(&mut self, at: usize) -> New<Self> {
        let words = self.words.split_off(at);
        New(Self { words, visits: 0 })
    }

    pub fn child(&self) -> Option<New<Self>> {
        let words = self.words.get(1..)?.to_vec();
        Some(New(Self { words, visits: 0 }))
    }

    #[shared(guard = "leave")]
    pub fn visit(&mut self) -> u32 {
        self.visits += 1;
        self.visits
    }

    #[shared(guard = "leave")]
    pub fn try_visit(&mut self) -> Result<u32, Crowded> {
        if self.visits > 0 {
            return Err(Crowded);
        }
        Ok(self.visit())
    }

    pub fn leave(&mut self, number: u32) {
        assert_eq!(number, self.visits, "the last one leaves first");
        self.visits -= 1;
    }

    pub fn visits(&self) -> u32 {
        self.visits
    }

    pub fn longest_of<T>(&self, others: Vec<T>) -> Option<T>
    where
        T: Serialize + DeserializeOwned + Ord + 'static,
    {
        others.into_iter().max()
    }
}

#[procession_manager::shared(extend, crate = "procession_manager")]
impl Tree {
    /// A second block adds to the same proxy.
    pub fn first(&self) -> Option<String> {
        self.words.first().cloned()
    }
}

trait Store {
    fn put(&mut self, word: &str) -> anyhow::Result<usize>;
    fn at(&self, index: usize) -> Result<Option<String>, Lost>;

    fn put_twice(&mut self, word: &str) -> anyhow::Result<usize> {
        self.put(word)?;
        self.put(word)
    }
}

#[procession_manager::shared(crate = "procession_manager")]
impl Store for Tree {
    fn put(&mut self, word: &str) -> anyhow::Result<usize> {
        anyhow::ensure!(!word.is_empty(), "no word");
        Ok(self.push(word))
    }

    fn at(&self, index: usize) -> Result<Option<String>, Lost> {
        Ok(self.words.get(index).cloned())
    }
}

// MGR-064
#[test]
fn functions_that_make_the_type_make_a_hosted_one() {
    let _watchdog = watchdog();
    let manager = manager();
    let tree = TreeProxy::of(&manager, "a").unwrap();
    assert_eq!(tree.first().unwrap().as_deref(), Some("a"));
    assert_eq!(TreeProxy::read(&manager, "7").unwrap().visits().unwrap(), 7);
    let error = TreeProxy::read(&manager, "x").unwrap_err();
    assert!(error.to_string().contains("invalid digit"), "{error}");
    let default: MeetingPoint = manager.create(Meeting::default, ()).unwrap();
    default.wait_for(1).unwrap();
}

// MGR-064
#[test]
fn arguments_are_converted_and_a_field_is_lent() {
    let _watchdog = watchdog();
    let manager = manager();
    let tree = TreeProxy::of(&manager, String::from("a")).unwrap();
    assert_eq!(tree.push("b").unwrap(), 2);
    tree.extend(["c", "d"].map(str::to_owned)).unwrap();
    assert_eq!(tree.with(|words| words.concat()).unwrap(), "abcd");
    let nth = |words: &mut Vec<String>, n: usize| words[n].clone();
    assert_eq!(tree.call(nth, 1).unwrap(), "b");
    assert_eq!(tree.longest_of(vec![3, 1]).unwrap(), Some(3));
    assert_eq!(tree.longest_of(vec!['a']).unwrap(), Some('a'));
}

// MGR-064
#[test]
fn new_objects_and_iterators_come_back() {
    let _watchdog = watchdog();
    let manager = manager();
    let tree = TreeProxy::of(&manager, "a").unwrap();
    tree.extend((0..600).map(|n| n.to_string())).unwrap();
    let words: Result<Vec<_>, _> = tree.words().unwrap().collect();
    assert_eq!(words.unwrap().len(), 601);
    let rest: TreeProxy = tree.split(1).unwrap();
    assert_eq!(rest.words().unwrap().count(), 600);
    let child = rest.child().unwrap().unwrap();
    assert_eq!(child.first().unwrap().as_deref(), Some("1"));
    assert_eq!(manager.object_count().unwrap(), 3);
    drop((rest, child));
    assert_eq!(manager.object_count().unwrap(), 1);
    let none: Result<Vec<_>, _> = tree.split(1).unwrap().words().unwrap().collect();
    assert!(none.unwrap().is_empty());
}

// MGR-064
#[test]
fn a_guard_gives_back_what_it_got() {
    let _watchdog = watchdog();
    let manager = manager();
    let tree = TreeProxy::of(&manager, "a").unwrap();
    let visit = tree.visit().unwrap();
    assert_eq!((*visit, tree.visits().unwrap()), (1, 1));
    assert_eq!(tree.try_visit().unwrap().err(), Some(Crowded));
    drop(visit);
    assert_eq!(tree.visits().unwrap(), 0);
    tree.try_visit().unwrap().unwrap().release().unwrap();
    assert_eq!(tree.visits().unwrap(), 0);
    let visit = tree.visit().unwrap();
    manager.shutdown().unwrap();
    assert!(matches!(visit.release(), Err(ManagerError::Gone)));
}

// MGR-064
#[test]
fn a_proxy_implements_the_types_trait() {
    fn fill(store: &mut impl Store) -> anyhow::Result<usize> {
        store.put("b")?;
        store.put_twice("c")
    }
    let _watchdog = watchdog();
    let manager = manager();
    let mut tree = TreeProxy::of(&manager, "a").unwrap();
    assert_eq!(fill(&mut tree).unwrap(), 4);
    assert_eq!(tree.at(3).unwrap().as_deref(), Some("c"));
    assert!(tree.put("").unwrap_err().to_string().contains("no word"));
    manager.shutdown().unwrap();
    assert!(matches!(tree.at(0), Err(Lost)));
    let gone = tree.put("d").unwrap_err();
    assert!(matches!(gone.downcast_ref(), Some(ManagerError::Gone)));
}

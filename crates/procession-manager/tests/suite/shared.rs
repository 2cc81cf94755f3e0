//! Types with proxies of their own, made by `#[shared]`.
#![expect(
    unreachable_pub,
    clippy::unused_self,
    reason = "what is shared is public and has a receiver, whatever else it needs"
)]

use super::manager;
use procession_call::Failure;
use procession_manager::{ManagerError, Proxy, Shared};
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

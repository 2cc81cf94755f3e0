//! Objects of any type: creating, calling, failing, and how many there are.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::manager;
use procession_call::Failure;
use procession_manager::{Event, ManagerError, ManagerHandle, Proxy};
use procession_process::Process;
use procession_testkit::{eventually, hush, watchdog};
use std::collections::{HashMap, HashSet};

#[test]
fn a_set_is_called_under_its_lock() {
    let _watchdog = watchdog();
    let manager = manager();
    let set = manager.create(HashSet::<u32>::new, ()).unwrap();
    assert!(set.call(HashSet::insert, 7).unwrap());
    assert!(!set.call(HashSet::insert, 7).unwrap());
    assert_eq!(set.with(|set| set.len()).unwrap(), 1);
}

#[test]
fn a_set_is_made_of_what_can_be_iterated() {
    // MGR-024
    let _watchdog = watchdog();
    let manager = manager();
    let of_list = manager
        .create(HashSet::<u32>::from_iter::<Vec<u32>>, (vec![1, 2, 2],))
        .unwrap();
    assert_eq!(of_list.with(|set| set.len()).unwrap(), 2);
    let keys = |map: HashMap<String, u32>| map.into_keys().collect::<HashSet<_>>();
    let of_map = manager
        .create(keys, (HashMap::from([("a".to_owned(), 1)]),))
        .unwrap();
    assert!(
        of_map
            .call(|set, key: String| set.contains(&key), "a".to_owned())
            .unwrap()
    );
}

#[test]
fn any_type_can_be_hosted() {
    struct Counter {
        count: u64,
    }
    let _watchdog = watchdog();
    let manager = manager();
    let counter = manager.host(|count: u64| Counter { count }, (5,)).unwrap();
    counter
        .call(|counter, (a, b): (u64, u64)| counter.count += a * b, (3, 4))
        .unwrap();
    assert_eq!(counter.with(|counter| counter.count).unwrap(), 17);
}

fn count_words(words: Proxy<HashMap<String, u64>>, text: String) -> anyhow::Result<()> {
    let count = |words: &mut HashMap<String, u64>, word| *words.entry(word).or_insert(0) += 1;
    text.split(' ')
        .map(str::to_owned)
        .try_for_each(|word| Ok(words.call(count, word)?))
}

#[test]
fn no_update_of_two_processes_is_lost() {
    let _watchdog = watchdog();
    let manager = manager();
    let words = manager.create(HashMap::<String, u64>::new, ()).unwrap();
    let text = "a b a ".repeat(100).trim_end().to_owned();
    let start = || Process::spawn(count_words, (words.clone(), text.clone())).unwrap();
    for child in [start(), start()] {
        child.join().unwrap();
    }
    let counted = words.with(|words| (words["a"], words["b"])).unwrap();
    assert_eq!(counted, (400, 200));
}

#[test]
fn a_panic_concerns_its_caller_only() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(|| vec![1, 2, 3], ()).unwrap();
    let beyond = |list: &mut Vec<i32>| {
        hush();
        list[3]
    };
    let error = list.with(beyond).unwrap_err();
    let ManagerError::Call(Failure::Panicked(panic)) = error else {
        panic!("{error}")
    };
    assert!(panic.message().contains("the len is 3 but the index is 3"));
    assert!(panic.location().unwrap().contains("hosting.rs"));
    assert_eq!(list.with(|list| list.len()).unwrap(), 3);
}

#[test]
fn a_panic_leaves_what_was_done_before_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(Vec::<u8>::new, ()).unwrap();
    let half = |list: &mut Vec<u8>| {
        hush();
        list.push(1);
        assert!(list.is_empty(), "halfway");
    };
    assert!(matches!(
        list.with(half),
        Err(ManagerError::Call(Failure::Panicked(_)))
    ));
    assert_eq!(list.with(|list| list.clone()).unwrap(), [1]);
}

#[test]
fn an_anyhow_error_arrives_with_its_causes() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(Vec::<String>::new, ()).unwrap();
    let parse = |_: &mut Vec<String>, text: String| -> anyhow::Result<i32> {
        let number: i32 = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(number)
    };
    assert_eq!(list.call(parse, "12".to_owned()).unwrap(), 12);
    let error = list.call(parse, "twelve".to_owned()).unwrap_err();
    let ManagerError::Call(Failure::Failed(error)) = error else {
        panic!("{error}")
    };
    assert_eq!(error.to_string(), "invalid digit found in string");
}

fn panics() -> u8 {
    hush();
    panic!("no")
}

#[test]
fn a_constructor_may_fail_or_panic() {
    let _watchdog = watchdog();
    let manager = manager();
    let make = |len: usize| -> anyhow::Result<Vec<u8>> {
        anyhow::ensure!(len < 10, "{len} is too long");
        Ok(vec![0; len])
    };
    assert_eq!(
        manager
            .create(make, (3,))
            .unwrap()
            .with(|list| list.len())
            .unwrap(),
        3
    );
    let error = manager.create(make, (10,)).unwrap_err();
    assert_eq!(error.to_string(), "the call failed: 10 is too long");
    let error = manager.host(panics, ()).unwrap_err();
    assert!(matches!(error, ManagerError::Call(Failure::Panicked(_))));
    assert_eq!(manager.object_count().unwrap(), 0);
}

#[test]
fn objects_are_gone_when_their_last_proxy_is() {
    let _watchdog = watchdog();
    let manager = manager();
    let one = manager.create(Vec::<u8>::new, ()).unwrap();
    let other = manager.create(Vec::<u8>::new, ()).unwrap();
    let clone = one.clone();
    assert_eq!(manager.object_count().unwrap(), 2);
    drop(one);
    assert_eq!(manager.object_count().unwrap(), 2);
    drop(clone);
    assert_eq!(manager.object_count().unwrap(), 1);
    drop(other);
    assert_eq!(manager.object_count().unwrap(), 0);
}

#[test]
fn an_object_lives_while_it_is_on_its_way() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(|| vec![1_u8], ()).unwrap();
    let child = Process::spawn(|list: Proxy<Vec<u8>>| list, (list.clone(),)).unwrap();
    drop(list);
    let list = child.join().unwrap();
    assert_eq!(list.with(|list| list.clone()).unwrap(), [1]);
    assert_eq!(manager.object_count().unwrap(), 1);
    drop(list);
    eventually("the object is gone", || {
        manager.object_count().unwrap() == 0
    });
}

#[test]
fn a_process_that_ends_gives_back_its_proxies() {
    let _watchdog = watchdog();
    let manager = manager();
    let leak = |manager: ManagerHandle| {
        let list = manager.create(Vec::<u8>::new, ()).unwrap();
        std::mem::forget(list);
        manager.object_count().unwrap()
    };
    let child = Process::spawn(leak, (manager.handle(),)).unwrap();
    assert_eq!(child.join().unwrap(), 1);
    eventually("the object is gone", || {
        manager.object_count().unwrap() == 0
    });
}

#[test]
fn a_slow_call_stops_its_caller_only() {
    let _watchdog = watchdog();
    let manager = manager();
    let (slow, quick) = (
        manager.create(Vec::<u8>::new, ()).unwrap(),
        manager.create(Vec::<u8>::new, ()).unwrap(),
    );
    let gate = manager.event().unwrap();
    let wait = |_: &mut Vec<u8>, gate: Event| gate.wait().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| slow.call(wait, gate.clone()).unwrap());
        assert_eq!(quick.with(|list| list.len()).unwrap(), 0);
        gate.set().unwrap();
        waiting.join().unwrap();
    });
}

#[test]
fn what_cannot_be_encoded_is_an_error_of_the_caller() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(Vec::<u8>::new, ()).unwrap();
    let bad = |_: &mut Vec<u8>, _: helper::Unsendable| {};
    let error = list.call(bad, helper::Unsendable).unwrap_err();
    assert!(matches!(error, ManagerError::Encode(_)), "{error}");
    let error = list.with(|_| helper::Unsendable).unwrap_err();
    assert!(
        matches!(error, ManagerError::Call(Failure::Result(_))),
        "{error}"
    );
    assert_eq!(list.with(|list| list.len()).unwrap(), 0);
}

#[test]
fn a_proxy_is_encoded_in_messages_only() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(Vec::<u8>::new, ()).unwrap();
    assert!(postcard::to_stdvec(&list).is_err());
    assert!(postcard::to_stdvec(&manager.handle()).is_err());
    assert!(postcard::from_bytes::<Proxy<Vec<u8>>>(&[1, 97, 1, 0]).is_err());
    assert_eq!(manager.object_count().unwrap(), 1);
}

mod helper {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

    #[derive(Debug)]
    pub(super) struct Unsendable;

    impl Serialize for Unsendable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("it is not for sending"))
        }
    }

    impl<'de> Deserialize<'de> for Unsendable {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
}

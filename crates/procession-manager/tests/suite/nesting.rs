//! Proxies inside hosted objects: live, counted, and called from within the server.
#![expect(
    clippy::needless_pass_by_value,
    reason = "what a child is given is its own"
)]

use super::{manager, start};
use procession_call::Failure;
use procession_manager::{
    Dict, Event, List, Manager, ManagerError, ManagerHandle, Proxy, Queue, Value,
};
use procession_testkit::{eventually, watchdog};
use serde::{Deserialize, Serialize};

fn count_falls_to(manager: &Manager, count: u64) {
    eventually("the objects are gone", || {
        manager.object_count().expect("the manager counts") == count
    });
}

#[test]
fn a_list_of_lists_is_live() {
    // MGR-002
    let _watchdog = watchdog();
    let manager = manager();
    let outer = manager
        .list_from((0..5).map(|_| manager.list_from(0..3).unwrap()))
        .unwrap();
    let inner = |index: usize| outer.get(index).unwrap().unwrap();
    for list in &outer {
        assert_eq!(list.unwrap().to_vec().unwrap(), [0, 1, 2]);
    }
    inner(0).set(2, 55).unwrap();
    assert_eq!(inner(0).to_vec().unwrap(), [0, 1, 55]);
    assert_eq!(inner(1).pop().unwrap(), Some(2));
    assert_eq!(inner(1).len().unwrap(), 2);
    assert_eq!(inner(2).len().unwrap(), 3);
    assert_eq!(manager.object_count().unwrap(), 6);
    drop(outer);
    count_falls_to(&manager, 0);
}

#[derive(Clone, Serialize, Deserialize)]
struct Node(List<Self>);

#[test]
fn a_list_may_contain_itself() {
    // MGR-002
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list::<Node>().unwrap();
    list.append(Node(list.clone())).unwrap();
    let same = list.get(0).unwrap().unwrap().0;
    assert_eq!(same, list);
    same.clear().unwrap();
    drop((same, list));
    count_falls_to(&manager, 0);
}

#[test]
fn nested_dicts_outlive_the_proxies_that_made_them() {
    // MGR-005
    let _watchdog = watchdog();
    let manager = manager();
    let pets = manager.dict::<String, Dict<String, u32>>().unwrap();
    let dogs = manager.dict_from([("terrier".to_owned(), 1)]).unwrap();
    pets.insert("dogs", dogs.clone()).unwrap();
    drop(dogs);
    let feed = |pets: Dict<String, Dict<String, u32>>| -> anyhow::Result<()> {
        let dogs = pets
            .get("dogs")?
            .ok_or_else(|| anyhow::anyhow!("no dogs"))?;
        dogs.insert("poodle", 2_u32)?;
        Ok(())
    };
    start(feed, (pets.clone(),)).join().unwrap();
    let dogs = pets.get("dogs").unwrap().unwrap();
    assert_eq!(dogs.repr().unwrap(), "{'terrier': 1, 'poodle': 2}");
    pets.remove("dogs").unwrap();
    drop(pets);
    assert_eq!(dogs.len().unwrap(), 2, "this proxy keeps it");
    drop(dogs);
    count_falls_to(&manager, 0);
}

#[test]
fn plain_values_come_back_as_copies() {
    // MGR-005
    let _watchdog = watchdog();
    let manager = manager();
    let lists = manager.list_from([vec![1, 2]]).unwrap();
    lists.get(0).unwrap().unwrap().push(3);
    assert_eq!(lists.get(0).unwrap().unwrap(), [1, 2]);
}

#[test]
fn a_queue_works_inside_a_list_and_a_dict() {
    // MGR-006
    let _watchdog = watchdog();
    let manager = manager();
    let queues = manager.list_from([manager.queue::<u8>().unwrap()]).unwrap();
    queues.get(0).unwrap().unwrap().put(&123).unwrap();
    let by_name = manager.dict::<String, Queue<u8>>().unwrap();
    by_name.insert("q", queues.pop().unwrap().unwrap()).unwrap();
    drop(queues);
    let take = |by_name: Dict<String, Queue<u8>>| -> anyhow::Result<Option<u8>> {
        Ok(by_name.get("q")?.map(|queue| queue.get()).transpose()?)
    };
    assert_eq!(start(take, (by_name.clone(),)).join().unwrap(), Some(123));
}

struct Account {
    balance: Value<i64>,
    history: List<i64>,
}

#[procession_manager::shared(crate = "procession_manager")]
impl Account {
    pub(crate) fn open(manager: ManagerHandle) -> anyhow::Result<Self> {
        Ok(Self {
            balance: manager.value(0)?,
            history: manager.list()?,
        })
    }

    pub(crate) fn deposit(&mut self, amount: i64) -> anyhow::Result<i64> {
        self.history.append(amount)?;
        Ok(self
            .balance
            .update_with(|balance, amount| *balance += amount, amount)
            .and_then(|()| self.balance.get())?)
    }

    pub(crate) fn history(&self) -> List<i64> {
        self.history.clone()
    }
}

#[test]
fn an_object_works_with_others_of_its_server() {
    let _watchdog = watchdog();
    let manager = manager();
    let account = manager.create(Account::open, (manager.handle(),)).unwrap();
    assert_eq!(manager.object_count().unwrap(), 3);
    let children = [5, 6].map(|amount| {
        start(
            |account: AccountProxy, amount: i64| account.deposit(amount).unwrap(),
            (account.clone(), amount),
        )
    });
    for child in children {
        child.join().unwrap();
    }
    assert_eq!(account.deposit(1).unwrap(), 12);
    let history = account.history().unwrap();
    drop(account);
    assert_eq!(history.len().unwrap(), 3);
    drop(history);
    count_falls_to(&manager, 0);
}

#[test]
fn an_object_that_calls_itself_is_told() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.create(Vec::<u8>::new, ()).unwrap();
    let call_back = |_: &mut Vec<u8>, itself: Proxy<Vec<u8>>| -> anyhow::Result<usize> {
        Ok(itself.with(|list| list.len())?)
    };
    let error = list.call(call_back, list.clone()).unwrap_err();
    let ManagerError::Call(Failure::Failed(error)) = error else {
        panic!("{error}")
    };
    assert!(
        error.to_string().contains("called the object itself"),
        "{error}"
    );
    assert_eq!(list.with(|list| list.len()).unwrap(), 0);
}

struct Link(#[expect(dead_code, reason = "it is kept, not used")] Option<Proxy<Self>>);

#[test]
fn a_long_chain_of_objects_ends_with_its_first() {
    let _watchdog = watchdog();
    let manager = manager();
    let chain = |manager: ManagerHandle| -> anyhow::Result<Proxy<Link>> {
        let mut first = manager.host(Link, (None,))?;
        for _ in 0..5_000 {
            first = manager.host(Link, (Some(first),))?;
        }
        Ok(first)
    };
    let maker = manager.host(|| (), ()).unwrap();
    let make = move |(): &mut (), manager: ManagerHandle| chain(manager);
    let first = maker.call(make, manager.handle()).unwrap();
    assert_eq!(manager.object_count().unwrap(), 5_002);
    drop((first, maker));
    count_falls_to(&manager, 0);
}

#[test]
fn an_object_of_one_manager_is_kept_by_another() {
    let _watchdog = watchdog();
    let (one, other) = (manager(), manager());
    let inner = one.list_from([1]).unwrap();
    let outer = other.list_from([inner]).unwrap();
    assert_eq!(outer.get(0).unwrap().unwrap().to_vec().unwrap(), [1]);
    assert_eq!(one.object_count().unwrap(), 1);
    outer.clear().unwrap();
    count_falls_to(&one, 0);
}

#[test]
fn a_lock_taken_inside_a_call_belongs_to_the_caller() {
    let _watchdog = watchdog();
    let manager = manager();
    let (lock, taken) = (manager.lock().unwrap(), manager.event().unwrap());
    let helper = manager.host(|| (), ()).unwrap();
    let hold =
        |helper: Proxy<()>, lock: procession_manager::Lock, taken: Event| -> anyhow::Result<()> {
            helper.call(
                |(): &mut (), lock: procession_manager::Lock| -> anyhow::Result<()> {
                    std::mem::forget(lock.acquire()?);
                    Ok(())
                },
                lock,
            )?;
            Ok(taken.set()?)
        };
    start(hold, (helper, lock.clone(), taken.clone()))
        .join()
        .unwrap();
    assert!(taken.is_set().unwrap());
    assert!(lock.acquire().is_err_and(|error| error.repaired().is_ok()));
}

#[test]
fn a_destructor_that_panics_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let _watchdog = watchdog();
    let manager = manager();
    drop(manager.host(|| Bomb, ()).unwrap());
    drop(manager.host(|| Bomb, ()).unwrap());
    count_falls_to(&manager, 0);
    let list = manager.list_from([1]).unwrap();
    drop(list);
    count_falls_to(&manager, 0);
    manager.shutdown().unwrap();
}

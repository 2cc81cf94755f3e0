//! What a value's own `Serialize` or `Deserialize` says is in the error of whoever meets it.

#![expect(clippy::unwrap_used, reason = "tasks fail by panicking, like tests")]

use procession::manager::Manager;
use procession::{Pipe, Pool, Process, Queue, StartMethod, inherit};
use procession_testkit::watchdog;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::fmt::{Debug, Display};

procession::enable_in_tests!();

const UNSAID: &str = "the sensor is not calibrated";
const UNHEARD: &str = "the reading is of another sensor";

/// Says in its own words why it cannot be sent.
#[derive(Debug, Clone)]
struct Mute;

impl Serialize for Mute {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(UNSAID))
    }
}

impl<'de> Deserialize<'de> for Mute {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

/// Says in its own words why it cannot be received.
#[derive(Debug, Clone, Serialize)]
struct Deaf(u8);

impl<'de> Deserialize<'de> for Deaf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer)?;
        Err(de::Error::custom(UNHEARD))
    }
}

/// Inside something, as values mostly are.
type In<T> = (u32, Vec<Option<T>>);

fn within<T>(value: T) -> In<T> {
    (7, vec![None, Some(value)])
}

#[track_caller]
fn says<T: Debug, E: Display>(result: Result<T, E>, words: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

// VAL-007
#[test]
fn of_a_queue() {
    let _watchdog = watchdog();
    says(Queue::new().unwrap().put(&within(Mute)), UNSAID);
    let queue = Queue::new().unwrap();
    queue.put(&within(Deaf(1))).unwrap();
    says(queue.get(), UNHEARD);
}

// VAL-007
#[test]
fn of_a_pipe() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<In<Mute>, In<Deaf>>().unwrap();
    says(here.send(&within(Mute)), UNSAID);
    there.send(&within(Deaf(1))).unwrap();
    says(here.recv(), UNHEARD);
}

// VAL-007
#[test]
fn of_a_process() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let process = || Process::builder().start_method(method);
        says(process().spawn(|_: In<Mute>| (), (within(Mute),)), UNSAID);
        let deaf = process().spawn(|_: In<Deaf>| (), (within(Deaf(1)),));
        says(deaf.unwrap().join(), UNHEARD);
        says(process().spawn(|| within(Mute), ()).unwrap().join(), UNSAID);
        let deaf = process().spawn(|| within(Deaf(1)), ()).unwrap();
        says(deaf.join(), UNHEARD);
    }
}

// VAL-007
#[test]
fn of_a_fork() {
    let _watchdog = watchdog();
    let forks = || {
        says(Process::fork(|| within(Mute)).unwrap().join(), UNSAID);
        says(Process::fork(|| within(Deaf(1))).unwrap().join(), UNHEARD);
    };
    let alone = Process::builder().start_method(StartMethod::Spawn);
    alone.spawn(forks, ()).unwrap().join().unwrap();
}

// VAL-007
#[test]
fn of_what_a_child_inherits() {
    let _watchdog = watchdog();
    let inherits = |mute: bool| {
        if mute {
            inherit(|_: In<Mute>| (), within(Mute)).unwrap();
        } else {
            inherit(|_: In<Deaf>| (), within(Deaf(1))).unwrap();
        }
        match Process::spawn(|| (), ()) {
            Err(error) => error.to_string(),
            Ok(process) => process.join().unwrap_err().to_string(),
        }
    };
    for (mute, words) in [(true, UNSAID), (false, UNHEARD)] {
        let said = Process::spawn(inherits, (mute,)).unwrap().join();
        says(Err::<(), _>(said.unwrap()), words);
    }
}

// VAL-007
#[test]
fn of_a_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    says(pool.apply(|_: In<Mute>| (), (within(Mute),)), UNSAID);
    says(pool.map(|_: In<Mute>| (), [within(Mute)]), UNSAID);
    says(pool.apply(|_: In<Deaf>| (), (within(Deaf(1)),)), UNHEARD);
    says(pool.map(|_: In<Deaf>| (), [within(Deaf(1))]), UNHEARD);
    says(pool.apply(|| within(Mute), ()), UNSAID);
    says(pool.map(|_: u8| within(Mute), [1]), UNSAID);
    says(pool.apply(|| within(Deaf(1)), ()), UNHEARD);
    says(pool.map(|_: u8| within(Deaf(1)), [1]), UNHEARD);
}

// VAL-007
#[test]
fn of_a_manager() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    says(manager.create(|_: In<Mute>| 0_u8, (within(Mute),)), UNSAID);
    says(
        manager.create(|_: In<Deaf>| 0_u8, (within(Deaf(1)),)),
        UNHEARD,
    );
    let object = manager.create(|| 0_u8, ()).unwrap();
    says(object.call(|_, _: In<Mute>| (), within(Mute)), UNSAID);
    says(object.call(|_, _: In<Deaf>| (), within(Deaf(1))), UNHEARD);
    says(object.with(|_| within(Mute)), UNSAID);
    says(object.with(|_| within(Deaf(1))), UNHEARD);
    let list = manager.list::<In<Deaf>>().unwrap();
    says(list.append(within(Deaf(1))), UNHEARD);
}

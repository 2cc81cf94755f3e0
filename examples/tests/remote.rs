//! A program with another executable calls the objects of a server, over a Unix socket and over TCP.

use examples::remote::{Article, StockProxy};
use procession::manager::{
    Array, Barrier, BoundedSemaphore, Condition, Dict, Event, Exported, List, Lock, Manager,
    ManagerError, ManagerHandle, Namespace, Object, Proxy, Queue, RLock, Semaphore, Value,
};
use procession::{Address, Fd};
use procession::{BarrierError, Fault, GetError, LockError, PermitError};
use procession_testkit::{eventually, watchdog};
use std::io::{BufRead, BufReader};
use std::mem::forget;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

procession::enable_in_tests!();

const KEY: &str = "between the two";

/// The program, which ends with this.
struct Server {
    program: Child,
    address: Address,
}

impl Server {
    fn start(address: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_remote_server"))
            .args([address, KEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = program.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        let address = said.trim().parse().expect("it says where it listens");
        Self { program, address }
    }

    fn connect(&self) -> ManagerHandle {
        Manager::connect(&self.address, KEY).unwrap()
    }

    /// Has it end by itself.
    fn end(mut self) {
        drop(self.program.stdin.take());
        assert!(self.program.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Runs a test over both kinds of connections.
fn over_both(test: fn(&ManagerHandle)) {
    let _watchdog = watchdog();
    for address in ["@", "127.0.0.1:0"] {
        let server = Server::start(address);
        test(&server.connect());
        server.end();
    }
}

fn get<P: Exported>(client: &ManagerHandle, name: &str) -> P {
    client
        .get(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

// MGR-035
#[test]
fn collections() {
    over_both(|client| {
        let list: List<i64> = get(client, "list");
        list.append(7).unwrap();
        list.sort().unwrap();
        assert_eq!(list.to_vec().unwrap(), [1, 2, 3, 7]);
        assert_eq!(
            (list.index(&7).unwrap(), list.pop().unwrap()),
            (Some(3), Some(7))
        );
        assert_eq!(list.iter().map(Result::unwrap).sum::<i64>(), 6);
        let mixed: List<Object> = get(client, "mixed");
        mixed
            .extend([Object::from(1), "two".into(), Object::None])
            .unwrap();
        assert_eq!(mixed.repr().unwrap(), "[1, 'two', None]");
        let dict: Dict<String, f64> = get(client, "dict");
        dict.insert("half".to_owned(), 0.5).unwrap();
        assert_eq!(dict.get("half").unwrap(), Some(0.5));
        assert_eq!(dict.len().unwrap(), 1);
        let namespace: Namespace = get(client, "namespace");
        namespace.set("x", 10).unwrap();
        assert_eq!(namespace.get("x").unwrap(), Some(Object::from(10)));
        let value: Value<i64> = get(client, "value");
        value.set(value.get().unwrap() + 1).unwrap();
        assert_eq!(value.get().unwrap(), 8);
        let array: Array<f64> = get(client, "array");
        array.set(0, 1.5).unwrap();
        assert_eq!(array.to_vec().unwrap(), [1.5, 2.0]);
    });
}

// MGR-036
#[test]
fn locks_and_meeting_points() {
    over_both(|client| {
        let lock: Lock = get(client, "lock");
        let held = lock.acquire().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(lock.acquire().unwrap()));
            eventually("a call waits", || client.stats().unwrap().running() == 1);
            drop(held);
            waiting.join().unwrap();
        });
        let rlock: RLock = get(client, "rlock");
        let (_one, _two) = (rlock.acquire().unwrap(), rlock.acquire().unwrap());
        let semaphore: Semaphore = get(client, "semaphore");
        let _permits = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
        let brief = Duration::from_millis(1);
        let refused = semaphore.acquire_timeout(brief).unwrap_err();
        assert_eq!(refused, PermitError::TimedOut);
        let bounded: BoundedSemaphore = get(client, "bounded");
        drop(bounded.acquire().unwrap());
        let event: Event = get(client, "event");
        let condition: Condition = get(client, "condition");
        let barrier: Barrier = get(client, "barrier");
        let queue: Queue<String> = get(client, "queue");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait().unwrap();
                event.wait().unwrap();
                queue.put(&"done".to_owned()).unwrap();
            });
            barrier.wait().unwrap();
            event.set().unwrap();
            assert_eq!(queue.get().unwrap(), "done");
        });
        drop(condition.acquire().unwrap());
        condition.notify_all().unwrap();
    });
}

// MGR-037
#[test]
fn a_shared_type_and_the_handles_in_it() {
    over_both(|client| {
        let stock: StockProxy = get(client, "stock");
        assert_eq!(stock.sell("pear", 2).unwrap(), 1.0);
        let error = stock.sell("pear", 11).unwrap_err().to_string();
        assert!(error.contains("there are only 10"), "{error}");
        let pears = stock.article("pear").unwrap().unwrap();
        assert_eq!(pears.count, 10);
        // A list that only the stock had, and one that goes back as an argument.
        let sold = stock.sold().unwrap().expect("there is one");
        assert_eq!(sold.to_vec().unwrap(), ["pear"]);
        let before = client.object_count().unwrap();
        stock.sell_into(sold.clone()).unwrap();
        drop(sold);
        stock.sell("pear", 1).unwrap();
        let sold = stock.sold().unwrap().expect("there is one");
        assert_eq!(sold.to_vec().unwrap(), ["pear", "pear"]);
        assert_eq!(client.object_count().unwrap(), before);
        let article = Article {
            count: 1,
            price: 3.0,
        };
        stock.add("fig", article.clone()).unwrap();
        assert_eq!(stock.article("fig").unwrap(), Some(article));
    });
}

struct Counter;

#[procession::shared]
impl Counter {
    pub fn next(&mut self) -> u64 {
        0
    }
}

// MGR-038
#[test]
fn constructors_make_an_object_for_each_call() {
    over_both(|client| {
        let before = client.object_count().unwrap();
        let one: CounterProxy = client.make("counting from", (10_u64,)).unwrap();
        let other: CounterProxy = client.make("counting from", (20_u64,)).unwrap();
        assert_eq!((one.next().unwrap(), one.next().unwrap()), (11, 12));
        assert_eq!(other.next().unwrap(), 21);
        assert_eq!(client.object_count().unwrap(), before + 2);
        drop((one, other));
        assert_eq!(client.object_count().unwrap(), before);
        let error = client.make::<CounterProxy, _>("counting from", ("ten".to_owned(),));
        assert!(differs(error, "its constructor takes other arguments"));
        let error = client.make::<CounterProxy, _>("counter", (10_u64,));
        assert!(differs(error, "it is an object, to be had with `get`"));
        let error = client.get::<CounterProxy>("counting from");
        assert!(differs(
            error,
            "it is a constructor, to be called with `make`"
        ));
    });
}

fn differs<T>(result: Result<T, ManagerError>, how: &str) -> bool {
    match result {
        Err(ManagerError::Interface { difference, .. }) => difference == how,
        _ => false,
    }
}

/// The same type as the server's, of another version.
mod other_version {
    pub struct Counter;

    #[procession::shared]
    impl Counter {
        pub fn next(&mut self) -> u32 {
            0
        }
    }
}

/// The same type as the server's, of a later version.
mod later {
    pub struct Counter;

    #[procession::shared]
    impl Counter {
        pub fn next(&mut self) -> u64 {
            0
        }

        pub fn skip(&mut self, by: u64) -> u64 {
            by
        }
    }
}

// MGR-039
#[test]
fn another_interface_is_an_error_at_get() {
    over_both(|client| {
        // The server has more methods than this program knows: that is no difference.
        let counter: CounterProxy = get(client, "counter");
        assert_eq!(counter.next().unwrap(), 1);
        let error = client.get::<other_version::CounterProxy>("counter");
        assert!(differs(
            error,
            "its method `next` takes or returns something else"
        ));
        let error = client.get::<later::CounterProxy>("counter");
        assert!(differs(error, "it has no method `skip`"));
        let error = client.get::<List<i32>>("list");
        assert!(differs(
            error,
            "it is of the type `HostedList<i64>`, not `HostedList<i32>`"
        ));
        assert!(client.get::<Lock>("event").is_err());
        let unknown = client.get::<Lock>("nothing");
        assert!(matches!(unknown, Err(ManagerError::NoSuchName(name)) if name == "nothing"));
    });
}

fn elsewhere<T>(result: Result<T, ManagerError>) -> String {
    match result {
        Err(error @ ManagerError::Elsewhere(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is not refused"),
    }
}

// MGR-040
#[test]
fn what_cannot_travel_is_refused_with_a_sentence() {
    over_both(|client| {
        let list: List<i64> = get(client, "list");
        let functions = "a function cannot be sent to a manager in another program";
        for refused in [
            elsewhere(list.with(|list| list.len())),
            elsewhere(list.call(|list, at| list[at], 0_usize)),
            elsewhere(client.create(Vec::<u8>::new, ())),
            elsewhere(client.host(|| 7, ())),
            elsewhere(client.list::<u8>()),
        ] {
            assert!(refused.starts_with(functions), "{refused}");
        }
        let plain = client.get::<Proxy<Vec<u8>>>("list");
        assert!(matches!(plain, Err(ManagerError::Interface { .. })));
        assert!(elsewhere(client.register("mine", &list)).contains("executable"));
        assert!(elsewhere(client.unregister("list")).contains("executable"));
        assert!(elsewhere(client.stop()).contains("ended by that program"));

        let files: Queue<Fd> = get(client, "files");
        let file = || Fd(std::fs::File::open("/dev/null").unwrap().into());
        assert!(
            files
                .put(&file())
                .unwrap_err()
                .to_string()
                .contains("file descriptors cannot be sent")
        );

        // Handles of other managers, and these handles in messages to other processes.
        let own = Manager::start().unwrap();
        let stock: StockProxy = get(client, "stock");
        let error = stock
            .sell_into(own.list().unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no handles can be sent but those of the manager"),
            "{error}"
        );
        let error = own.list_from([list.clone()]).unwrap_err().to_string();
        assert!(
            error.contains("can be sent to that manager only"),
            "{error}"
        );
        let error = elsewhere(own.register("theirs", &list));
        assert!(error.contains("another manager's"), "{error}");
        assert_eq!(list.to_vec().unwrap(), [3, 1, 2]);
    });
}

// MGR-041
#[test]
fn a_wrong_key_is_refused_to_both() {
    let _watchdog = watchdog();
    for address in ["@", "127.0.0.1:0"] {
        let server = Server::start(address);
        let refused = Manager::connect(&server.address, "another");
        assert!(matches!(refused, Err(ManagerError::Connect(_))));
        assert_eq!(
            get::<List<i64>>(&server.connect(), "list").len().unwrap(),
            3
        );
        let gone = server.address.clone();
        server.end();
        assert!(matches!(
            Manager::connect(gone, KEY),
            Err(ManagerError::Connect(_))
        ));
    }
}

fn in_permit(error: PermitError) -> LockError {
    match error {
        PermitError::Lock(error) => error,
        other => panic!("{other}"),
    }
}

fn in_queue(error: GetError) -> LockError {
    match error {
        GetError::Fault(Fault::Server(error)) => match error.downcast::<ManagerError>() {
            Ok(error) => LockError::from(*error),
            Err(other) => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

fn in_barrier(error: BarrierError) -> LockError {
    match error {
        BarrierError::Lock(error) => error,
        other => panic!("{other}"),
    }
}

// MGR-042
#[test]
fn a_killed_server_ends_every_call_that_waits() {
    let _watchdog = watchdog();
    for address in ["@", "127.0.0.1:0"] {
        let mut server = Server::start(address);
        let client = &server.connect();
        let (lock, rlock): (Lock, RLock) = (get(client, "lock"), get(client, "rlock"));
        let (semaphore, bounded): (Semaphore, BoundedSemaphore) =
            (get(client, "semaphore"), get(client, "bounded"));
        let _held = (lock.acquire().unwrap(), rlock.acquire().unwrap());
        let _permits = (bounded.acquire().unwrap(), semaphore.acquire().unwrap());
        let _other = semaphore.acquire().unwrap();
        let (event, barrier): (Event, Barrier) = (get(client, "event"), get(client, "barrier"));
        let queue: Queue<String> = get(client, "queue");
        let condition: Condition = get(client, "condition");
        let long = Duration::from_secs(3600);
        let gone = AtomicUsize::new(0);
        let ends = |result: Result<(), LockError>| {
            assert_eq!(result, Err(LockError::Gone));
            gone.fetch_add(1, Ordering::Relaxed);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| ends(lock.acquire().map(forget).map_err(LockError::from)));
            scope.spawn(|| {
                ends(
                    lock.acquire_timeout(long)
                        .map(forget)
                        .map_err(LockError::from),
                );
            });
            scope.spawn(|| ends(rlock.acquire().map(forget).map_err(LockError::from)));
            scope.spawn(|| ends(semaphore.acquire().map(forget).map_err(in_permit)));
            scope.spawn(|| ends(bounded.acquire().map(forget).map_err(in_permit)));
            scope.spawn(|| ends(event.wait().map_err(LockError::from)));
            scope.spawn(|| {
                ends(
                    event
                        .wait_timeout(long)
                        .map(|_| ())
                        .map_err(LockError::from),
                );
            });
            scope.spawn(|| ends(barrier.wait().map(|_| ()).map_err(in_barrier)));
            scope.spawn(|| ends(queue.get().map(|_| ()).map_err(in_queue)));
            scope.spawn(|| {
                ends(queue.get_timeout(long).map(|_| ()).map_err(in_queue));
            });
            scope.spawn(|| {
                let waited = condition.acquire().and_then(|held| condition.wait(held));
                ends(waited.map(forget).map_err(LockError::from));
            });
            eventually("all wait", || client.stats().unwrap().running() == 11);
            server.program.kill().unwrap();
        });
        assert_eq!(gone.into_inner(), 11);
        assert!(matches!(client.stats(), Err(ManagerError::Gone)));
        assert!(matches!(
            client.get::<Lock>("lock"),
            Err(ManagerError::Gone)
        ));
    }
}

//! A limit of the size of files (`ulimit -f`) ends no process: what needs a larger file is an error,
//! and what needs no file works.

#![expect(clippy::unwrap_used, reason = "a task stands in its test")]

use nix::sys::resource::{Resource, setrlimit};
use procession::{
    Array, Manager, Pool, Process, Queue, SharedMemory, StartMethod, Value, set_start_method,
};
use procession_testkit::watchdog;

procession::enable_in_tests!();

const LIMIT: usize = 256 << 10;
const LARGE: usize = 4 * LIMIT;

/// What every process needs is there before the limit is.
fn use_everything(method: StartMethod) {
    set_start_method(method);
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT as u64, LIMIT as u64).unwrap();

    // Requests, answers and messages go through sockets.
    let pool = Pool::new(1).unwrap();
    let echoed = pool.apply(|bytes: Vec<u8>| bytes, (vec![7; LARGE],));
    assert_eq!(echoed.unwrap().len(), LARGE);
    let manager = Manager::start().unwrap();
    let list = manager.list::<Vec<u8>>().unwrap();
    list.append(vec![7; LARGE]).unwrap();
    assert_eq!(list.get(0).unwrap().unwrap().len(), LARGE);

    // Segments are files.
    let small = Value::new(7).unwrap();
    assert_eq!(small.get(), 7);
    assert!(Array::<u8>::zeroed(LARGE).is_err());
    let queue = Queue::<Vec<u8>>::bounded(4).unwrap();
    assert!(queue.put(&vec![7; LARGE]).is_err());
    queue.put(&vec![7; 16]).unwrap();
    assert_eq!(queue.get().unwrap().len(), 16);
    assert!(SharedMemory::create("test-of-procession-too-large", LARGE).is_err());
}

// PRC-061
#[test]
fn a_limit_of_file_sizes_ends_nobody() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let process = Process::spawn(use_everything, (method,)).unwrap();
        process.join().unwrap();
    }
}

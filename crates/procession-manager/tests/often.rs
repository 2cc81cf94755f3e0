//! Many calls over one connection, which gets rings in shared memory then.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession::AcquireError;
use procession_manager::{Manager, ManagerError};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;

procession_process::enable_in_tests!();

/// Far more calls than a connection makes before it gets rings.
const OFTEN: usize = 300;

/// The segments that this process maps.
fn mapped() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let names = maps.lines().filter_map(|line| line.split_once("/dev/shm/"));
    names.map(|(_, name)| name.to_owned()).collect()
}

#[test]
fn requests_and_replies_of_any_length_keep_their_order() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let list = manager.list::<Vec<u8>>().unwrap();
    for round in 0..60 {
        let len = [0, 10, 3000, 5000, 20_000, 70_000][round % 6];
        list.append(vec![round as u8; len]).unwrap();
        let got = list.get(0).unwrap().unwrap();
        assert!(got == vec![round as u8; len]);
        list.pop().unwrap();
    }
}

// MGR-034
#[test]
fn the_builder_says_which_connections_get_rings() {
    let _watchdog = watchdog();
    let alone = || {
        let from_the_first = Manager::builder().rings(4096).start().unwrap();
        let list = from_the_first.list::<u8>().unwrap();
        assert_eq!((list.len().unwrap(), mapped().len()), (0, 1));
        drop((list, from_the_first));
        let never = Manager::builder().without_rings().start().unwrap();
        let list = never.list::<usize>().unwrap();
        for number in 0..OFTEN {
            list.append(number).unwrap();
        }
        assert_eq!((list.len().unwrap(), mapped().len()), (OFTEN, 0));
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

#[test]
fn the_memory_is_given_back_with_the_last_handle() {
    let _watchdog = watchdog();
    let alone = || {
        let manager = Manager::start().unwrap();
        let dict = manager.dict::<usize, usize>().unwrap();
        for key in 0..OFTEN {
            dict.insert(key, key).unwrap();
        }
        let names = mapped();
        assert_eq!(names.len(), 1, "it goes through one pair of rings");
        drop((dict, manager));
        assert_eq!(mapped().len(), 0);
        for name in names {
            assert!(!Path::new("/dev/shm").join(name).exists());
        }
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

#[test]
fn a_killed_server_is_gone_for_all_who_call() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<u32, u32>().unwrap();
    thread::scope(|scope| {
        let calling: Vec<_> = (0..3_u32)
            .map(|caller| {
                let dict = &dict;
                scope.spawn(move || (0_u32..).find_map(|number| dict.insert(caller, number).err()))
            })
            .collect();
        while dict.get(2_u32).unwrap().is_none_or(|number| number < 1000) {
            thread::yield_now();
        }
        kill9(manager.pid());
        for caller in calling {
            let error = caller.join().unwrap().unwrap();
            assert!(matches!(error, ManagerError::Gone), "{error}");
        }
    });
    assert!(matches!(dict.get(1_u32), Err(ManagerError::Gone)));
}

#[test]
fn a_client_without_room_for_the_memory_goes_on_without() {
    let _watchdog = watchdog();
    let alone = || {
        let manager = Manager::start().unwrap();
        let dict = manager.dict::<usize, usize>().unwrap();
        dict.insert(0_usize, 0_usize).unwrap();
        let next = File::open("/dev/null").unwrap().as_raw_fd();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, next.try_into().unwrap(), hard).unwrap();
        for key in 0..OFTEN {
            dict.insert(key, key).unwrap();
        }
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert_eq!((dict.len().unwrap(), mapped().len()), (OFTEN, 0));
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

fn lock_often(lock: procession_manager::Lock, count: procession_manager::Value<u64>) {
    loop {
        let held = lock.acquire().unwrap();
        count.update(|count| *count += 1).unwrap();
        drop(held);
    }
}

#[test]
fn a_killed_client_gives_back_what_it_held() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let lock = manager.lock().unwrap();
    let count = manager.value(0_u64).unwrap();
    for _ in 0..10 {
        let before = count.get().unwrap();
        let child = Process::spawn(lock_often, (lock.clone(), count.clone())).unwrap();
        while count.get().unwrap() < before + 50 {
            thread::yield_now();
        }
        kill9(child.pid());
        child.join().unwrap_err();
        // Perhaps it was killed while it held the lock.
        drop(lock.acquire().or_else(AcquireError::repaired).unwrap());
    }
}

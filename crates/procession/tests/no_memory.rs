//! A program that has no `/dev/shm`, or one that it cannot write to.
//!
//! The programs run in mount namespaces of their own, where the machine allows that.

#![expect(clippy::unwrap_used, reason = "a test or a task fails by panicking")]

use procession::{Lock, Manager, Pipe, Pool, Process, StartMethod, Value, family};
use procession_testkit::watchdog;
use std::env;
use std::fs;
use std::process::Command;

procession::enable_in_tests!();

/// Runs the test of this name again, where `/dev/shm` was changed by `script`; false if this is that run.
fn is_outside(test: &str, script: &str) -> bool {
    const INSIDE: &str = "PROCESSION_TEST_NO_MEMORY";
    if env::var_os(INSIDE).is_some() {
        return false;
    }
    // The files of libraries and of the program stay where they are.
    let script = format!("{script} || exit 77; exec \"$0\" --exact {test} --nocapture");
    let run = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output();
    // Where the namespace is not permitted, or there is no such program, there is nothing to test.
    let Ok(run) = run else { return true };
    if matches!(run.status.code(), Some(1 | 77)) && run.stdout.is_empty() {
        return true;
    }
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}\n{told}");
    assert!(said.contains("1 passed"), "{said}\n{told}");
    true
}

fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn deeper(n: u32) -> u32 {
    if n == 0 {
        return 1;
    }
    Process::spawn(deeper, (n - 1,)).unwrap().join().unwrap() + 1
}

fn try_to_share() -> String {
    Value::new(1).unwrap_err().to_string()
}

/// What shares nothing works.
fn processes_pipes_and_managers_work() {
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let start = || Process::builder().start_method(method);
        for n in 0..3 {
            assert_eq!(start().spawn(add, (n, 4)).unwrap().join().unwrap(), n + 4);
        }
        assert_eq!(start().spawn(deeper, (2,)).unwrap().join().unwrap(), 3);
        let told = start().spawn(try_to_share, ()).unwrap().join().unwrap();
        assert!(told.contains("/dev/shm"), "{told}");
    }
    let (here, there) = Pipe::duplex::<u32, u32>().unwrap();
    let child = Process::spawn(
        |there: procession::Connection<u32, u32>| {
            let number = there.recv().unwrap();
            there.send(&(number + 1)).unwrap();
        },
        (there,),
    );
    here.send(&7).unwrap();
    assert_eq!(here.recv().unwrap(), 8);
    child.unwrap().join().unwrap();
    let manager = Manager::start().unwrap();
    let list = manager.list::<u32>().unwrap();
    for number in 0..50 {
        list.append(number).unwrap();
    }
    assert_eq!(list.len().unwrap(), 50);
}

fn what_needs_memory_says_so() {
    let errors = [
        Value::new(1).unwrap_err().to_string(),
        Lock::new().unwrap_err().to_string(),
        procession::Array::<u8>::zeroed(1 << 20)
            .unwrap_err()
            .to_string(),
        procession::Queue::<u8>::new().unwrap_err().to_string(),
        Pipe::builder()
            .rings(4096)
            .duplex::<u8, u8>()
            .unwrap_err()
            .to_string(),
        // What a worker has done must be known after it was killed, and is noted in shared memory.
        Pool::new(2)
            .and_then(|pool| pool.apply(add, (1, 2)))
            .unwrap_err()
            .to_string(),
    ];
    for error in errors {
        assert!(error.contains("/dev/shm"), "{error}");
    }
}

// SHM-038
#[test]
fn a_program_without_shared_memory_starts_processes() {
    let _watchdog = watchdog();
    // A folder without `shm`: the devices that are needed are those of the machine.
    let script = "mkdir -p /tmp/dev.$$ && mount -t tmpfs tmpfs /tmp/dev.$$ && cd /tmp/dev.$$ \
        && touch null zero full random urandom tty \
        && for d in null zero full random urandom tty; do mount --bind /dev/$d $d; done \
        && ln -s /proc/self/fd fd && mount --rbind /tmp/dev.$$ /dev && cd /";
    if is_outside("a_program_without_shared_memory_starts_processes", script) {
        return;
    }
    assert!(!fs::exists("/dev/shm").unwrap());
    processes_pipes_and_managers_work();
    what_needs_memory_says_so();
}

// SHM-038
#[test]
fn a_program_whose_shared_memory_is_read_only_starts_processes() {
    let _watchdog = watchdog();
    let script = "mount -t tmpfs -o ro tmpfs /dev/shm";
    if is_outside(
        "a_program_whose_shared_memory_is_read_only_starts_processes",
        script,
    ) {
        return;
    }
    assert!(fs::write("/dev/shm/x", "x").is_err());
    processes_pipes_and_managers_work();
    what_needs_memory_says_so();
    // It becomes writable: what was planned is founded, and the children's family is this one.
    let remount = Command::new("mount")
        .args(["-o", "remount,rw", "/dev/shm"])
        .status();
    assert!(remount.unwrap().success());
    let value = Value::new(1_u32).unwrap();
    let child = Process::spawn(|value: Value<u32>| value.set(9), (value.clone(),));
    child.unwrap().join().unwrap();
    assert_eq!(value.get(), 9);
    assert_eq!(family::usage().unwrap().objects().len(), 1);
}

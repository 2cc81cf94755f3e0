//! What a worker prints of a panic.

use procession_pool::Pool;
use procession_process::{Process, Stdio};
use procession_testkit::watchdog;

procession_process::enable_in_tests!();

fn odd(n: u32) -> u32 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n
}

/// Has some items panic, and returns the numbers of the workers.
fn panics() -> Vec<u32> {
    let pool = Pool::new(2).expect("it starts");
    let pids = pool.worker_pids();
    assert!(pool.map_chunked(odd, [0, 2, 4, 7, 8], 1).is_err());
    assert!(pool.map_chunked(odd, [0, 2, 9, 8], 4).is_err());
    assert!(pool.apply(odd, (11,)).is_err());
    pids
}

// PRC-063
#[test]
fn a_panic_is_printed_with_worker_and_item() {
    let _watchdog = watchdog();
    let mut parent = Process::builder()
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .spawn(panics, ())
        .expect("it starts");
    let stderr = parent.take_stderr().expect("it is a pipe");
    let words = std::io::read_to_string(stderr).expect("it is text");
    let pids = parent.join().expect("it does not fail");
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines.len(), 6, "{words}");
    let expected = [
        ("), item 3: ", "7 is odd"),
        ("), item 2: ", "9 is odd"),
        ("): ", "11 is odd"),
    ];
    for (report, (item, message)) in lines.chunks(2).zip(expected) {
        assert!(report[0].starts_with("process `PoolWorker-"), "{words}");
        let named = |pid: &u32| report[0].contains(&format!("(pid {pid}{item}thread 'main'"));
        assert!(pids.iter().any(named), "{words}");
        assert_eq!(report[1], message);
    }
}

//! A reply that is not the call's own.

use procession_call::produce;
use procession_manager::Manager;
use procession_testkit::watchdog;
use procession_wire::frame::Head;
use std::fs;
use std::io::Write;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

procession_process::enable_in_tests!();

/// Returns the server's newest connection: that of the call which runs.
fn connection() -> UnixStream {
    let entries = fs::read_dir("/proc/self/fd").expect("the process has a list of its files");
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    let mut numbers: Vec<RawFd> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let accepted = |number: &RawFd| {
        // SAFETY: the descriptor was open a moment ago, and the server closes none during the call.
        let fd = unsafe { BorrowedFd::borrow_raw(*number) };
        let stream = UnixStream::from(fd.try_clone_to_owned().ok()?);
        let is_named = stream.local_addr().is_ok_and(|name| !name.is_unnamed());
        (is_named && stream.peer_addr().is_ok()).then_some(stream)
    };
    let found = numbers.iter().rev().find_map(accepted);
    found.expect("the call has a connection")
}

/// Answers another call on the connection of this one.
fn answer_another(list: &mut Vec<u32>) -> u32 {
    let outcome = produce(|| Ok(1000_u32)).message.with_number(u64::MAX);
    let head = Head::new(outcome.bytes().len());
    let frame = [head.as_bytes(), outcome.bytes()].concat();
    connection().write_all(&frame).expect("the client listens");
    list.push(1);
    1
}

// MGR-033
#[test]
fn the_reply_to_another_call_is_an_error_and_no_result() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let list = manager.list::<u32>().unwrap();
    let error = list.with(answer_another).unwrap_err();
    assert!(
        error.to_string().ends_with("the reply to another call"),
        "{error}"
    );
    // The connection is not used again, and what was called was called.
    for _ in 0..3 {
        assert_eq!(list.to_vec().unwrap(), [1]);
    }
}

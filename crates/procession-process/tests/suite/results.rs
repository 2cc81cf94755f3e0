//! What a task returns, and how it fails, comes back through `join`.

use super::failure;
use anyhow::Context;
use procession_process::{Cause, ExitStatus, Failure, Process};
use procession_testkit::hush;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<(String, f32)>,
    note: Option<String>,
}

fn double(order: Order) -> Order {
    Order {
        id: order.id * 2,
        ..order
    }
}

// PRC-005
pub(crate) fn arguments_arrive_and_the_result_comes_back() {
    let order = Order {
        id: 21,
        lines: vec![("tea".into(), 0.5); 3],
        note: None,
    };
    let process = Process::spawn(double, (order.clone(),)).unwrap();
    assert_eq!(process.join().unwrap(), Order { id: 42, ..order });
}

pub(crate) fn up_to_eight_arguments() {
    let join = |a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: char, h: String| {
        format!("{a}{b}{c}{d}{e}{f}{g}{h}")
    };
    let process = Process::spawn(join, (1, 2, 3, 4, 5, 6, '7', "8".into())).unwrap();
    assert_eq!(process.join().unwrap(), "12345678");
    assert_eq!(Process::spawn(|| 5_u8, ()).unwrap().join().unwrap(), 5);
}

pub(crate) fn large_arguments_and_results_do_not_wait_for_their_reader() {
    let words: Vec<u64> = (0..1 << 20).collect();
    let reversed = |mut words: Vec<u64>| {
        words.reverse();
        words
    };
    let process = Process::spawn(reversed, (words.clone(),)).unwrap();
    // The process ends although nobody has read its result.
    let status = process.wait_timeout(Duration::MAX).unwrap();
    assert_eq!(status, Some(ExitStatus::Code(0)));
    let expected: Vec<u64> = words.into_iter().rev().collect();
    assert!(process.join().unwrap() == expected);
}

/// How much memory this process has that it shares with nobody, and that others may have too, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
        number.parse::<u64>().unwrap()
    };
    (kib("RssAnon:") + kib("RssShmem:")) << 10
}

// PRC-084
pub(crate) fn a_large_argument_is_there_once_while_the_task_runs() {
    const LARGE: usize = 64 << 20;
    let task = |bytes: Vec<u8>| {
        assert!(bytes.len() == LARGE && bytes.iter().all(|&byte| byte == 7));
        // Neither the message nor a copy of it is kept beside the value.
        let resident = resident();
        assert!(resident < LARGE as u64 * 3 / 2, "{resident} bytes");
    };
    let bytes = vec![7; LARGE];
    Process::spawn(task, (bytes,)).unwrap().join().unwrap();
}

// PRC-016
pub(crate) fn a_panic_brings_its_message_and_place() {
    let fails = |x: u32| {
        hush();
        assert_eq!(x, 3, "x was {x}");
    };
    let process = Process::spawn(fails, (4,)).unwrap();
    let error = failure(process);
    let Cause::Call(Failure::Panicked(panic)) = error.cause() else {
        panic!("{error}")
    };
    assert!(panic.message().contains("x was 4"), "{panic}");
    assert!(panic.location().unwrap().contains("results.rs:"), "{panic}");
}

fn read_settings(path: String) -> anyhow::Result<String> {
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

pub(crate) fn an_anyhow_error_brings_its_chain() {
    let process = Process::spawn(read_settings, ("/nonexistent/settings".into(),)).unwrap();
    let error = failure(process);
    let Cause::Call(Failure::Failed(failed)) = error.cause() else {
        panic!("{error}")
    };
    let chain: Vec<&str> = failed.chain().collect();
    assert_eq!(chain[0], "cannot read /nonexistent/settings");
    assert!(chain[1].contains("No such file"), "{chain:?}");
    let text = format!("{:#}", anyhow::Error::from(error));
    let expected = "failed: cannot read /nonexistent/settings: No such file";
    assert!(text.contains(expected), "{text}");
}

pub(crate) fn a_typed_error_is_a_value() {
    let parse = |text: String| text.parse::<u8>().map_err(|error| error.to_string());
    let parsed = Process::spawn(parse, ("x".into(),)).unwrap().join();
    assert!(parsed.unwrap().unwrap_err().contains("invalid digit"));
}

pub(crate) fn any_value_round_trips() {
    let names = prop::collection::vec(".*", 0..5);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(8)
    };
    proptest!(config, |(id: u64, note: Option<String>, names in names)| {
        let lines = names.into_iter().map(|name| (name, 1.5)).collect();
        let order = Order { id, lines, note };
        let process = Process::spawn(|order: Order| order, (order.clone(),)).unwrap();
        prop_assert_eq!(process.join().unwrap(), order);
    });
}

/// An error with so many causes is copied, compared, sent and dropped without a frame of the stack for each.
pub(crate) fn an_error_of_many_causes_arrives_whole() {
    const CAUSES: usize = 5_000;
    let fail = || -> anyhow::Result<()> {
        let first = anyhow::anyhow!("the first");
        Err((0..CAUSES).fold(first, anyhow::Error::context))
    };
    let error = Process::spawn(fail, ()).unwrap().join().unwrap_err();
    let Cause::Call(Failure::Failed(error)) = error.cause() else {
        panic!("{error}")
    };
    assert_eq!(error.chain().count(), CAUSES + 1);
    // A thread with a small stack, which each of these would overflow if it went down link by link.
    let error = error.clone();
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let work = move || assert_eq!(error.clone(), error);
    small.spawn(work).unwrap().join().unwrap();
}

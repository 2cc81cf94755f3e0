//! What a task returns, and how it fails, comes back through `join`.

use anyhow::Context;
use procession_process::{Cause, ExitStatus, Process, ProcessError};
use procession_testkit::watchdog;
use proptest::prelude::*;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

procession_process::enable_in_tests!();

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
#[test]
fn arguments_arrive_and_the_result_comes_back() {
    let _watchdog = watchdog();
    let order = Order {
        id: 21,
        lines: vec![("tea".into(), 0.5); 3],
        note: None,
    };
    let process = Process::spawn(double, (order.clone(),)).unwrap();
    assert_eq!(process.join().unwrap(), Order { id: 42, ..order });
}

#[test]
fn up_to_eight_arguments() {
    let _watchdog = watchdog();
    let join = |a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: char, h: String| {
        format!("{a}{b}{c}{d}{e}{f}{g}{h}")
    };
    let process = Process::spawn(join, (1, 2, 3, 4, 5, 6, '7', "8".into())).unwrap();
    assert_eq!(process.join().unwrap(), "12345678");
    assert_eq!(Process::spawn(|| 5_u8, ()).unwrap().join().unwrap(), 5);
}

#[test]
fn large_arguments_and_results_do_not_wait_for_their_reader() {
    let _watchdog = watchdog();
    let words: Vec<u64> = (0..1 << 20).collect();
    let reversed = |mut words: Vec<u64>| {
        words.reverse();
        words
    };
    let process = Process::spawn(reversed, (words.clone(),)).unwrap();
    // The process ends although nobody has read its result.
    while process
        .wait_timeout(Duration::from_secs(1))
        .unwrap()
        .is_none()
    {}
    assert_eq!(process.exit_status(), Some(ExitStatus::Code(0)));
    assert_eq!(
        process.join().unwrap(),
        words.into_iter().rev().collect::<Vec<_>>()
    );
}

// PRC-016
#[test]
fn a_panic_brings_its_message_and_place() {
    let _watchdog = watchdog();
    let process = Process::spawn(|x: u32| assert_eq!(x, 3, "x was {x}"), (4,)).unwrap();
    let error = process.join().unwrap_err();
    let Cause::Panicked(panic) = error.cause() else {
        panic!("{error}")
    };
    assert!(panic.message().contains("x was 4"), "{panic}");
    assert!(panic.location().unwrap().contains("results.rs:"), "{panic}");
}

#[test]
fn a_panic_in_another_thread_of_the_child_is_that_threads_affair() {
    let _watchdog = watchdog();
    let joined = Process::spawn(
        || std::thread::spawn(|| panic!("there")).join().is_err(),
        (),
    );
    assert!(joined.unwrap().join().unwrap());
}

fn read_settings(path: String) -> anyhow::Result<String> {
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

#[test]
fn an_anyhow_error_brings_its_chain() {
    let _watchdog = watchdog();
    let process = Process::spawn(read_settings, ("/nonexistent/settings".into(),)).unwrap();
    let error = process.join().unwrap_err();
    let Cause::Failed(failed) = error.cause() else {
        panic!("{error}")
    };
    let chain: Vec<&str> = failed.chain().collect();
    assert_eq!(chain[0], "cannot read /nonexistent/settings");
    assert!(chain[1].contains("No such file"), "{chain:?}");
    let text = format!("{:#}", anyhow::Error::from(error));
    assert!(
        text.contains("failed: cannot read /nonexistent/settings: No such file"),
        "{text}"
    );
}

#[test]
fn a_typed_error_is_a_value() {
    let _watchdog = watchdog();
    let parse = |text: String| text.parse::<u8>().map_err(|error| error.to_string());
    let process = Process::spawn(parse, ("x".into(),)).unwrap();
    assert!(
        process
            .join()
            .unwrap()
            .unwrap_err()
            .contains("invalid digit")
    );
}

#[derive(Debug, Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this"))
    }
}

#[test]
fn a_result_that_cannot_be_encoded_is_an_error_of_that_process() {
    let _watchdog = watchdog();
    let error = Process::spawn(|| Stubborn, ()).unwrap().join().unwrap_err();
    assert!(
        matches!(error.cause(), Cause::ResultNotEncoded(_)),
        "{error}"
    );
}

#[derive(Debug, Serialize)]
struct OneWay(u8);

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("one way only"))
    }
}

#[test]
fn a_result_that_cannot_be_decoded_is_an_error_of_that_process() {
    let _watchdog = watchdog();
    let error = Process::spawn(|| OneWay(1), ())
        .unwrap()
        .join()
        .unwrap_err();
    assert!(
        matches!(error.cause(), Cause::ResultNotDecoded(_)),
        "{error}"
    );
}

#[test]
fn arguments_that_cannot_be_encoded_start_nothing() {
    let _watchdog = watchdog();
    let refused = Process::spawn(|_: Stubborn| (), (Stubborn,)).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the arguments cannot be sent"),
        "{refused}"
    );
}

#[test]
fn arguments_that_cannot_be_decoded_are_an_error_of_that_process() {
    let _watchdog = watchdog();
    let error = Process::spawn(|_: OneWay| (), (OneWay(1),))
        .unwrap()
        .join()
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::Arguments(_)), "{error}");
}

#[test]
fn a_result_is_given_once() {
    let _watchdog = watchdog();
    let mut process = Process::spawn(|| 7, ()).unwrap();
    let taken: Result<Option<i32>, ProcessError> = process.join_timeout(Duration::from_mins(1));
    assert_eq!(taken.unwrap(), Some(7));
    let again = process.join_timeout(Duration::ZERO).unwrap_err();
    assert!(matches!(again.cause(), Cause::JoinedBefore));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_value_round_trips(id: u64, note: Option<String>, names in prop::collection::vec(".*", 0..5)) {
        let lines = names.into_iter().map(|name| (name, 1.5)).collect();
        let order = Order { id, lines, note };
        let process = Process::spawn(|order: Order| order, (order.clone(),)).unwrap();
        prop_assert_eq!(process.join().unwrap(), order);
    }
}

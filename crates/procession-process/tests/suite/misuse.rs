//! Values that cannot be sent, and setups that fail.

use super::failure;
use procession_process::{Cause, Failure, Process, active_children, inherit};
use procession_testkit::hush;
use serde::{Deserialize, Serialize, Serializer};

#[derive(Debug, Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this"))
    }
}

pub(crate) fn a_result_that_cannot_be_encoded_is_an_error_of_that_process() {
    let error = failure(Process::spawn(|| Stubborn, ()).unwrap());
    let cause = error.cause();
    assert!(matches!(cause, Cause::Call(Failure::Result(_))), "{error}");
}

#[derive(Debug, Serialize)]
struct OneWay(u8);

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("one way only"))
    }
}

pub(crate) fn a_result_that_cannot_be_decoded_is_an_error_of_that_process() {
    let error = failure(Process::spawn(|| OneWay(1), ()).unwrap());
    let cause = error.cause();
    assert!(matches!(cause, Cause::ResultNotDecoded(_)), "{error}");
}

pub(crate) fn arguments_that_cannot_be_encoded_start_nothing() {
    super::alone(|| {
        let refused = Process::spawn(|_: Stubborn| (), (Stubborn,)).unwrap_err();
        let words = refused.to_string();
        assert!(words.starts_with("the arguments cannot be sent"), "{words}");
        assert!(active_children().is_empty());
    });
}

pub(crate) fn arguments_that_cannot_be_decoded_are_an_error_of_that_process() {
    let error = failure(Process::spawn(|_: OneWay| (), (OneWay(1),)).unwrap());
    assert!(
        matches!(error.cause(), Cause::Call(Failure::Arguments(_))),
        "{error}"
    );
}

fn fail(words: String) {
    hush();
    panic!("{words}");
}

pub(crate) fn a_setup_that_fails_is_an_error_of_that_process() {
    super::alone(|| {
        inherit(fail, "in the setup".to_owned()).unwrap();
        let error = failure(Process::spawn(|| 7, ()).unwrap());
        let Cause::Call(Failure::Panicked(panic)) = error.cause() else {
            panic!("{error}")
        };
        assert_eq!(panic.message(), "in the setup");
    });
}

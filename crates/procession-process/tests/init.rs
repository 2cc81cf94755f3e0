//! A program that does not call `init` is told to; this one does not.

use procession_process::{Process, StartError};
use procession_testkit::watchdog;

// PRC-023
#[test]
fn starting_before_init_says_what_to_add() {
    let _watchdog = watchdog();
    let refused = Process::spawn(|| (), ()).unwrap_err();
    assert!(matches!(refused, StartError::NotInitialised));
    let text = refused.to_string();
    assert!(text.contains("procession::init()"), "{text}");
    assert!(text.contains("enable_in_tests!"), "{text}");
}

//! The suite, with children that are the executable started afresh.

#![expect(
    clippy::exit,
    clippy::unwrap_used,
    reason = "a case is a test that its program makes one; tasks stand in their cases, and may end their process"
)]

mod suite;

use procession_process::{StartMethod, current_process, parent_process, set_start_method};
use procession_testkit::watchdog;

procession_process::enable_in_tests!();

suite::suite!(Spawn);

fn run(case: fn()) {
    let _watchdog = watchdog();
    suite::hear_interrupts();
    set_start_method(StartMethod::Spawn);
    case();
}

// PRC-001
#[test]
fn the_first_process_knows_that_nobody_started_it() {
    let _watchdog = watchdog();
    let me = current_process();
    assert_eq!((me.name(), me.pid()), ("MainProcess", std::process::id()));
    assert!(!me.is_daemon() && !me.is_detached());
    assert_eq!((me.start_method(), me.parent_pid()), (None, None));
    assert!(parent_process().is_none());
}

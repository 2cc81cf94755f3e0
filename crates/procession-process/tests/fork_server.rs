//! The suite, with children that come from a fork server.

#![expect(
    clippy::exit,
    clippy::unwrap_used,
    reason = "a case is a test that its program makes one; tasks stand in their cases, and may end their process"
)]

mod suite;

use procession_process::{StartMethod, set_start_method};
use procession_testkit::watchdog;

procession_process::enable_in_tests!();

suite::suite!(ForkServer);

fn run(case: fn()) {
    let _watchdog = watchdog();
    suite::hear_interrupts();
    set_start_method(StartMethod::ForkServer);
    case();
}

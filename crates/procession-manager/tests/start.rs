//! A server that ends before it has served anybody.

use procession_manager::{Manager, ManagerError};
use procession_process::{Cause, ExitStatus, active_children, inherit};
use procession_testkit::watchdog;

procession_process::enable_in_tests!();

#[expect(clippy::exit, reason = "a server that cannot start is what is tested")]
fn give_up((): ()) {
    std::process::exit(3);
}

#[test]
fn it_is_reported_and_not_waited_for() {
    let _watchdog = watchdog();
    // Every process that is started from now on gives up at once.
    inherit(give_up, ()).unwrap();
    let error = Manager::start().unwrap_err();
    let ManagerError::Server(error) = error else {
        panic!("{error}")
    };
    assert!(
        matches!(error.cause(), Cause::Ended(ExitStatus::Code(3))),
        "{error}"
    );
    assert!(active_children().is_empty());
}

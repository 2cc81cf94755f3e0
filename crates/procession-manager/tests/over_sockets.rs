//! The suite, with clients whose calls go over sockets.

mod suite;

use procession_manager::{Manager, ManagerBuilder};

procession_process::enable_in_tests!();

fn builder() -> ManagerBuilder {
    Manager::builder().without_rings()
}

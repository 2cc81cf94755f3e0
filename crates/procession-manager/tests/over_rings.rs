//! The suite, with clients whose calls go through shared memory from the first one on.

mod suite;

use procession_manager::{Manager, ManagerBuilder};

procession_process::enable_in_tests!();

fn builder() -> ManagerBuilder {
    Manager::builder().rings(4096)
}

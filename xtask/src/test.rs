//! `cargo xtask test`: the unit, integration and documentation tests of the workspace.

use crate::workspace::{cargo, status_of};

/// Runs every test; the status is that of `cargo test`.
///
/// One call, because cargo would build the crates again for `--doc` alone. Benchmarks are not in
/// it: what cargo would do with them is to run each once, which tests nothing.
pub(crate) fn run() -> anyhow::Result<u8> {
    status_of(cargo(&["test", "--workspace"]))
}

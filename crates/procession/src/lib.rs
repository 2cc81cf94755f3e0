//! Multiprocessing for Rust.
#![forbid(unsafe_code)]

pub use procession_log::builder as logging;
pub use procession_macros::{main, shared};
pub use procession_manager as manager;
pub use procession_pipe::{Connection, NamedPipe, Pipe, PipeReader, PipeWriter, pipe};
pub use procession_pool::Pool;
pub use procession_process::{Process, current_process, enable_in_tests, init};
pub use procession_shm::{Array, Value};
pub use procession_sync::Lock;

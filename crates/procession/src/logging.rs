//! One log for all processes: what there is beside [`logging()`](crate::logging()), which installs it.
//!
//! The documentation of [`procession_log`] is the guide.
//!
//! ```
//! use procession::{Process, logging};
//!
//! #[procession::main]
//! fn main() -> anyhow::Result<()> {
//!     logging().stderr().filter("warn, my_app=info").install()?;
//!     // In all processes, from any of them.
//!     Process::spawn(|| logging::set_filter("debug"), ())?.join()??;
//!     assert_eq!(logging::filter().as_deref(), Some("debug"));
//!     Ok(())
//! }
//! ```

pub use procession_log::{
    Builder, DEFAULT_FORMAT, FilterError, FormatError, LogError, filter, flush, lost, set_filter,
};

//! The server's side.
//!
//! - [`home`]: the server process itself: what it hosts and for whom;
//! - `table`: the objects and who holds them;
//! - `session`: one client process;
//! - [`caller`]: on whose behalf a thread works;
//! - `accept`, `admit`, `serve`: taking connections, admitting clients, doing what they ask;
//! - [`names`]: what is registered under names;
//! - [`visitors`]: the listener for programs with another executable;
//! - `undertaker`: dropping objects that nobody holds;
//! - [`task`]: what the process runs.

mod accept;
mod admit;
pub(crate) mod caller;
pub(crate) mod home;
pub(crate) mod names;
mod serve;
pub(crate) mod session;
mod table;
pub(crate) mod task;
mod undertaker;
pub(crate) mod visitors;

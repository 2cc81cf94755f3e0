//! The client's side: one endpoint for each server that this process talks to.
//!
//! - [`endpoint`]: the presence of this process at a server, and its idle connections;
//! - `registry`: finding the endpoint of an address;
//! - `connect`: opening a connection.

mod connect;
pub(crate) mod endpoint;
mod registry;

pub(crate) use connect::connect;
pub(crate) use registry::{endpoint_at, own_endpoint};

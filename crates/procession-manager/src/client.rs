//! The client's side: one endpoint for each server that this process talks to.
//!
//! - [`endpoint`]: the presence of this process at a server, and its idle connections;
//! - `registry`: finding the endpoint of an address;
//! - `connect`: opening a connection;
//! - `server`: waiting for the server, and noticing its end.

pub(crate) mod connect;
pub(crate) mod endpoint;
mod registry;
mod server;

pub(crate) use registry::{endpoint_at, own_endpoint};

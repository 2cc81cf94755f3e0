//! Everything in a manager whose clients go over sockets.

manager!(procession::Manager::builder().without_rings());

#[path = "dict.rs"]
mod dict;

#[path = "sync.rs"]
mod sync;

#[path = "queue.rs"]
mod queue;

//! Everything in a manager whose clients go over rings in shared memory.

manager!(procession::Manager::builder().rings(4096));

#[path = "dict.rs"]
mod dict;

#[path = "sync.rs"]
mod sync;

#[path = "queue.rs"]
mod queue;

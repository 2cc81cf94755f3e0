//! What is measured. Each row does the same work as the Python program of its name.

use crate::dicts::{dict_get, dict_set};
use crate::large::{
    pipe_large, pipe_stream_floats, pipe_stream_numbers, pipe_stream_typed, process_argument,
    process_result, queue_large, queue_many, queue_stream_large, rings_stream_typed, socket_large,
};
use crate::logs::{log_file, log_forwarded, log_unwanted};
use crate::made::{
    lock_memory, made_array, made_event, made_large_array, made_lock, made_value, semaphore_memory,
};
use crate::managers::{manager_append, manager_batch, manager_clients, manager_start};
use crate::memory::{array_set, lock_contended, lock_pair, value_contended};
use crate::pipes::{pipe_echo, pipe_stream, rings_echo};
use crate::pools::{
    pool_apply, pool_argument, pool_imap_unordered, pool_made, pool_map, pool_map_singly,
    pool_result, pool_submit,
};
use crate::queues::{queue_echo, queue_stream};
use crate::starts::{start_fork, start_fork_server, start_spawn};
use anyhow::Result;

/// A row of the table.
pub(crate) struct Row {
    /// What is done.
    pub(crate) name: &'static str,
    /// Does it and returns the nanoseconds of one operation.
    pub(crate) ours: fn() -> Result<f64>,
    /// The Python program that does it and prints the same.
    pub(crate) python: &'static str,
    /// What that is told.
    pub(crate) args: &'static [&'static str],
}

macro_rules! row {
    ($name:literal, $ours:ident) => {
        row!($name, $ours, $ours)
    };
    ($name:literal, $ours:ident, $python:ident) => {
        Row {
            name: $name,
            ours: $ours,
            python: include_str!(concat!("../python/", stringify!($python), ".py")),
            args: &[],
        }
    };
}

/// A row of so many clients of a manager at once.
macro_rules! clients {
    ($count:literal) => {
        Row {
            name: concat!("Manager, a call, clients at once: ", $count),
            ours: manager_clients::<$count>,
            python: include_str!("../python/manager_clients.py"),
            args: &[stringify!($count)],
        }
    };
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    row!("Queue, one producer, one consumer, 64 B", queue_stream),
    row!("Queue, 64 B there and back", queue_echo),
    row!("Lock, uncontended pair", lock_pair),
    row!("Lock, 2 processes contending", lock_contended),
    row!("Value += 1 under its lock, 2 processes", value_contended),
    row!("Array, set an element", array_set),
    row!("Dict in shared memory, get of 64 B", dict_get),
    row!("Dict in shared memory, set of 64 B", dict_set),
    row!("Log record, to the file", log_file, log_queue),
    row!(
        "Log record, to the parent's logger",
        log_forwarded,
        log_queue
    ),
    row!("Log record below the level", log_unwanted),
    row!("Lock, made and dropped", made_lock),
    row!("Event, made and dropped", made_event),
    row!("Value, made and dropped", made_value),
    row!("Array of 1 KiB, made and dropped", made_array),
    row!("Array of 1 MiB, made and dropped", made_large_array),
    row!("Lock, bytes of memory", lock_memory),
    row!("Semaphore, bytes of memory", semaphore_memory),
    row!("Manager, started and ended", manager_start),
    row!("Manager, list append", manager_append),
    row!(
        "Manager, list append, 1,000 in one trip, a call",
        manager_batch,
        manager_append
    ),
    clients!(1),
    clients!(4),
    clients!(16),
    clients!(64),
    clients!(256),
    row!("Pipe, 64 B there and back", pipe_echo),
    row!(
        "Pipe over rings, 64 B there and back",
        rings_echo,
        pipe_echo
    ),
    row!("Pipe, 1 MiB message of a stream", pipe_stream),
    row!("Pipe, 1 MiB Vec<u8> of a stream", pipe_stream_typed),
    row!(
        "Pipe over rings, 1 MiB Vec<u8> of a stream",
        rings_stream_typed,
        pipe_stream_typed
    ),
    row!("Pipe, 1 MiB Vec<f64> of a stream", pipe_stream_floats),
    row!(
        "Pipe, 1 MiB Vec<u64> of a stream",
        pipe_stream_numbers,
        pipe_stream_floats
    ),
    row!("Queue, 1 MiB Vec<u8> of a stream", queue_stream_large),
    row!("Queue, 100 items put and got at once, an item", queue_many),
    row!("Socket, 64 MiB into fresh pages", socket_large),
    row!("Pipe, 64 MiB Vec<u8>", pipe_large, socket_large),
    row!("Queue, 64 MiB Vec<u8>", queue_large),
    row!("Process, 64 MiB Vec<u8> as argument", process_argument),
    row!("Process, 64 MiB Vec<u8> as result", process_result),
    row!("Pool.map, an item", pool_map),
    row!("Pool.map, chunks of one, an item", pool_map_singly),
    row!("Pool.imap_unordered, an item", pool_imap_unordered),
    row!("Pool.apply, there and back", pool_apply),
    row!(
        "Pool.apply_async, all then all results, a call",
        pool_submit
    ),
    row!("Pool of 4, made and dropped", pool_made),
    row!("Pool, 64 MiB Vec<u8> as argument", pool_argument),
    row!("Pool, 64 MiB Vec<u8> as result", pool_result),
    row!("Start + join, fork server", start_fork_server),
    row!("Start + join, spawn", start_spawn),
    row!("Start + join, fork", start_fork),
];

//! What is measured. Each row does the same work as the Python program of its name.

use crate::memory::{array_set, lock_contended, lock_pair, value_contended};
use crate::pipes::{pipe_echo, pipe_stream, rings_echo};
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
    row!("Pipe, 64 B there and back", pipe_echo),
    row!(
        "Pipe over rings, 64 B there and back",
        rings_echo,
        pipe_echo
    ),
    row!("Pipe, 1 MiB message of a stream", pipe_stream),
    row!("Start + join, fork server", start_fork_server),
    row!("Start + join, spawn", start_spawn),
    row!("Start + join, fork", start_fork),
];

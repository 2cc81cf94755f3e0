//! Connections: small messages there and back, large ones in a stream.

use crate::timed::timed;
use anyhow::Result;
use procession_pipe::{Connection, Pipe};
use procession_process::Process;
use std::hint::black_box;

type End = Connection<Vec<u8>, Vec<u8>>;

pub(crate) fn pipe_echo() -> Result<f64> {
    echo_over(Pipe::duplex()?)
}

pub(crate) fn rings_echo() -> Result<f64> {
    echo_over(Pipe::builder().rings(64 << 10).duplex()?)
}

fn echo_over((here, there): (End, End)) -> Result<f64> {
    const TRIPS: u32 = 20_000;
    let echo =
        |end: End| -> Result<()> { (0..=TRIPS).try_for_each(|_| Ok(end.send(&end.recv()?)?)) };
    let process = Process::spawn(echo, (there,))?;
    let item = vec![7; 64];
    let trip = || -> Result<()> {
        here.send(&item)?;
        black_box(here.recv()?);
        Ok(())
    };
    trip()?;
    let cost = timed(TRIPS, || (0..TRIPS).try_for_each(|_| trip()));
    process.join()?;
    cost
}

pub(crate) fn pipe_stream() -> Result<f64> {
    const MESSAGES: u32 = 1_000;
    const LEN: usize = 1 << 20;
    let produce = |end: Connection<(), ()>| -> Result<()> {
        let message = vec![7; LEN];
        (0..=MESSAGES).try_for_each(|_| Ok(end.send_bytes(&message)?))
    };
    let (here, there) = Pipe::duplex()?;
    let producer = Process::spawn(produce, (there,))?;
    black_box(here.recv_bytes()?);
    let cost = timed(MESSAGES, || {
        for _ in 0..MESSAGES {
            black_box(here.recv_bytes()?);
        }
        Ok(())
    });
    producer.join()?;
    cost
}

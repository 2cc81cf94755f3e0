//! Large values, and many at once.

use crate::timed::timed;
use anyhow::Result;
use procession_pipe::{Connection, Pipe};
use procession_process::Process;
use procession_queue::Queue;
use procession_wire::Fd;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

const MIB: usize = 1 << 20;
const LARGE: usize = 64 * MIB;
const FEW: u32 = 8;

/// A stream of `$count` messages over connections, the first of which is not counted.
macro_rules! stream {
    ($name:ident, $pipe:expr, $ty:ty, $item:expr, $count:expr) => {
        pub(crate) fn $name() -> Result<f64> {
            let produce = |end: Connection<$ty, $ty>| -> Result<()> {
                let message: $ty = $item;
                (0..=$count).try_for_each(|_| Ok(end.send(&message)?))
            };
            let (here, there) = $pipe;
            let producer = Process::spawn(produce, (there,))?;
            black_box(here.recv()?);
            let cost = timed($count, || {
                (0..$count).try_for_each(|_| {
                    black_box(here.recv()?);
                    Ok(())
                })
            });
            producer.join()?;
            cost
        }
    };
}

stream!(
    pipe_stream_typed,
    Pipe::duplex()?,
    Vec<u8>,
    vec![7; MIB],
    500
);
stream!(
    pipe_stream_floats,
    Pipe::duplex()?,
    Vec<f64>,
    vec![7.5; MIB / 8],
    500
);
stream!(
    pipe_stream_numbers,
    Pipe::duplex()?,
    Vec<u64>,
    vec![7_000_000_000; MIB / 8],
    500
);
stream!(
    rings_stream_typed,
    Pipe::builder().rings(8 * MIB).duplex()?,
    Vec<u8>,
    vec![7; MIB],
    500
);
stream!(pipe_large, Pipe::duplex()?, Vec<u8>, vec![7; LARGE], FEW);

pub(crate) fn queue_stream_large() -> Result<f64> {
    queue_stream(MIB, 500, 8)
}

pub(crate) fn queue_large() -> Result<f64> {
    queue_stream(LARGE, FEW, 2)
}

fn queue_stream(len: usize, items: u32, capacity: usize) -> Result<f64> {
    let produce = |queue: Queue<Vec<u8>>, len: usize, items: u32| -> Result<()> {
        let item = vec![7; len];
        (0..=items).try_for_each(|_| Ok(queue.put(&item)?))
    };
    let queue = Queue::bounded(capacity)?;
    let producer = Process::spawn(produce, (queue.clone(), len, items))?;
    black_box(queue.get()?);
    let cost = timed(items, || {
        (0..items).try_for_each(|_| {
            black_box(queue.get()?);
            Ok(())
        })
    });
    producer.join()?;
    cost
}

/// What the kernel takes for 64 MiB, with memory that is written for the first time.
pub(crate) fn socket_large() -> Result<f64> {
    let produce = |end: Fd| -> Result<()> {
        let mut end = UnixStream::from(end.0);
        let message = vec![7; LARGE];
        (0..=FEW).try_for_each(|_| Ok(end.write_all(&message)?))
    };
    let (mut here, there) = UnixStream::pair()?;
    let producer = Process::spawn(produce, (Fd(there.into()),))?;
    let mut receive = || -> Result<()> {
        let mut message = vec![0; LARGE];
        here.read_exact(&mut message)?;
        black_box(message);
        Ok(())
    };
    receive()?;
    let cost = timed(FEW, || (0..FEW).try_for_each(|_| receive()));
    producer.join()?;
    cost
}

pub(crate) fn process_argument() -> Result<f64> {
    let take = |message: Vec<u8>| message.len();
    let start = |message: Vec<u8>| -> Result<()> {
        black_box(Process::spawn(take, (message,))?.join()?);
        Ok(())
    };
    start(vec![7; LARGE])?;
    // To make what is given away is not a part of it.
    let messages: Vec<_> = (0..FEW).map(|_| vec![7; LARGE]).collect();
    timed(FEW, || messages.into_iter().try_for_each(start))
}

pub(crate) fn process_result() -> Result<f64> {
    let start = || -> Result<()> {
        black_box(Process::spawn(|| vec![7_u8; LARGE], ())?.join()?);
        Ok(())
    };
    start()?;
    timed(FEW, || (0..FEW).try_for_each(|_| start()))
}

/// One item of a hundred that are put together and got together.
pub(crate) fn queue_many() -> Result<f64> {
    const ROUNDS: u32 = 2_000;
    const MANY: u32 = 100;
    let queue = Queue::new()?;
    let items = [[7_u64; 8]; MANY as usize];
    timed(ROUNDS * MANY, || {
        (0..ROUNDS).try_for_each(|_| {
            queue.put_many(&items)?;
            black_box(queue.get_many(MANY as usize)?);
            Ok(())
        })
    })
}

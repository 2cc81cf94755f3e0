//! Connections whose descriptors tokio watches.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use procession_pipe::{Connection, Pipe, RecvError, SendError};
use procession_process::Process;
use procession_testkit::{kill9, watchdog};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

procession_process::enable_in_tests!();

type End = Connection<Vec<u8>, Vec<u8>>;

/// One thread, which no task may keep to itself.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time().build().unwrap()
}

/// A connection over rings, and one over the socket alone.
fn both() -> [(End, End); 2] {
    [
        Pipe::builder().rings(4096).duplex().unwrap(),
        Pipe::duplex().unwrap(),
    ]
}

/// A connection in an event loop.
struct Watched<'a> {
    end: &'a End,
    fd: AsyncFd<BorrowedFd<'a>>,
}

impl<'a> Watched<'a> {
    fn new(end: &'a End) -> Self {
        #[expect(
            deprecated,
            reason = "the newer one is unsafe, for descriptors that are closed meanwhile"
        )]
        let fd = AsyncFd::new(end.as_fd()).unwrap();
        Self { end, fd }
    }

    async fn recv(&self) -> Result<Vec<u8>, RecvError> {
        loop {
            // First: what comes from here on wakes this task.
            if !self.end.arm().unwrap() {
                self.fd.readable().await.unwrap().clear_ready();
            }
            if let Some(value) = self.end.try_recv()? {
                return Ok(value);
            }
        }
    }
}

/// Sends back what comes, until the end.
fn echo(end: End) {
    while let Ok(value) = end.recv() {
        end.send(&value).unwrap();
    }
}

/// The `number`-th message: some are longer than the ring.
fn message(number: usize) -> Vec<u8> {
    vec![number as u8; [0, 64, 3000, 30_000][number % 4]]
}

// CON-038
#[test]
fn tokio_serves_many_connections_in_one_thread() {
    const LINKS: usize = 2;
    let _watchdog = watchdog();
    let ends = (0..LINKS).flat_map(|_| both());
    let started = ends.map(|(here, there)| (here, Process::spawn(echo, (there,)).unwrap()));
    let (ends, children): (Vec<End>, Vec<_>) = started.unzip();
    let talk = async |end: &End| {
        let watched = Watched::new(end);
        for number in 0..200 {
            end.send(&message(number)).unwrap();
            assert_eq!(watched.recv().await.unwrap(), message(number));
        }
    };
    runtime().block_on(async {
        let [first, second, third, fourth] = ends.first_chunk().unwrap().each_ref().map(talk);
        tokio::join!(first, second, third, fourth);
    });
    drop(ends);
    for child in children {
        child.join().unwrap();
    }
}

// CON-038
#[test]
fn tokio_is_told_of_the_other_sides_death() {
    let _watchdog = watchdog();
    for (here, there) in both() {
        let child = Process::spawn(echo, (there,)).unwrap();
        let ended = runtime().block_on(async {
            let watched = Watched::new(&here);
            here.send(&message(1)).unwrap();
            assert_eq!(watched.recv().await.unwrap(), message(1));
            let waiting = watched.recv();
            let killing = async {
                // The other task sleeps by then.
                sleep(Duration::from_millis(20)).await;
                kill9(child.pid());
            };
            tokio::join!(waiting, killing).0
        });
        assert!(matches!(ended, Err(RecvError::Closed)), "{ended:?}");
        child.join().unwrap_err();
    }
}

// CON-038
#[test]
fn a_message_that_stops_in_the_middle_keeps_no_event_loop_from_its_other_tasks() {
    let _watchdog = watchdog();
    for (here, there) in both() {
        // More than a socket takes without a reader.
        let long = vec![7; 4 << 20];
        let begun = there.send_timeout(&long, Duration::from_millis(10));
        assert!(matches!(begun, Err(SendError::Unfinished(_))), "{begun:?}");
        let received = runtime().block_on(async {
            let watched = Watched::new(&here);
            let moment = Duration::from_millis(50);
            // As much as there is.
            assert!(timeout(moment, watched.recv()).await.is_err());
            // Nothing has come since.
            assert!(timeout(moment, watched.recv()).await.is_err());
            let rest = thread::spawn(move || there.flush(Duration::MAX));
            let received = watched.recv().await;
            rest.join().unwrap().unwrap();
            received
        });
        assert_eq!(received.unwrap(), long);
    }
}

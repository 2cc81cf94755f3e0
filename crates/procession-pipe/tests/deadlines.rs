//! Timeouts of no time at all, and of more than any clock counts.

use procession_pipe::{Connection, Pipe, RecvError, RecvIntoError, SendError, wait};
use procession_testkit::watchdog;
use std::thread;
use std::time::Duration;

/// Beyond what the clock, `poll` in one go, or nanoseconds in 64 bits can count.
const LONG: [Duration; 5] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX),
    Duration::from_secs(i64::MAX.unsigned_abs()),
    Duration::from_secs(1 << 40),
    Duration::from_secs(1 << 22),
];

type Bytes = Connection<(), ()>;

/// Blocks with `wait` until the other thread has sent.
fn blocked<R>(long: Duration, wait: impl FnOnce(&Bytes, Duration) -> R) -> R {
    let (here, there): (Bytes, Bytes) = Pipe::duplex().expect("a pair of sockets");
    thread::scope(|scope| {
        scope.spawn(move || there.send(&()).expect("there is room"));
        wait(&here, long)
    })
}

#[test]
fn a_very_long_timeout_ends_when_something_comes() {
    let _watchdog = watchdog();
    for long in LONG {
        blocked(long, |end, long| end.recv_timeout(long).unwrap());
        assert!(blocked(long, |end, long| end.poll(long).unwrap()));
        let ready = blocked(long, |end, long| wait(&[end], long).unwrap());
        assert_eq!(ready, [0], "{long:?}");
        let mut buf = [0; 64];
        let len = blocked(long, |end, long| end.recv_into_timeout(&mut buf, long));
        assert_eq!(len.unwrap(), 11, "{long:?}");
    }
}

#[test]
fn a_very_long_timeout_ends_when_there_is_room() {
    let _watchdog = watchdog();
    let message = vec![7; 3 << 20];
    for long in LONG {
        let (here, there): (Bytes, Bytes) = Pipe::duplex().unwrap();
        thread::scope(|scope| {
            let received = scope.spawn(move || there.recv_bytes().unwrap());
            here.send_bytes_timeout(&message, long).unwrap();
            assert!(received.join().unwrap() == message, "{long:?}");
        });
    }
}

/// One thread has its turn for as long as nothing comes; another one waits for that.
#[test]
fn a_very_long_timeout_holds_while_another_thread_receives() {
    let _watchdog = watchdog();
    for long in LONG {
        let (here, there): (Bytes, Bytes) = Pipe::duplex().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| here.recv_timeout(long).unwrap());
            scope.spawn(|| here.recv_timeout(long).unwrap());
            there.send(&()).unwrap();
            there.send(&()).unwrap();
        });
    }
}

#[test]
fn no_time_is_enough_for_what_needs_none() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<u8, u8>().unwrap();
    let (now, mut buf) = (Duration::ZERO, [0; 8]);
    assert!(!here.poll(now).unwrap());
    assert!(matches!(here.recv_timeout(now), Err(RecvError::TimedOut)));
    let late = here.recv_bytes_timeout(now);
    assert!(matches!(late, Err(RecvError::TimedOut)));
    let late = here.recv_into_timeout(&mut buf, now);
    assert!(matches!(
        late,
        Err(RecvIntoError::Recv(RecvError::TimedOut))
    ));

    there.flush(now).unwrap();
    there.send_timeout(&7, now).unwrap();
    there.send_bytes_timeout(b"plain", now).unwrap();
    assert_eq!(here.recv_timeout(now).unwrap(), 7);
    assert_eq!(here.recv_into_timeout(&mut buf, now).unwrap(), 5);

    let long = vec![7; 3 << 20];
    let sent = there.send_bytes_timeout(&long, now);
    assert!(matches!(sent, Err(SendError::Unfinished(_))));
    assert!(matches!(there.flush(now), Err(SendError::TimedOut)));
    let late = here.recv_bytes_timeout(now);
    assert!(matches!(late, Err(RecvError::TimedOut)));
}

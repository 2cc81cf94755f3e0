//! Connections whose messages go through shared memory.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_os::robust::RobustMutex;
use procession_pipe::{
    Connection, Pipe, PipeReader, RecvError, SendError, Sender, Waitable, pipe, wait,
};
use procession_process::{Process, StartMethod};
use procession_testkit::{eventually, kill9, watchdog};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

const CAPACITY: usize = 4096;

fn duplex<S, R>() -> (Connection<S, R>, Connection<R, S>) {
    Pipe::builder().rings(CAPACITY).duplex().unwrap()
}

/// A number, as many of it as the number says, and a descriptor from time to time.
type Parcel = (u32, Vec<u32>, Option<PipeReader>);

/// Lengths that fit into a ring, that fit alone, that go beside it, that do not fit into a socket.
fn parcel(number: u32) -> Parcel {
    let len = [0, 3, 200, 250, 300, 1000, 30_000][number as usize % 7];
    let reader = number.is_multiple_of(5).then(|| pipe().unwrap().0);
    (number, vec![number; len], reader)
}

fn check((number, body, reader): Parcel, expected: u32) {
    assert_eq!(number, expected);
    assert!(body == parcel(number).1);
    assert_eq!(reader.is_some(), number.is_multiple_of(5));
}

// CON-001
#[test]
fn the_order_is_kept_whichever_way_a_message_goes() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<Parcel, Parcel>();
    let echo = |there: Connection<Parcel, Parcel>| {
        for number in 0..350 {
            let parcel = there.recv().unwrap();
            check(parcel, number);
            there.send(&self::parcel(number)).unwrap();
        }
    };
    let child = Process::spawn(echo, (there,)).unwrap();
    let here = &here;
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..350 {
                here.send(&parcel(number)).unwrap();
            }
        });
        for number in 0..350 {
            check(here.recv().unwrap(), number);
        }
    });
    child.join().unwrap();
    assert!(matches!(here.recv(), Err(RecvError::Closed)));
}

#[test]
fn a_connection_is_handed_on_with_what_is_in_it() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let (here, there) = duplex::<u32, Vec<u32>>();
        for number in 0..50 {
            here.send(&number).unwrap();
        }
        assert_eq!(there.recv().unwrap(), 0);
        let gather = |there: Connection<Vec<u32>, u32>| {
            let numbers = (1..50).map(|_| there.recv().unwrap()).collect();
            there.send(&numbers).unwrap();
        };
        let start = Process::builder().start_method(method);
        let child = start.spawn(gather, (there,)).unwrap();
        assert_eq!(here.recv().unwrap(), (1..50).collect::<Vec<_>>());
        child.join().unwrap();
    }
}

type Gathering = (Connection<(), u32>, Sender<Vec<u32>>);

/// Receives until it is told that this was all, and says what came.
fn gather((there, to): Gathering) {
    let numbers = there.iter().map(Result::unwrap);
    let numbers = numbers.take_while(|number| *number != u32::MAX).collect();
    to.send(&numbers).unwrap();
}

/// Gathers together with a child, which gets the same ends.
fn gather_together(there: Connection<(), u32>, to: Sender<Vec<u32>>) {
    let (link, other) = Pipe::duplex::<Gathering, ()>().unwrap();
    let child = |other: Connection<(), Gathering>| gather(other.recv().unwrap());
    let child = Process::spawn(child, (other,)).unwrap();
    let ends = (there, to);
    link.send(&ends).unwrap();
    gather(ends);
    child.join().unwrap();
}

#[test]
fn each_message_reaches_one_of_the_processes_that_hold_an_end() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, ()>();
    let (results, to) = Pipe::simplex().unwrap();
    let child = Process::spawn(gather_together, (there, to)).unwrap();
    for number in 0..2000 {
        here.send(&number).unwrap();
    }
    here.send(&u32::MAX).unwrap();
    here.send(&u32::MAX).unwrap();
    let mut all = [results.recv().unwrap(), results.recv().unwrap()].concat();
    all.sort_unstable();
    assert!(all == (0..2000).collect::<Vec<_>>(), "{}", all.len());
    child.join().unwrap();
}

#[test]
fn a_forked_copy_goes_on_where_its_parent_was() {
    let _watchdog = watchdog();
    let outer = || {
        let (here, there) = duplex::<u32, u32>();
        here.send(&1).unwrap();
        here.send(&2).unwrap();
        assert_eq!(there.recv().unwrap(), 1);
        let child = Process::fork(move || {
            let received = there.recv().unwrap();
            there.send(&(received * 10)).unwrap();
        });
        let child = child.unwrap();
        assert_eq!(here.recv().unwrap(), 20);
        child.join().unwrap();
    };
    // A process with one thread.
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    spawn.spawn(outer, ()).unwrap().join().unwrap();
}

// CON-021
#[test]
fn a_wait_sees_messages_ends_and_nothing_else() {
    let _watchdog = watchdog();
    let (mine, theirs): (Vec<_>, Vec<_>) = (0..64).map(|_| duplex::<u32, u32>()).unzip();
    let (socket, other) = Pipe::duplex::<u32, u32>().unwrap();
    let mut all: Vec<&dyn Waitable> = mine.iter().map(|end| end as &dyn Waitable).collect();
    all.push(&socket);
    assert_eq!(wait(&all, Duration::from_millis(5)).unwrap(), []);
    for round in 0..200 {
        let index = round * 37 % 64;
        thread::scope(|scope| {
            scope.spawn(|| theirs[index].send(&1).unwrap());
            assert_eq!(wait(&all, None).unwrap(), [index]);
        });
        // It stays so until it is received; then the bell that may be left says nothing.
        assert_eq!(wait(&all, None).unwrap(), [index]);
        assert_eq!(mine[index].recv().unwrap(), 1);
        assert_eq!(wait(&all, Duration::ZERO).unwrap(), []);
    }
    assert_eq!(wait(&all, Duration::from_millis(5)).unwrap(), []);
    other.send(&1).unwrap();
    theirs[3].send(&1).unwrap();
    assert_eq!(wait(&all, None).unwrap(), [3, 64]);
    socket.recv().unwrap();
    mine[3].recv().unwrap();
    let mut theirs = theirs;
    drop(theirs.remove(7));
    assert_eq!(wait(&all, None).unwrap(), [7]);
}

// CON-038
#[test]
fn a_wait_sees_the_end_of_one_though_others_talk() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    let (talks, other) = duplex::<u32, u32>();
    let idle = |there: Connection<u32, u32>| {
        there.send(&1).unwrap();
        thread::sleep(Duration::MAX);
    };
    let child = Process::spawn(idle, (there,)).unwrap();
    here.recv().unwrap();
    kill9(child.pid());
    child.join().unwrap_err();
    other.send(&1).unwrap();
    eventually("both are ready", || {
        wait(&[&here, &talks], None).unwrap() == [0, 1]
    });
    assert!(here.recv().is_err());
}

#[test]
fn all_threads_that_wait_are_told_whoever_receives() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    let messages = 500;
    let total = thread::scope(|scope| {
        let take = || {
            let mut sum = 0_u64;
            loop {
                wait(&[&there], None).unwrap();
                match there.try_recv() {
                    Ok(Some(number)) => sum += u64::from(number),
                    Ok(None) => {}
                    Err(_) => return sum,
                }
            }
        };
        let receive = || there.iter().map_while(Result::ok).map(u64::from).sum();
        let waiting = [scope.spawn(take), scope.spawn(take), scope.spawn(receive)];
        for number in 0..messages {
            here.send(&number).unwrap();
            if number % 10 == 0 {
                thread::yield_now();
            }
        }
        drop(here);
        waiting
            .map(|thread| thread.join().unwrap())
            .iter()
            .sum::<u64>()
    });
    assert_eq!(total, u64::from(messages * (messages - 1) / 2));
}

// CON-036
#[test]
fn a_stopped_reader_is_waited_for_until_the_deadline() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<Vec<u8>, u32>();
    let count = |there: Connection<u32, Vec<u8>>| {
        there.send(&0).unwrap();
        let received = there.iter().map_while(Result::ok).count();
        there.send(&(received as u32)).unwrap();
    };
    let child = Process::spawn(count, (there,)).unwrap();
    here.recv().unwrap();
    let pid = Pid::from_raw(child.pid().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    let mut sent = 0;
    let refused = loop {
        match here.send_timeout(&vec![1; 900], Duration::from_millis(5)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, SendError::TimedOut | SendError::Unfinished(_)),
        "{refused}"
    );
    kill(pid, Signal::SIGCONT).unwrap();
    here.flush(Duration::MAX).unwrap();
    sent += u32::from(matches!(refused, SendError::Unfinished(_)));
    here.send_timeout(&vec![1; 900], Duration::MAX).unwrap();
    let (sender, receiver) = here.split();
    sender.finish().unwrap();
    assert_eq!(receiver.recv().unwrap(), sent + 1);
    child.join().unwrap();
}

/// Sends numbers until nobody receives any more.
fn count_for_ever(there: Connection<u32, u32>) {
    for number in 0.. {
        if there.send(&number).is_err() {
            return;
        }
    }
}

// CON-036
#[test]
fn a_stopped_writer_leaves_whole_messages_and_goes_on() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    let child = Process::spawn(count_for_ever, (there,)).unwrap();
    let pid = Pid::from_raw(child.pid().cast_signed());
    let mut numbers = 0..;
    let mut next = || numbers.next().unwrap();
    for round in 0..50 {
        for _ in 0..round {
            assert_eq!(here.recv().unwrap(), next());
        }
        kill(pid, Signal::SIGSTOP).unwrap();
        // Whatever it was doing: what is there is whole, and nobody waits beyond the deadline.
        loop {
            match here.recv_timeout(Duration::from_millis(2)) {
                Ok(number) => assert_eq!(number, next()),
                Err(error) => break assert!(matches!(error, RecvError::TimedOut), "{error}"),
            }
        }
        kill(pid, Signal::SIGCONT).unwrap();
    }
    assert_eq!(here.recv().unwrap(), next());
    drop(here);
    child.join().unwrap();
}

// CON-036
#[test]
fn another_holder_gives_up_at_the_deadline_while_one_is_stopped() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u32, u32>();
    let same = there.try_clone().unwrap();
    let child = Process::spawn(count_for_ever, (there,)).unwrap();
    let pid = Pid::from_raw(child.pid().cast_signed());
    for _ in 0..50 {
        here.recv().unwrap();
        kill(pid, Signal::SIGSTOP).unwrap();
        match same.send_timeout(&u32::MAX, Duration::from_millis(2)) {
            Ok(()) => loop {
                if here.recv().unwrap() == u32::MAX {
                    break;
                }
            },
            Err(error) => assert!(matches!(error, SendError::TimedOut), "{error}"),
        }
        kill(pid, Signal::SIGCONT).unwrap();
    }
    kill9(child.pid());
    child.join().unwrap_err();
    // Nor does it matter what it was doing when it was killed.
    while here.recv_timeout(Duration::from_millis(2)).is_ok() {}
    match same.send(&7) {
        Ok(()) => assert_eq!(here.recv().unwrap(), 7),
        // A message that had to go beside the ring was cut short.
        Err(error) => assert!(matches!(error, SendError::Io(_)), "{error}"),
    }
}

#[test]
fn a_killed_reader_is_told_of_though_there_is_room() {
    let _watchdog = watchdog();
    for unread in [0, 1, 5, 100] {
        let (here, there) = duplex::<u8, u8>();
        let idle = |there: Connection<u8, u8>| {
            there.send(&1).unwrap();
            thread::sleep(Duration::MAX);
        };
        let child = Process::spawn(idle, (there,)).unwrap();
        here.recv().unwrap();
        for _ in 0..unread {
            here.send(&1).unwrap();
        }
        kill9(child.pid());
        child.join().unwrap_err();
        // Some may seem to be sent; and for a moment a new program holds what its maker did.
        eventually("the end is known to the sender", || {
            matches!(here.send(&1), Err(SendError::Closed))
        });
        assert!(matches!(
            here.recv(),
            Err(RecvError::Closed | RecvError::Reset)
        ));
    }
}

#[test]
fn without_room_for_descriptors_only_their_message_is_lost() {
    let _watchdog = watchdog();
    let alone = || {
        let (here, there) = duplex::<Option<PipeReader>, ()>();
        let (reader, mut writer) = pipe().unwrap();
        here.send(&None).unwrap();
        here.send(&Some(reader)).unwrap();
        here.send(&None).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
        assert!(there.recv().unwrap().is_none());
        assert!(matches!(there.recv(), Err(RecvError::DescriptorsLost)));
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert!(there.recv().unwrap().is_none());
        // The descriptor that had no room is closed.
        assert!(writer.write_all(b"nobody reads").is_err());
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

/// The segments that this process maps: other processes of the family have others.
fn mapped() -> BTreeSet<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let names = maps.lines().filter_map(|line| line.split_once("/dev/shm/"));
    names.map(|(_, name)| name.to_owned()).collect()
}

#[test]
fn nothing_is_left_of_the_memory() {
    let _watchdog = watchdog();
    let alone = || {
        let (here, there) = duplex::<u8, u8>();
        let names = mapped();
        assert_eq!(names.len(), 1);
        let echo = |there: Connection<u8, u8>| there.send(&there.recv().unwrap()).unwrap();
        let child = Process::spawn(echo, (there,)).unwrap();
        here.send(&1).unwrap();
        assert_eq!(here.recv().unwrap(), 1);
        child.join().unwrap();
        drop(here);
        assert!(mapped().is_empty());
        for name in names {
            assert!(!Path::new("/dev/shm").join(name).exists());
        }
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

// CON-037
#[test]
fn memory_that_was_overwritten_is_an_error_of_that_connection_only() {
    let _watchdog = watchdog();
    let alone = || {
        let (here, there) = duplex::<u64, u64>();
        let name = mapped().pop_first().unwrap();
        let (other, far) = duplex::<u64, u64>();
        here.send(&7).unwrap();
        let path = Path::new("/dev/shm").join(name);
        let file = OpenOptions::new().write(true).open(path).unwrap();
        // Behind the header and the lock of the first ring's writers: how much they have written.
        let at = 256 + size_of::<RobustMutex>() as u64;
        file.write_all_at(&[0xff; 8], at).unwrap();
        assert!(matches!(there.recv(), Err(RecvError::Io(_))));
        assert!(matches!(here.send(&8), Err(SendError::Io(_))));
        there.send(&9).unwrap();
        assert_eq!(here.recv().unwrap(), 9);
        other.send(&10).unwrap();
        assert_eq!(far.recv().unwrap(), 10);
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

/// Numbers that are random enough for damage.
fn damage(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

/// Overwrites some of a pair of rings, and does whatever can be done with both ends.
fn use_what_is_damaged(mut seed: u64) {
    let soon = Duration::from_millis(1);
    let before = mapped();
    let (here, there) = duplex::<u64, u64>();
    let name = mapped().difference(&before).next().unwrap().clone();
    here.send(&1).unwrap();
    there.send(&2).unwrap();
    let path = Path::new("/dev/shm").join(name);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    // The two heads, with locks, counts and marks, and the beginning of what is in the rings.
    let [first, second] = [256, 256 + (file.metadata().unwrap().len() - 256) / 2];
    for at in [first, second] {
        for _ in 0..8 {
            seed = damage(seed);
            let bytes = seed.to_ne_bytes();
            let len = 1 + (seed >> 60) as usize % 8;
            file.write_all_at(&bytes[..len], at + (seed >> 32) % 520)
                .unwrap();
        }
    }
    for (one, other) in [(&here, &there), (&there, &here)] {
        let _ = one.send_timeout(&3, soon);
        let _ = other.poll(soon).unwrap();
        let _ = wait(&[one, other], soon).unwrap();
        let _ = other.recv_timeout(soon);
        let _ = one.arm();
        let _ = one.try_recv();
        let _ = one.send_timeout(&4, soon);
        let _ = other.recv_timeout(soon);
    }
}

// CON-037
#[test]
fn no_damage_of_the_memory_harms_more_than_its_connection() {
    let _watchdog = watchdog();
    let alone = || {
        let (other, far) = duplex::<u64, u64>();
        for seed in 0..200 {
            use_what_is_damaged(seed);
            other.send(&seed).unwrap();
            assert_eq!(far.recv().unwrap(), seed);
        }
    };
    Process::spawn(alone, ()).unwrap().join().unwrap();
}

#[test]
fn a_sleeper_is_woken_by_the_first_message_and_by_the_end() {
    let _watchdog = watchdog();
    let (here, there) = duplex::<u8, u8>();
    thread::scope(|scope| {
        let receiver = scope.spawn(|| (there.recv(), there.recv()));
        // Asleep or about to be: both are to be woken.
        thread::sleep(Duration::from_millis(5));
        here.send(&1).unwrap();
        drop(here);
        let (first, second) = receiver.join().unwrap();
        assert_eq!(first.unwrap(), 1);
        assert!(matches!(second, Err(RecvError::Closed)));
    });
}

//! Running out of descriptors, and memory that somebody has overwritten.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_shm::{Segment, family};
use procession_sync::{Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore};
use procession_testkit::helper::{Helper, read, receive, say, send};
use procession_testkit::{shared_memory, watchdog};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

procession_testkit::helpers!(exhaust_descriptors, scribble);

fn run(helper: &str) {
    let mut helper = Helper::start(helper, &["go".to_owned()]);
    assert_eq!(helper.hear(), "done");
    assert!(helper.end().success());
}

#[test]
fn out_of_descriptors_is_an_error_everywhere() {
    let _watchdog = watchdog();
    run("exhaust_descriptors");
}

fn exhaust_descriptors() {
    if read().is_none() {
        return;
    }
    let lock = Lock::new().unwrap();
    starve("Lock", Lock::new);
    starve("RLock", RLock::new);
    starve("Semaphore", || Semaphore::new(1));
    starve("BoundedSemaphore", || BoundedSemaphore::new(1));
    starve("Condition", || Condition::new(&lock));
    starve("Event", Event::new);
    starve("Barrier", || Barrier::new(2));
    // What is there already needs none.
    let there = (lock, Semaphore::new(1).unwrap(), Event::new().unwrap());
    with_descriptors(0, || {
        drop(there.0.acquire().unwrap());
        drop(there.1.acquire().unwrap());
        assert!(there.1.try_acquire().is_ok());
        assert!(!there.2.wait_timeout(Duration::from_millis(1)));
    });
    say("done");
}

/// Has `make` go on without a descriptor for as long as there is room in a slab, and fail then with none left,
/// one, two, and so on, until there are enough for the next slab.
fn starve<T: Serialize + DeserializeOwned>(
    what: &str,
    make: impl Fn() -> Result<T, procession_sync::ShmError>,
) {
    let names = segments();
    let mut kept = Vec::new();
    let enough = (0..9).find(|&spare| {
        let error = with_descriptors(spare, || {
            // Once another slab is there, there is room for long.
            let most = if spare == 0 { 1 << 20 } else { 1 };
            (0..most).find_map(|_| make().map(|new| kept.push(new)).err())
        });
        error.is_none_or(|error| {
            let text = error.to_string();
            assert!(text.contains("open files"), "{what}: {text}");
            false
        })
    });
    assert!(!kept.is_empty(), "{what} needs a descriptor");
    assert!(enough.is_some_and(|spare| spare > 0), "{what}: {enough:?}");
    drop(kept);
    // What is decoded where it is mapped already needs none either.
    let here = make().unwrap();
    let bytes = send(&here);
    drop(with_descriptors(0, || receive::<T>(bytes)));
    drop(here);
    assert_eq!(segments(), names, "{what} leaves something");
}

/// Returns the names of this family's segments but slabs, which stay.
fn segments() -> BTreeSet<String> {
    let id = family::current().unwrap().id();
    let slab = format!("procession-{id}-0-");
    let names = shared_memory(id).into_iter();
    names.filter(|name| !name.starts_with(&slab)).collect()
}

/// Does it with that many descriptors left.
fn with_descriptors<R>(spare: u64, work: impl FnOnce() -> R) -> R {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let mut gaps = Vec::new();
    let next = loop {
        let file = File::open("/dev/null").unwrap();
        let number = u64::from(file.as_raw_fd().cast_unsigned());
        // One more is what lists them.
        if number + 2 == fs::read_dir("/proc/self/fd").unwrap().count() as u64 {
            break number;
        }
        gaps.push(file);
    };
    setrlimit(Resource::RLIMIT_NOFILE, next + spare, hard).unwrap();
    let done = work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    done
}

/// Garbage in the memory behind a header: wrong answers and errors, but no panic, no crash, and
/// no waiting beyond the timeout.
#[test]
fn overwritten_memory_harms_nobody() {
    let _watchdog = watchdog();
    run("scribble");
}

const SHORT: Duration = Duration::from_micros(300);

fn scribble() {
    if read().is_none() {
        return;
    }
    let mut seed = 1;
    for _ in 0..150 {
        let semaphore = Semaphore::new(2).unwrap();
        overwrite(semaphore.segment(), &mut seed);
        drop(semaphore.try_acquire());
        drop(semaphore.acquire_timeout(SHORT));
        let _ = semaphore.release(1);
        let _ = (semaphore.available(), format!("{semaphore:?}"));

        let event = Event::new().unwrap();
        overwrite(event.segment(), &mut seed);
        let _ = event.wait_timeout(SHORT);
        event.set();
        event.clear();
        assert!(!event.is_set());

        let barrier = Barrier::new(2).unwrap();
        overwrite(barrier.segment(), &mut seed);
        let _ = barrier.wait_timeout(SHORT);
        let _ = (barrier.waiting(), barrier.parties(), barrier.is_broken());
        barrier.abort();
        let _ = barrier.reset();

        let rlock = RLock::new().unwrap();
        overwrite(rlock.segment(), &mut seed);
        drop(rlock.try_acquire());
        let _ = rlock.depth();

        let lock = Lock::new().unwrap();
        let condition = Condition::new(&lock).unwrap();
        overwrite(condition.segment(), &mut seed);
        let guard = condition.acquire().unwrap();
        drop(condition.wait_timeout(guard, SHORT));
        let _ = condition.notify(3);
        let _ = condition.notify_all();
        let _ = condition.waiters();
    }
    say("done");
}

/// Overwrites what it has beside its mutex: words of any value, or small ones.
fn overwrite(segment: &Segment, seed: &mut u64) {
    let mut next = || {
        *seed = *seed * 48271 % 0x7fff_ffff;
        *seed
    };
    let memory = File::options().write(true).open("/proc/self/mem").unwrap();
    let (start, len) = (segment.payload().addr().get(), segment.payload_len());
    let density = 1 + next() % 8;
    let small = next() % 2 == 0;
    for at in (0..len as u64 / 4).filter(|word| word % density == 0) {
        let value = if small { next() % 5 } else { next() << 1 };
        let word = (value as u32).to_ne_bytes();
        memory.write_all_at(&word, start as u64 + 4 * at).unwrap();
    }
}

//! Processes that were forked, without the library's knowledge and with it.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork as fork_unknown};
use procession_os::lifetime::at_exit;
use procession_os::wait::Deadline;
use procession_shm::ring::{Next, Rings};
use procession_shm::{
    Array, Format, LockError, Segment, SegmentKind, SharedMemory, Value, family, fork,
};
use procession_testkit::{eventually, kill9, shared_memory, watchdog};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write, pipe};
use std::mem;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

fn main() {
    let _watchdog = watchdog();
    the_family_outlives_a_parent_that_leaves();
    the_family_outlives_a_parent_that_is_killed();
    hooks_run_once_each_in_reverse();
    a_forked_childs_exit_takes_nothing_away();
    a_forked_child_can_share_things_of_its_own();
    what_a_forked_child_has_does_not_become_another_object();
    a_forked_child_does_not_unlock_its_parents_lock();
    a_forked_child_neither_reads_nor_writes_with_its_parents_guards();
    a_message_copied_by_a_fork_is_claimed_once();
    a_forked_owner_removes_no_block();
    an_end_of_rings_copied_by_a_fork_stays_usable();
    a_known_child_is_a_holder_of_its_own();
    a_known_child_drops_what_it_captured_once();
    a_fork_that_fails_changes_nothing();
    a_known_child_releases_nothing_of_its_parents();
    a_known_child_of_a_known_child_counts_too();
    what_an_unknown_fork_copied_is_no_grandchilds();
    whatever_counts_is_taken_over();
    a_known_child_that_is_killed_stays_counted();
    what_a_fork_prepares_does_not_grow();
    who_leaves_does_not_wait_for_a_forked_child();
}

/// Runs `work` in a forked child, which then exits as programs do.
#[expect(clippy::exit, reason = "this is about what runs when a process exits")]
fn forked(work: impl FnOnce()) -> Pid {
    // SAFETY: no other thread of this program does anything at this moment.
    match unsafe { fork_unknown() }.expect("the system has room for a process") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            work();
            std::process::exit(0);
        }
    }
}

/// Runs `work` in a child that the library knows of.
fn known(work: impl FnOnce()) -> Pid {
    let prepared = fork::before().expect("there is a family");
    let mut prepared = Some(prepared);
    let taken = &mut prepared;
    let child = forked(move || {
        taken.take().expect("it is there").in_child();
        work();
    });
    prepared.take().expect("it is there").in_parent();
    child
}

fn ends_well(child: Pid) {
    let status = waitpid(child, None).expect("it is our child");
    assert_eq!(status, WaitStatus::Exited(child, 0));
}

fn names() -> BTreeSet<String> {
    shared_memory(family::current().expect("there is a family").id())
}

fn hooks_run_once_each_in_reverse() {
    static RUN: AtomicU32 = AtomicU32::new(0);
    fn note(digit: u32) {
        let after = RUN.load(Ordering::Relaxed) * 10 + digit;
        RUN.store(after, Ordering::Relaxed);
    }
    fn check() {
        if RUN.load(Ordering::Relaxed) != 3321 {
            std::process::abort();
        }
    }
    ends_well(forked(|| {
        std::panic::set_hook(Box::new(|_| ()));
        at_exit(check).expect("there is room");
        at_exit(|| note(1)).expect("there is room");
        at_exit(|| panic!("the other hooks run all the same")).expect("there is room");
        at_exit(|| at_exit(|| note(2)).expect("there is room")).expect("there is room");
        at_exit(|| note(3)).expect("there is room");
        at_exit(|| note(3)).expect("there is room");
    }));
}

fn a_forked_childs_exit_takes_nothing_away() {
    let array = Array::from_iter(0..3).expect("there is room");
    let before = names();
    ends_well(forked(|| ()));
    let copy = array.clone();
    ends_well(forked(move || drop(copy)));
    assert_eq!(names(), before);
    assert_eq!(array.segment().holders(), 1);
    family::sweep();
    assert_eq!(names(), before);
}

fn a_forked_child_can_share_things_of_its_own() {
    let value = Value::new(1).expect("there is room");
    let before = names();
    ends_well(forked(|| {
        let own = Array::<u8>::zeroed(20_000).expect("there is room");
        let small = Value::new(2).expect("there is room");
        assert_eq!(names().len(), before.len() + 1);
        value.set(small.get());
        mem::forget(small);
        mem::forget(own);
    }));
    assert_eq!(value.get(), 2);
    assert_eq!(names(), before);
    family::sweep();
    assert_eq!(names(), before);
}

fn what_a_forked_child_has_does_not_become_another_object() {
    let value = Value::new(1).expect("there is room");
    let number = |value: &Value<i32>| {
        let name = value.segment().name();
        name.rsplit_once('.').expect("it is small").0.to_owned()
    };
    let at = number(&value);
    let (mut hear, mut say) = pipe().expect("there are descriptors");
    let (mut wait, go) = pipe().expect("there are descriptors");
    // SAFETY: the child uses the copy of the handle, and the parent its own.
    let copy = unsafe { std::ptr::read(&raw const value) };
    let child = forked(move || {
        wait.read_exact(&mut [0]).expect("it is told");
        // Its own hold is another process's, and so is what it drops.
        copy.set(77);
        write!(say, "{}", copy.get()).expect("it is heard");
        mem::forget(copy);
    });
    drop(value);
    let others: Vec<_> = (0..2000)
        .map(|_| Value::new(0).expect("there is room"))
        .collect();
    assert!(others.iter().all(|other| number(other) != at));
    (&go).write_all(&[1]).expect("it is heard");
    ends_well(child);
    let mut said = [0; 2];
    hear.read_exact(&mut said).expect("it has said it");
    assert_eq!(&said, b"77");
    assert!(others.iter().all(|other| other.get() == 0));
    // What is made after the fork is used again at once, and after its end, what was there before, too.
    let next = Value::new(1).expect("there is room");
    let at = number(&next);
    ends_well(forked(|| ()));
    drop(next);
    assert_eq!(number(&Value::new(1).expect("there is room")), at);
}

fn a_forked_child_does_not_unlock_its_parents_lock() {
    let value = Value::new(1).expect("there is room");
    let guard = value.lock().expect("it is free");
    ends_well(forked(|| {
        // SAFETY: this process does not use the parent's guard any more.
        let copy = unsafe { std::ptr::read(&raw const guard) };
        drop(copy);
        assert_eq!(
            value.segment().try_lock().map(drop),
            Err(LockError::WouldBlock)
        );
    }));
    thread::scope(|scope| {
        let seen = || value.segment().try_lock().map(drop);
        let seen = scope.spawn(seen).join().expect("it does not panic");
        assert_eq!(seen, Err(LockError::WouldBlock));
    });
    drop(guard);
    assert!(!value.is_poisoned());
}

fn a_forked_child_neither_reads_nor_writes_with_its_parents_guards() {
    let array = Array::from_iter(0..3).expect("there is room");
    let guard = array.read().expect("it is free");
    ends_well(forked(|| {
        // SAFETY: this process does not use the parent's guard any more.
        drop(unsafe { std::ptr::read(&raw const guard) });
        let own = array.read().expect("the parent only reads");
        assert_eq!(array.segment().readers(), 2);
        let refused = array.segment().try_write().map(drop);
        assert_eq!(refused, Err(LockError::HeldByThisThread));
        drop(own);
        // It has the parent's list of what that reads, which is not its own.
        let refused = array.segment().try_write().map(drop);
        assert_eq!(refused, Err(LockError::WouldBlock));
    }));
    assert_eq!(array.segment().readers(), 1);
    drop(guard);

    let guard = array.lock().expect("it is free");
    ends_well(forked(|| {
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&raw const guard) });
        let refused = array.segment().try_read().map(drop);
        assert_eq!(refused, Err(LockError::WouldBlock));
    }));
    assert!(array.segment().writer().is_some());
    drop(guard);
    array.fill(1);
    assert!(!array.is_poisoned());
}

fn a_message_copied_by_a_fork_is_claimed_once() {
    let value = Value::new(1).expect("there is room");
    let kind = procession_wire::Kind::VALUE;
    let message = procession_wire::Message::encode(kind, &value).expect("it is encoded");
    ends_well(forked(|| {
        // SAFETY: this process does not use the parent's message any more.
        drop(unsafe { std::ptr::read(&raw const message) });
    }));
    assert_eq!(value.segment().holders(), 2);
    drop(message);
    assert_eq!(value.segment().holders(), 1);
}

fn a_forked_owner_removes_no_block() {
    let block = SharedMemory::create_anonymous(1).expect("there is room");
    let path = format!("/dev/shm/{}", block.name());
    let before = names();
    ends_well(forked(|| {
        assert!(!block.is_owner());
        block.keep();
        // SAFETY: this process does not use the parent's handle any more.
        drop(unsafe { std::ptr::read(&raw const block) });
    }));
    ends_well(forked(|| {
        let own = SharedMemory::create_anonymous(1).expect("there is room");
        assert!(own.is_owner());
    }));
    assert_eq!(names(), before);
    assert!(fs::exists(&path).expect("it can be looked at"));
    drop(block);
    assert!(!fs::exists(&path).expect("it can be looked at"));
}

fn an_end_of_rings_copied_by_a_fork_stays_usable() {
    let (here, there) = Rings::create(128).expect("there is room");
    let push = |message: &[u8]| {
        let pushed = here.write(Deadline::NEVER, |writer| writer.push(message));
        assert!(pushed.expect("it can be locked").expect("it is sound"));
    };
    push(b"open");
    ends_well(known(|| {
        push(b"copied");
        // SAFETY: this process does not use the parent's end any more.
        drop(unsafe { std::ptr::read(&raw const here) });
    }));
    for expected in [b"open".as_slice(), b"copied"] {
        let received = there.read(Deadline::NEVER, |reader| {
            let Some(Next::InRing(len)) = reader.next().expect("it is sound") else {
                panic!("there is a message");
            };
            let mut message = Vec::new();
            reader.pop(len, &mut message);
            message
        });
        assert_eq!(received.expect("it can be locked"), expected);
    }
}

fn a_known_child_is_a_holder_of_its_own() {
    let value = Value::new(1).expect("there is room");
    let before = names();
    let child = known(|| {
        assert_eq!(value.segment().holders(), 2);
        let own = Value::new(2).expect("there is room");
        let large = Array::<u8>::zeroed(20_000).expect("there is room");
        assert_eq!(names().len(), before.len() + 1);
        mem::forget(large);
        // Found, not mapped a second time.
        let same = procession_testkit::helper::roundtrip(&value);
        assert_eq!(same.segment().payload(), value.segment().payload());
        drop(same);
        assert_eq!(value.segment().holders(), 2);
        *value.lock().expect("it is free") += own.get();
        mem::forget(own);
    });
    ends_well(child);
    assert_eq!(value.get(), 3);
    assert_eq!(value.segment().holders(), 1);
    assert_eq!(names(), before);
}

fn a_known_child_drops_what_it_captured_once() {
    let array = Array::from_iter(0..3).expect("there is room");
    let segment = array.segment().clone();
    ends_well(known(|| {
        // SAFETY: this process does not use the parent's any more.
        let captured = unsafe { std::ptr::read(&raw const array) };
        // SAFETY: as above.
        let last = unsafe { std::ptr::read(&raw const segment) };
        let same = captured.clone();
        drop(captured);
        assert_eq!((last.holders(), same.get(1)), (2, 1));
        drop(same);
        assert_eq!(last.holders(), 2);
        let parents = last.name();
        drop(last);
        // It was mapped no more, so it is counted anew.
        let found = Segment::open(&parents, Format::of::<i32>(SegmentKind::ARRAY));
        assert_eq!(found.expect("the parent has it").holders(), 2);
    }));
    assert_eq!(segment.holders(), 1);
    assert_eq!(array.to_vec(), [0, 1, 2]);
}

fn a_fork_that_fails_changes_nothing() {
    let value = Value::new(1).expect("there is room");
    let before = names();
    let prepared = fork::before().expect("there is a family");
    assert_eq!(value.segment().holders(), 2);
    drop(prepared);
    assert_eq!(value.segment().holders(), 1);
    // Nor does a child that is told nothing take anything away.
    let prepared = fork::before().expect("there is a family");
    ends_well(forked(|| {
        // SAFETY: this process does not use the parent's any more.
        drop(unsafe { std::ptr::read(&raw const prepared) });
    }));
    assert_eq!(value.segment().holders(), 2);
    drop(prepared);
    assert_eq!(value.segment().holders(), 1);
    drop(value);
    assert!(names().is_subset(&before));
}

fn a_known_child_releases_nothing_of_its_parents() {
    let value = Value::new(1).expect("there is room");
    let block = SharedMemory::create_anonymous(1).expect("there is room");
    let kind = procession_wire::Kind::VALUE;
    let message = procession_wire::Message::encode(kind, &value).expect("it is encoded");
    let guard = value.lock().expect("it is free");
    assert_eq!(value.segment().holders(), 2);
    ends_well(known(|| {
        // SAFETY: this process does not use the parent's any more.
        drop(unsafe { std::ptr::read(&raw const message) });
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&raw const guard) });
        assert!(!block.is_owner());
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&raw const block) });
        let refused = value.segment().try_lock().map(drop);
        assert_eq!(refused, Err(LockError::WouldBlock));
        assert_eq!(value.segment().holders(), 3);
    }));
    assert_eq!(value.segment().holders(), 2);
    drop(guard);
    assert!(!value.is_poisoned());
    assert!(SharedMemory::attach(block.name()).is_ok());
    let (bytes, fds) = message.deliver();
    let packet = procession_wire::Packet::parse(bytes, fds).expect("it is whole");
    let delivered: Value<i32> = packet.decode().expect("its claim is there");
    assert_eq!(delivered.segment().holders(), 1);
}

fn a_known_child_of_a_known_child_counts_too() {
    let value = Value::new(1).expect("there is room");
    ends_well(known(|| {
        ends_well(known(|| {
            assert_eq!(value.segment().holders(), 3);
            value.update(|value| *value += 1);
        }));
        assert_eq!(value.segment().holders(), 2);
        value.update(|value| *value += 1);
    }));
    assert_eq!((value.get(), value.segment().holders()), (3, 1));
}

fn what_an_unknown_fork_copied_is_no_grandchilds() {
    let value = Value::new(1).expect("there is room");
    ends_well(forked(|| {
        ends_well(known(|| assert_eq!(value.segment().holders(), 1)));
    }));
    assert_eq!(value.segment().holders(), 1);
}

fn whatever_counts_is_taken_over() {
    struct Counter(AtomicU32, AtomicU32);
    impl fork::Counted for Counter {
        fn count(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) != 0
        }
        fn uncount(&self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
        fn adopt(&self) {
            self.1.store(std::process::id(), Ordering::Relaxed);
        }
    }
    let counters = [1, 0].map(|at| Arc::new(Counter(at.into(), AtomicU32::new(0))));
    for counter in &counters {
        fork::register(&(Arc::clone(counter) as Arc<dyn fork::Counted>));
    }
    let seen = || [0, 1].map(|which: usize| counters[which].0.load(Ordering::Relaxed));
    let owners = || [0, 1].map(|which: usize| counters[which].1.load(Ordering::Relaxed));
    drop(fork::before().expect("there is a family"));
    assert_eq!(seen(), [1, 1], "what could not be counted is not uncounted");
    counters[1].0.store(0, Ordering::Relaxed);
    ends_well(known(|| assert_eq!(owners(), [std::process::id(), 0])));
    assert_eq!((seen(), owners()), ([2, 1], [0, 0]));
}

/// Shows how much a child that is forked now would be prepared for.
fn prepared() -> String {
    let shown = format!("{:?}", fork::before().expect("there is a family"));
    let (_, shared) = shown.split_once("shared: ").expect("it is shown");
    shared.to_owned()
}

fn nest(depth: u32, expected: &str) {
    assert_eq!(prepared(), expected);
    if depth > 0 {
        ends_well(known(|| nest(depth - 1, expected)));
        assert_eq!(prepared(), expected);
    }
}

// PRC-024
fn what_a_fork_prepares_does_not_grow() {
    struct Nothing;
    impl fork::Counted for Nothing {
        fn count(&self) -> bool {
            true
        }
        fn uncount(&self) {}
        fn adopt(&self) {}
    }
    let before = prepared();
    let value = Value::new(1).expect("there is room");
    let with_one_more = prepared();
    assert_ne!(with_one_more, before);
    for number in 0..1000 {
        drop(Value::new(number).expect("there is room"));
        let thing: Arc<dyn fork::Counted> = Arc::new(Nothing);
        fork::register(&thing);
        drop(value.clone());
    }
    nest(5, &with_one_more);
    drop(value);
    assert_eq!(prepared(), before);
}

fn a_known_child_that_is_killed_stays_counted() {
    let value = Value::new(1).expect("there is room");
    let child = known(|| {
        loop {
            thread::park();
        }
    });
    kill9(child.as_raw().cast_unsigned());
    waitpid(child, None).expect("it is our child");
    assert_eq!(value.segment().holders(), 2);
    assert_eq!(value.get(), 1);
}

fn the_family_outlives_a_parent_that_leaves() {
    family_outlives_a_parent_that(|| ());
}

fn the_family_outlives_a_parent_that_is_killed() {
    family_outlives_a_parent_that(|| kill9(std::process::id()));
}

/// Forks a child that starts a family, and ends so while its own child goes on. This process must
/// not have a family yet.
fn family_outlives_a_parent_that(ends: fn()) {
    let (mut hear, mut say) = pipe().expect("there are descriptors");
    let child = forked(move || {
        let value = Value::new(5).expect("there is room");
        let parent = std::process::id();
        let _grandchild = known(|| {
            eventually("the parent is gone", || parent_id() != parent);
            value.update(|value| *value += 1);
            let own = Value::new(1).expect("the family lives");
            let id = family::current().expect("there is a family").id();
            let there = shared_memory(id).len();
            write!(say, "{id} {there} {}", value.get() + own.get()).expect("it is heard");
        });
        ends();
    });
    waitpid(child, None).expect("it is our child");
    let mut said = String::new();
    // Until the grandchild has ended, and what runs when it exits has run.
    hear.read_to_string(&mut said).expect("it is text");
    let (id, rest) = said.split_once(' ').expect("the grandchild has got there");
    assert_eq!(rest, "2 7");
    assert_eq!(shared_memory(id), BTreeSet::new());
}

fn who_leaves_does_not_wait_for_a_forked_child() {
    let value = Value::new(7).expect("there is room");
    let id = family::current().expect("there is a family").id();
    let child = forked(|| {
        eventually("the names are gone", || shared_memory(id).is_empty());
        assert_eq!(value.get(), 7);
    });
    family::leave();
    assert!(shared_memory(id).is_empty());
    ends_well(child);
}

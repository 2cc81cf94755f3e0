//! Small objects: what they cost, that a cell has one object at a time, and that it is given back.

#![expect(clippy::unwrap_used, reason = "a test or a helper fails by panicking")]

use procession_shm::{
    Array, Format, Lookout, OpenError, Presence, RawArray, Segment, SegmentKind, Value, family,
};
use procession_testkit::helper::{Helper, arrive, receive, roundtrip, say, send, wait_for_end};
use procession_testkit::{alive, shared_memory, watchdog};
use procession_wire::{Kind, Message};
use std::collections::BTreeMap;
use std::fs;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

procession_testkit::helpers!(
    make_and_drop_for_ever,
    make_and_drop_many_for_ever,
    leave_and_go_on,
    leak_a_guard,
    take_what_is_sent
);

/// The tests look at what the whole program has in slabs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn objects() -> usize {
    family::current().unwrap();
    family::usage().unwrap().objects().len()
}

fn mappings() -> usize {
    let id = family::current().unwrap().id();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(id)).count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Where in its slab an object lies.
fn place(segment: &Segment) -> String {
    let name = segment.name();
    name.rsplit_once('.').unwrap().0.to_owned()
}

fn value_format() -> Format {
    Format::of::<u64>(SegmentKind::VALUE)
}

// SHM-036
#[test]
fn a_hundred_thousand_values_take_few_mappings_and_no_descriptor() {
    const MANY: u64 = 100_000;
    let (_watchdog, _alone) = (watchdog(), alone());
    let _first = Value::new(0_u64).unwrap();
    let (before, open) = (objects(), descriptors());
    let values: Vec<_> = (0..MANY).map(|n| Value::new(n).unwrap()).collect();
    let usage = family::usage().unwrap();
    assert_eq!(usage.objects().len(), before + MANY as usize);
    // A line of memory for the lock, one for the value, and half of one for what is known of it.
    assert!(usage.slabs().1 < MANY * 170, "{} bytes", usage.slabs().1);
    assert!(mappings() < 8, "{} mappings", mappings());
    assert_eq!(descriptors(), open);
    assert!((0..).zip(&values).all(|(n, value)| value.get() == n));
    drop(values);
    assert_eq!(objects(), before);
}

// SHM-036
#[test]
fn the_memory_of_what_is_dropped_is_used_again() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let make = || -> Vec<_> { (0..5000).map(|n| Value::new(n).unwrap()).collect() };
    let first = make();
    let bytes = family::usage().unwrap().bytes();
    drop(first);
    for _ in 0..5 {
        let mut values = make();
        // Others stay, in between.
        let mut number = 0;
        values.retain(|_| {
            number += 1;
            number % 2 == 0
        });
        drop(make());
    }
    let grown = family::usage().unwrap().bytes().saturating_sub(bytes);
    assert!(grown < bytes, "{grown} bytes more than {bytes}");
}

// SHM-036
#[test]
fn the_memory_of_many_is_given_back_while_others_stay() {
    const MANY: u64 = 30_000;
    let (_watchdog, _alone) = (watchdog(), alone());
    let bytes = || family::usage().unwrap().slabs().1;
    for round in 1..4 {
        let mut values: Vec<_> = (0..MANY).map(|n| Value::new(n * round).unwrap()).collect();
        let stale = values[5000].segment().name();
        assert!(
            (0..)
                .zip(&values)
                .all(|(n, value)| value.get() == n * round)
        );
        let most = bytes();
        let kept = values.split_off(MANY as usize - 10);
        drop(values);
        // What is known of each stays: half of a line of memory, beside the two that it takes.
        let left = bytes();
        assert!(left + MANY * 100 < most, "{left} of {most} bytes");
        let kept = kept.iter().map(|value| value.get());
        assert!(kept.eq((MANY - 10..MANY).map(|n| n * round)));
        let found = Segment::open(&stale, value_format()).unwrap_err();
        assert!(matches!(found, OpenError::Gone), "{found:?}");
    }
}

fn make_and_drop_many_for_ever() {
    let Some(()) = arrive() else { return };
    say("begun");
    for n in (u64::from(std::process::id()) << 32).. {
        let values: Vec<_> = (0..5000).map(|at| Value::new(n + at).unwrap()).collect();
        let arrays: Vec<_> = (0..50)
            .map(|_| Array::from_slice(&[n; 500]).unwrap())
            .collect();
        assert!(
            (n..)
                .zip(&values)
                .all(|(number, value)| value.get() == number)
        );
        let is_own = |array: &Array<u64>| array.to_vec().iter().all(|&number| number == n);
        assert!(arrays.iter().all(is_own));
    }
}

// SHM-036
#[test]
fn processes_that_give_memory_back_take_nothing_of_each_other() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = objects();
    for round in 0..4 {
        let mut helpers: Vec<_> = (0..3)
            .map(|_| Helper::with("make_and_drop_many_for_ever", &()))
            .collect();
        for helper in &mut helpers {
            helper.hear();
        }
        let values: Vec<_> = (0..5000).map(|n| Value::new(n).unwrap()).collect();
        thread::sleep(Duration::from_millis(50 + round * 37));
        assert!((0..).zip(&values).all(|(n, value)| value.get() == n));
        drop(values);
        for helper in &mut helpers {
            // One that has found something wrong has ended.
            assert!(alive(helper.pid()), "round {round}");
            helper.kill9();
        }
        family::give_back();
        assert_eq!(objects(), before);
    }
}

#[test]
fn what_lies_where_something_was_begins_with_zeros() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let dirty = RawArray::<u8>::zeroed(3000).unwrap();
    let at = place(dirty.segment());
    (0..3000).for_each(|i| dirty.set(i, 0xff));
    drop(dirty);
    let fresh = RawArray::<u8>::zeroed(3000).unwrap();
    assert_eq!(place(fresh.segment()), at, "it is the same cell");
    assert!((0..3000).all(|i| fresh.get(i) == 0));
}

// SHM-036
#[test]
fn a_stale_name_is_an_error_and_never_another_object() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let first = Value::new(1_u64).unwrap();
    let (name, at) = (first.segment().name(), place(first.segment()));
    drop(first);
    let next = Value::new(2_u64).unwrap();
    assert_eq!(place(next.segment()), at, "it is the same cell");
    let stale = Segment::open(&name, value_format());
    assert!(matches!(stale, Err(OpenError::Gone)), "{stale:?}");
    assert_eq!((next.get(), next.segment().holders()), (2, 1));
    let name = next.segment().name();
    drop(next);
    let stale = Segment::open(&name, value_format());
    assert!(matches!(stale, Err(OpenError::Gone)), "{stale:?}");
}

#[test]
fn another_kind_or_type_is_refused() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(1_u64).unwrap();
    let refused = |format| Segment::open(&value.segment().name(), format).unwrap_err();
    let kind = refused(Format::of::<u64>(SegmentKind::ARRAY));
    assert!(matches!(kind, OpenError::WrongKind { .. }), "{kind}");
    let of_type = refused(Format::of::<i64>(SegmentKind::VALUE));
    assert!(matches!(of_type, OpenError::WrongType), "{of_type}");
    assert_eq!(value.segment().holders(), 1);
}

#[test]
fn names_that_are_no_cells_are_refused() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(1_u64).unwrap();
    let name = value.segment().name();
    let (slab, cell) = name.split_once('.').unwrap();
    let [nonce, index, generation] = cell.split('.').collect::<Vec<_>>()[..] else {
        panic!("it has three numbers")
    };
    let of = |nonce: &str, index: &str, generation: &str| {
        Segment::open(
            &format!("{slab}.{nonce}.{index}.{generation}"),
            value_format(),
        )
    };
    assert!(of(nonce, index, generation).is_ok());
    for index in ["3fff", "4000", "ffffffff"] {
        assert!(matches!(of(nonce, index, generation), Err(OpenError::Gone)));
    }
    assert!(matches!(of(nonce, index, "abcdef"), Err(OpenError::Gone)));
    assert!(matches!(of("1", index, generation), Err(OpenError::Gone)));
    for bad in ["", ".1", ".1.2", ".1.2.3.4", ".01.2.3", ".1.2.100000000"] {
        let refused = Segment::open(&format!("{slab}{bad}"), value_format());
        assert!(refused.is_err(), "{bad}");
    }
    // The slab itself is no segment.
    assert!(Segment::open(slab, value_format()).is_err());
    assert!(Segment::open(&format!("{slab}9"), value_format()).is_err());
}

#[test]
fn threads_never_get_one_cell_for_two_objects() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = objects();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                let mut kept = BTreeMap::new();
                for n in 0..2000_u64 {
                    let number = thread << 32 | n;
                    kept.insert(n % 37, (number, Value::new(number).unwrap()));
                    if let Some((number, value)) = kept.get(&(n * 7 % 37)) {
                        assert_eq!(value.get(), *number);
                    }
                }
            });
        }
    });
    assert_eq!(objects(), before);
}

fn make_and_drop_for_ever() {
    let Some(shared) = arrive::<Vec<Value<u64>>>() else {
        return;
    };
    say("begun");
    let own = u64::from(std::process::id()) << 32;
    for n in 0_u64.. {
        let value = Value::new(own | n).unwrap();
        let array = Array::from_slice(&[n; 20]).unwrap();
        let (value, array) = roundtrip(&(value, array));
        assert_eq!((value.get(), array.get(19)), (own | n, n));
        let others = roundtrip(&shared);
        others[n as usize % others.len()].update(|value| *value += 1);
    }
}

// SHM-036
#[test]
fn what_killed_processes_held_is_given_back_and_nobody_elses() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let shared: Vec<_> = (0..10).map(|_| Value::new(0_u64).unwrap()).collect();
    let before = objects();
    for round in 0..6 {
        let mut helpers: Vec<_> = (0..3)
            .map(|_| Helper::with("make_and_drop_for_ever", &shared))
            .collect();
        for helper in &mut helpers {
            helper.hear();
        }
        for n in 0..200_u64 {
            assert_eq!(Value::new(n).unwrap().get(), n);
        }
        thread::sleep(Duration::from_millis(round * 7));
        helpers.iter_mut().for_each(Helper::kill9);
        family::give_back();
        assert_eq!(objects(), before);
        assert!(shared.iter().all(|value| value.segment().holders() == 1));
    }
    // Some died while they held the lock.
    shared.iter().for_each(Value::clear_poison);
    assert!(shared.iter().map(|value| value.get()).sum::<u64>() > 0);
}

fn leave_and_go_on() {
    let Some(value) = arrive::<Value<u64>>() else {
        return;
    };
    family::leave();
    say("left");
    // What is mapped stays usable, and its own.
    while procession_testkit::helper::read().is_some() {
        value.update(|value| *value += 1);
        say(&value.get().to_string());
    }
}

// SHM-036
#[test]
fn what_a_process_uses_that_has_left_does_not_become_another_object() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(5_u64).unwrap();
    let mut helper = Helper::with("leave_and_go_on", &value);
    helper.hear();
    let at = place(value.segment());
    drop(value);
    let others: Vec<_> = (0..3000).map(|_| Value::new(0_u64).unwrap()).collect();
    assert!(others.iter().all(|other| place(other.segment()) != at));
    helper.tell("go on");
    assert_eq!(helper.hear(), "6");
    assert!(others.iter().all(|other| other.get() == 0));
    drop(others);
    let before = objects();
    let pid = helper.pid();
    assert!(helper.end().success());
    family::reaped(pid, true);
    assert_eq!(objects(), before - 1);
}

fn leak_a_guard() {
    let Some(value) = arrive::<Value<u64>>() else {
        return;
    };
    mem::forget(value.lock().unwrap());
    drop(value);
    say("leaked");
    wait_for_end();
}

#[test]
fn a_leaked_guard_keeps_the_cell_until_its_process_ends() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(5_u64).unwrap();
    let mut helper = Helper::with("leak_a_guard", &value);
    helper.hear();
    assert_eq!(value.segment().holders(), 2);
    let (before, at) = (objects(), place(value.segment()));
    drop(value);
    assert_eq!(objects(), before);
    let others: Vec<_> = (0..3000).map(|_| Value::new(0_u64).unwrap()).collect();
    assert!(others.iter().all(|other| place(other.segment()) != at));
    drop(others);
    let pid = helper.pid();
    assert!(helper.end().success());
    family::reaped(pid, true);
    assert_eq!(objects(), before - 1);
}

fn take_what_is_sent() {
    let Some(values) = arrive::<Vec<Value<u64>>>() else {
        return;
    };
    say(&values[0].get().to_string());
    wait_for_end();
}

#[test]
fn what_is_made_after_the_slab_has_lost_its_name_reaches_others() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = Value::new(1_u64).unwrap();
    let name = before.segment().name();
    let slab = name.split_once('.').unwrap().0.to_owned();
    fs::remove_file(format!("/dev/shm{slab}")).unwrap();
    // A process looks a hundred times a second.
    thread::sleep(Duration::from_millis(50));
    let after = Value::new(2_u64).unwrap();
    let mut helper = Helper::with("take_what_is_sent", &vec![after.clone()]);
    assert_eq!(helper.hear(), "2");
    assert!(helper.end().success());
    // What was there before is there still, for those who have it.
    assert_eq!((before.get(), after.get()), (1, 2));
    assert_eq!(roundtrip(&before).get(), 1);
    assert!(Segment::open(&name, value_format()).is_ok());
}

#[test]
fn small_things_say_what_they_cannot_be() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let (small, other) = (Value::new(1).unwrap(), Value::new(2).unwrap());
    assert!(Presence::in_segment(small.segment()).is_err());
    assert!(Lookout::open(small.segment()).is_err());
    let message = Message::encode_to_lie(Kind::VALUE, &other).unwrap();
    assert!(message.leave_in(&small.segment().name()).is_err());
    small.segment().unlink();
    assert_eq!(roundtrip(&small).get(), 1);
}

#[test]
fn what_lies_in_a_place_has_an_anchor_for_as_long_as_it_exists() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let small = Value::new(1_u64).unwrap();
    let names = || shared_memory(family::current().unwrap().id());
    let before = names();
    let place = Array::<u8>::zeroed(20_000).unwrap();
    for _ in 0..3 {
        let message = Message::encode_to_lie(Kind::VALUE, &small).unwrap();
        message.leave_in(&place.segment().name()).unwrap();
        message.delivered();
    }
    assert_eq!(small.segment().holders(), 4);
    drop(small);
    // The place, the anchor, and three links of it.
    assert_eq!(names().len(), before.len() + 5);
    drop(place);
    assert_eq!(names(), before);
}

#[test]
fn a_handle_that_is_lost_on_its_way_gives_its_cell_back() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = objects();
    let sent = send(&Value::new(7_u64).unwrap());
    family::give_back();
    assert_eq!(objects(), before + 1, "the message holds it");
    assert_eq!(receive::<Value<u64>>(sent).get(), 7);
    assert_eq!(objects(), before);
    drop(send(&Value::new(7_u64).unwrap()));
    family::give_back();
    assert_eq!(objects(), before);
}

#[test]
fn a_panic_while_it_is_made_gives_the_cell_back() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = objects();
    let make = || Segment::create_small(value_format(), 1, |_| panic!("no")).map(drop);
    assert!(std::panic::catch_unwind(make).is_err());
    assert_eq!(objects(), before);
    assert_eq!(Value::new(3_u64).unwrap().get(), 3);
}

#[test]
fn what_is_large_or_aligned_to_more_than_a_line_has_a_segment_of_its_own() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let is_alone = |segment: &Segment| !segment.name().contains('.');
    let small = RawArray::<u8>::zeroed(16_000).unwrap();
    let large = RawArray::<u8>::zeroed(17_000).unwrap();
    assert!(!is_alone(small.segment()) && is_alone(large.segment()));
    let format = Format::of::<u64>(SegmentKind::new(0x4000_0009, "own"));
    assert!(is_alone(&Segment::create(format, 1, |_| {}).unwrap()));
}

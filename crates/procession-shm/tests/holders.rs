//! What the dead held is given back while others of the family live.

#![expect(clippy::unwrap_used, reason = "a test or a helper fails by panicking")]

use procession_shm::family::HeldBy;
use procession_shm::{Array, Opened, Segment, Value, family};
use procession_testkit::helper::{Helper, arrive, roundtrip, say, send, wait_for_end};
use procession_testkit::steps::{self, Reached, Traced};
use procession_testkit::{helpers, shared_memory, watchdog};
use procession_wire::{Kind, Message, Packet};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

helpers!(
    hold_alone,
    hold_what_was_given,
    make_and_drop,
    open_and_drop,
    send_and_receive,
    lie_and_open,
);

/// The tests look at what the whole program has in `/dev/shm`.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn names() -> BTreeSet<String> {
    shared_memory(family::current().unwrap().id())
}

/// Whether there is such a segment, or such an object in a slab.
fn exists(name: &str) -> bool {
    let usage = family::usage().unwrap();
    usage.objects().iter().any(|object| object.name == name)
}

/// What has a segment of its own.
fn large() -> Array<u8> {
    Array::zeroed(20_000).unwrap()
}

fn hold_alone() {
    let Some(()) = arrive() else { return };
    let array = Array::<u8>::zeroed(8 << 20).unwrap();
    say(&array.segment().name());
    wait_for_end();
    drop(array);
}

fn hold_what_was_given() {
    let Some(value) = arrive::<Value<i32>>() else {
        return;
    };
    say("kept");
    wait_for_end();
    assert_eq!(value.get(), 5);
}

#[test]
fn what_only_a_killed_process_held_is_given_back() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    let mut killed: Vec<_> = (0..5).map(|_| Helper::with("hold_alone", &())).collect();
    let held: Vec<String> = killed.iter_mut().map(Helper::hear).collect();
    let mut last = Helper::with("hold_alone", &());
    let kept = last.hear();
    killed.iter_mut().for_each(Helper::kill9);
    assert!(held.iter().all(|name| exists(name)));
    assert_eq!(family::give_back(), 5);
    assert!(!held.iter().any(|name| exists(name)));
    assert!(exists(&kept), "another process holds it");
    assert_eq!(family::give_back(), 0);
    assert!(last.end().success());
    assert_eq!(names(), before);
}

#[test]
fn a_sweep_gives_back_too() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let mut killed = Helper::with("hold_alone", &());
    let name = killed.hear();
    killed.kill9();
    assert!(family::sweep() >= 1);
    assert!(!exists(&name));
}

#[test]
fn a_process_that_is_reaped_holds_nothing_any_more() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let mut killed = Helper::with("hold_alone", &());
    let name = killed.hear();
    let pid = killed.pid();
    killed.kill9();
    // Its slot tells, whatever is said of how it ended.
    family::reaped(pid, true);
    assert!(!exists(&name));
}

#[test]
fn the_next_process_gets_the_slot_without_what_the_dead_one_held() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let mut killed = Helper::with("hold_alone", &());
    let name = killed.hear();
    killed.kill9();
    // So many that each slot that is free is taken, and the dead one's.
    let value = Value::new(5).unwrap();
    let mut helpers: Vec<_> = (0..3)
        .map(|_| Helper::with("hold_what_was_given", &value))
        .collect();
    for helper in &mut helpers {
        helper.hear();
    }
    assert_eq!(value.segment().holders(), 4);
    helpers.iter_mut().for_each(Helper::kill9);
    family::give_back();
    assert_eq!(value.segment().holders(), 1);
    assert!(!exists(&name));
}

#[test]
fn a_living_process_keeps_what_a_dead_one_held_too() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(5).unwrap();
    let mut helper = Helper::with("hold_what_was_given", &value);
    helper.hear();
    assert_eq!(value.segment().holders(), 2);
    helper.kill9();
    assert_eq!(family::give_back(), 0);
    assert_eq!((value.segment().holders(), value.get()), (1, 5));
}

#[test]
fn a_message_that_is_lost_holds_nothing_any_more() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let array = Array::from_iter(0..3).unwrap();
    let name = array.segment().name();
    let sent = send(&array);
    drop(array);
    family::give_back();
    assert!(exists(&name), "the message holds it");
    drop(sent);
    assert_eq!(family::give_back(), 1);
    assert!(!exists(&name));
}

#[test]
fn what_is_left_in_a_place_lives_as_long_as_that() {
    let (_watchdog, _alone) = (watchdog(), alone());
    // The slab is there.
    let array = Array::from_iter(0..3).unwrap();
    let before = names();
    let place = large();
    let name = array.segment().name();
    let leave = || {
        let message = Message::encode_to_lie(Kind::VALUE, &array).unwrap();
        let names = message.leave_in(&place.segment().name()).unwrap();
        (message, names)
    };
    let ((taken, by), (kept, _)) = (leave(), leave());
    let dropped = leave();
    assert_eq!(array.segment().holders(), 4);
    drop(dropped);
    let (taken, kept) = (taken.deliver().0, kept.deliver().0);
    assert_eq!(array.segment().holders(), 3);
    drop(array);
    family::give_back();

    let opened = Opened::open(&by[0]).unwrap();
    let packet = Packet::parse(taken, Vec::new()).unwrap();
    let array: Array<i32> = packet.decode().unwrap();
    opened.take_over();
    assert_eq!((array.to_vec().len(), array.segment().holders()), (3, 2));
    drop((array, kept));
    family::give_back();
    assert!(exists(&name), "the place holds it");
    drop(place);
    assert!(!exists(&name));
    assert_eq!(names(), before);
}

#[test]
fn what_a_segment_was_a_part_of_takes_it_along_when_it_is_given_back() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let (whole, part) = (large(), large());
    let name = part.segment().name();
    part.segment().attach_to(whole.segment());
    drop(part);
    family::give_back();
    let part = Opened::open(&name).unwrap();
    assert_eq!(whole.segment().holders(), 1);
    drop((whole, part));
    family::give_back();
    assert!(!exists(&name));
}

#[test]
fn what_is_not_finished_goes_when_its_maker_is_dead() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let id = family::current().unwrap().id().to_owned();
    let path = |pid: u32, counter: u32| format!("/dev/shm/procession-{id}-{pid:x}-{counter:x}");
    let this = std::process::id();
    // Longer than any process number.
    let dead = 0x7fff_ffff;
    let files = [
        (path(dead, 1), 0, false),
        (path(dead, 2), 4096, false),
        (path(this, 3), 0, true),
        (path(this, 4), 4096, true),
    ];
    for (path, len, _) in &files {
        fs::write(path, vec![0; *len]).unwrap();
    }
    assert_eq!(family::give_back(), 2);
    for (path, _, stays) in &files {
        assert_eq!(Path::new(path).exists(), *stays, "{path}");
        let _ = fs::remove_file(path);
    }
}

#[test]
fn many_threads_of_a_process_are_one_holder() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(5).unwrap();
    let mut helper = Helper::with("hold_what_was_given", &value);
    helper.hear();
    let name = value.segment().name();
    drop(value);
    for _ in 0..200 {
        // They get in each other's way between the last handle and the next.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| drop(Opened::open(&name).unwrap()));
            }
        });
    }
    let opened = Opened::open(&name).unwrap();
    assert!(helper.end().success());
    family::give_back();
    assert!(exists(&name));
    drop(opened);
    assert!(!exists(&name));
}

// SHM-037
#[test]
fn usage_says_what_there_is_and_who_holds_it() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(5).unwrap();
    assert_eq!(family::usage().unwrap().segments(), names().len() - 1);
    let array = Array::<u8>::zeroed(8 << 20).unwrap();
    let mut helper = Helper::with("hold_what_was_given", &value);
    helper.hear();
    let sent = send(&array);
    let part = large();
    part.segment().attach_to(array.segment());
    let name = part.segment().name();
    drop(part);

    let usage = family::usage().unwrap();
    let (this, other) = (std::process::id(), helper.pid());
    let holders = |name: &str| {
        let mut objects = usage.objects().iter();
        objects
            .find(|object| object.name == name)
            .unwrap()
            .holders
            .clone()
    };
    let mut both = holders(&value.segment().name());
    both.sort_unstable();
    let mut expected = [HeldBy::Process(this), HeldBy::Process(other)];
    expected.sort_unstable();
    assert_eq!(both, expected);
    let on_its_way = holders(&array.segment().name());
    assert_eq!(on_its_way, [HeldBy::Process(this), HeldBy::Messages]);
    assert_eq!(holders(&name), [HeldBy::Whole]);
    assert_eq!(usage.by_kind()["array"].0, 2);
    assert!(usage.by_kind()["array"].1 >= 8 << 20);
    assert_eq!(usage.by_process()[&other].0, 1);
    assert!(usage.bytes() >= 8 << 20);
    let words = usage.to_string();
    assert!(words.contains(&format!("process {other}")), "{words}");
    assert!(words.contains("the object that it is a part of"), "{words}");

    drop((helper, sent, array, value));
    family::give_back();
    assert_eq!(family::usage().unwrap().segments(), names().len() - 1);
}

/// In the child: what the test steps through, once before and once within.
fn stepped(work: impl Fn()) {
    work();
    say("ready");
    steps::begin();
    work();
    steps::end();
    wait_for_end();
}

fn make_and_drop() {
    let Some(()) = arrive() else { return };
    stepped(|| drop(Value::new(1).unwrap()));
}

fn open_and_drop() {
    let Some(name) = arrive::<String>() else {
        return;
    };
    stepped(|| drop(Opened::open(&name).unwrap()));
}

fn send_and_receive() {
    let Some(()) = arrive() else { return };
    stepped(|| {
        let value = Value::new(1).unwrap();
        let sent = send(&value);
        drop(value);
        drop(procession_testkit::helper::receive::<Value<i32>>(sent));
    });
}

fn lie_and_open() {
    let Some(place) = arrive::<Array<u8>>() else {
        return;
    };
    stepped(|| {
        let value = Value::new(1).unwrap();
        let message = Message::encode_to_lie(Kind::VALUE, &value).unwrap();
        let names = message.leave_in(&place.segment().name()).unwrap();
        message.delivered();
        drop(value);
        Opened::open(&names[0]).unwrap().take_over();
    });
}

/// Kills the helper within its work, after some instructions each time, or after each number of them
/// with `PROCESSION_TEST_EVERY_STEP=1`.
fn cut_short(start: impl Fn() -> Helper, check: impl Fn()) {
    let kill_after = |steps| {
        let mut helper = start();
        let traced = Traced::new(helper.pid());
        let reached = traced.kill_after(steps);
        let pid = helper.pid();
        helper.kill9();
        // With what it was given, if it has not got so far.
        drop(helper);
        family::reaped(pid, false);
        check();
        reached
    };
    let Reached::End(instructions) = kill_after(usize::MAX) else {
        panic!("the work has no end");
    };
    let kills = match env::var_os("PROCESSION_TEST_EVERY_STEP") {
        Some(_) => instructions,
        None => env::var("KILLS").map_or(10, |kills| kills.parse().unwrap()),
    };
    for kill in 0..kills {
        kill_after(kill * instructions / kills);
    }
}

#[test]
fn who_is_killed_while_it_makes_or_drops_something_leaves_nothing() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    cut_short(
        || Helper::with("make_and_drop", &()),
        || assert_eq!(names(), before),
    );
}

#[test]
fn who_is_killed_while_it_opens_or_drops_something_holds_nothing() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let value = Value::new(5).unwrap();
    let before = names();
    let name = value.segment().name();
    cut_short(
        || Helper::with("open_and_drop", &name),
        || {
            assert_eq!((value.segment().holders(), names()), (1, before.clone()));
            assert!(
                Segment::open(
                    &name,
                    procession_shm::Format::of::<i32>(procession_shm::SegmentKind::VALUE)
                )
                .is_ok()
            );
        },
    );
}

#[test]
fn who_is_killed_while_it_sends_or_receives_something_leaves_nothing() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let before = names();
    cut_short(
        || Helper::with("send_and_receive", &()),
        || assert_eq!(names(), before),
    );
}

#[test]
fn who_is_killed_while_it_leaves_or_finds_something_leaves_at_most_what_goes_with_the_place() {
    let (_watchdog, _alone) = (watchdog(), alone());
    family::current().unwrap();
    let before = names();
    let place = Mutex::new(Some(large()));
    let fresh = || {
        let mut place = place.lock().unwrap();
        *place = Some(large());
        Helper::with("lie_and_open", place.as_ref().unwrap())
    };
    cut_short(fresh, || {
        *place.lock().unwrap() = None;
        assert_eq!(names(), before);
    });
    let value = roundtrip(&Value::new(3).unwrap());
    assert_eq!(value.get(), 3);
}

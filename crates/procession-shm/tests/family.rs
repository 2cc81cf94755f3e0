//! Families: who cleans up, and when.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::family::FamilyError;
use procession_shm::{Array, OpenError, Value, family};
use procession_testkit::helper::{Helper, adopt, hex, read, say, wait_for_end};
use procession_testkit::{eventually, shared_memory, watchdog};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

procession_testkit::helpers!(
    be_a_root,
    be_a_child,
    join_the_dead,
    leave_early,
    become_a_daemon,
    lose_the_names,
    lose_the_lease
);

/// Starts a helper with a family of its own that has an array; returns the id and the key too.
fn root() -> (Helper, String, String) {
    let mut helper = Helper::start("be_a_root", &["go".to_owned()]);
    let said = helper.hear();
    let (id, key) = said.split_once(' ').expect("it says its id and its key");
    (helper, id.to_owned(), key.to_owned())
}

fn be_a_root() {
    if read().is_none() {
        return;
    }
    let array = Array::<u8>::zeroed(20_000).unwrap();
    let family = family::current().unwrap();
    say(&format!("{} {}", family.id(), hex(family.key())));
    wait_for_end();
    // It stays, as what a static holds does.
    std::mem::forget(array);
}

fn be_a_child() {
    if adopt().is_none() {
        return;
    }
    let array = Array::<u8>::zeroed(20_000).unwrap();
    say("adopted");
    wait_for_end();
    std::mem::forget(array);
}

// SHM-016
#[test]
fn a_family_leaves_nothing_when_it_ends() {
    let _watchdog = watchdog();
    let (helper, id, _) = root();
    assert_eq!(shared_memory(&id).len(), 2);
    assert!(helper.end().success());
    assert!(shared_memory(&id).is_empty());
}

#[test]
fn the_last_to_leave_cleans_up() {
    let _watchdog = watchdog();
    let (first, id, key) = root();
    let mut second = Helper::start("be_a_child", &[id.clone(), key]);
    assert_eq!(second.hear(), "adopted");
    assert_eq!(shared_memory(&id).len(), 3);
    assert!(first.end().success());
    // What the one that left held is gone, what the other holds is not.
    assert_eq!(shared_memory(&id).len(), 2);
    assert!(second.end().success());
    assert!(shared_memory(&id).is_empty());
}

// SHM-022
#[test]
fn two_that_leave_at_once_clean_up() {
    let _watchdog = watchdog();
    for _ in 0..20 {
        let (mut first, id, key) = root();
        let mut second = Helper::start("be_a_child", &[id.clone(), key]);
        assert_eq!(second.hear(), "adopted");
        first.let_go();
        second.let_go();
        assert!(first.end().success() && second.end().success());
        assert!(shared_memory(&id).is_empty());
    }
}

// SHM-019
#[test]
fn a_killed_family_is_swept() {
    let _watchdog = watchdog();
    let (mut helper, id, _) = root();
    helper.kill9();
    // Whoever starts a family now, in another test or program, sweeps it too.
    let listed = family::leftovers().iter().any(|name| name.contains(&id));
    if !listed {
        eventually("somebody else sweeps it", || shared_memory(&id).is_empty());
    }
    family::sweep();
    eventually("a dead family is swept", || shared_memory(&id).is_empty());
    assert!(family::leftovers().iter().all(|name| !name.contains(&id)));
}

#[test]
fn a_new_family_sweeps_dead_ones() {
    let _watchdog = watchdog();
    let (mut killed, dead, _) = root();
    killed.kill9();
    let (next, _, _) = root();
    eventually("a dead family is swept", || shared_memory(&dead).is_empty());
    assert!(next.end().success());
}

#[test]
fn the_living_are_not_swept() {
    let _watchdog = watchdog();
    let ours = Array::<u8>::zeroed(20_000).unwrap();
    let (mut first, id, key) = root();
    let mut second = Helper::start("be_a_child", &[id.clone(), key]);
    assert_eq!(second.hear(), "adopted");
    first.kill9();
    family::sweep();
    assert!(family::leftovers().iter().all(|name| !name.contains(&id)));
    assert_eq!(shared_memory(&id).len(), 3);
    assert!(second.end().success());
    assert!(shared_memory(&id).is_empty());
    assert!(fs::exists(format!("/dev/shm{}", ours.segment().name())).unwrap());
}

#[test]
fn segments_without_a_lease_are_swept() {
    let _watchdog = watchdog();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let orphan = format!("procession-{now:016x}-1-2");
    fs::write(format!("/dev/shm/{orphan}"), "orphan").unwrap();
    assert!(family::leftovers().contains(&orphan) || shared_memory(&orphan).is_empty());
    family::sweep();
    eventually("an orphan is swept", || shared_memory(&orphan).is_empty());
}

// SHM-028
#[test]
fn other_names_are_left_alone() {
    let _watchdog = watchdog();
    for name in [
        "procession-short",
        "procession-0123456789ABCDEF-1-2",
        "processionlike",
    ] {
        let path = format!("/dev/shm/{name}-{}", std::process::id());
        fs::write(&path, "not ours").unwrap();
        family::sweep();
        assert!(fs::exists(&path).unwrap());
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_process_has_one_family() {
    let _watchdog = watchdog();
    let family = family::current().unwrap();
    assert_eq!(family.id(), family::joined().unwrap().id());
    assert!(!format!("{family:?}").contains(&hex(&family.key()[..4])));
    let refused = family::adopt("0123456789abcdef", [0; 32]);
    assert!(matches!(refused, Err(FamilyError::AlreadyJoined)));
    for id in [
        "",
        "0123456789ABCDEF",
        "+123456789abcdef",
        "0123456789abcdef0",
        "../../etc/passwd",
    ] {
        assert!(
            matches!(family::adopt(id, [0; 32]), Err(FamilyError::BadId)),
            "{id}"
        );
    }
}

#[test]
fn a_family_that_ended_cannot_be_joined() {
    let _watchdog = watchdog();
    let mut helper = Helper::start("join_the_dead", &["go".to_owned()]);
    assert_eq!(helper.hear(), "refused");
}

fn join_the_dead() {
    if read().is_none() {
        return;
    }
    let refused = family::adopt("0123456789abcdef", [0; 32]);
    assert!(matches!(refused, Err(FamilyError::Gone)));
    assert!(family::joined().is_none());
    say("refused");
}

#[test]
fn after_leaving_nothing_is_shared_any_more() {
    let _watchdog = watchdog();
    let mut helper = Helper::start("leave_early", &["go".to_owned()]);
    let id = helper.hear();
    assert!(shared_memory(&id).is_empty());
    assert!(helper.end().success());
}

fn leave_early() {
    if read().is_none() {
        return;
    }
    let array = Array::from_iter(0..3).unwrap();
    let name = array.segment().name();
    let id = family::current().unwrap().id();
    family::leave();
    assert!(matches!(family::current(), Err(FamilyError::Left)));
    assert!(Value::new(1).is_err());
    let refused = procession_shm::Segment::open(
        &name,
        procession_shm::Format::of::<i32>(procession_shm::SegmentKind::ARRAY),
    );
    assert!(matches!(refused, Err(OpenError::Family(FamilyError::Left))));
    assert_eq!(array.to_vec(), [0, 1, 2]);
    drop(array);
    say(id);
    wait_for_end();
}

/// Forks, and exits; the child goes on, as a daemon does.
#[expect(
    clippy::exit,
    reason = "this is what a program does that becomes a daemon"
)]
fn become_a_daemon() {
    if read().is_none() {
        return;
    }
    let before = Array::from_iter(0..3).unwrap();
    say(family::current().unwrap().id());
    let parent = std::process::id();
    // SAFETY: a helper has one thread.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { .. } => std::process::exit(0),
        nix::unistd::ForkResult::Child => {}
    }
    eventually("the parent is gone", || {
        std::os::unix::process::parent_id() != parent
    });
    let after = Array::from_iter(0..4).unwrap();
    let id = family::current().unwrap().id();
    assert!(after.segment().name().contains(id));
    // What the parent had shared is still there, but cannot be handed on any more.
    assert_eq!(before.to_vec(), [0, 1, 2]);
    let sent = procession_wire::Message::encode(procession_wire::Kind::VALUE, &before);
    assert!(sent.unwrap_err().to_string().contains("another family"));
    assert_eq!(
        procession_testkit::helper::roundtrip(&after).to_vec(),
        [0, 1, 2, 3]
    );
    say(id);
    wait_for_end();
}

#[test]
fn a_daemon_whose_family_has_ended_starts_another() {
    let _watchdog = watchdog();
    let mut daemon = Helper::start("become_a_daemon", &["go".to_owned()]);
    let (first, second) = (daemon.hear(), daemon.hear());
    assert_ne!(first, second);
    assert!(shared_memory(&first).is_empty());
    assert_eq!(shared_memory(&second).len(), 2);
    daemon.let_go();
    eventually("the daemon leaves nothing", || {
        shared_memory(&second).is_empty()
    });
}

fn lose_the_names() {
    if read().is_none() {
        return;
    }
    let array = Array::from_iter(0..3).unwrap();
    let id = family::current().unwrap().id();
    for name in shared_memory(id) {
        fs::remove_file(format!("/dev/shm/{name}")).unwrap();
    }
    array.set(0, 7);
    let handed = family::hand_over().unwrap();
    assert!(
        handed.is_some_and(|lease| !lease.shared),
        "no child can open it by its name"
    );
    let after = Array::from_iter(0..4).unwrap();
    assert_eq!(
        procession_testkit::helper::roundtrip(&after).to_vec(),
        [0, 1, 2, 3]
    );
    assert_eq!(array.to_vec(), [7, 1, 2]);
    drop((array, after));
    assert!(shared_memory(id).is_empty());
    say("done");
}

fn lose_the_lease() {
    if read().is_none() {
        return;
    }
    let id = family::current().unwrap().id();
    let value = Value::new(1).unwrap();
    fs::remove_file(format!("/dev/shm/procession-{id}-lease")).unwrap();
    let array = Array::<u8>::zeroed(20_000).unwrap();
    say(id);
    wait_for_end();
    let same = procession_testkit::helper::roundtrip(&(array.clone(), value.clone()));
    assert_eq!((same.0.get(7), same.1.get()), (0, 1));
    drop((array, value));
}

// SHM-040
#[test]
fn what_is_made_after_the_lease_was_removed_is_not_swept_while_its_family_lives() {
    let _watchdog = watchdog();
    for killed in [false, true] {
        let mut helper = Helper::start("lose_the_lease", &["go".to_owned()]);
        let id = helper.hear();
        let names = shared_memory(&id);
        assert_eq!(names.len(), 2, "the slab and the array");
        family::sweep();
        assert!(family::leftovers().iter().all(|name| !names.contains(name)));
        assert_eq!(shared_memory(&id), names);
        if killed {
            helper.kill9();
            family::sweep();
        } else {
            assert!(helper.end().success());
        }
        assert!(shared_memory(&id).is_empty());
    }
}

#[test]
fn names_that_were_removed_do_not_matter_to_those_who_live() {
    let _watchdog = watchdog();
    let mut helper = Helper::start("lose_the_names", &["go".to_owned()]);
    assert_eq!(helper.hear(), "done");
    assert!(helper.end().success());
}

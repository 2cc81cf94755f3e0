//! Sweeping, where nobody else sweeps: in a `/dev/shm` of the test's own.
//!
//! Whoever starts a family sweeps. So a test in the `/dev/shm` of the machine cannot say who
//! removes what, or when. Here it can, and the numbers are exact.

use procession_shm::{Array, family};
use procession_testkit::helper::{Helper, read, say, wait_for_end};
use procession_testkit::watchdog;
use std::fs::{self, File};
use std::process::{Command, Stdio};

procession_testkit::helpers!(
    be_a_root,
    dead_families_are_counted,
    what_another_sweeps_is_its
);

fn be_a_root() {
    if read().is_some() {
        let array = Array::from_iter(0..3).expect("there is room");
        say(family::current().expect("there is a family").id());
        wait_for_end();
        drop(array);
    }
}

/// Runs a helper in a mount namespace with a `/dev/shm` of its own.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn alone(helper: &str) {
    let script = "mount -t tmpfs none /dev/shm || exit 77; exec \"$0\" --helper \"$1\"";
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(program)
        .arg(helper)
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        return println!("skipped: there is no `unshare`");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    if !said.contains("it begins") && !complaints.contains("panicked") {
        return println!("skipped: no namespaces to be had: {complaints}");
    }
    assert!(output.status.success(), "{said}\n{complaints}");
    assert!(said.contains("it ends"), "{said}\n{complaints}");
}

/// Starts a family and kills it; returns the names that it left.
fn dead_family() -> Vec<String> {
    let mut root = Helper::start("be_a_root", &["go".to_owned()]);
    let id = root.hear();
    root.kill9();
    procession_testkit::shared_memory(&id).into_iter().collect()
}

// SHM-019
#[test]
fn every_dead_family_is_swept_at_once() {
    let _watchdog = watchdog();
    alone("dead_families_are_counted");
}

fn dead_families_are_counted() {
    say("it begins");
    for families in 1..20 {
        // The start of each family sweeps the one before.
        let mut left = Vec::new();
        for _ in 0..families {
            left = dead_family();
        }
        assert_eq!(left.len(), 2);
        assert_eq!(family::leftovers(), left);
        assert_eq!(family::sweep(), 2);
        assert!(family::leftovers().is_empty());
        assert_eq!(family::sweep(), 0);
        assert!(
            fs::read_dir("/dev/shm")
                .expect("it is there")
                .next()
                .is_none()
        );
    }
    say("it ends");
}

// SHM-019
#[test]
fn two_sweepers_are_not_in_each_others_way() {
    let _watchdog = watchdog();
    alone("what_another_sweeps_is_its");
}

fn what_another_sweeps_is_its() {
    say("it begins");
    let left = dead_family();
    let lease = left.iter().find(|name| name.ends_with("-lease"));
    let path = format!("/dev/shm/{}", lease.expect("it had one"));
    // As another sweeper does, which has not got further yet.
    let lease = File::open(path).expect("it can be opened");
    lease.try_lock().expect("its family is dead");
    assert_eq!((family::leftovers(), family::sweep()), (Vec::new(), 0));
    let there = || {
        left.iter()
            .filter(|name| fs::exists(format!("/dev/shm/{name}")).is_ok_and(|there| there))
    };
    assert_eq!(there().count(), 2, "that is for the other sweeper to do");
    // It is killed: somebody else goes on.
    drop(lease);
    assert_eq!(family::sweep(), 2);
    assert_eq!(there().count(), 0);
    say("it ends");
}

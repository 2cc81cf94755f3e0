//! A process is not mistaken for a later one that got its number.

use procession_os::identity::Identity;
use procession_testkit::helper::{Helper, read, say, wait_for_end};
use procession_testkit::watchdog;
use std::fs;
use std::process::{Command, Stdio};

procession_testkit::helpers!(tell, reuse_a_number);

/// Tells who it is.
fn tell() {
    if read().is_some() {
        say(&Identity::of_this_process().to_word().to_string());
        wait_for_end();
    }
}

fn told(helper: &mut Helper) -> Identity {
    let word = helper.hear().parse().expect("it is a number");
    Identity::from_word(word).expect("it is somebody")
}

fn start() -> (Helper, Identity) {
    let mut helper = Helper::start("tell", &["go".to_owned()]);
    let identity = told(&mut helper);
    (helper, identity)
}

#[test]
fn it_lives_and_dies_with_its_process() {
    let _watchdog = watchdog();
    let (mut helper, identity) = start();
    assert_eq!(identity.pid(), helper.pid());
    assert!(identity.is_alive());
    helper.kill9();
    assert!(!identity.is_alive());
}

#[test]
fn a_zombie_is_dead() {
    let _watchdog = watchdog();
    let mut child = Command::new("true").spawn().expect("there is `true`");
    let start_unknown = Identity::from_word(child.id().into()).expect("it is somebody");
    procession_testkit::eventually("it has ended", || !procession_testkit::alive(child.id()));
    assert!(
        procession_testkit::exists(child.id()),
        "nobody has reaped it"
    );
    assert!(!start_unknown.is_alive());
    child.wait().expect("it is our child");
}

#[test]
fn another_start_is_another_process() {
    let _watchdog = watchdog();
    let me = Identity::of_this_process();
    let earlier = me.to_word() - (1 << 22);
    let earlier = Identity::from_word(earlier).expect("it is somebody");
    assert_eq!(earlier.pid(), me.pid());
    assert_ne!(earlier, me);
    assert!(me.is_alive() && !earlier.is_alive());
}

/// In a process namespace of its own, where the numbers are the test's to give.
#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn a_number_that_comes_round_is_another_process() {
    let _watchdog = watchdog();
    let namespaces = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
    ];
    let output = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(["--helper", "reuse_a_number"])
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        return println!("skipped: there is no `unshare`");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    if !said.contains("it begins") {
        return println!("skipped: no namespaces to be had: {complaints}");
    }
    assert!(output.status.success(), "{said}\n{complaints}");
    assert!(said.contains("it ends"), "{said}\n{complaints}");
}

fn reuse_a_number() {
    say("it begins");
    let (mut first, dead) = start();
    first.kill9();
    let before = (dead.pid() - 1).to_string();
    // A number that comes round within a tick of the clock, 10 ms, is not told apart: numbers are
    // given in turn, and no system starts them all in one tick.
    let living = loop {
        fs::write("/proc/sys/kernel/ns_last_pid", &before).expect("the numbers are ours");
        let (helper, identity) = start();
        assert_eq!((identity.pid(), helper.pid()), (dead.pid(), dead.pid()));
        if identity != dead {
            break (helper, identity);
        }
    };
    assert!(living.1.is_alive());
    assert!(!dead.is_alive(), "its number is another's");
    say("it ends");
}

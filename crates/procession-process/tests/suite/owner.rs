//! Children that belong to another user or group.

use super::{Household, alone, forever, not_settled};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, User, getgroups, getresgid, getresuid, setuid};
use procession_process::{Builder, Process, StartError, StartMethod, start_method};
use procession_shm::{Array, Value, grant_to};
use procession_testkit::{eventually, exists};
use std::fs;

const NOBODY: u32 = 65534;

#[expect(clippy::print_stderr, reason = "a case that is not tried says so")]
fn is_root() -> bool {
    let root = Uid::effective().is_root();
    if !root {
        eprintln!("not tried: only root can do that");
    }
    root
}

type Ids = ([u32; 3], [u32; 3], Vec<u32>, String);

fn ids() -> Ids {
    let (users, groups) = (getresuid().unwrap(), getresgid().unwrap());
    let users = [users.real, users.effective, users.saved].map(Uid::as_raw);
    let groups = [groups.real, groups.effective, groups.saved].map(Gid::as_raw);
    let others = getgroups().unwrap().into_iter().map(Gid::as_raw);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let permitted = status.lines().find(|line| line.starts_with("CapPrm"));
    (
        users,
        groups,
        others.collect(),
        permitted.unwrap().to_owned(),
    )
}

fn ids_of(builder: Builder) -> Ids {
    builder.spawn(ids, ()).unwrap().join().unwrap()
}

// PRC-044
pub(crate) fn a_child_belongs_to_the_user_and_the_group_it_is_given() {
    if !is_root() {
        return;
    }
    alone(|| {
        let daemon = User::from_name("daemon").unwrap().unwrap();
        let (user, group) = (daemon.uid.as_raw(), daemon.gid.as_raw());
        let nothing = "CapPrm:\t0000000000000000";
        for builder in [
            Process::builder().user("daemon"),
            Process::builder().user(user),
        ] {
            let (users, groups, others, capabilities) = ids_of(builder);
            assert_eq!((users, groups), ([user; 3], [group; 3]));
            assert_eq!((others, &*capabilities), (vec![group], nothing));
        }
        let unlisted = 4_000_000;
        let (users, groups, others, capabilities) =
            ids_of(Process::builder().user(unlisted).group(7));
        assert_eq!((users, groups), ([unlisted; 3], [7; 3]));
        assert_eq!((others, &*capabilities), (vec![], nothing));
        let (users, groups, others, _) = ids_of(Process::builder().group("daemon"));
        assert_eq!((users, groups, others), ([0; 3], [group; 3], ids().2));
        // The others stay as they are.
        assert_eq!(ids_of(Process::builder()), ids());
    });
}

// PRC-044
pub(crate) fn a_user_who_is_not_there_is_refused() {
    for builder in [
        Process::builder().user("there is no such user"),
        Process::builder().group("there is no such group"),
    ] {
        let refused = builder.spawn(|| (), ()).unwrap_err();
        assert!(matches!(refused, StartError::System { .. }), "{refused}");
        assert!(
            refused
                .to_string()
                .contains("there is no `there is no such"),
            "{refused}"
        );
    }
}

// PRC-044
pub(crate) fn a_user_one_may_not_become_is_an_error_of_that_process() {
    alone(|| {
        if Uid::effective().is_root() {
            setuid(Uid::from_raw(NOBODY)).unwrap();
        }
        let words = not_settled(Process::builder().user("daemon").spawn(|| (), ()).unwrap());
        assert!(words.contains("cannot become another user"), "{words}");
    });
}

// PRC-044
pub(crate) fn a_child_of_another_user_ends_with_its_parent() {
    if !is_root() {
        return;
    }
    alone(|| {
        let household = Household::new();
        let parent = Process::spawn(
            || {
                let child = Process::builder().user(NOBODY).spawn(forever, ()).unwrap();
                eventually("it is another user's", || {
                    let status =
                        fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
                    status.contains("Uid:\t65534")
                });
                procession_testkit::kill9(std::process::id());
            },
            (),
        );
        assert!(parent.unwrap().join().is_err());
        household.expect_nobody_else();
    });
}

// PRC-045
pub(crate) fn a_task_that_changes_its_user_ends_with_its_parent() {
    if !is_root() {
        return;
    }
    alone(|| {
        let household = Household::new();
        let parent = Process::spawn(
            || {
                let change = || {
                    setuid(Uid::from_raw(NOBODY)).unwrap();
                    assert_eq!(prctl::get_pdeathsig().unwrap(), None);
                    forever();
                };
                let child = Process::spawn(change, ()).unwrap();
                eventually("it is another user's", || {
                    let status =
                        fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
                    status.contains("Uid:\t65534")
                });
                procession_testkit::kill9(std::process::id());
            },
            (),
        );
        assert!(parent.unwrap().join().is_err());
        household.expect_nobody_else();
        assert!(exists(std::process::id()));
    });
}

// PRC-044
pub(crate) fn a_child_of_another_user_is_of_the_family() {
    if !is_root() {
        return;
    }
    alone(|| {
        let handed = grant_to(NOBODY, || Value::new(1)).unwrap();
        let use_it = |handed: Value<i32>| {
            *handed.lock().unwrap() += 1;
            let make = || Value::new(4).unwrap();
            let four = Process::spawn(make, ()).unwrap().join().unwrap();
            let add = |handed: Value<i32>, four: Value<i32>| {
                *handed.lock().unwrap() += four.get();
            };
            let grandchild = Process::spawn(add, (handed, four));
            grandchild.unwrap().join().unwrap();
        };
        for user in [NOBODY, NOBODY - 1] {
            let child = Process::builder()
                .user(user)
                .spawn(use_it, (handed.clone(),));
            child.unwrap().join().unwrap();
        }
        assert_eq!(handed.get(), 11);
    });
}

// PRC-044
pub(crate) fn a_segment_in_the_arguments_of_a_program_that_has_changed_its_user() {
    if !is_root() {
        return;
    }
    alone(|| {
        // So large that it is alone in its file.
        let before = Array::<u8>::zeroed(20_000).unwrap();
        before.set(0, 1);
        let first = |array: Array<u8>| array.get(0);
        let get = |value: Value<i32>| value.get();
        assert_eq!(
            Process::spawn(first, (before.clone(),))
                .unwrap()
                .join()
                .unwrap(),
            1
        );
        setuid(Uid::from_raw(NOBODY)).unwrap();
        let after = Value::new(2).unwrap();
        assert_eq!(Process::spawn(get, (after,)).unwrap().join().unwrap(), 2);
        let started = Process::spawn(first, (before.clone(),));
        if start_method() == StartMethod::Fork {
            return assert_eq!(started.unwrap().join().unwrap(), 1);
        }
        let refused = started.unwrap_err();
        assert!(matches!(refused, StartError::Encode(_)), "{refused:?}");
        let words = refused.to_string();
        for part in ["belongs to user 0", "Process::builder().user(..)"] {
            assert!(words.contains(part), "{words}");
        }
        assert_eq!((before.get(0), before.segment().holders()), (1, 1));
    });
}

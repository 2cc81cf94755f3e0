//! What a child's builder is told of its surroundings.

use super::{alone, not_settled};
use nix::unistd::{Pid, getpgrp, getpid};
use procession_process::{
    Builder, Process, StartError, StartMethod, set_start_method, start_method,
};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A variable that is not there.
const NONE: &str = "(none)";

/// Starts a child that returns the values of some variables.
fn values(builder: Builder) -> [String; 3] {
    let value = |name| env::var(name).unwrap_or_else(|_| NONE.to_owned());
    let values = move || ["PROCESSION_A", "PROCESSION_B", "HOME"].map(value);
    builder.spawn(values, ()).unwrap().join().unwrap()
}

pub(crate) fn variables_are_set_and_removed() {
    let home = values(Process::builder())[2].clone();
    let builder = Process::builder()
        .env("PROCESSION_A", "1")
        .env("PROCESSION_B", "");
    assert_eq!(values(builder.clone()), ["1", "", &home]);
    let builder = builder
        .env("PROCESSION_A", "a=b")
        .env_remove("PROCESSION_B");
    assert_eq!(values(builder.clone()), ["a=b", NONE, &home]);
    assert_eq!(values(builder.env_remove("HOME")), ["a=b", NONE, NONE]);
    assert_eq!(env::var_os("PROCESSION_A"), None);

    let odd = OsString::from_vec(vec![b'p', 0xff]);
    let is_odd =
        |name: Vec<u8>| env::var_os(OsStr::from_bytes(&name)) == Some(OsString::from_vec(name));
    let builder = Process::builder().env(&odd, &odd);
    assert!(
        builder
            .spawn(is_odd, (odd.into_vec(),))
            .unwrap()
            .join()
            .unwrap()
    );
}

pub(crate) fn an_environment_is_cleared() {
    let builder = Process::builder()
        .env("PROCESSION_A", "1")
        .env_clear()
        .env("PROCESSION_B", "2");
    assert_eq!(values(builder.clone()), [NONE, "2", NONE]);
    let all = || env::vars_os().count();
    assert_eq!(builder.spawn(all, ()).unwrap().join().unwrap(), 1);
    let none = Process::builder().env_clear().spawn(all, ());
    assert_eq!(none.unwrap().join().unwrap(), 0);
}

pub(crate) fn a_variable_that_cannot_be_is_refused() {
    for (name, value) in [("", "x"), ("a=b", "x"), ("a\0b", "x"), ("a", "x\0y")] {
        let refused = Process::builder().env(name, value).spawn(|| (), ());
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StartError::System { .. }), "{refused}");
        assert!(
            refused.to_string().starts_with("cannot set a variable"),
            "{refused}"
        );
    }
    assert!(
        Process::builder()
            .env_remove("a=b")
            .spawn(|| (), ())
            .is_err()
    );
}

pub(crate) fn the_environment_is_that_of_the_moment() {
    alone(|| {
        assert_eq!(values(Process::builder())[0], NONE);
        // SAFETY: this process has one thread.
        unsafe { env::set_var("PROCESSION_A", "later") };
        assert_eq!(values(Process::builder())[0], "later");
        // SAFETY: as above.
        unsafe { env::remove_var("HOME") };
        assert_eq!(values(Process::builder()), ["later", NONE, NONE]);
        // SAFETY: as above.
        unsafe { env::remove_var("PROCESSION_A") };
        assert_eq!(values(Process::builder())[0], NONE);
    });
}

/// Returns the variables that the system shows of a process.
fn shown(pid: u32) -> Vec<Vec<u8>> {
    let all = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let all = all.split(|&byte| byte == 0).filter(|one| !one.is_empty());
    let mut all: Vec<_> = all.map(<[u8]>::to_vec).collect();
    all.sort();
    all
}

/// Returns the variables that this process has.
fn own() -> Vec<Vec<u8>> {
    let entry =
        |(name, value): (OsString, OsString)| [name.as_bytes(), value.as_bytes()].join(&b'=');
    let mut all: Vec<_> = env::vars_os().map(entry).collect();
    all.sort();
    all
}

/// Starts a child that returns what the system shows of it, which has to be what it has.
fn shown_of(builder: Builder) -> Vec<Vec<u8>> {
    let both = || (shown(std::process::id()), own());
    let (shown, own) = builder.spawn(both, ()).unwrap().join().unwrap();
    assert_eq!(shown, own);
    shown
}

fn has_secret(shown: &[Vec<u8>]) -> bool {
    let is_secret = |one: &Vec<u8>| one.windows(6).any(|part| part == b"secret");
    shown.iter().any(is_secret)
}

/// What a process does that was started with a secret in its environment.
fn keep_a_secret() {
    let builder = Process::builder;
    assert!(has_secret(&own()));
    for _ in 0..2 {
        assert!(has_secret(&shown_of(builder())));
        assert!(!has_secret(&shown_of(builder().env_remove("PROCESSION_A"))));
        assert_eq!(shown_of(builder().env_clear()), Vec::<Vec<u8>>::new());
        let two = builder().env_clear().env("PROCESSION_B", "2").env("C", "");
        assert_eq!(shown_of(two), [b"C=".to_vec(), b"PROCESSION_B=2".to_vec()]);
        // A copy has no more room than its parent.
        if start_method() != StartMethod::Fork {
            let longer = shown_of(builder().env("PROCESSION_A", "a longer secret"));
            assert!(longer.contains(&b"PROCESSION_A=a longer secret".to_vec()));
        }
    }
    if let Some(server) = procession_testkit::fork_server(std::process::id()) {
        assert!(!has_secret(&shown(server)));
    }
    // SAFETY: this process has one thread.
    unsafe { env::remove_var("PROCESSION_A") };
    for _ in 0..3 {
        assert!(!has_secret(&shown_of(builder())));
    }
}

// PRC-043
pub(crate) fn the_system_shows_the_environment_that_a_child_was_given_and_no_other() {
    let method = start_method();
    let spawn = Process::builder().start_method(StartMethod::Spawn);
    let keeper = spawn.daemon(true).env("PROCESSION_A", "the secret");
    let keep = |method| {
        set_start_method(method);
        keep_a_secret();
    };
    keeper.spawn(keep, (method,)).unwrap().join().unwrap();
}

// PRC-043
pub(crate) fn the_system_shows_a_large_environment_too() {
    let large = "x".repeat(70_000);
    for _ in 0..2 {
        let builder = Process::builder().env_clear();
        let builder = builder.env("A", &large).env("B", &large);
        let both = || (shown(std::process::id()), own());
        let (shown, own) = builder.spawn(both, ()).unwrap().join().unwrap();
        assert_eq!(own.iter().map(Vec::len).collect::<Vec<_>>(), [70_002; 2]);
        // A copy has no more room than its parent, whose list is as long as it was.
        let room = if start_method() == StartMethod::Fork {
            0
        } else {
            2
        };
        assert_eq!(shown, own[..room]);
    }
}

// PRC-043
pub(crate) fn the_system_shows_of_a_huge_environment_what_fits() {
    let large = "x".repeat(100_000);
    let builder = Process::builder().env_clear();
    let names = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let builder = names
        .iter()
        .fold(builder, |builder, name| builder.env(name, &large));
    let both = || (shown(std::process::id()), own());
    let (shown, own) = builder.spawn(both, ()).unwrap().join().unwrap();
    assert_eq!(own.iter().map(Vec::len).collect::<Vec<_>>(), [100_002; 8]);
    let fit = match start_method() {
        StartMethod::Spawn => 8,
        StartMethod::ForkServer => 5,
        _ => 0,
    };
    assert_eq!(shown, own[..fit]);
}

fn directory_of(builder: Builder) -> String {
    let directory = || env::current_dir().unwrap().to_str().unwrap().to_owned();
    builder.spawn(directory, ()).unwrap().join().unwrap()
}

pub(crate) fn the_working_directory_is_that_of_the_moment() {
    alone(|| {
        let first = env::current_dir().unwrap().to_str().unwrap().to_owned();
        assert_eq!(directory_of(Process::builder()), first);
        env::set_current_dir("/proc").unwrap();
        assert_eq!(directory_of(Process::builder()), "/proc");
        assert_eq!(directory_of(Process::builder().current_dir("/dev")), "/dev");
        assert_eq!(env::current_dir().unwrap().to_str(), Some("/proc"));
    });
}

pub(crate) fn a_relative_directory_starts_at_the_parents() {
    alone(|| {
        Process::spawn(|| (), ()).unwrap().join().unwrap();
        env::set_current_dir("/proc").unwrap();
        assert_eq!(
            directory_of(Process::builder().current_dir("sys")),
            "/proc/sys"
        );
        assert_eq!(directory_of(Process::builder().current_dir("..")), "/");
    });
}

pub(crate) fn a_directory_that_is_gone_is_still_the_childs() {
    alone(|| {
        let gone = env::temp_dir().join(format!("procession-gone-{}", std::process::id()));
        fs::create_dir(&gone).unwrap();
        env::set_current_dir(&gone).unwrap();
        fs::remove_dir(&gone).unwrap();
        let link = || {
            fs::read_link("/proc/self/cwd")
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        let theirs = Process::spawn(link, ()).unwrap().join().unwrap();
        assert_eq!(theirs, link());
    });
}

pub(crate) fn a_missing_directory_is_an_error_of_that_process() {
    let builder = Process::builder().current_dir("/there/is/none");
    let words = not_settled(builder.spawn(|| (), ()).unwrap());
    assert!(
        words.contains("cannot change to the directory `/there/is/none`"),
        "{words}"
    );
    let builder = Process::builder().current_dir("/dev/null");
    let words = not_settled(builder.spawn(|| (), ()).unwrap());
    assert!(
        words.contains("Not a directory") || words.contains("ENOTDIR"),
        "{words}"
    );
    let words = not_settled(
        Process::builder()
            .current_dir("a\0b")
            .spawn(|| (), ())
            .unwrap(),
    );
    assert!(words.contains("cannot change to the directory"), "{words}");
}

fn group_of(builder: Builder) -> (i32, i32) {
    let groups = || (getpgrp().as_raw(), getpid().as_raw());
    builder.spawn(groups, ()).unwrap().join().unwrap()
}

pub(crate) fn the_process_group_is_the_parents_or_as_told() {
    assert_eq!(group_of(Process::builder()).0, getpgrp().as_raw());
    let (group, pid) = group_of(Process::builder().process_group(0));
    assert_eq!(group, pid);
    alone(|| {
        Process::spawn(|| (), ()).unwrap().join().unwrap();
        nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
        assert_eq!(group_of(Process::builder()).0, getpid().as_raw());
    });
    let first = Process::builder().process_group(0);
    let first = first.spawn(super::forever, ()).unwrap();
    let has_a_group = || nix::unistd::getpgid(Some(Pid::from_raw(first.pid().cast_signed())));
    procession_testkit::eventually("the first has a group", || {
        has_a_group().map(Pid::as_raw) == Ok(first.pid().cast_signed())
    });
    let second = Process::builder().process_group(first.pid());
    assert_eq!(group_of(second).0, first.pid().cast_signed());
    first.kill().unwrap();
    assert!(first.join().is_err());
}

pub(crate) fn a_group_that_is_not_there_is_an_error_of_that_process() {
    // Init's is in another session.
    let words = not_settled(
        Process::builder()
            .process_group(1)
            .spawn(|| (), ())
            .unwrap(),
    );
    assert!(words.contains("cannot join the process group"), "{words}");
}

//! What a child's builder is told of its surroundings.

use super::{alone, not_settled};
use nix::unistd::{Pid, getpgrp, getpid};
use procession_process::{Builder, Process, StartError};
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

//! Pipes between this program and others.
//!
//! One test at a time, and in a program of their own: between `fork` and `exec` the child of one
//! test holds a copy of every end that another has open, which then looks as if somebody was there.

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{Uid, geteuid, seteuid};
use procession_pipe::{NamedPipe, PipeReader, PipeWriter, pipe};
use procession_process::Process;
use procession_testkit::watchdog;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

procession_process::enable_in_tests!();

/// Far beyond what a meeting takes, and not for ever.
const LONG: Option<Duration> = Some(Duration::from_secs(100));

fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pipe, and the directory that goes with the test.
fn fresh() -> (TempDir, NamedPipe) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let pipe = NamedPipe::create(directory.path().join("pipe")).expect("a new pipe");
    (directory, pipe)
}

/// Starts a program that knows nothing but the paths.
fn shell(script: &str, paths: &[&Path]) -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .args(paths)
        .stdout(Stdio::piped());
    command.spawn().expect("a shell")
}

fn output(child: Child) -> String {
    let output = child.wait_with_output().expect("the shell ends");
    String::from_utf8(output.stdout).expect("it prints text")
}

fn text(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .expect("the pipe can be read");
    text
}

fn say(mut writer: PipeWriter, what: &str) {
    writer
        .write_all(what.as_bytes())
        .expect("the reader is there");
}

#[test]
fn a_started_program_has_what_it_is_given_only() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (reader, writer) = pipe().unwrap();
    let flags = fcntl(&reader, FcntlArg::F_GETFD).unwrap();
    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
    let mut command = Command::new("sh");
    command.args(["-c", "echo from the child"]).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    assert_eq!(text(reader), "from the child\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_end_is_a_descriptor() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (reader, writer) = pipe().unwrap();
    let mut writer = PipeWriter::from(OwnedFd::from(writer));
    writer.write_all(b"as before").unwrap();
    let child = Command::new("cat")
        .stdin(reader)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(writer);
    assert_eq!(child.wait_with_output().unwrap().stdout, b"as before");
}

#[test]
fn other_programs_meet_us_in_every_order() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (_directory, pipe) = fresh();
    for timeout in [None, LONG] {
        let cat = shell("cat \"$1\"", &[pipe.path()]);
        say(pipe.open_writer(timeout).unwrap(), "to a program");
        assert_eq!(output(cat), "to a program");

        let echo = shell("echo from a program > \"$1\"", &[pipe.path()]);
        assert_eq!(text(pipe.open_reader(timeout).unwrap()), "from a program\n");
        output(echo);
    }
}

#[test]
fn two_conversations_go_through_the_same_pipe() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (directory, question) = fresh();
    let answer = NamedPipe::create(directory.path().join("answer")).unwrap();
    for name in ["Elliot", "Darlene"] {
        let script = format!("read who < \"$1\"; echo \"hello $who, I am {name}\" > \"$2\"");
        let peer = shell(&script, &[question.path(), answer.path()]);
        say(question.open_writer(LONG).unwrap(), "friend\n");
        let said = text(answer.open_reader(LONG).unwrap());
        assert_eq!(said, format!("hello friend, I am {name}\n"));
        output(peer);
        assert!(NamedPipe::exists(question.path()) && NamedPipe::exists(answer.path()));
    }
}

#[test]
fn a_pipe_of_somebody_else_is_refused() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (directory, pipe) = fresh();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(pipe.path(), fs::Permissions::from_mode(0o000)).unwrap();
    let open = |path: PathBuf| -> Vec<String> {
        if geteuid().is_root() {
            seteuid(Uid::from_raw(65534)).unwrap();
        }
        let pipe = NamedPipe::at(path).unwrap();
        let readers =
            [None, Some(Duration::ZERO)].map(|timeout| pipe.open_reader(timeout).unwrap_err());
        let writers =
            [None, Some(Duration::ZERO)].map(|timeout| pipe.open_writer(timeout).unwrap_err());
        let refused = readers
            .into_iter()
            .chain(writers)
            .chain([pipe.remove().unwrap_err()]);
        refused.map(|error| format!("{error:?}")).collect()
    };
    let path = pipe.path().to_owned();
    let refused = Process::spawn(open, (path,)).unwrap().join().unwrap();
    for (index, refused) in refused.into_iter().enumerate() {
        // The owner of the directory may remove what is in it.
        if index < 4 || geteuid().is_root() {
            assert!(refused.starts_with("PermissionDenied"), "{refused}");
        }
    }
}

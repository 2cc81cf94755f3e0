//! Named pipes: who comes first, who comes never, and what else can be at a path.
//!
//! No test here starts a process: see `programs.rs`.

mod common;

use common::start;
use nix::unistd::geteuid;
use procession_pipe::{NamedPipe, NamedPipeError, PipeReader, PipeWriter};
use procession_testkit::watchdog;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Far beyond what a meeting takes, and not for ever.
const LONG: Option<Duration> = Some(Duration::from_secs(100));
const SHORT: Option<Duration> = Some(Duration::from_millis(20));

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A pipe, and the directory that goes with the test.
fn fresh() -> (TempDir, NamedPipe) {
    let directory = directory();
    let pipe = NamedPipe::create(directory.path().join("pipe")).expect("a new pipe");
    (directory, pipe)
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
fn a_new_pipe_is_for_its_user_only() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    let mode = fs::metadata(pipe.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(NamedPipe::exists(pipe.path()));
}

#[test]
fn both_orders_meet_with_and_without_a_deadline() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    for timeout in [None, LONG] {
        thread::scope(|scope| {
            let reader = start(scope, || pipe.open_reader(timeout).unwrap());
            reader.blocks();
            say(pipe.open_writer(timeout).unwrap(), "reader first");
            assert_eq!(text(reader.handle.join().unwrap()), "reader first");
        });
        thread::scope(|scope| {
            let writer = start(scope, || {
                say(pipe.open_writer(timeout).unwrap(), "writer first");
            });
            writer.blocks();
            assert_eq!(text(pipe.open_reader(timeout).unwrap()), "writer first");
        });
    }
}

#[test]
fn a_writer_that_came_and_went_is_not_missed() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    for round in 0..300 {
        let what = if round % 2 == 0 { "quick" } else { "" };
        let timeout = if round % 3 == 0 { None } else { LONG };
        thread::scope(|scope| {
            scope.spawn(|| say(pipe.open_writer(timeout).unwrap(), what));
            assert_eq!(text(pipe.open_reader(LONG).unwrap()), what);
        });
    }
}

#[test]
fn a_silent_writer_is_seen() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    for timeout in [None, LONG] {
        let opened = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let writer = pipe.open_writer(timeout).unwrap();
                opened.wait();
                say(writer, "at last");
            });
            let reader = pipe.open_reader(LONG).unwrap();
            opened.wait();
            assert_eq!(text(reader), "at last");
        });
    }
}

#[test]
fn an_end_blocks_once_it_is_open() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    thread::scope(|scope| {
        let reader = start(scope, || text(pipe.open_reader(LONG).unwrap()));
        let writer = pipe.open_writer(LONG).unwrap();
        reader.blocks();
        let filler = start(scope, || say(writer, &"x".repeat(1 << 20)));
        assert_eq!(reader.handle.join().unwrap().len(), 1 << 20);
        filler.handle.join().unwrap();
    });
}

#[test]
fn nobody_is_waited_for_until_the_deadline_only() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    for timeout in [SHORT, Some(Duration::ZERO)] {
        assert!(matches!(
            pipe.open_reader(timeout),
            Err(NamedPipeError::TimedOut(_))
        ));
        assert!(matches!(
            pipe.open_writer(timeout),
            Err(NamedPipeError::TimedOut(_))
        ));
    }
}

#[test]
fn what_is_there_is_not_replaced() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    let again = NamedPipe::create(pipe.path());
    assert!(matches!(again, Err(NamedPipeError::AlreadyExists(path)) if path == pipe.path()));
}

#[test]
fn other_kinds_of_files_are_refused() {
    let _watchdog = watchdog();
    let directory = directory();
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    let socket = directory.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for path in [directory.path(), &file, &socket, Path::new("/dev/null")] {
        assert!(matches!(
            NamedPipe::at(path),
            Err(NamedPipeError::NotAPipe(_))
        ));
        assert!(!NamedPipe::exists(path));
    }
}

#[test]
fn a_file_that_took_the_place_of_the_pipe_is_not_opened_as_one() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    fs::remove_file(pipe.path()).unwrap();
    fs::write(pipe.path(), "precious").unwrap();
    for timeout in [None, LONG] {
        assert!(matches!(
            pipe.open_reader(timeout),
            Err(NamedPipeError::NotAPipe(_))
        ));
        assert!(matches!(
            pipe.open_writer(timeout),
            Err(NamedPipeError::NotAPipe(_))
        ));
    }
    let path = pipe.path().to_owned();
    assert!(matches!(pipe.remove(), Err(NamedPipeError::NotAPipe(_))));
    assert_eq!(fs::read(path).unwrap(), b"precious");
}

#[test]
fn each_bad_path_has_its_error() {
    let _watchdog = watchdog();
    let directory = directory();
    let missing = directory.path().join("no/pipe");
    let refused = NamedPipe::create(&missing);
    assert!(matches!(refused, Err(NamedPipeError::MissingDirectory(_))));
    assert!(matches!(
        NamedPipe::at(&missing),
        Err(NamedPipeError::NotFound(_))
    ));
    for path in ["", "a\0b"] {
        assert!(matches!(
            NamedPipe::create(path),
            Err(NamedPipeError::InvalidPath(_))
        ));
        assert!(matches!(
            NamedPipe::at(path),
            Err(NamedPipeError::InvalidPath(_))
        ));
    }
    let refused = NamedPipe::create(directory.path().join("x".repeat(300)));
    assert!(matches!(refused, Err(NamedPipeError::Io { .. })));
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let _watchdog = watchdog();
    let refused = NamedPipe::create(forbidden(&directory()).join("pipe"));
    assert!(
        matches!(refused, Err(NamedPipeError::PermissionDenied(_))),
        "{refused:?}"
    );
}

/// A directory in which nobody, or for the superuser no pipe, can be made.
fn forbidden(directory: &TempDir) -> PathBuf {
    if geteuid().is_root() {
        return "/sys".into();
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).expect("it is ours");
    directory.path().to_owned()
}

#[test]
fn a_removed_pipe_is_not_found_and_its_ends_go_on() {
    let _watchdog = watchdog();
    let (_directory, pipe) = fresh();
    let same = NamedPipe::at(pipe.path()).unwrap();
    let (reader, writer) = thread::scope(|scope| {
        let reader = scope.spawn(|| pipe.open_reader(LONG).unwrap());
        let writer = pipe.open_writer(LONG).unwrap();
        (reader.join().unwrap(), writer)
    });
    pipe.remove().unwrap();
    assert!(!NamedPipe::exists(same.path()));
    assert!(matches!(
        same.open_reader(SHORT),
        Err(NamedPipeError::NotFound(_))
    ));
    assert!(matches!(
        same.open_writer(None),
        Err(NamedPipeError::NotFound(_))
    ));
    assert!(matches!(same.remove(), Err(NamedPipeError::NotFound(_))));
    say(writer, "still");
    assert_eq!(text(reader), "still");
}

#[test]
fn a_pipe_is_removed_on_drop_if_asked_for() {
    let _watchdog = watchdog();
    let (directory, pipe) = fresh();
    let path = pipe.path().to_owned();
    drop(pipe);
    assert!(NamedPipe::exists(&path));
    drop(
        NamedPipe::at(&path)
            .unwrap()
            .remove_on_drop(true)
            .remove_on_drop(false),
    );
    assert!(NamedPipe::exists(&path));
    drop(NamedPipe::at(&path).unwrap().remove_on_drop(true));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_pipe_that_took_the_name_is_left_alone() {
    let _watchdog = watchdog();
    let (directory, old) = fresh();
    let path = old.path().to_owned();
    let old = old.remove_on_drop(true);
    fs::rename(&path, directory.path().join("aside")).unwrap();
    let new = NamedPipe::create(&path).unwrap();
    drop(old);
    assert!(NamedPipe::exists(new.path()));
}

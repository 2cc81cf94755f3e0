//! Hooks at the exit of a process.

use super::{ended, forever, hear, tell};
use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_process::{AtExit, ExitStatus, Process, Task, at_exit};
use procession_testkit::hush;
use std::io::{Read, Write};
use std::time::Duration;

/// Has `word` written at the exit.
fn write_at_exit(priority: i32, pipe: &PipeWriter, word: &'static str) -> AtExit {
    let mut pipe = pipe.try_clone().unwrap();
    at_exit(priority, move || pipe.write_all(word.as_bytes()).unwrap()).unwrap()
}

fn text(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Runs `task` in a child, and returns what it and its hooks wrote.
fn written_by<F, M>(task: F) -> String
where
    F: Task<(PipeWriter,), M, Output = ()>,
{
    let (reader, writer) = pipe().unwrap();
    let process = Process::spawn(task, (writer,)).unwrap();
    process.join().unwrap();
    text(reader)
}

// PRC-018, PRC-031
pub(crate) fn hooks_are_called_by_priority_and_then_the_last_first() {
    let hooks = |pipe: PipeWriter| {
        for (priority, word) in [
            (0, "e"),
            (7, "b"),
            (-3, "g"),
            (0, "d"),
            (7, "a"),
            (1, "c"),
            (-1, "f"),
        ] {
            write_at_exit(priority, &pipe, word);
        }
    };
    assert_eq!(written_by(hooks), "abcdefg");
    let exits = |pipe: PipeWriter| -> () {
        write_at_exit(0, &pipe, "called");
        std::process::exit(4)
    };
    let (reader, writer) = pipe().unwrap();
    let process = Process::spawn(exits, (writer,)).unwrap();
    assert_eq!(text(reader), "called");
    assert_eq!(ended(process), ExitStatus::Code(4));
}

// PRC-018
pub(crate) fn a_hook_is_called_or_cancelled_once() {
    let hooks = |pipe: PipeWriter| {
        let hook = write_at_exit(0, &pipe, "now ");
        assert!(hook.clone().call());
        assert!(!hook.clone().call());
        assert!(!hook.cancel());
        let hook = write_at_exit(0, &pipe, "never ");
        assert!(hook.clone().cancel());
        assert!(!hook.clone().cancel());
        assert!(!hook.call());
        write_at_exit(0, &pipe, "later");
    };
    assert_eq!(written_by(hooks), "now later");
}

pub(crate) fn a_hook_that_panics_keeps_no_other_from_being_called() {
    let hooks = |pipe: PipeWriter| {
        hush();
        write_at_exit(0, &pipe, "b");
        at_exit(1, || panic!("in a hook")).unwrap();
        write_at_exit(2, &pipe, "a");
        at_exit(-1, || panic!("in a late hook")).unwrap();
        write_at_exit(-2, &pipe, "c");
    };
    assert_eq!(written_by(hooks), "abc");
}

/// Has a child that writes later, and hooks before and after its end.
fn wait_for_a_child(pipe: PipeWriter) {
    write_at_exit(0, &pipe, "before ");
    write_at_exit(-1, &pipe, "after");
    let late = |mut pipe: PipeWriter| {
        std::thread::sleep(Duration::from_millis(50));
        pipe.write_all(b"child ").unwrap();
    };
    let _child = Process::spawn(late, (pipe,)).unwrap();
}

pub(crate) fn hooks_with_a_negative_priority_follow_the_children() {
    assert_eq!(written_by(wait_for_a_child), "before child after");
}

/// Has hooks, as its child has, and waits for that child.
fn have_hooks_as_the_child(pipe: PipeWriter) {
    let hook = write_at_exit(0, &pipe, "parent");
    write_at_exit(-1, &pipe, "!");
    let child = |pipe: PipeWriter| {
        write_at_exit(0, &pipe, "child ");
    };
    let child = Process::spawn(child, (pipe,)).unwrap();
    child.join().unwrap();
    assert_eq!(hook, hook.clone());
}

// PRC-031
pub(crate) fn hooks_run_in_the_process_that_registered_them() {
    assert_eq!(written_by(have_hooks_as_the_child), "child parent!");
}

pub(crate) fn a_hook_may_register_another() {
    let hooks = |pipe: PipeWriter| {
        let within = move || {
            write_at_exit(0, &pipe, "within ");
            write_at_exit(-1, &pipe, "late");
        };
        at_exit(3, within).unwrap();
    };
    assert_eq!(written_by(hooks), "within late");
}

pub(crate) fn no_hook_runs_in_a_process_that_is_killed() {
    let hooks = |mut pipe: PipeWriter| {
        write_at_exit(0, &pipe, "never");
        tell(&mut pipe, 7);
        forever();
    };
    let (mut reader, writer) = pipe().unwrap();
    let process = Process::spawn(hooks, (writer,)).unwrap();
    assert_eq!(hear(&mut reader), 7);
    process.terminate().unwrap();
    assert_eq!(ended(process), ExitStatus::Signal(15));
    assert_eq!(text(reader), "");
}

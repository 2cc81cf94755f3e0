//! Standard input, output and error output.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a child writes there is what is tested"
)]

use super::{alone, failure};
use nix::unistd::{close, dup2_stderr, dup2_stdin, dup2_stdout};
use procession_pipe::pipe;
use procession_process::{Cause, Failure, Process, Stdio};
use std::fs::{self, File};
use std::io::{Read, Seek, Write, stdin};
use std::panic::catch_unwind;

fn text(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Writes to both outputs what came in.
fn echo() -> usize {
    let input = text(stdin());
    println!("out {input}");
    eprintln!("err {input}");
    input.len()
}

// PRC-020
pub(crate) fn input_leads_nowhere() {
    let reads = || {
        let link = fs::read_link("/proc/self/fd/0").unwrap();
        (text(stdin()), link.to_str().unwrap().to_owned())
    };
    let nowhere = (String::new(), "/dev/null".to_owned());
    assert_eq!(Process::spawn(reads, ()).unwrap().join().unwrap(), nowhere);
}

pub(crate) fn all_three_are_pipes() {
    let builder = Process::builder().stdin(Stdio::piped());
    let builder = builder.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = builder.spawn(echo, ()).unwrap();
    let mut input = process.take_stdin().unwrap();
    assert!(process.take_stdin().is_none());
    input.write_all(b"hello").unwrap();
    drop(input);
    assert_eq!(text(process.take_stdout().unwrap()), "out hello\n");
    assert_eq!(text(process.take_stderr().unwrap()), "err hello\n");
    assert_eq!(process.join().unwrap(), 5);
    let process = Process::spawn(|| (), ());
    assert!(process.unwrap().take_stdout().is_none());
}

/// Returns a file that has no name.
fn nameless() -> File {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    nix::sys::memfd::memfd_create(c"test", flags)
        .unwrap()
        .into()
}

fn written(mut file: File) -> String {
    file.rewind().unwrap();
    text(file)
}

pub(crate) fn all_three_are_files() {
    let (mut input, output, errors) = (nameless(), nameless(), nameless());
    input.write_all(b"hello").unwrap();
    input.rewind().unwrap();
    let builder = Process::builder().stdin(input);
    let builder = builder.stdout(output.try_clone().unwrap());
    let builder = builder.stderr(errors.try_clone().unwrap());
    let again = builder.clone();
    assert_eq!(builder.spawn(echo, ()).unwrap().join().unwrap(), 5);
    // The same builder, and so the same files, a second time.
    assert_eq!(again.spawn(echo, ()).unwrap().join().unwrap(), 0);
    assert_eq!(written(output), "out hello\nout \n");
    assert_eq!(written(errors), "err hello\nerr \n");
}

fn links() -> Vec<String> {
    let link = |number| fs::read_link(format!("/proc/self/fd/{number}"));
    let links = [0, 1, 2].map(|number| link(number).unwrap_or_default());
    links.map(|link| link.to_str().unwrap().to_owned()).into()
}

pub(crate) fn output_leads_nowhere_if_asked() {
    let builder = Process::builder()
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let theirs = builder.spawn(links, ()).unwrap().join().unwrap();
    assert_eq!(theirs, ["/dev/null"; 3]);
}

pub(crate) fn streams_follow_the_parents() {
    alone(|| {
        Process::spawn(|| (), ()).unwrap().join().unwrap();
        let (output, errors) = (nameless(), nameless());
        dup2_stdout(&output).unwrap();
        dup2_stderr(&errors).unwrap();
        Process::spawn(echo, ()).unwrap().join().unwrap();
        assert_eq!(written(output), "out \n");
        assert_eq!(written(errors), "err \n");
    });
}

pub(crate) fn input_is_inherited_if_asked() {
    alone(|| {
        let mut input = nameless();
        input.write_all(b"hello").unwrap();
        input.rewind().unwrap();
        dup2_stdin(&input).unwrap();
        let builder = Process::builder().stdin(Stdio::inherit());
        let builder = builder.stdout(Stdio::null()).stderr(Stdio::null());
        assert_eq!(builder.spawn(echo, ()).unwrap().join().unwrap(), 5);
    });
}

pub(crate) fn closed_streams_of_the_parent_do_no_harm() {
    for closed in [[0].as_slice(), &[1], &[2], &[1, 2], &[0, 1, 2]] {
        let start = |closed: Vec<i32>| {
            for number in closed {
                close(number).unwrap();
            }
            for _ in 0..3 {
                let process = Process::spawn(
                    || {
                        assert_eq!(echo(), 0);
                        links()
                    },
                    (),
                );
                let links = process.unwrap().join().unwrap();
                assert!(
                    !links.iter().any(|link| link.contains("socket")),
                    "{links:?}"
                );
            }
        };
        let builder = Process::builder()
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = builder.spawn(start, (closed.to_vec(),)).unwrap();
        process.join().unwrap();
    }
}

// PRC-016
// PRC-063
pub(crate) fn a_panic_is_told_on_stderr() {
    let builder = Process::builder().stderr(Stdio::piped());
    let mut process = builder.spawn(|| -> () { panic!("told") }, ()).unwrap();
    let words = text(process.take_stderr().unwrap());
    let (name, pid) = (process.name(), process.pid());
    let first = format!("process `{name}` (pid {pid}): thread 'main' panicked at crates/");
    assert!(words.starts_with(&first), "{words}");
    assert!(words.contains("\ntold\n"), "{words}");
    assert!(matches!(
        failure(process).cause(),
        Cause::Call(Failure::Panicked(_))
    ));
}

const LINES: usize = 30;

/// Panics often, each time with many lines that bear the process's number, and survives.
fn panic_often() {
    let line = format!("of {} {}\n", std::process::id(), "and on ".repeat(9));
    for _ in 0..30 {
        let panic = || panic!("{}", line.repeat(LINES));
        assert!(catch_unwind(panic).is_err());
    }
}

// PRC-063
pub(crate) fn panics_of_several_processes_do_not_mix() {
    alone(|| {
        // Of a file on a disk, writes by several processes follow each other.
        let mut file = tempfile::tempfile().unwrap();
        let start = |()| {
            let stderr = file.try_clone().unwrap();
            let builder = Process::builder().env("RUST_BACKTRACE", "0").stderr(stderr);
            builder.spawn(panic_often, ()).unwrap()
        };
        let processes: Vec<_> = [(); 6].map(start).into();
        for process in processes {
            process.join().unwrap();
        }
        file.rewind().unwrap();
        let text = text(file);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6 * 30 * (LINES + 2));
        for report in lines.chunks(LINES + 2) {
            let (first, body) = report.split_first().unwrap();
            let pid = body[0].split(' ').nth(1).unwrap();
            assert!(first.starts_with("process `"), "{first}");
            assert!(first.contains(&format!("(pid {pid})")), "{first}");
            assert!(
                body[..LINES].iter().all(|line| line == &body[0]),
                "{body:?}"
            );
        }
    });
}

/// Has something in the buffers of its output when it starts a child that writes too.
fn buffer_and_start() {
    print!("parent ");
    let child = || print!("child ");
    Process::spawn(child, ()).unwrap().join().unwrap();
    print!("end");
}

// PRC-022
pub(crate) fn buffered_output_is_written_once() {
    let builder = Process::builder().stdout(Stdio::piped());
    let mut process = builder.spawn(buffer_and_start, ()).unwrap();
    let words = text(process.take_stdout().unwrap());
    process.join().unwrap();
    for word in ["parent ", "child ", "end"] {
        assert_eq!(words.matches(word).count(), 1, "{words}");
    }
    let (reader, writer) = pipe().unwrap();
    let exits = || -> () {
        print!("before the exit");
        std::process::exit(3)
    };
    let process = Process::builder().stdout(writer).spawn(exits, ()).unwrap();
    assert_eq!(super::ended(process).code(), Some(3));
    assert_eq!(text(reader), "before the exit");
}

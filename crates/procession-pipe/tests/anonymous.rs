//! Anonymous pipes.

use procession_pipe::{PipeReader, PipeWriter, pipe};
use procession_testkit::watchdog;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Read, Write};
use std::thread;
use std::time::Duration;

/// Far beyond what anything takes, and not for ever.
const LONG: Duration = Duration::from_secs(100);

fn text(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .expect("the pipe can be read");
    text
}

#[test]
fn what_is_written_is_read_to_the_end() {
    let _watchdog = watchdog();
    let (reader, mut writer) = pipe().unwrap();
    let long = "My name is Elliot\n".repeat(50_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(long.as_bytes()).unwrap();
            drop(writer);
        });
        assert_eq!(text(reader), long);
    });
}

#[test]
fn shared_references_read_and_write() {
    let _watchdog = watchdog();
    let (reader, writer) = pipe().unwrap();
    let written = (&writer).write_vectored(&[IoSlice::new(b"two "), IoSlice::new(b"parts\n")]);
    assert_eq!(written.unwrap(), 10);
    let mut line = String::new();
    BufReader::new(&reader).read_line(&mut line).unwrap();
    assert_eq!(line, "two parts\n");
}

#[test]
fn a_clone_keeps_the_pipe_open() {
    let _watchdog = watchdog();
    let (reader, writer) = pipe().unwrap();
    let mut second = writer.try_clone().unwrap();
    drop(writer);
    assert!(!reader.poll(Duration::ZERO).unwrap());
    second.write_all(b"still").unwrap();
    drop(second);
    assert_eq!(text(reader.try_clone().unwrap()), "still");
    assert!(reader.poll(None).unwrap());
}

#[test]
fn without_a_reader_the_pipe_is_broken() {
    let _watchdog = watchdog();
    let (reader, mut writer) = pipe().unwrap();
    drop(reader);
    assert!(writer.poll(None).unwrap());
    assert_eq!(
        writer.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn a_full_pipe_has_no_room() {
    let _watchdog = watchdog();
    let (_reader, mut writer) = pipe().unwrap();
    while writer.poll(Duration::ZERO).unwrap() {
        writer.write_all(&[0; 4096]).unwrap();
    }
    assert!(!writer.poll(Duration::from_millis(2)).unwrap());
}

#[test]
fn a_read_ends_in_time_and_at_the_end() {
    let _watchdog = watchdog();
    let (reader, mut writer) = pipe().unwrap();
    let mut buf = [0; 3];
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        let late = reader.read_timeout(&mut buf, timeout).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
    }
    writer.write_all(b"last").unwrap();
    drop(writer);
    assert_eq!(reader.read_timeout(&mut [], Duration::ZERO).unwrap(), 0);
    for len in [3, 1, 0, 0] {
        assert_eq!(reader.read_timeout(&mut buf, LONG).unwrap(), len);
    }
}

#[test]
fn a_write_ends_in_time_and_when_nobody_reads() {
    let _watchdog = watchdog();
    let (reader, writer) = pipe().unwrap();
    let mut written = 0;
    let full = loop {
        match writer.write_timeout(&[0; 10_000], Duration::from_millis(1)) {
            Ok(len) => written += len,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::TimedOut);
    let mut rest = vec![0; written];
    (&reader).read_exact(&mut rest).unwrap();
    assert!(!reader.poll(Duration::ZERO).unwrap(), "more than it said");

    assert_eq!(writer.write_timeout(b"", Duration::ZERO).unwrap(), 0);
    assert_eq!(writer.write_timeout(b"again", LONG).unwrap(), 5);
    drop(reader);
    let broken = writer.write_timeout(b"x", LONG).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn an_end_is_no_part_of_a_file() {
    let _watchdog = watchdog();
    let (reader, _writer) = pipe().unwrap();
    assert!(serde_json::to_string(&reader).is_err());
    assert!(serde_json::from_str::<PipeWriter>("0").is_err());
}

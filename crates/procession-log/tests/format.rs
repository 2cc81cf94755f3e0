//! What records look like: as Python's `logging` writes them.

mod common;

use common::{Log, run};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use log::{Level, LevelFilter, Record};
use procession_process::Process;
use procession_testkit::watchdog;
use std::fmt;
use std::path::PathBuf;
use std::thread;

procession_process::enable_in_tests!();

fn install(path: PathBuf, format: &str) {
    let builder = procession_log::builder().file(path).format(format);
    builder
        .level(LevelFilter::Trace)
        .install()
        .expect("the format is right");
}

/// Logs one record whose every attribute is known.
fn log_known(path: PathBuf, format: String) {
    install(path, &format);
    let mut record = Record::builder();
    let place = record
        .file(Some("src/dir/café.rs"))
        .line(Some(42))
        .module_path(Some("app::dir"));
    place.target("my.name").level(Level::Warn);
    log::logger().log(&place.args(format_args!("two\nlines")).build());
}

/// Returns what a known record looks like, without the line break after it.
fn shown(format: &str) -> String {
    let log = Log::new();
    run(log_known, (log.path.clone(), format.to_owned()));
    log.text()
        .strip_suffix('\n')
        .expect("a line break ends the record")
        .to_owned()
}

#[test]
fn attributes_are_python_s() {
    let _watchdog = watchdog();
    assert_eq!(
        shown("%(name)s %(levelname)s %(levelno)s"),
        "my.name WARNING 30"
    );
    assert_eq!(
        shown("%(pathname)s|%(filename)s|%(lineno)d"),
        "src/dir/café.rs|café.rs|42"
    );
    assert_eq!(shown("%(module)s"), "app::dir");
    assert_eq!(shown("%(message)s"), "two\nlines");
    assert_eq!(shown("100%% of %(levelno)d%%"), "100% of 30%");
    assert_eq!(shown("%(threadName)s"), "MainThread");
}

// The expected texts are what CPython 3.11 makes of the same formats.
#[test]
fn conversions_are_python_s() {
    let _watchdog = watchdog();
    let expected = [
        ("%(levelname)-10s|", "WARNING   |"),
        ("%(levelname)10s|", "   WARNING|"),
        ("%(levelname)010s|", "   WARNING|"),
        ("%(levelname)-010s|", "WARNING   |"),
        ("%(levelname).4s|", "WARN|"),
        ("%(levelname)-8.4s|", "WARN    |"),
        ("%(levelname)8.4s|", "    WARN|"),
        ("%(levelname).s|", "|"),
        ("%(levelname)3s|", "WARNING|"),
        ("%(filename).4s|", "café|"),
        ("%(filename)10s|", "   café.rs|"),
        ("%(message)12s|", "   two\nlines|"),
        ("%(message).3s|", "two|"),
        ("%(lineno)d|", "42|"),
        ("%(lineno)s|", "42|"),
        ("%(lineno)6d|", "    42|"),
        ("%(lineno)-6d|", "42    |"),
        ("%(lineno)06d|", "000042|"),
        ("%(lineno)-06d|", "42    |"),
        ("%(lineno)0-6d|", "42    |"),
        ("%(lineno).5d|", "00042|"),
        ("%(lineno)07.5d|", "0000042|"),
        ("%(lineno)7.5d|", "  00042|"),
        ("%(lineno).0d|", "42|"),
        ("%(lineno)f|", "42.000000|"),
        ("%(lineno).1f|", "42.0|"),
        ("%(lineno).f|", "42|"),
        ("%(lineno)08.2f|", "00042.00|"),
        ("%(lineno)-8.2f|", "42.00   |"),
        ("%(lineno)8.2s|", "      42|"),
        ("%(lineno).1s|", "4|"),
    ];
    for (format, expected) in expected {
        assert_eq!(shown(format), expected, "{format}");
    }
}

#[test]
fn widths_may_be_as_large_as_allowed() {
    let _watchdog = watchdog();
    for format in ["%(lineno)065535d", "%(lineno).65535d", "%(levelname)65535s"] {
        assert_eq!(shown(format).len(), 65535, "{format}");
    }
    assert_eq!(shown("%(lineno)65535.65535f").len(), "42.".len() + 65535);
}

fn log_without_origin(path: PathBuf) {
    install(path, "%(pathname)s|%(filename)s|%(module)s|%(lineno)d");
    log::logger().log(&Record::builder().level(Level::Error).build());
}

#[test]
fn an_origin_that_is_not_known_is_named_so() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(log_without_origin, (log.path.clone(),));
    assert_eq!(
        log.text(),
        "(unknown file)|(unknown file)|Unknown module|0\n"
    );
}

mod elsewhere {
    pub(super) fn log() {
        log::info!("here");
    }
}

fn log_elsewhere(path: PathBuf) {
    install(path, "%(filename)s|%(module)s|%(name)s|%(message)s");
    elsewhere::log();
}

// LOG-003
#[test]
fn a_record_names_the_place_of_its_caller() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(log_elsewhere, (log.path.clone(),));
    assert_eq!(
        log.text(),
        "format.rs|format::elsewhere|format::elsewhere|here\n"
    );
}

/// Logs from the main thread, a named thread and one without a name; returns the process's number.
fn log_who(path: PathBuf) -> u32 {
    install(
        path,
        "%(processName)s|%(process)d|%(threadName)s|%(thread)d",
    );
    log::info!("");
    let named = thread::Builder::new().name("second".to_owned());
    let named = named.spawn(|| log::info!("")).expect("a thread starts");
    named.join().expect("logging does not panic");
    let unnamed = thread::spawn(|| log::info!(""));
    unnamed.join().expect("logging does not panic");
    std::process::id()
}

#[test]
fn processes_and_threads_have_names_and_numbers() {
    let _watchdog = watchdog();
    let log = Log::new();
    let named = Process::builder().name("khanh");
    let pid = named
        .spawn(log_who, (log.path.clone(),))
        .unwrap()
        .join()
        .unwrap()
        .to_string();
    let text = log.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
    assert_eq!(lines[0], ["khanh", &pid, "MainThread", &pid]);
    assert_eq!(lines[1][..3], ["khanh", &pid, "second"]);
    assert_eq!(
        lines[2][..3],
        ["khanh", &pid, &format!("Thread-{}", lines[2][3])]
    );
    assert_ne!(lines[1][3], lines[2][3]);
}

fn log_times(path: PathBuf) {
    let times = "%(asctime)s|%(created)s|%(created)f|%(msecs)03d|%(msecs)s|%(relativeCreated)f";
    install(path, times);
    for _ in 0..20 {
        log::info!("");
        thread::yield_now();
    }
}

#[test]
fn the_times_of_a_record_are_one_time() {
    let _watchdog = watchdog();
    let log = Log::new();
    let before = Timestamp::now();
    run(log_times, (log.path.clone(),));
    let mut last = before;
    let mut last_relative = 0.0;
    for line in log.text().lines() {
        let [asctime, text, created, msecs, fraction, relative] =
            line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let created: f64 = created.parse().unwrap();
        assert!((text.parse::<f64>().unwrap() - created).abs() < 1e-5);
        let nanos = (created * 1e6).round() as i128 * 1000;
        let moment = Timestamp::from_nanosecond(nanos).unwrap();
        // To the microsecond, to which `created` is written.
        assert!(moment.as_microsecond() >= last.as_microsecond() - 1);
        last = moment;

        let local = moment.to_zoned(TimeZone::system());
        let (seconds, millis) = asctime.split_once(',').unwrap();
        assert_eq!(millis, msecs);
        assert_eq!(fraction, format!("{}.0", msecs.parse::<u16>().unwrap()));
        // The microsecond may have been rounded up into the next second.
        if moment.subsec_microsecond() > 0 || moment.subsec_millisecond() > 0 {
            assert_eq!(seconds, local.strftime("%Y-%m-%d %H:%M:%S").to_string());
        }
        let relative: f64 = relative.parse().unwrap();
        assert!(
            relative >= last_relative,
            "{relative} after {last_relative}"
        );
        last_relative = relative;
    }
    assert!(last <= Timestamp::now());
}

/// Reports an error instead of showing itself.
struct Shy;

impl fmt::Display for Shy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("peek")?;
        Err(fmt::Error)
    }
}

/// Logs while it is logged.
struct Chatty;

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        log::info!("within");
        f.write_str("without")
    }
}

fn log_odd_values(path: PathBuf) {
    install(path, "<%(message)s> <%(message)9s>");
    log::info!("{Shy}");
    log::info!("{Chatty}");
}

#[test]
fn values_that_misbehave_harm_no_record() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(log_odd_values, (log.path.clone(),));
    let within = "<within> <   within>\n";
    let text = format!("<peek> <     peek>\n{within}{within}<without> <  without>\n");
    assert_eq!(log.text(), text);
}

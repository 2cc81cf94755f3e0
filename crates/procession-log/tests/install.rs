//! Setting up the log, and what goes wrong with it.

mod common;

use common::{Log, run};
use log::LevelFilter;
use procession_log::{DEFAULT_FORMAT, FormatError, LogError};
use procession_testkit::watchdog;
use std::fs;
use std::path::PathBuf;

procession_process::enable_in_tests!();

fn refused(format: &str) -> FormatError {
    match procession_log::builder()
        .file("/nowhere/at/all")
        .format(format)
        .install()
    {
        Err(LogError::Format(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_format_is_an_error_of_install() {
    let _watchdog = watchdog();
    assert_eq!(refused(""), FormatError::Constant);
    assert_eq!(refused("no attribute"), FormatError::Constant);
    assert_eq!(refused("100 %%"), FormatError::Constant);
    assert_eq!(refused("%s"), FormatError::Unnamed);
    assert_eq!(refused("%(message)s at 100 %"), FormatError::Unnamed);
    assert_eq!(
        refused("%(message"),
        FormatError::Incomplete("message".to_owned())
    );
    assert_eq!(
        refused("%(message)-5"),
        FormatError::Incomplete("message)-5".to_owned())
    );
    assert_eq!(
        refused("%(funcName)s"),
        FormatError::Attribute("funcName".to_owned())
    );
    assert_eq!(refused("%()s"), FormatError::Attribute(String::new()));
    assert_eq!(
        refused("%(levelname)d"),
        FormatError::NotANumber("levelname".to_owned())
    );
    assert_eq!(
        refused("%(asctime)f"),
        FormatError::NotANumber("asctime".to_owned())
    );
    assert_eq!(
        refused("%(lineno)65536d"),
        FormatError::TooWide("lineno".to_owned())
    );
    assert_eq!(
        refused("%(lineno).99999999999999999999d"),
        FormatError::TooWide("lineno".into())
    );
    for conversion in ['x', '+', '*', 'é', ' '] {
        let attribute = "message".to_owned();
        let expected = FormatError::Conversion {
            attribute,
            conversion,
        };
        assert_eq!(refused(&format!("%(message){conversion}s")), expected);
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let _watchdog = watchdog();
    let error = procession_log::builder()
        .file("/nowhere/at/all")
        .install()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot open the log file /nowhere/at/all: No such file"),
        "{text}"
    );
}

fn install_twice(path: PathBuf) -> String {
    let install = |path| procession_log::builder().file(path).install();
    install(path).expect("the first is installed");
    let error = install(PathBuf::from("/dev/null")).expect_err("the second is refused");
    log::warn!("still the first");
    error.to_string()
}

#[test]
fn a_second_logger_is_refused() {
    let _watchdog = watchdog();
    let log = Log::new();
    let error = run(install_twice, (log.path.clone(),));
    assert!(
        error.starts_with("this process has a logger already"),
        "{error}"
    );
    assert_eq!(log.text().lines().count(), 1);
}

fn log_at_each_level(path: PathBuf, level: String) {
    let level: LevelFilter = level.parse().expect("it is a level");
    let builder = procession_log::builder().file(path).format("%(levelname)s");
    builder
        .level(level)
        .install()
        .expect("the file can be opened");
    log::error!("");
    log::warn!("");
    log::info!("");
    log::debug!("");
    log::trace!("");
    assert_eq!(
        log::log_enabled!(log::Level::Info),
        level >= LevelFilter::Info
    );
    log::logger().flush();
}

// LOG-001
#[test]
fn the_level_says_which_records_are_written() {
    let _watchdog = watchdog();
    for level in LevelFilter::iter() {
        let log = Log::new();
        run(log_at_each_level, (log.path.clone(), level.to_string()));
        let all = ["ERROR", "WARNING", "INFO", "DEBUG", "TRACE"];
        let written = log.text();
        assert_eq!(written.lines().collect::<Vec<_>>(), all[..level as usize]);
    }
}

fn log_by_default(path: PathBuf) {
    let installed = procession_log::Builder::default().file(path).install();
    installed.expect("the file can be opened");
    log::warn!("seen");
    log::info!("not seen");
}

#[test]
fn without_more_words_it_is_as_in_python() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(log_by_default, (log.path.clone(),));
    assert_eq!(
        DEFAULT_FORMAT,
        "[%(levelname)s/%(processName)s] %(message)s"
    );
    let name = log.text();
    assert!(
        name.starts_with("[WARNING/Process-") && name.ends_with("] seen\n"),
        "{name}"
    );
}

#[test]
fn a_file_that_exists_is_appended_to() {
    let _watchdog = watchdog();
    let log = Log::new();
    fs::write(&log.path, "before\n").unwrap();
    run(log_by_default, (log.path.clone(),));
    assert!(log.text().starts_with("before\n[WARNING/"));
}

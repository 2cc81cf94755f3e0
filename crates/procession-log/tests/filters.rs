//! Which records are written: by level, target and process, changed while all run.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

mod common;

use common::{Log, run};
use log::LevelFilter;
use procession_log::{FilterError, LogError, set_filter};
use procession_pipe::{Connection, Pipe};
use procession_process::{Process, StartMethod};
use procession_testkit::watchdog;
use std::path::PathBuf;

procession_process::enable_in_tests!();

fn install(path: PathBuf, filter: &str) {
    let builder = procession_log::builder().file(path).filter(filter);
    builder
        .format("%(processName)s %(name)s %(levelname)s")
        .install()
        .expect("the filter is right");
}

/// Logs at two levels for some targets.
fn log_for_targets() {
    for target in ["app", "app::db", "app::db::pool", "app::dbx", "other"] {
        log::warn!(target: target, "");
        log::debug!(target: target, "");
    }
}

fn log_in_named(path: PathBuf, filter: String) {
    install(path, &filter);
    for name in ["worker-1", "worker-2", "other"] {
        let process = Process::builder().name(name);
        process.spawn(log_for_targets, ()).unwrap().join().unwrap();
    }
}

/// Returns what is written with a filter, without records that are written at level `warn` anyway.
fn written(filter: &str) -> Vec<String> {
    let log = Log::new();
    run(log_in_named, (log.path.clone(), filter.to_owned()));
    let text = log.text();
    let debug = text.lines().filter_map(|line| line.strip_suffix(" DEBUG"));
    debug.map(str::to_owned).collect()
}

#[test]
fn a_target_has_the_level_of_the_longest_that_it_lies_in() {
    let _watchdog = watchdog();
    let all = |targets: &[&str]| -> Vec<String> {
        let names = ["worker-1", "worker-2", "other"];
        let lines = |name| targets.iter().map(move |target| format!("{name} {target}"));
        names.into_iter().flat_map(lines).collect()
    };
    assert_eq!(written("app::db=debug"), all(&["app::db", "app::db::pool"]));
    let filter = "debug, app::db=info, app::db::pool=debug, other=off, app::dbx=info";
    assert_eq!(written(filter), all(&["app", "app::db::pool"]));
    assert_eq!(written("other=debug,other=warn"), all(&[]));
}

#[test]
fn a_process_has_the_level_of_its_name() {
    let _watchdog = watchdog();
    assert_eq!(
        written("[worker-*]other=debug"),
        ["worker-1 other", "worker-2 other"]
    );
    let one = "[worker-1]=debug, [worker-1]app=info, other=info";
    assert_eq!(written(one), ["worker-1 other"]);
    assert_eq!(written("[*o*h*]app=debug,app::db=off").len(), 4);
    assert_eq!(written("debug,[*]=off").len(), 0);
}

#[test]
fn a_wrong_filter_is_an_error_of_install() {
    let _watchdog = watchdog();
    let refused = |filter: &str| match procession_log::builder()
        .file("/nowhere/at/all")
        .filter(filter)
        .install()
    {
        Err(LogError::Filter(error)) => error,
        other => panic!("{other:?}"),
    };
    for text in ["loud", "app", "app=loud", "app=", "[worker-1]"] {
        assert_eq!(refused(text), FilterError::Level(text.to_owned()));
    }
    for text in [
        "=debug",
        "[worker=debug",
        "a b=info",
        "a=b=info",
        "[a][b]=info",
    ] {
        assert_eq!(refused(text), FilterError::Directive(text.to_owned()));
    }
    let long = format!("{}=info", "x".repeat(2000));
    assert_eq!(refused(&long), FilterError::TooLong);
    assert_eq!(set_filter("debug"), Err(FilterError::NotInstalled));
    assert_eq!(set_filter("loud"), Err(FilterError::Level("loud".into())));
}

/// Logs at each message but an empty one, which is the last.
fn log_when_told(told: Connection<(), String>) {
    while let Some(target) = told.recv().ok().filter(|it| !it.is_empty()) {
        log::debug!(target: &*target, "");
        told.send(&()).unwrap();
    }
}

fn change_while_they_run(path: PathBuf) -> anyhow::Result<()> {
    install(path, "");
    let mut running = Vec::new();
    for method in StartMethod::ALL {
        let (here, there) = Pipe::duplex::<String, ()>()?;
        let process = Process::builder().name(format!("{method:?}"));
        let process = process
            .start_method(method)
            .spawn(log_when_told, (there,))?;
        running.push((here, process));
    }
    let tell = |target: &str| -> anyhow::Result<()> {
        for (connection, _) in &running {
            connection.send(&target.to_owned())?;
            connection.recv()?;
        }
        Ok(())
    };
    tell("one")?;
    // From a child of a child.
    run(|| run(|| set_filter("warn,two=debug").unwrap(), ()), ());
    tell("two")?;
    tell("three")?;
    set_filter("[Spawn]=trace")?;
    tell("four")?;
    set_filter("off")?;
    log::error!("off");
    set_filter("trace")?;
    tell("five")?;
    for (connection, process) in running {
        connection.send(&String::new())?;
        process.join()?;
    }
    Ok(())
}

// LOG-004
#[test]
fn a_change_is_for_all_processes_that_run() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(change_while_they_run, (log.path.clone(),));
    let text = log.text();
    let mut lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_suffix(" DEBUG"))
        .collect();
    lines.sort_unstable();
    let all = |target| StartMethod::ALL.map(|method| format!("{method:?} {target}"));
    let mut expected: Vec<String> = all("two").into_iter().chain(all("five")).collect();
    expected.push("Spawn four".to_owned());
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(!text.contains("ERROR"));
}

fn change_for_ever() {
    for round in 0_u64.. {
        let rules: Vec<_> = (0..round % 20).map(|n| format!("t{n}=debug")).collect();
        set_filter(&format!("same=debug,{}", rules.join(","))).expect("nobody is stopped");
    }
}

fn kill_who_change_it(path: PathBuf) {
    install(path, "same=debug");
    for _ in 0..10 {
        let changing: Vec<_> = (0..2)
            .map(|_| Process::spawn(change_for_ever, ()).unwrap())
            .collect();
        for process in changing {
            for _ in 0..200 {
                log::debug!(target: "same", "");
                log::debug!(target: "never", "");
            }
            process.kill().unwrap();
            assert!(process.join().is_err());
            set_filter("same=debug").expect("the dead are in nobody's way");
        }
    }
}

// LOG-005
#[test]
fn who_is_killed_while_it_changes_the_filter_leaves_one_in_force() {
    let _watchdog = watchdog();
    let log = Log::new();
    run(kill_who_change_it, (log.path.clone(),));
    assert_eq!(log.text().matches(" same DEBUG").count(), 10 * 2 * 200);
    assert!(!log.text().contains("never"));
}

fn limit_from_below(path: PathBuf) -> Vec<bool> {
    install(path, "trace");
    let before = log::log_enabled!(log::Level::Debug);
    log::set_max_level(LevelFilter::Info);
    vec![before, log::log_enabled!(log::Level::Debug)]
}

#[test]
fn a_process_may_want_less_for_itself() {
    let _watchdog = watchdog();
    let log = Log::new();
    assert_eq!(run(limit_from_below, (log.path.clone(),)), [true, false]);
}

//! The log in processes that are copies of their parent.

use log::{LevelFilter, info};
use procession_process::{Process, StartMethod, set_start_method};
use procession_testkit::watchdog;
use std::fs;

procession_process::enable_in_tests!();

/// Logs from this process, from its copy, and from the copy's copy.
fn log_in_copies(path: String) -> anyhow::Result<()> {
    procession_log::builder()
        .file(path)
        .format("%(processName)s %(message)s")
        .level(LevelFilter::Info)
        .install()?;
    set_start_method(StartMethod::Fork);
    info!("one");
    let copy = || {
        info!("two");
        Process::builder()
            .name("inner")
            .fork(|| info!("three"))?
            .join()?;
        anyhow::Ok(())
    };
    Process::builder().name("outer").fork(copy)?.join()?;
    Ok(())
}

#[test]
fn a_copy_logs_as_its_parent_does() {
    let _watchdog = watchdog();
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let path = directory.path().join("log");
    let root = Process::builder()
        .name("root")
        .spawn(log_in_copies, (path.display().to_string(),))
        .expect("it starts");
    root.join().expect("it logs");
    let log = fs::read_to_string(&path).expect("there is a log");
    assert_eq!(log, "root one\nouter two\ninner three\n");
}

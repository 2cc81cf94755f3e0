//! A disk that is full: a small one of the test's own, in a namespace of its own.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use procession_process::Process;
use procession_testkit::{hush, watchdog};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

procession_process::enable_in_tests!();

const PROCESSES: usize = 3;
const RECORDS: usize = 600;
const DISK: usize = 128 << 10;

fn body(record: usize) -> String {
    format!("{record}:{}", "x".repeat(200))
}

/// Logs more than there is room for; returns how many records were lost.
fn log_too_much() -> u64 {
    hush();
    for record in 0..RECORDS {
        log::error!("{}", body(record));
    }
    procession_log::lost()
}

fn fill(path: PathBuf) -> anyhow::Result<u64> {
    hush();
    let builder = procession_log::builder().file(&path).rotate_at(20_000);
    builder.format("%(processName)s|%(message)s|").install()?;
    let start = |number| {
        let named = Process::builder().name(format!("worker-{number}"));
        named.spawn(log_too_much, ())
    };
    let running: Vec<_> = (0..PROCESSES).map(start).collect::<Result<_, _>>()?;
    let mut lost = 0;
    for process in running {
        lost += process.join()?;
    }
    // The oldest file goes, and there is room again.
    let files = fs::read_dir(path.parent().unwrap())?.count();
    fs::remove_file(path.with_extension(format!("log.{}", files - 1)))?;
    for record in 0..20 {
        log::error!("{}", body(record));
    }
    assert_eq!(procession_log::lost(), 0);
    Ok(lost)
}

fn whole(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter_map(|line| line.strip_suffix('|'));
    lines.filter_map(|line| line.split_once('|'))
}

/// Fills the disk that is mounted there.
fn on_a_small_disk(folder: &Path) {
    let path = folder.join("test.log");
    let root = Process::spawn(fill, (path,)).unwrap();
    let lost = root.join().unwrap();
    assert!(lost > 0);
    let texts = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()));
    let texts: Vec<String> = texts.map(Result::unwrap).collect();
    let mut late = 0;
    let mut found = 0;
    for (name, message) in texts.iter().flat_map(|text| whole(text)) {
        let record: usize = message.split(':').next().unwrap().parse().unwrap();
        assert_eq!(message, body(record), "{name}");
        late += usize::from(!name.starts_with("worker"));
        found += 1;
    }
    // All that was written after there was room again.
    assert_eq!(late, 20);
    let written = PROCESSES * RECORDS - lost as usize;
    // One old file was removed.
    assert!(
        found - late < written && found - late + 110 > written,
        "{found} {written}"
    );
}

// LOG-009
#[test]
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn a_disk_that_is_full_for_a_while_costs_what_did_not_fit() {
    let _watchdog = watchdog();
    if let Some(folder) = env::var_os("SMALL_DISK") {
        return on_a_small_disk(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={DISK} tmpfs \"$1\" || exit 77; export SMALL_DISK=\"$1\"; exec \"$0\" --exact \
         a_disk_that_is_full_for_a_while_costs_what_did_not_fit --nocapture"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(env::current_exe().unwrap())
        .arg(folder.path())
        .stdin(Stdio::null())
        .output();
    let permitted = output
        .as_ref()
        .is_ok_and(|output| output.status.code() != Some(77));
    let Some(output) = output.ok().filter(|_| permitted) else {
        eprintln!("there is no permission for a namespace: a full disk was not tested");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    if complained.starts_with("unshare:") {
        eprintln!("there is no permission for a namespace: a full disk was not tested");
        return;
    }
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{complained}"
    );
}

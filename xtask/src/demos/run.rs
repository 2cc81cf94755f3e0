//! Runs one demo as its own program and sees all there is to see of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::interrupts::Interrupts;
use super::leftovers::Before;
use super::processes::Brood;

/// How long what a demo started may outlive it: a killed process needs a moment.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether the demo has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// How much of a demo's output is read.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// How a demo came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// It ended by itself.
    Exited(ExitStatus),
    /// It was killed at this deadline.
    TimedOut(Duration),
    /// It was killed because the user asked the runner to stop.
    Interrupted,
}

/// All that was seen of a demo.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How it ended; one that was not run has no ending.
    pub(super) ending: Option<Ending>,
    /// How long it ran.
    pub(super) took: Duration,
    /// What it wrote to standard output.
    pub(super) stdout: String,
    /// What it wrote to standard error.
    pub(super) stderr: String,
    /// What lies in its directory, folders with a `/` and special files with their kind.
    pub(super) entries: Vec<String>,
    /// The contents of the regular files in its directory.
    pub(super) files: BTreeMap<String, String>,
    /// What it left elsewhere, each as a sentence.
    pub(super) leftovers: Vec<String>,
}

impl Seen {
    /// Returns what was wrong with the way the demo ended, if anything was.
    pub(super) fn ending_problem(&self) -> Option<String> {
        match self.ending? {
            Ending::Exited(status) if status.success() => None,
            Ending::Exited(status) => Some(format!("it ended with {status}")),
            Ending::TimedOut(deadline) => Some(format!(
                "it did not end within {} s and was killed",
                deadline.as_secs_f64()
            )),
            Ending::Interrupted => Some("it was interrupted".to_owned()),
        }
    }

    /// Tells whether the user asked the runner to stop.
    pub(super) fn interrupted(&self) -> bool {
        matches!(self.ending, Some(Ending::Interrupted))
    }
}

/// Runs the command in a fresh directory and looks at everything it did.
///
/// When this returns, no process that the command started is alive, unless a leftover says so.
///
/// # Errors
///
/// Only what prevents the command from being run or looked at; what the command does wrong is in
/// what was seen.
pub(super) fn run(mut command: Command, deadline: Duration) -> anyhow::Result<Seen> {
    let directory = tempfile::Builder::new().prefix("demo-").tempdir()?;
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let before = Before::now(directory.path());
    let brood = Brood::unborn();
    let begun = Instant::now();
    let mut child = command
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let interrupts = Interrupts::hold()?;
    let ending = watch(&mut child, deadline, &interrupts)?;
    let took = begun.elapsed();
    let mut leftovers = clear(&brood, ending);
    leftovers.extend(before.settle(GRACE));
    let (entries, files) = contents(directory.path())?;
    Ok(Seen {
        ending: Some(if interrupts.arrived() {
            Ending::Interrupted
        } else {
            ending
        }),
        took,
        stdout: text(&mut stdout)?,
        stderr: text(&mut stderr)?,
        entries,
        files,
        leftovers,
    })
}

/// Waits for the end of the demo, or brings it about.
///
/// Either way the demo itself has been waited for when this returns.
fn watch(child: &mut Child, deadline: Duration, interrupts: &Interrupts) -> anyhow::Result<Ending> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ending::Exited(status));
        }
        let ending = if interrupts.arrived() {
            Some(Ending::Interrupted)
        } else {
            (begun.elapsed() >= deadline).then_some(Ending::TimedOut(deadline))
        };
        if let Some(ending) = ending {
            child.kill()?;
            child.wait()?;
            return Ok(ending);
        }
        thread::sleep(PAUSE);
    }
}

/// Ends every process that the demo left, and returns a sentence for each.
///
/// A demo that ended by itself had time to end them; one that was killed could not.
fn clear(brood: &Brood, ending: Ending) -> Vec<String> {
    let (grace, said) = match ending {
        Ending::Exited(_) => (GRACE, "it left"),
        Ending::TimedOut(_) | Ending::Interrupted => (Duration::ZERO, "killed with it:"),
    };
    let mut told: Vec<String> = Vec::new();
    told.extend(
        brood
            .settle(grace)
            .iter()
            .map(|process| format!("{said} {process}")),
    );
    told.extend(
        brood
            .kill()
            .iter()
            .map(|process| format!("nothing could kill {process}")),
    );
    told
}

/// Reads back what was written to a file, as far as it is of use to anybody.
fn text(file: &mut File) -> anyhow::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the names of what lies in a folder, and the contents of the regular files.
fn contents(folder: &Path) -> anyhow::Result<(Vec<String>, BTreeMap<String, String>)> {
    let (mut names, mut files) = (Vec::new(), BTreeMap::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (
            entry.file_name().to_string_lossy().into_owned(),
            entry.file_type()?,
        );
        if kind.is_file() {
            files.insert(name.clone(), text(&mut File::open(entry.path())?)?);
        }
        names.push(format!("{name}{}", suffix(kind)));
    }
    names.sort_unstable();
    Ok((names, files))
}

/// Returns what to write behind the name of a file that is not a regular one.
fn suffix(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "/",
        kind if kind.is_fifo() => " (a named pipe)",
        kind if kind.is_socket() => " (a socket)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// Orphans of all tests become children of this one program, so one test runs at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_script(script: &str, deadline: Duration) -> Seen {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, deadline).unwrap()
    }

    const LONG: Duration = Duration::from_secs(50);

    /// Tells whether any process has this word on its command line.
    fn is_running(word: &str) -> bool {
        super::super::processes::pids().into_iter().any(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0)
                .any(|argument| argument == word.as_bytes())
        })
    }

    #[test]
    fn all_that_a_program_shows_is_seen() {
        let _alone = alone();
        let seen = run_script("echo out; echo err >&2; echo in > f; cat", LONG);
        assert_eq!(
            (seen.stdout.as_str(), seen.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(seen.ending_problem(), None);
        assert_eq!(seen.entries, ["f"]);
        assert_eq!(seen.files["f"], "in\n");
        assert!(seen.leftovers.is_empty(), "{:?}", seen.leftovers);
    }

    #[test]
    fn special_files_are_seen() {
        let _alone = alone();
        let seen = run_script("mkfifo p; mkdir d", LONG);
        assert_eq!(seen.entries, ["d/", "p (a named pipe)"]);
    }

    #[test]
    fn a_failure_is_told() {
        let _alone = alone();
        assert!(
            run_script("exit 3", LONG)
                .ending_problem()
                .unwrap()
                .contains('3')
        );
        assert!(
            run_script("kill -9 $$", LONG)
                .ending_problem()
                .unwrap()
                .contains("SIGKILL")
        );
    }

    #[test]
    fn a_process_that_stays_is_told_and_killed() {
        let _alone = alone();
        let seen = run_script("sleep 100.125 & echo hi", LONG);
        assert_eq!(seen.stdout, "hi\n");
        assert_eq!(seen.ending_problem(), None);
        assert_eq!(seen.leftovers.len(), 1);
        assert!(
            seen.leftovers[0].contains("sleep 100.125"),
            "{:?}",
            seen.leftovers
        );
        assert!(!is_running("100.125"));
    }

    #[test]
    fn a_process_that_hides_in_a_session_of_its_own_is_found() {
        let _alone = alone();
        let seen = run_script("setsid sh -c 'setsid sleep 100.25 & exit' & wait", LONG);
        assert!(
            seen.leftovers[0].contains("sleep 100.25"),
            "{:?}",
            seen.leftovers
        );
        assert!(!is_running("100.25"));
    }

    #[test]
    fn a_process_may_take_a_moment_to_end() {
        let _alone = alone();
        let seen = run_script("sleep 0.3 & exit", LONG);
        assert!(seen.leftovers.is_empty(), "{:?}", seen.leftovers);
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let _alone = alone();
        let script = "echo begun; setsid sh -c 'sleep 100.5; :' & sleep 100.5";
        let seen = run_script(script, Duration::from_millis(500));
        assert!(seen.ending_problem().unwrap().contains("0.5 s"));
        assert_eq!(seen.stdout, "begun\n");
        assert!(!seen.leftovers.is_empty());
        assert!(!is_running("100.5"));
    }

    #[test]
    fn shared_memory_that_stays_is_told() {
        let _alone = alone();
        let path = format!("/dev/shm/procession-run{}-1", std::process::id());
        let seen = run_script(&format!("touch {path}"), LONG);
        fs::remove_file(&path).unwrap();
        assert!(
            seen.leftovers.contains(&format!("it left {path}")),
            "{:?}",
            seen.leftovers
        );
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let error = run(Command::new("/nowhere/demo"), LONG).unwrap_err();
        assert!(error.to_string().contains("/nowhere/demo"));
    }
}

//! `cargo xtask demos`: runs every tutorial program and checks what can be seen of it.
//!
//! In reading order: [`catalogue`] names the demos and what each must show, in the vocabulary of
//! [`expect`] with the checks of [`custom`]; [`build`] makes the programs; [`mod@run`] runs one and
//! watches it with [`interrupts`], [`processes`] and [`leftovers`]; [`table`] prints.

mod build;
mod catalogue;
mod custom;
mod expect;
mod interrupts;
mod leftovers;
mod processes;
mod run;
mod table;

use crate::output::{complain, say};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use crate::workspace;
use catalogue::{DEMOS, Demo};
use run::Seen;
use table::Table;

/// How long a demo may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The folder of the demos' sources, relative to the root of the workspace.
const SOURCES: &str = "examples/src/bin";

/// What the command line asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    list: bool,
    show: bool,
    only: Vec<String>,
    after_tests: bool,
}

impl Options {
    /// Asks for all demos, built from what `cargo xtask test` has built already.
    pub(crate) fn after_tests() -> Self {
        Self {
            after_tests: true,
            ..Self::default()
        }
    }

    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// An argument that is not known, or a demo that does not exist, as a sentence for the user.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--show" => options.show = true,
                "--only" => {
                    let name = arguments
                        .next()
                        .ok_or("`--only` needs the name of a demo")?;
                    options.only.push(known(name)?);
                }
                other => return Err(format!("`demos` takes no argument `{other}`")),
            }
        }
        Ok(options)
    }

    /// Returns the demos asked for, in the order of the catalogue.
    fn chosen(&self) -> Vec<&'static Demo> {
        let wanted =
            |demo: &&Demo| self.only.is_empty() || self.only.iter().any(|n| n == demo.name);
        DEMOS.iter().filter(wanted).collect()
    }
}

/// Returns the name if a demo has it.
fn known(name: &str) -> Result<String, String> {
    if DEMOS.iter().any(|demo| demo.name == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = DEMOS.iter().map(|demo| demo.name).collect();
    Err(format!(
        "no demo is called `{name}`; there are {}",
        names.join(", ")
    ))
}

/// Lists the demos, or builds, runs and checks them; returns the status to exit with.
pub(crate) fn run(options: &Options) -> anyhow::Result<u8> {
    let demos = options.chosen();
    let table = Table::new(
        demos
            .iter()
            .map(|demo| (demo.name, lesson(demo.name)))
            .collect(),
    );
    if options.list {
        table.list();
        return Ok(0);
    }
    let Some(programs) = build::programs(options.after_tests)? else {
        complain!("demos: the programs could not be built; what cargo found stands above");
        return Ok(1);
    };
    nix::sys::prctl::set_child_subreaper(true).context("cannot adopt the demos' orphans")?;
    table.header();
    let mut failed = 0;
    for demo in &demos {
        let verdict = try_one(demo, programs.get(demo.name))?;
        failed += usize::from(!verdict.problems.is_empty());
        table.row(demo.name, verdict.problems.is_empty(), verdict.took());
        verdict.report(options.show);
        if verdict.interrupted() {
            anyhow::bail!("interrupted; `{}` and all it started was killed", demo.name);
        }
    }
    let strangers = unchecked(options, programs.keys());
    failed += strangers;
    say!(
        "{} passed, {failed} failed",
        demos.len() + strangers - failed
    );
    Ok(u8::from(failed > 0))
}

/// What became of one demo.
struct Verdict {
    /// What was seen, if it could be run at all.
    seen: Option<Seen>,
    /// What was wrong; nothing if it passed.
    problems: Vec<String>,
}

impl Verdict {
    fn took(&self) -> Duration {
        self.seen.as_ref().map_or(Duration::ZERO, |seen| seen.took)
    }

    fn interrupted(&self) -> bool {
        self.seen.as_ref().is_some_and(Seen::interrupted)
    }

    /// Prints what was wrong, and what the demo printed if it failed or `show` asks for it.
    fn report(&self, show: bool) {
        if !self.problems.is_empty() {
            table::list("wrong", &self.problems);
        }
        if let Some(seen) = self
            .seen
            .as_ref()
            .filter(|_| show || !self.problems.is_empty())
        {
            table::block("printed", &seen.stdout);
            table::block("on stderr", &seen.stderr);
            for (name, content) in &seen.files {
                table::block(name, content);
            }
        }
    }
}

/// Runs one demo and compares it with what the catalogue promises.
fn try_one(demo: &Demo, program: Option<&PathBuf>) -> anyhow::Result<Verdict> {
    let Some(program) = program else {
        let problem = format!("there is no program: write {SOURCES}/{}.rs", demo.name);
        return Ok(Verdict {
            seen: None,
            problems: vec![problem],
        });
    };
    let seen = run::run(Command::new(program), DEADLINE)
        .with_context(|| format!("cannot run `{}`", demo.name))?;
    let problems = demo.problems(&seen);
    Ok(Verdict {
        seen: Some(seen),
        problems,
    })
}

/// Reports the programs that no check is written for, and returns how many there are.
fn unchecked<'a>(options: &Options, programs: impl Iterator<Item = &'a String>) -> usize {
    if !options.only.is_empty() {
        return 0;
    }
    // A server for other programs is checked by the examples' own tests.
    let demos = programs.filter(|name| *name != "remote_server");
    let strangers: Vec<&String> = demos.filter(|name| known(name).is_err()).collect();
    for name in &strangers {
        say!("{name} is not checked: add it to xtask/src/demos/catalogue.rs");
    }
    strangers.len()
}

/// Returns what a demo teaches: the first line of the documentation in its source.
fn lesson(name: &str) -> String {
    let path = workspace::root()
        .join(SOURCES)
        .join(name)
        .with_extension("rs");
    let source = std::fs::read_to_string(path).unwrap_or_default();
    let first = source
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//!"));
    first.map_or_else(
        || "(not written yet)".to_owned(),
        |line| line.trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn all_demos_are_chosen_unless_some_are_named() {
        assert_eq!(parse(&[]).unwrap().chosen().len(), 15);
        let some = parse(&["--only", "two_pipes", "--show", "--only", "raw_pipe"]).unwrap();
        let names: Vec<&str> = some.chosen().iter().map(|demo| demo.name).collect();
        assert_eq!(names, ["two_pipes", "raw_pipe"]);
        assert!(some.show && !some.list);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(parse(&["--only"]).unwrap_err().contains("needs the name"));
        assert!(
            parse(&["--only", "three_pipes"])
                .unwrap_err()
                .contains("three_pipes")
        );
        assert!(parse(&["two_pipes"]).is_err());
    }

    #[test]
    fn a_program_without_a_check_is_counted() {
        let programs = ["raw_pipe".to_owned(), "stranger".to_owned()];
        assert_eq!(unchecked(&Options::default(), programs.iter()), 1);
    }

    #[test]
    fn a_demo_without_a_program_fails() {
        let verdict = try_one(&DEMOS[0], None).unwrap();
        assert!(verdict.problems[0].contains("examples/src/bin/unshared_list.rs"));
    }
}

//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! Each command is a module: [`demos`] runs and checks the tutorial programs, [`mod@test`] runs
//! every test, [`tidy`] checks the invariants of the source, [`ci`] runs all that a change must
//! pass. A command returns the exit status of the whole: 0 when all is well, 2 when the command
//! line was not understood, and otherwise 1 or the status of the program that failed.

#![forbid(unsafe_code)]

mod ci;
mod demos;
mod links;
mod output;
mod soak;
mod test;
mod tidy;
mod workspace;

use crate::output::{complain, say};
use std::env;
use std::process::ExitCode;

/// What a user needs to know to run any of the commands.
const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  demos [--list] [--only NAME]... [--show]
            run every tutorial program and check what it printed, wrote and left behind
            --list       print the programs' names and what they teach
            --only NAME  run this program only; may be given more than once
            --show       print what the programs printed
  test      run the unit, integration and documentation tests of the workspace
  soak --minutes N [--seed N]
            kill processes at random moments for so long, and look at what is left
  tidy      check the invariants of the source
  ci        format, clippy, rustdoc, links, tidy, package, test, loom and demos: all that a
            change must pass
  help      print this text";

/// The exit status of a command whose arguments were not understood.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            complain!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that the arguments name.
fn dispatch(arguments: &[String]) -> anyhow::Result<u8> {
    let Some((command, rest)) = arguments.split_first() else {
        return Ok(misused("a command is missing"));
    };
    match (command.as_str(), rest) {
        ("demos", _) => match demos::Options::parse(rest) {
            Ok(options) => demos::run(&options),
            Err(why) => Ok(misused(&why)),
        },
        ("test", []) => test::run(),
        ("soak", _) => match soak::parse(rest) {
            Ok(soak) => soak::run(&soak),
            Err(why) => Ok(misused(&why)),
        },
        ("tidy", []) => tidy::run(),
        ("ci", []) => ci::run(),
        ("help" | "--help" | "-h", []) => {
            say!("{USAGE}");
            Ok(0)
        }
        ("test" | "tidy" | "ci" | "help", [extra, ..]) => {
            Ok(misused(&format!("`{command}` takes no argument `{extra}`")))
        }
        _ => Ok(misused(&format!("unknown command `{command}`"))),
    }
}

/// Says what was not understood, and what would be.
fn misused(why: &str) -> u8 {
    complain!("xtask: {why}\n\n{USAGE}");
    MISUSED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(arguments: &[&str]) -> u8 {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        dispatch(&arguments).unwrap()
    }

    #[test]
    fn what_is_not_understood_is_misuse() {
        assert_eq!(status(&[]), MISUSED);
        assert_eq!(status(&["demo"]), MISUSED);
        assert_eq!(status(&["tidy", "now"]), MISUSED);
        assert_eq!(status(&["demos", "--lst"]), MISUSED);
    }

    #[test]
    fn help_is_not_misuse() {
        assert_eq!(status(&["help"]), 0);
    }
}

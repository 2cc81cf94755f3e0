//! `cargo xtask soak`: the kill storms, again and again.

use crate::output::{complain, say};
use crate::workspace::{cargo, status_of};
use anyhow::Context;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Everything that kills processes at random moments and looks at what is left.
const STORMS: &[&str] = &[
    "test",
    "--package",
    "procession-pipe",
    "--package",
    "procession-process",
    "--package",
    "procession-queue",
    "--package",
    "procession-sync",
    "--test",
    "storm",
    "--",
    "--nocapture",
];

/// How long the storms rage, and the seed of the first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Soak {
    time: Duration,
    seed: u64,
}

/// Reads `--minutes N` and, if it is there, `--seed N`.
pub(crate) fn parse(arguments: &[String]) -> Result<Soak, String> {
    let mut minutes = None;
    let mut seed = None;
    for pair in arguments.chunks(2) {
        match pair {
            [flag, number] if flag == "--minutes" => minutes = number.parse::<u32>().ok(),
            [flag, number] if flag == "--seed" => seed = Some(number.parse().map_err(|_| WANTED)?),
            _ => return Err(WANTED.to_owned()),
        }
    }
    Ok(Soak {
        time: Duration::from_mins(minutes.ok_or(WANTED)?.into()),
        seed: seed.unwrap_or_else(seed_of_now),
    })
}

const WANTED: &str = "`soak` wants `--minutes N` and may have `--seed N`";

/// How many processes each storm that can be told kills.
const KILLS: &str = "1000";

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |now| now.as_secs())
}

/// Runs the storms until the time is over, or one fails. Each has the seed after the last one's.
pub(crate) fn run(soak: &Soak) -> anyhow::Result<u8> {
    let end = Instant::now()
        .checked_add(soak.time)
        .context("that is longer than a clock can count")?;
    let mut passed = 0;
    while Instant::now() < end {
        let seed = soak.seed.wrapping_add(passed);
        say!("soak: storms with seed {seed}");
        let status = status_of(storms(seed))?;
        if status != 0 {
            complain!("soak: seed {seed} failed after {passed} rounds that passed");
            return Ok(status);
        }
        passed += 1;
    }
    say!("{passed} passed, 0 failed");
    Ok(0)
}

fn storms(seed: u64) -> Command {
    let mut command = cargo(STORMS);
    command.env("PROCESSION_STORM_SEED", seed.to_string());
    command.env("PROCESSION_STORM_KILLS", KILLS);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Option<Soak> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        parse(&arguments).ok()
    }

    #[test]
    fn the_minutes_and_the_seed_are_read() {
        let time = Duration::from_mins(2);
        let given = parsed(&["--seed", "7", "--minutes", "2"]);
        assert_eq!(given, Some(Soak { time, seed: 7 }));
        assert_eq!(
            parsed(&["--minutes", "2"]).map(|soak| soak.time),
            Some(time)
        );
        assert_eq!(parsed(&["--minutes", "-2"]), None);
        assert_eq!(parsed(&["--minutes", "2", "--seed"]), None);
        assert_eq!(parsed(&["--hours", "2"]), None);
        assert_eq!(parsed(&[]), None);
    }
}

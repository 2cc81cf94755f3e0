//! `cargo xtask soak`: the kill storms, again and again.

use crate::output::{complain, say};
use crate::workspace::{cargo, status_of};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Everything that kills processes at random moments and looks at what is left.
const STORMS: &[&str] = &[
    "test",
    "--package",
    "procession-dict",
    "--package",
    "procession-log",
    "--package",
    "procession-pipe",
    "--package",
    "procession-pool",
    "--package",
    "procession-process",
    "--package",
    "procession-queue",
    "--package",
    "procession-sync",
    "--test",
    "storm",
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

/// How many processes each storm of the first round kills.
const FEWEST: u64 = 20;

/// How many processes each storm kills at most.
const MOST: u64 = 200;

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |now| now.as_secs())
}

/// Runs the storms until the time is over, or one fails. Each has the seed after the last one's.
///
/// Building them is not counted.
pub(crate) fn run(soak: &Soak) -> anyhow::Result<u8> {
    let status = status_of(storms(&["--no-run"]))?;
    if status != 0 {
        return Ok(status);
    }
    let begun = Instant::now();
    let mut kills = Some(FEWEST);
    let mut passed = 0;
    while let Some(number) = kills {
        let seed = soak.seed.wrapping_add(passed);
        say!("soak: storms of {number} kills with seed {seed}");
        let round = Instant::now();
        let mut command = storms(&["--", "--nocapture"]);
        command.env("PROCESSION_STORM_SEED", seed.to_string());
        command.env("PROCESSION_STORM_KILLS", number.to_string());
        let status = status_of(command)?;
        if status != 0 {
            complain!("soak: seed {seed} failed after {passed} rounds that passed");
            return Ok(status);
        }
        passed += 1;
        let left = soak.time.saturating_sub(begun.elapsed());
        kills = kills_of_next(number, round.elapsed(), left);
    }
    say!("{passed} passed, 0 failed");
    Ok(0)
}

/// Returns how many kills fit into what is left of the time, by what the last round took; `None`
/// when no round fits.
fn kills_of_next(kills: u64, took: Duration, left: Duration) -> Option<u64> {
    let fitting = u128::from(kills) * left.as_micros() / took.as_micros().max(1);
    let fitting = u64::try_from(fitting).unwrap_or(MOST).min(MOST);
    (fitting >= FEWEST).then_some(fitting)
}

fn storms(arguments: &[&str]) -> Command {
    let mut command = cargo(STORMS);
    command.args(arguments);
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
    fn a_round_is_as_long_as_the_time_that_is_left() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        assert_eq!(kills_of_next(20, second, second), Some(20));
        assert_eq!(kills_of_next(20, second, second * 9), Some(180));
        assert_eq!(kills_of_next(20, second, minute * 60), Some(MOST));
        assert_eq!(kills_of_next(20, second, second / 2), None);
        assert_eq!(kills_of_next(600, minute, Duration::ZERO), None);
        assert_eq!(kills_of_next(20, Duration::ZERO, second), Some(MOST));
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

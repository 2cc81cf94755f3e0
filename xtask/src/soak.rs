//! `cargo xtask soak`: the kill storms, again and again.

use crate::workspace::{cargo, status_of};
use anyhow::Context;
use std::time::{Duration, Instant};

/// Everything that kills processes at random moments and looks at what is left.
const STORMS: &[&str] = &[
    "test",
    "--package",
    "procession-queue",
    "--package",
    "procession-sync",
    "--test",
    "storm",
    "--",
    "--nocapture",
];

/// Reads `--minutes N`.
pub(crate) fn parse(arguments: &[String]) -> Result<Duration, String> {
    let [flag, minutes] = arguments else {
        return Err(WANTED.to_owned());
    };
    let minutes = minutes.parse::<u32>().map_err(|_| WANTED.to_owned())?;
    if flag != "--minutes" {
        return Err(WANTED.to_owned());
    }
    Ok(Duration::from_mins(minutes.into()))
}

const WANTED: &str = "`soak` wants `--minutes N`";

/// Runs the storms until the time is over, or one fails; each prints the seed that repeats it.
pub(crate) fn run(time: Duration) -> anyhow::Result<u8> {
    let end = Instant::now()
        .checked_add(time)
        .context("that is longer than a clock can count")?;
    let mut passed = 0_u32;
    while Instant::now() < end {
        let status = status_of(cargo(STORMS))?;
        if status != 0 {
            eprintln!("soak: failed after {passed} rounds that passed; the seed stands above");
            return Ok(status);
        }
        passed += 1;
    }
    println!("{passed} passed, 0 failed");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Option<Duration> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        parse(&arguments).ok()
    }

    #[test]
    fn the_minutes_are_read() {
        assert_eq!(parsed(&["--minutes", "2"]), Some(Duration::from_mins(2)));
        assert_eq!(parsed(&["--minutes", "-2"]), None);
        assert_eq!(parsed(&["--hours", "2"]), None);
        assert_eq!(parsed(&[]), None);
    }
}

//! The time of a record.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::{self, Write};

const NANOS_PER_MILLI: i128 = 1_000_000;

/// A moment, as precise as the system has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    /// Reads the clock.
    pub(crate) fn now() -> Self {
        Self(Timestamp::now())
    }

    /// Returns the beginning of a second, counted from 1970.
    pub(crate) fn from_unix_seconds(seconds: u64) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }

    /// Returns the whole seconds since 1970; a clock before that counts as zero.
    pub(crate) fn unix_seconds(self) -> u64 {
        self.0.as_second().try_into().unwrap_or(0)
    }

    /// Returns when the local day of this moment ends, in seconds since 1970.
    pub(crate) fn end_of_day(self) -> u64 {
        let zone = TimeZone::system();
        let tomorrow = zone.to_datetime(self.0).date().tomorrow();
        let end = tomorrow.and_then(|date| date.to_zoned(zone));
        end.map_or(u64::MAX, |end| Self(end.timestamp()).unix_seconds())
    }

    /// Returns the local date, as `2026-11-22`.
    pub(crate) fn date(self) -> String {
        TimeZone::system().to_datetime(self.0).date().to_string()
    }

    /// Returns the time as RFC 3339 has it, with microseconds.
    pub(crate) fn rfc3339(self) -> String {
        format!("{:.6}", self.0)
    }

    /// Returns the seconds since 1970.
    #[expect(
        clippy::cast_precision_loss,
        reason = "Python's number has this precision too"
    )]
    pub(crate) fn seconds(self) -> f64 {
        self.0.as_nanosecond() as f64 / 1e9
    }

    /// Returns the whole milliseconds in the current second.
    pub(crate) fn millis(self) -> u16 {
        self.0
            .as_nanosecond()
            .div_euclid(NANOS_PER_MILLI)
            .rem_euclid(1000) as u16
    }

    /// Returns the milliseconds that passed since `start`.
    pub(crate) fn millis_since(self, start: Self) -> f64 {
        self.0.duration_since(start.0).as_secs_f64() * 1e3
    }

    /// Writes Python's `asctime`: local time to the second, a comma, milliseconds.
    pub(crate) fn write_asctime(self, out: &mut String) -> fmt::Result {
        let local = TimeZone::system().to_datetime(self.0);
        let (date, time) = (local.date(), local.time());
        write!(
            out,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03}",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            self.millis(),
        )
    }
}

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

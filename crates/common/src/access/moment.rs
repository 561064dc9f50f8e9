//! The time of an access: as stated in its line, checked against the time of delivery.

use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};
use serde::de;
use serde::{Deserialize, Deserializer};

use super::gateway::InvalidReason;
use super::scalar::Scalar;

/// A time as written by an AWS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A date and time.
    DateTime(Timestamp),
    /// A number since 1970. `$context.requestTimeEpoch` is in seconds in an HTTP API, and in
    /// milliseconds in a REST or WebSocket API.
    Epoch(i64),
}

impl Moment {
    /// Parses `22/Nov/2026:01:03:11 +0000`, an RFC 3339 instant, or a number.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Ok(epoch) = text.parse() {
            return Some(Self::Epoch(epoch));
        }
        if let Ok(instant) = text.parse() {
            return Some(Self::DateTime(instant));
        }
        let common = strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
        common.to_timestamp().ok().map(Self::DateTime)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let moment = match Scalar::deserialize(deserializer)? {
            Scalar::Null => None,
            Scalar::Number(epoch) => i64::try_from(epoch).ok().map(Self::Epoch),
            Scalar::Text(text) => Self::read(&text),
        };
        moment.ok_or_else(|| de::Error::custom("expected an instant"))
    }
}

/// The valid times of a line, given the time of its delivery.
///
/// A record is archived and locked under the day of its time. A wrong time would put it under the
/// wrong day for 400 days, so a line with a time outside the window is invalid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    delivered_at: Timestamp,
    longest_delay: SignedDuration,
    outside: InvalidReason,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Window {
    /// The window for a line of a log group, by the timestamp of its log event.
    pub(super) fn of_log_event(logged_at: Timestamp) -> Self {
        Self {
            delivered_at: logged_at,
            longest_delay: DAY,
            outside: "its time differs from the log event's by more than a day",
        }
    }

    /// The window for a line of a file, by the time at which the file was stored. CloudFront
    /// delivers a file up to a day after its requests.
    pub(super) fn of_file(stored_at: Timestamp) -> Self {
        Self {
            delivered_at: stored_at,
            longest_delay: DAY + DAY,
            outside: "its time is more than two days before, or a day after, its file was stored",
        }
    }

    /// The instant, if it is inside the window. For a number, the unit that leads into the window.
    pub(super) fn instant(&self, moment: Moment) -> Result<Timestamp, InvalidReason> {
        let read = match moment {
            Moment::DateTime(instant) => [Some(instant), None],
            Moment::Epoch(epoch) => [
                Timestamp::from_second(epoch).ok(),
                Timestamp::from_millisecond(epoch).ok(),
            ],
        };
        let mut read = read.into_iter().flatten();
        read.find(|instant| self.contains(*instant))
            .ok_or(self.outside)
    }

    fn contains(&self, instant: Timestamp) -> bool {
        let delay = self.delivered_at.duration_since(instant);
        (-DAY..=self.longest_delay).contains(&delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_and_time_or_a_number() {
        let named = Moment::DateTime("2025-05-18T21:08:50Z".parse().unwrap());
        for (text, expected) in [
            ("18/May/2025:21:08:50 +0000", Some(named)),
            ("19/May/2025:06:08:50 +0900", Some(named)),
            ("2025-05-18T21:08:50Z", Some(named)),
            ("1747602530", Some(Moment::Epoch(1_747_602_530))),
            ("1747602530123", Some(Moment::Epoch(1_747_602_530_123))),
            ("99999999999999999999", None),
            ("18/May/2025:21:08:50", None),
            ("32/May/2025:21:08:50 +0000", None),
            ("yesterday", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(Moment::read(text), expected, "{text}");
        }
    }

    #[test]
    fn the_unit_of_a_number_is_the_one_inside_the_window() {
        let delivered = "2025-05-18T21:08:51Z".parse().unwrap();
        let window = Window::of_log_event(delivered);
        let instant = |epoch| {
            window
                .instant(Moment::Epoch(epoch))
                .map(|at| at.to_string())
        };
        assert_eq!(
            instant(1_747_602_530).as_deref(),
            Ok("2025-05-18T21:08:50Z")
        );
        assert_eq!(
            instant(1_747_602_530_123).as_deref(),
            Ok("2025-05-18T21:08:50.123Z")
        );
        for epoch in [0, -1, 1_747_602, i64::MAX, i64::MIN] {
            assert_eq!(instant(epoch), Err(window.outside), "{epoch}");
        }
    }
}

//! When an access was: what its line says, checked against when the line was delivered.

use std::fmt;

use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use super::gateway::Wrong;

/// A time as a service writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// In words that name their units.
    Named(Timestamp),
    /// Since 1970, in seconds or in milliseconds: `$context.requestTimeEpoch` is in seconds in an
    /// HTTP API, and in milliseconds in a REST or WebSocket API.
    Epoch(i64),
}

impl Moment {
    /// Reads `22/Nov/2026:01:03:11 +0000`, an RFC 3339 instant, or digits.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Ok(epoch) = text.parse() {
            return Some(Self::Epoch(epoch));
        }
        if let Ok(instant) = text.parse() {
            return Some(Self::Named(instant));
        }
        let common = strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
        common.to_timestamp().ok().map(Self::Named)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an instant")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Moment, E> {
        let epoch = i64::try_from(value);
        epoch
            .map(Moment::Epoch)
            .map_err(|_| E::custom("expected an instant"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        Moment::read(text).ok_or_else(|| E::custom("expected an instant"))
    }
}

/// The times that a line can tell, given when it was delivered.
///
/// A record is archived, and locked, under the day that its line tells. A time that was misread
/// would hide it there for good, so a line whose time is outside the window is unreadable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    delivered_at: Timestamp,
    longest_delay: SignedDuration,
    outside: Wrong,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Window {
    /// For a line of a log group, by its log event's timestamp.
    pub(super) fn of_log_event(logged_at: Timestamp) -> Self {
        Self {
            delivered_at: logged_at,
            longest_delay: DAY,
            outside: "its time is more than a day from its log event's",
        }
    }

    /// For a line of a file that was stored then. CloudFront delivers a file up to a day after
    /// the requests in it.
    pub(super) fn of_file(stored_at: Timestamp) -> Self {
        Self {
            delivered_at: stored_at,
            longest_delay: DAY + DAY,
            outside: "its time is more than two days before, or a day after, its file was stored",
        }
    }

    /// The instant, if it is inside. An epoch is read in the unit in which it is.
    pub(super) fn instant(&self, moment: Moment) -> Result<Timestamp, Wrong> {
        let read = match moment {
            Moment::Named(instant) => [Some(instant), None],
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
    fn a_moment_is_named_or_an_epoch() {
        let named = Moment::Named("2025-05-18T21:08:50Z".parse().unwrap());
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
    fn the_unit_of_an_epoch_is_the_one_that_fits() {
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

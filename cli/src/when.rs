//! Points in time as operators type them.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use tegata_common::product::Policy;

/// An instant, or the start of a day in the product's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Instant(Timestamp),
    StartOf(Date),
}

impl When {
    /// The instant, given the zone that a date is meant in.
    pub(crate) fn instant(self, policy: &Policy) -> anyhow::Result<Timestamp> {
        match self {
            Self::Instant(instant) => Ok(instant),
            Self::StartOf(date) => Ok(date
                .to_zoned_datetime(policy.time_zone.tz().clone())?
                .timestamp()),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(date) = date(text) {
            return Ok(Self::StartOf(date));
        }
        text.parse().map(Self::Instant).map_err(|_| {
            "expected a date such as 2026-11-30, or an instant with offset such as \
             2026-11-30T09:00:00+09:00"
                .to_owned()
        })
    }
}

/// An instant as it is typed.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "expected an instant with offset such as 2026-11-30T09:00:00+09:00".to_owned())
}

/// A number of days: `45`, or `45d`.
pub(crate) fn days(text: &str) -> Result<u16, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse().ok();
    number
        .filter(|days| *days <= 3660)
        .ok_or_else(|| "expected a number of days such as 45".to_owned())
}

/// A date as it is typed and shown.
pub(crate) fn date(text: &str) -> Result<Date, String> {
    // Stricter than jiff, which also reads the date of a longer text.
    match text.parse::<Date>() {
        Ok(date) if date.to_string() == text => Ok(date),
        _ => Err("expected a date such as 2026-11-30".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_days() {
        assert_eq!((days("45"), days("45d")), (Ok(45), Ok(45)));
        for bad in ["", "d", "-1", "４５", "4.5", "99999"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_and_instants() {
        assert_eq!(
            "2026-11-30".parse(),
            Ok(When::StartOf(date("2026-11-30").unwrap()))
        );
        let instant = "2026-11-30T00:00:00Z".parse().unwrap();
        assert_eq!(
            "2026-11-30T09:00:00+09:00".parse(),
            Ok(When::Instant(instant))
        );
        for bad in [
            "",
            "tomorrow",
            "2026-11-31",
            "2026-11-30T09:00:00",
            "30.11.2026",
        ] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }
}

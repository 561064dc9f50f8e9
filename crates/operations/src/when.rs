//! Dates and instants as operators write them.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use tegata_common::product::Policy;

/// A date or an instant, as written by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// An instant.
    Instant(Timestamp),
    /// A date, which means the start of that day in the product's time zone.
    StartOf(Date),
}

/// The text is neither a date nor an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a date such as 2026-11-30, or an instant with offset such as \
     2026-11-30T09:00:00+09:00"
)]
pub struct InvalidWhen;

impl When {
    /// Converts it to an instant. A date is interpreted in the policy's time zone.
    pub fn instant(self, policy: &Policy) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::Instant(instant) => Ok(instant),
            Self::StartOf(date) => Ok(date
                .to_zoned_datetime(policy.time_zone.tz().clone())?
                .timestamp()),
        }
    }
}

impl FromStr for When {
    type Err = InvalidWhen;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match date(text) {
            Some(date) => Ok(Self::StartOf(date)),
            None => text.parse().map(Self::Instant).map_err(|_| InvalidWhen),
        }
    }
}

/// Parses a date such as `2026-11-30`. `None` if the text has any other form.
pub fn date(text: &str) -> Option<Date> {
    // jiff alone would also accept a longer text that starts with a date.
    let date = text.parse::<Date>().ok()?;
    (date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(bad.parse::<When>(), Err(InvalidWhen), "{bad}");
        }
    }
}

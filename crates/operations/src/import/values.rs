//! Dates and instants as spreadsheets write them.

use jiff::Timestamp;
use jiff::civil::Date;
use tegata_common::product::Policy;

/// A last day in this year or later means "no end": systems that require a date store `9999-12-31`,
/// `2999-12-31` or `2099-12-31`. A contract without an end renews automatically.
const NO_END: i16 = 2099;

/// Whether a last day means "no end".
pub(super) fn is_no_end(last_day: Date) -> bool {
    last_day.year() >= NO_END
}

/// Parses a date. Also accepts the form of Japanese spreadsheets: 2026/11/30, 2026/1/5.
pub(super) fn date(text: &str) -> Option<Date> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let mut next = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let is_number = part.bytes().all(|b| b.is_ascii_digit()) && digits.contains(&part.len());
        is_number.then(|| part.parse::<i16>().ok()).flatten()
    };
    let (year, month, day) = (next(4..=4)?, next(1..=2)?, next(1..=2)?);
    if parts.next().is_some() {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Parses an instant, or a date, which means the start of that day in the product's time zone.
pub(super) fn instant(text: &str, policy: &Policy) -> Result<Timestamp, String> {
    if let Some(date) = date(text) {
        let start = date.to_zoned_datetime(policy.time_zone.tz().clone());
        return start
            .map(|start| start.timestamp())
            .map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| {
        "expected a date such as 2026-11-30, or an instant with offset such as \
         2026-11-30T09:00:00+09:00"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_spreadsheets_write_them() {
        let day = Some("2026-01-05".parse().unwrap());
        for text in ["2026-01-05", "2026/01/05", "2026/1/5", "2026-1-5"] {
            assert_eq!(date(text), day, "{text}");
        }
        for text in [
            "",
            "2026",
            "2026/13/1",
            "2026/1",
            "26/1/5",
            "2026/1/5/1",
            "5.1.2026",
            "2026-1-+5",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}

//! Parsing of dates, instants and numbers of days in arguments.

use jiff::Timestamp;
use jiff::civil::Date;
pub(crate) use tegata_operations::When;

/// Parses an instant with an offset.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "expected an instant with offset such as 2026-11-30T09:00:00+09:00".to_owned())
}

/// Parses a number of days: `45` or `45d`.
pub(crate) fn days(text: &str) -> Result<u16, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse().ok();
    number
        .filter(|days| *days <= 3660)
        .ok_or_else(|| "expected a number of days such as 45".to_owned())
}

/// Parses a date such as `2026-11-30`.
pub(crate) fn date(text: &str) -> Result<Date, String> {
    let date = tegata_operations::date(text);
    date.ok_or_else(|| "expected a date such as 2026-11-30".to_owned())
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
}

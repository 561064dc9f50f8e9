//! Instants in printed text, with the offset of the target's time zone.

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex_lite::Regex;

static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// An instant in UTC, as errors and stored items have it. In a sort key (`sheet@INSTANT`) it is a name. The
/// pattern is part of the program.
static UTC: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(^|[^@\w])(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)\b").ok());

/// Sets the zone of the target, once.
pub(crate) fn show_in(zone: &TimeZone) {
    let _ = ZONE.set(zone.clone());
}

/// A text whose instants in UTC are written in the target's zone, to the second:
/// `2026-11-30T00:00:00Z` as `2026-11-30T09:00:00+09:00`. Without a target they stay as they are.
pub(crate) fn localized(text: &str) -> Cow<'_, str> {
    match ZONE.get() {
        Some(zone) => in_zone(text, zone),
        None => Cow::Borrowed(text),
    }
}

fn in_zone<'t>(text: &'t str, zone: &TimeZone) -> Cow<'t, str> {
    let Some(utc) = UTC.as_ref() else {
        return Cow::Borrowed(text);
    };
    utc.replace_all(text, |found: &regex_lite::Captures<'_>| {
        match found[2].parse::<Timestamp>() {
            Ok(at) => format!("{}{}", &found[1], tegata_operations::local_time(at, zone)),
            Err(_) => found[0].to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_utc_are_written_with_the_zones_offset() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        for (text, shown) in [
            (
                "in quarantine until 2027-02-28T15:00:00Z",
                "in quarantine until 2027-03-01T00:00:00+09:00",
            ),
            (
                "from 2026-11-30T23:59:59.999Z, \"2026-11-30T00:00:00Z\"",
                "from 2026-12-01T08:59:59+09:00, \"2026-11-30T09:00:00+09:00\"",
            ),
            ("2026-11-30T09:00:00+09:00", "2026-11-30T09:00:00+09:00"),
            (
                "sheet@2026-11-30T00:00:00.123Z",
                "sheet@2026-11-30T00:00:00.123Z",
            ),
            (
                "2026-99-30T00:00:00Z 2026-11-30",
                "2026-99-30T00:00:00Z 2026-11-30",
            ),
        ] {
            assert_eq!(in_zone(text, &zone), shown);
        }
    }
}

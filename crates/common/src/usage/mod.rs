//! Usage: the figures of a day per product and tenant, derived from the access records.
//!
//! They are derived from the archive by recalculating the whole day and overwriting it, never by
//! incrementing counters ([`day`]).

pub mod day;
mod latency;

use std::collections::BTreeMap;

use crate::license::Code;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use latency::Latencies;

/// Replaces an unknown product or tenant, for example of a request that the gateway answered itself.
pub const UNKNOWN: &str = "-";

/// Replaces the tenants without a licence beyond [`day::MAX_UNLICENSED_TENANTS`], and the products without
/// any licence beyond [`day::MAX_UNLICENSED_PRODUCTS`].
pub const OTHERS: &str = "#others";

/// The usage of one product by one tenant on one day: an item of the usage table.
///
/// The counts are stored flattened beside the key. A day is recalculated when late records arrive,
/// and the item is overwritten.
///
/// ```
/// use tegata_common::usage::{Counts, DomainUsage};
///
/// let mut total = Counts::default();
/// for date in ["2026-11-21", "2026-11-22"] {
///     let usage = DomainUsage {
///         product: "sheet".to_owned(),
///         date: date.parse()?,
///         domain: "example.cybozu.com".to_owned(),
///         counts: Counts { requests: 3, codes: [("VALID".to_owned(), 3)].into(), ..Counts::default() },
///     };
///     total.add(&usage.counts);
/// }
/// assert_eq!((total.requests, total.licensed(), total.not_found()), (6, 6, 0));
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainUsage {
    /// The product's slug, or [`UNKNOWN`].
    pub product: String,
    /// The day, in the stack's time zone.
    pub date: Date,
    /// The tenant, [`UNKNOWN`], or [`OTHERS`].
    pub domain: String,
    /// The figures.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The figures of usage. They can be summed over days and tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The number of requests to the licence API.
    pub requests: u64,
    /// The requests by code: of the licence, of the problem, or `THROTTLED`, `NO_ROUTE`,
    /// `REFUSED_BY_GATEWAY` or `GATEWAY_ERROR` if the gateway answered itself. `UNRECORDED` if the
    /// function answered, but its line has not arrived.
    pub codes: BTreeMap<String, u64>,
    /// The requests by the plug-in's version, without those that have none.
    pub versions: BTreeMap<String, u64>,
    /// The rejected requests: malformed, with a foreign origin, throttled, or without a route.
    /// `NOT_FOUND` is not a rejection.
    pub refused: u64,
    /// The requests answered with a server error (5xx).
    pub errors: u64,
    /// The number of plug-in files served. The tenant is the one that the loading page states.
    pub files: u64,
    /// The files by the plug-in's version.
    pub file_versions: BTreeMap<String, u64>,
    /// The requests to the CDN for which no file was served.
    pub file_errors: u64,
    /// The number of bytes that the CDN sent.
    pub bytes: u64,
    /// The first access, or the first unconfirmed one if there are no others.
    pub first_seen: Timestamp,
    /// The last access, or the last unconfirmed one if there are no others.
    pub last_seen: Timestamp,
    /// The latencies of the gateway's answers.
    pub latencies: Latencies,
    /// Unconfirmed requests, which are not part of the figures above.
    #[serde(default, skip_serializing_if = "Unconfirmed::is_empty")]
    pub unconfirmed: Unconfirmed,
}

/// Requests that named a tenant, but neither came from kintone's addresses nor had the serial of its
/// licence. Anybody can forge them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// The number of requests.
    pub requests: u64,
    /// The requests by code. Their versions are not counted, because they can be forged without
    /// limit.
    pub codes: BTreeMap<String, u64>,
    /// The first request.
    pub first_seen: Timestamp,
    /// The last request.
    pub last_seen: Timestamp,
}

impl Unconfirmed {
    /// Whether there are no unconfirmed requests.
    pub fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// Adds the figures of another day or tenant.
    pub fn add(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            (self.first_seen, self.last_seen) = (other.first_seen, other.last_seen);
        }
        self.requests += other.requests;
        for (code, number) in &other.codes {
            *self.codes.entry(code.clone()).or_default() += number;
        }
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

impl Counts {
    /// The requests for which a licence was found, in any state.
    pub fn licensed(&self) -> u64 {
        let licensed = self
            .codes
            .iter()
            .filter(|(code, _)| Code::states_a_license(code));
        licensed.map(|(_, requests)| requests).sum()
    }

    /// The requests answered `NOT_FOUND`.
    pub fn not_found(&self) -> u64 {
        self.codes.get("NOT_FOUND").copied().unwrap_or(0)
    }

    /// Adds the figures of another day or tenant.
    pub fn add(&mut self, other: &Self) {
        // first_seen and last_seen are those of confirmed accesses, if there are any.
        let outweighs = self.has_own().cmp(&other.has_own());
        if outweighs.is_lt() || self.is_empty() {
            (self.first_seen, self.last_seen) = (other.first_seen, other.last_seen);
        }
        let add = |to: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>| {
            for (name, number) in from {
                *to.entry(name.clone()).or_default() += number;
            }
        };
        self.requests += other.requests;
        add(&mut self.codes, &other.codes);
        add(&mut self.versions, &other.versions);
        self.refused += other.refused;
        self.errors += other.errors;
        self.files += other.files;
        add(&mut self.file_versions, &other.file_versions);
        self.file_errors += other.file_errors;
        self.bytes += other.bytes;
        if outweighs.is_le() && !other.is_empty() {
            self.first_seen = self.first_seen.min(other.first_seen);
            self.last_seen = self.last_seen.max(other.last_seen);
        }
        self.latencies.add(&other.latencies);
        self.unconfirmed.add(&other.unconfirmed);
    }

    fn has_own(&self) -> bool {
        self.requests > 0 || self.files > 0 || self.file_errors > 0
    }

    fn is_empty(&self) -> bool {
        !self.has_own() && self.unconfirmed.is_empty()
    }
}

/// The summary of a day: how complete its records are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySummary {
    /// The number of records read from the archive.
    pub records: u64,
    /// The number of duplicates among them.
    pub duplicates: u64,
    /// The number of requests to the licence API.
    pub requests: u64,
    /// Requests answered by the function, with the gateway's record only.
    pub gateway_only: u64,
    /// Requests with the function's record only.
    pub lookup_only: u64,
    /// The number of requests to the CDN.
    pub files: u64,
    /// The number of lines that could not be parsed.
    pub unreadable: u64,
}

/// Whether the CDN's records have stopped arriving.
///
/// True if there were licence requests on one of the last three complete days, no record of the CDN
/// has arrived for these days or later, and there were some in the two weeks before. CloudFront
/// delivers up to a day late, so today and yesterday are not complete.
pub fn cdn_records_stopped<'a>(
    days: impl IntoIterator<Item = (Date, &'a DaySummary)>,
    today: Date,
) -> bool {
    let (mut asked, mut arrived, mut arrived_before) = (false, false, false);
    for (date, summary) in days {
        match (today - date).get_days() {
            0..=1 => arrived |= summary.files > 0,
            2..=4 => {
                asked |= summary.requests > 0;
                arrived |= summary.files > 0;
            }
            5..=18 => arrived_before |= summary.files > 0,
            _ => {}
        }
    }
    asked && arrived_before && !arrived
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use jiff::civil::date;

    use super::*;

    /// The summary of a day, by its number of days before today.
    type Known = (i64, u64, u64);

    fn stopped(days: &[Known]) -> bool {
        let today = date(2026, 11, 27);
        let days: Vec<(Date, DaySummary)> = days
            .iter()
            .map(|&(ago, requests, files)| {
                let summary = DaySummary {
                    requests,
                    files,
                    ..DaySummary::default()
                };
                (today.saturating_sub(ago.days()), summary)
            })
            .collect();
        cdn_records_stopped(days.iter().map(|(date, summary)| (*date, summary)), today)
    }

    #[test]
    fn stopped_cdn_records_are_detected() {
        let before: Known = (6, 10, 100);
        assert!(stopped(&[before, (4, 10, 0), (3, 10, 0), (2, 10, 0)]));
        assert!(stopped(&[before, (3, 1, 0)]), "one day with a request");
        for (days, why) in [
            (
                vec![before, (4, 10, 1), (3, 10, 0), (2, 10, 0)],
                "the last arrived four days ago",
            ),
            (vec![before, (4, 0, 0), (3, 0, 0)], "nobody asks: a holiday"),
            (
                vec![before, (1, 10, 0), (0, 10, 0)],
                "they may still be under way",
            ),
            (vec![before, (3, 10, 0), (1, 10, 5)], "they come again"),
            (vec![(4, 10, 0), (3, 10, 0)], "the CDN was never used"),
            (vec![(40, 10, 100), (3, 10, 0)], "the CDN is no longer used"),
            (vec![], "a new stack"),
        ] {
            assert!(!stopped(&days), "{why}");
        }
    }
}

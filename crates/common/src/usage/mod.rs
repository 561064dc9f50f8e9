//! Usage: what the access records of a day add up to, by product and tenant.
//!
//! Derived from the archive by recomputing a whole day, never by counting on: see [`day`].

pub mod day;
mod latency;

use std::collections::BTreeMap;

use crate::license::Code;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use latency::Latencies;

/// Stands for a product or a tenant that no record tells: of a request that the gateway answered
/// by itself, say.
pub const UNKNOWN: &str = "-";

/// Stands for the tenants without a licence beyond the [`day::MOST_STRANGERS`]th, and for the
/// products beyond [`day::MOST_STRANGE_PRODUCTS`] that nobody has a licence of.
pub const OTHERS: &str = "#others";

/// What one tenant did with one product on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainUsage {
    /// The product's slug, or [`UNKNOWN`].
    pub product: String,
    /// The day, in the stack's time zone.
    pub date: Date,
    /// The tenant, [`UNKNOWN`], or [`OTHERS`].
    pub domain: String,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests to the licence API.
    pub requests: u64,
    /// The requests by code: the licence's, the problem's, or of those that the gateway answered
    /// by itself `THROTTLED`, `NO_ROUTE`, `REFUSED_BY_GATEWAY`, `GATEWAY_ERROR`. `UNRECORDED` is
    /// what the function answered without a line of it having arrived.
    pub codes: BTreeMap<String, u64>,
    /// The requests by the plug-in's version, where they tell it.
    pub versions: BTreeMap<String, u64>,
    /// The requests that were refused: malformed, of another page, throttled, without a route.
    /// That there is no licence is no refusal.
    pub refused: u64,
    /// The requests that were answered with a server error.
    pub errors: u64,
    /// Plug-in files served. Whose page loaded one, only the page itself says.
    pub files: u64,
    /// The files by the plug-in's version.
    pub file_versions: BTreeMap<String, u64>,
    /// Requests to the CDN that no file was served for.
    pub file_errors: u64,
    /// Bytes that the CDN sent.
    pub bytes: u64,
    /// The first access of the day; of the unconfirmed ones if there is no other.
    pub first_seen: Timestamp,
    /// The last.
    pub last_seen: Timestamp,
    /// How long the gateway took to answer.
    pub latencies: Latencies,
    /// The requests in the tenant's name that need not be the tenant's, and are in none of the
    /// figures above.
    #[serde(default, skip_serializing_if = "Unconfirmed::is_empty")]
    pub unconfirmed: Unconfirmed,
}

/// Requests that named a tenant, but neither came from kintone's addresses nor carried the serial
/// of its licence. Anybody can make them up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// How many.
    pub requests: u64,
    /// By code. The versions that they tell are not kept: there is no end to what can be made up.
    pub codes: BTreeMap<String, u64>,
    /// The first of the day.
    pub first_seen: Timestamp,
    /// The last.
    pub last_seen: Timestamp,
}

impl Unconfirmed {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// Adds those of another day or tenant.
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
    /// The requests that were answered for a licence, whatever its state.
    pub fn licensed(&self) -> u64 {
        let licensed = self
            .codes
            .iter()
            .filter(|(code, _)| Code::states_a_license(code));
        licensed.map(|(_, requests)| requests).sum()
    }

    /// The requests for which there was no licence.
    pub fn not_found(&self) -> u64 {
        self.codes.get("NOT_FOUND").copied().unwrap_or(0)
    }

    /// Adds another day or tenant.
    pub fn add(&mut self, other: &Self) {
        // The tenant's own accesses say when it was seen, and others only where there are none.
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

/// What is known of a day beside its usage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySummary {
    /// Records read from the archive.
    pub records: u64,
    /// Those of them that repeated another.
    pub duplicates: u64,
    /// Requests to the licence API.
    pub requests: u64,
    /// Requests that went to the function, of which only the gateway's line has arrived.
    pub gateway_only: u64,
    /// Requests of which only the function's line has arrived.
    pub lookup_only: u64,
    /// Requests to the CDN.
    pub files: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
}

/// Whether the CDN's records have stopped: licences were asked for on one of the last three days
/// that are complete (CloudFront's lines come up to a day late), and since then no record of the
/// CDN has arrived, though there were some in the two weeks before.
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

    /// What is known of a day that was so many days ago.
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
    fn cdn_records_that_stopped_are_noticed() {
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

//! Usage: what the access records of a day add up to, by product and tenant.
//!
//! Derived from the archive by recomputing a whole day, never by counting on: see [`day`].

pub mod day;
mod latency;

use std::collections::BTreeMap;

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
pub struct Usage {
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
    /// Plug-in files served.
    pub files: u64,
    /// The files by the plug-in's version.
    pub file_versions: BTreeMap<String, u64>,
    /// Requests to the CDN that no file was served for.
    pub file_errors: u64,
    /// Bytes that the CDN sent.
    pub bytes: u64,
    /// The first access of the day.
    pub first_seen: Timestamp,
    /// The last.
    pub last_seen: Timestamp,
    /// How long the gateway took to answer.
    pub latencies: Latencies,
}

impl Counts {
    /// The requests that were answered for a licence, whatever its state.
    pub fn licensed(&self) -> u64 {
        let licensed = self.codes.iter().filter(|(code, _)| is_licensed(code));
        licensed.map(|(_, requests)| requests).sum()
    }

    /// The requests for which there was no licence.
    pub fn not_found(&self) -> u64 {
        self.codes.get("NOT_FOUND").copied().unwrap_or(0)
    }

    /// Adds another day or tenant.
    pub fn add(&mut self, other: &Self) {
        if self.is_empty() {
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
        if !other.is_empty() {
            self.first_seen = self.first_seen.min(other.first_seen);
            self.last_seen = self.last_seen.max(other.last_seen);
        }
        self.latencies.add(&other.latencies);
    }

    fn is_empty(&self) -> bool {
        self.requests == 0 && self.files == 0 && self.file_errors == 0
    }
}

/// Whether a code is an answer about a licence.
pub fn is_licensed(code: &str) -> bool {
    matches!(
        code,
        "VALID" | "GRACE" | "EXPIRED" | "SUSPENDED" | "NOT_STARTED"
    )
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

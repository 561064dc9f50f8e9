//! The usage of one day. Each request is counted once: duplicates are removed, and the records of
//! the gateway and the function for the same request are joined.
//!
//! Memory grows with the number of tenants, not with the number of records. Each record is reduced
//! to a [`RequestObservation`] of fixed size. The caller distributes the observations to any number
//! of parts ([`RequestObservation::part`]), for example files, and passes them back part by part
//! ([`Day::count`]). All observations of a request are in the same part.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Counts, DaySummary, DomainUsage, OTHERS, UNKNOWN, Unconfirmed};
use crate::access::{Source, UsageRecord};
use crate::license::Code;
use crate::network::Networks;
use crate::version::PluginVersion;

/// The maximum number of tenants without a licence that get a row of their own per day. Anybody can
/// send requests for names that do not exist. Tenants with a licence always get a row.
pub const MAX_UNLICENSED_TENANTS: usize = 100_000;

/// The same limit for tenants that occur in unconfirmed requests ([`Unconfirmed`]) and in requests
/// for files only. It is separate, so that forged requests cannot use up the other limit.
pub const MAX_UNCONFIRMED_TENANTS: usize = 10_000;

/// The maximum number of products without any licence that get rows of their own per day. Further
/// ones are counted under the product [`OTHERS`].
pub const MAX_UNLICENSED_PRODUCTS: usize = 100;

/// The maximum number of versions per day that are counted separately: those in requests without a
/// licence, and all.
const MAX_UNLICENSED_VERSIONS: usize = 1000;
const MAX_VERSIONS: usize = 10_000;

/// The version number of a record without a version.
const NO_VERSION: u32 = 0;

/// One record, reduced to the facts that are needed to join and count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestObservation {
    /// Two hashes of 64 bits of the request id, with random keys of this [`Day`]. A collision is
    /// negligible.
    request: (u64, u64),
    source: Source,
    /// Milliseconds since 1970.
    time: i64,
    row: u32,
    code: u32,
    version: u32,
    status: u16,
    latency: Option<u32>,
    bytes: u64,
    is_file: bool,
    /// Whether the request was sent by the tenant that it names ([`Day::confirms`]).
    is_confirmed: bool,
    /// Whether the function answered, according to the gateway.
    was_answered: bool,
}

impl RequestObservation {
    /// The part that the observation belongs to: 0 to `parts` − 1, the same for all observations of
    /// a request.
    pub fn part(&self, parts: usize) -> usize {
        // The remainder is less than `parts`, so it fits.
        usize::try_from(self.request.0 % parts.max(1) as u64).unwrap_or(0)
    }
}

/// Calculates the usage of one day: [`see`](Self::see) each record, [`count`](Self::count) each
/// part, [`finish`](Self::finish).
#[derive(Debug)]
pub struct Day {
    date: Date,
    hashers: (RandomState, RandomState),
    names: Names,
    /// The name that was looked up last: its memory is used again.
    name: String,
    codes: Names,
    versions: Names,
    rows: Vec<Row>,
    kintone: Networks,
    confirmed: UnlicensedRows,
    unconfirmed: UnlicensedRows,
    unlicensed_versions: usize,
    summary: DaySummary,
}

/// The figures of a product and tenant. Codes and versions are numbers until the day is finished.
#[derive(Debug, Default)]
struct Row {
    counts: Counts,
    codes: Tally,
    versions: Tally,
    file_versions: Tally,
    unconfirmed_codes: Tally,
}

/// Numbers of occurrences by number of a name ([`Names`]).
type Tally = BTreeMap<u32, u64>;

/// The tenants and products without a licence that have a row.
#[derive(Debug, Default)]
struct UnlicensedRows {
    tenants: usize,
    products: HashSet<String>,
}

impl Day {
    /// A day without records. A request from one of the networks `kintone` is confirmed.
    pub fn new(date: Date, kintone: Networks) -> Self {
        let mut day = Self {
            date,
            hashers: Default::default(),
            names: Names::default(),
            name: String::new(),
            codes: Names::default(),
            versions: Names::default(),
            rows: Vec::new(),
            kintone,
            confirmed: UnlicensedRows::default(),
            unconfirmed: UnlicensedRows::default(),
            unlicensed_versions: 0,
            summary: DaySummary::default(),
        };
        day.versions.number(""); // NO_VERSION
        day.codes.number("");
        day
    }

    /// Registers a record, and returns the observation to be counted later.
    pub fn see(&mut self, source: Source, record: &UsageRecord<'_>) -> RequestObservation {
        self.summary.records += 1;
        let code = record.code.as_deref().unwrap_or_default();
        let product = record.product.as_deref().unwrap_or(UNKNOWN);
        let domain = record.domain.as_deref().unwrap_or(UNKNOWN);
        // The tenant of a file's request is only what the page states about itself.
        let is_licensed = Code::states_a_license(code);
        let is_confirmed = domain == UNKNOWN || source == Source::Lookup && self.confirms(record);
        let version = match record.version.as_deref() {
            Some(version) if is_confirmed || source == Source::Cdn => {
                self.version(version, is_licensed)
            }
            _ => NO_VERSION,
        };
        let id = record.request_id.as_bytes();
        RequestObservation {
            request: (self.hashers.0.hash_one(id), self.hashers.1.hash_one(id)),
            source,
            time: record.time.as_millisecond(),
            row: self.row(product, domain, is_licensed, is_confirmed),
            code: self.codes.number(code),
            version,
            status: record.status.unwrap_or_default(),
            latency: record.latency_ms,
            bytes: record.bytes.unwrap_or_default(),
            is_file: record.file.is_some(),
            is_confirmed,
            was_answered: matches!(record.integration_status, Some(200..300)),
        }
    }

    /// Counts a line that could not be parsed.
    pub fn see_unreadable(&mut self) {
        self.summary.unreadable += 1;
    }

    /// Counts a part, which contains all observations of its requests.
    pub fn count(&mut self, mut part: Vec<RequestObservation>) {
        // Sorted instead of hashed, which needs no additional memory.
        part.sort_unstable_by_key(|observation| (observation.request, observation.source));
        for request in part.chunk_by(|a, b| a.request == b.request) {
            let mut joined = JoinedRequest::default();
            for observation in request {
                let slot = match observation.source {
                    Source::Gateway => &mut joined.gateway,
                    Source::Lookup => &mut joined.lookup,
                    Source::Cdn | Source::Unreadable | Source::Change => &mut joined.cdn,
                };
                match slot {
                    Some(_) => self.summary.duplicates += 1,
                    None => *slot = Some(*observation),
                }
            }
            if let Some(file) = joined.cdn {
                self.count_file(&file);
            }
            if joined.gateway.is_some() || joined.lookup.is_some() {
                self.count_request(joined.gateway, joined.lookup);
            }
        }
    }

    /// The usage per product and tenant, sorted, and the summary of the day.
    pub fn finish(self) -> (Vec<DomainUsage>, DaySummary) {
        let (codes, versions) = (self.codes, self.versions);
        let names = self.names.names.iter();
        let mut rows: Vec<DomainUsage> = names
            .zip(self.rows)
            .map(|(name, row)| {
                let mut counts = row.counts;
                counts.codes = codes.named(&row.codes);
                counts.versions = versions.named(&row.versions);
                counts.file_versions = versions.named(&row.file_versions);
                counts.unconfirmed.codes = codes.named(&row.unconfirmed_codes);
                (name, counts)
            })
            .filter(|(_, counts)| !counts.is_empty())
            .map(|(name, mut counts)| {
                if !counts.has_own() {
                    let Unconfirmed {
                        first_seen,
                        last_seen,
                        ..
                    } = counts.unconfirmed;
                    (counts.first_seen, counts.last_seen) = (first_seen, last_seen);
                }
                (name, counts)
            })
            .map(|(name, counts)| {
                let (product, domain) = name.split_once(' ').unwrap_or((name, UNKNOWN));
                DomainUsage {
                    product: product.to_owned(),
                    date: self.date,
                    domain: domain.to_owned(),
                    counts,
                }
            })
            .collect();
        rows.sort_by(|a, b| (&a.product, &a.domain).cmp(&(&b.product, &b.domain)));
        (rows, self.summary)
    }

    /// Whether a request was sent by the tenant that it names: it came from kintone's addresses or
    /// had the correct serial.
    fn confirms(&self, record: &UsageRecord<'_>) -> bool {
        let is_kintone = |network| self.kintone.include(network);
        record.serial.as_deref() == Some("match")
            || record.network.as_deref().is_some_and(is_kintone)
    }

    fn version(&mut self, version: &str, is_licensed: bool) -> u32 {
        // A text that has a number is what `recorded` returned before.
        if let Some(number) = self.versions.known(version) {
            return number;
        }
        let version = PluginVersion::recorded(version);
        if let Some(number) = self.versions.known(version) {
            return number;
        }
        let is_known = is_licensed || self.unlicensed_versions < MAX_UNLICENSED_VERSIONS;
        if !is_known || self.versions.len() >= MAX_VERSIONS {
            return self.versions.number("other");
        }
        self.unlicensed_versions += usize::from(!is_licensed);
        self.versions.number(version)
    }

    fn row(&mut self, product: &str, domain: &str, is_licensed: bool, is_confirmed: bool) -> u32 {
        // Neither has a blank.
        let name = &mut self.name;
        name.clear();
        name.extend([product, " ", domain]);
        if let Some(number) = self.names.known(name) {
            return number;
        }
        let name = name.clone();
        let name = if is_licensed {
            name
        } else if !self.has_own_rows(product, is_confirmed) {
            format!("{OTHERS} {OTHERS}")
        } else if domain == UNKNOWN {
            name
        } else if self.has_room(is_confirmed) {
            self.unlicensed(is_confirmed).tenants += 1;
            name
        } else {
            format!("{product} {OTHERS}")
        };
        let number = self.names.number(&name);
        self.rows.resize_with(self.names.len(), Row::default);
        number
    }

    /// Whether a product without a licence gets rows of its own. Their number is limited: anybody can
    /// send requests for products that do not exist.
    fn has_own_rows(&mut self, product: &str, is_confirmed: bool) -> bool {
        let products = &mut self.unlicensed(is_confirmed).products;
        if product == UNKNOWN || products.contains(product) {
            return true;
        }
        products.len() < MAX_UNLICENSED_PRODUCTS && products.insert(product.to_owned())
    }

    fn has_room(&mut self, is_confirmed: bool) -> bool {
        let most = match is_confirmed {
            true => MAX_UNLICENSED_TENANTS,
            false => MAX_UNCONFIRMED_TENANTS,
        };
        self.unlicensed(is_confirmed).tenants < most
    }

    fn unlicensed(&mut self, is_confirmed: bool) -> &mut UnlicensedRows {
        match is_confirmed {
            true => &mut self.confirmed,
            false => &mut self.unconfirmed,
        }
    }

    fn count_request(
        &mut self,
        gateway: Option<RequestObservation>,
        lookup: Option<RequestObservation>,
    ) {
        self.summary.requests += 1;
        let Some(observed) = lookup.or(gateway) else {
            return;
        };
        // The gateway's status is the one that the caller received.
        let status = gateway.map_or(observed.status, |gateway| gateway.status);
        let number = match lookup {
            Some(lookup) => lookup.code,
            None if observed.was_answered => self.codes.number(UNRECORDED),
            None => self.codes.number(gateways_own_code(status)),
        };
        let code = self.codes.names[number as usize].as_str();
        match (gateway, lookup) {
            (None, _) => self.summary.lookup_only += 1,
            (_, None) if code == UNRECORDED => self.summary.gateway_only += 1,
            _ => {}
        }
        let row = &mut self.rows[observed.row as usize];
        let counts = &mut row.counts;
        let time = gateway.map_or(observed.time, |gateway| gateway.time);
        if !observed.is_confirmed {
            let time = Timestamp::from_millisecond(time).unwrap_or_default();
            counts.unconfirmed.add(&Unconfirmed {
                requests: 1,
                codes: BTreeMap::new(),
                first_seen: time,
                last_seen: time,
            });
            *row.unconfirmed_codes.entry(number).or_default() += 1;
            return;
        }
        update_first_and_last_seen(counts, time);
        counts.requests += 1;
        match status {
            500.. => counts.errors += 1,
            404 if code == UNRECORDED => {}
            400..500 if code != "NOT_FOUND" => counts.refused += 1,
            _ => {}
        }
        *row.codes.entry(number).or_default() += 1;
        if observed.version != NO_VERSION {
            *row.versions.entry(observed.version).or_default() += 1;
        }
        if let Some(latency) = gateway.and_then(|gateway| gateway.latency) {
            counts.latencies.count(latency);
        }
    }

    fn count_file(&mut self, file: &RequestObservation) {
        self.summary.files += 1;
        let row = &mut self.rows[file.row as usize];
        let counts = &mut row.counts;
        update_first_and_last_seen(counts, file.time);
        counts.bytes += file.bytes;
        // Errors, redirections and aborted connections (000) are not files.
        if !matches!(file.status, 200 | 206 | 304) {
            counts.file_errors += 1;
            return;
        }
        counts.files += 1;
        if file.version != NO_VERSION && file.is_file {
            *row.file_versions.entry(file.version).or_default() += 1;
        }
    }
}

/// The code of a request that the function answered, but whose line has not arrived.
const UNRECORDED: &str = "UNRECORDED";

/// The code of an answer by the gateway itself.
fn gateways_own_code(status: u16) -> &'static str {
    match status {
        429 => "THROTTLED",
        404 | 405 => "NO_ROUTE",
        400..500 => "REFUSED_BY_GATEWAY",
        500.. => "GATEWAY_ERROR",
        _ => UNRECORDED,
    }
}

fn update_first_and_last_seen(counts: &mut Counts, time: i64) {
    let time = Timestamp::from_millisecond(time).unwrap_or_default();
    if !counts.has_own() {
        (counts.first_seen, counts.last_seen) = (time, time);
    }
    counts.first_seen = counts.first_seen.min(time);
    counts.last_seen = counts.last_seen.max(time);
}

/// The observations of one request, by source.
#[derive(Default)]
struct JoinedRequest {
    gateway: Option<RequestObservation>,
    lookup: Option<RequestObservation>,
    cdn: Option<RequestObservation>,
}

/// Interned texts, numbered in the order of their first occurrence.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn known(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.known(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// A tally with the names instead of their numbers.
    fn named(&self, tally: &Tally) -> BTreeMap<String, u64> {
        let name = |number: u32| self.names[number as usize].clone();
        tally
            .iter()
            .map(|(&number, &count)| (name(number), count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Text;

    fn unknown(id: &str) -> UsageRecord<'static> {
        UsageRecord {
            request_id: Text::from(id.to_owned()),
            time: Timestamp::UNIX_EPOCH,
            product: None,
            domain: None,
            version: None,
            status: None,
            code: None,
            serial: None,
            network: None,
            latency_ms: None,
            integration_status: None,
            file: None,
            bytes: None,
        }
    }

    fn record(id: &str, product: &str, domain: &str, code: &str) -> UsageRecord<'static> {
        let text = |text: &str| Some(Text::from(text.to_owned()));
        UsageRecord {
            product: text(product),
            domain: text(domain),
            code: text(code),
            status: Some(if code == "NOT_FOUND" { 404 } else { 200 }),
            network: text("103.79.14.0/24"),
            ..unknown(id)
        }
    }

    fn gateway(id: &str, status: u16, integration: Option<u16>) -> UsageRecord<'static> {
        UsageRecord {
            status: Some(status),
            integration_status: integration,
            ..unknown(id)
        }
    }

    fn add_up(records: &[(Source, UsageRecord<'_>)]) -> (Vec<DomainUsage>, DaySummary) {
        let mut day = Day::new("2026-11-22".parse().unwrap(), Networks::default());
        let seen = records
            .iter()
            .map(|(source, record)| day.see(*source, record));
        let seen: Vec<RequestObservation> = seen.collect();
        day.count(seen);
        day.finish()
    }

    #[test]
    fn forged_names_get_a_limited_number_of_rows() {
        let mut records = Vec::new();
        for number in 0..5000 {
            let (id, product) = (format!("a{number}"), format!("product-{number}"));
            records.push((
                Source::Lookup,
                record(&id, &product, "a.cybozu.com", "NOT_FOUND"),
            ));
            let (id, version) = (format!("b{number}"), format!("1.0.{number}"));
            let mut stranger = record(&id, "sheet", "a.cybozu.com", "NOT_FOUND");
            stranger.version = Some(Text::from(version));
            records.push((Source::Lookup, stranger));
        }
        // The last tenant is a customer.
        let mut customer = record("c", "gantt", "example.cybozu.com", "VALID");
        customer.version = Some(Text::from("1.9.0"));
        records.push((Source::Lookup, customer));
        let (usage, summary) = add_up(&records);
        assert_eq!(summary.requests, 10_001);
        assert!(
            usage.len() <= MAX_UNLICENSED_PRODUCTS + 3,
            "{}",
            usage.len()
        );
        let row = |product: &str| usage.iter().find(|row| row.product == product).unwrap();
        assert_eq!(row("gantt").counts.versions["1.9.0"], 1);
        let others = row(OTHERS);
        assert_eq!(others.domain, OTHERS);
        assert!(others.counts.requests > 4800);
        let versions = &row("sheet").counts.versions;
        assert!(versions.len() <= MAX_UNLICENSED_VERSIONS + 1);
        assert_eq!(versions.values().sum::<u64>(), 5000);
    }

    #[test]
    fn unconfirmed_requests_are_counted_separately_without_versions() {
        let mut records = Vec::new();
        for number in 0..20_000 {
            let (id, domain) = (format!("a{number}"), format!("tenant-{number}.cybozu.com"));
            let mut made_up = record(&id, "sheet", &domain, "NOT_FOUND");
            made_up.network = Some(Text::from("203.0.113.0/24"));
            records.push((Source::Lookup, made_up));
            let id = format!("b{number}");
            let mut made_up = record(&id, "sheet", "example.cybozu.com", "VALID");
            made_up.network = Some(Text::from("203.0.113.0/24"));
            made_up.version = Some(Text::from(format!("0.{number}")));
            records.push((Source::Lookup, made_up));
        }
        let mut own = record("c", "sheet", "example.cybozu.com", "VALID");
        own.version = Some(Text::from("1.9.0"));
        records.push((Source::Lookup, own));
        let mut with_serial = record("d", "sheet", "example.cybozu.com", "VALID");
        with_serial.network = Some(Text::from("198.51.100.0/24"));
        with_serial.serial = Some(Text::from("match"));
        with_serial.version = Some(Text::from("1.9.1"));
        records.push((Source::Lookup, with_serial));
        records.push((
            Source::Lookup,
            record("e", "sheet", "stranger.cybozu.com", "NOT_FOUND"),
        ));
        let (usage, _) = add_up(&records);
        assert_eq!(usage.len(), MAX_UNCONFIRMED_TENANTS + 3);
        let row = |domain: &str| {
            let row = usage.iter().find(|row| row.domain == domain);
            row.unwrap().counts.clone()
        };
        let tenant = row("example.cybozu.com");
        assert_eq!((tenant.requests, tenant.unconfirmed.requests), (2, 20_000));
        let versions: Vec<&str> = tenant.versions.keys().map(String::as_str).collect();
        assert_eq!(versions, ["1.9.0", "1.9.1"]);
        assert_eq!(row("stranger.cybozu.com").requests, 1);
        assert_eq!(row(OTHERS).unconfirmed.requests, 10_000);
        assert_eq!(row(OTHERS).requests, 0);
    }

    #[test]
    fn an_answer_without_the_functions_line_is_counted_as_unrecorded() {
        for (status, integration, code, refused, errors, gateway_only) in [
            (200, Some(200), "UNRECORDED", 0, 0, 1),
            (404, Some(200), "UNRECORDED", 0, 0, 1),
            (403, Some(200), "UNRECORDED", 1, 0, 1),
            (503, Some(200), "UNRECORDED", 0, 1, 1),
            (503, Some(504), "GATEWAY_ERROR", 0, 1, 0),
            (429, None, "THROTTLED", 1, 0, 0),
            (404, None, "NO_ROUTE", 1, 0, 0),
        ] {
            let (usage, summary) = add_up(&[(Source::Gateway, gateway("x", status, integration))]);
            let counts = &usage[0].counts;
            assert_eq!(counts.codes.keys().collect::<Vec<_>>(), [code], "{status}");
            assert_eq!(
                (counts.refused, counts.errors),
                (refused, errors),
                "{status}"
            );
            assert_eq!(summary.gateway_only, gateway_only, "{status}");
        }
    }
}

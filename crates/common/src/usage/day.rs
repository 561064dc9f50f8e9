//! A day's records, added up: each request once, whatever was delivered twice, and the gateway's
//! and the function's lines of a request together.
//!
//! Memory goes by tenants, not by records. What has to be remembered of each record, to join it
//! and to know it again, is a [`Sighting`] of fixed form; the caller sets sightings aside in as
//! many parts as it likes, by [`Sighting::part`], and hands them back part by part. All sightings
//! of a request are in one part, so a part is joined and counted by itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Counts, DaySummary, DomainUsage, OTHERS, UNKNOWN, Unconfirmed};
use crate::access::{AccessRecord, Source};
use crate::license::Code;
use crate::network::Networks;
use crate::version::PluginVersion;

/// Tenants without a licence that get a row of their own, for all products of a day together.
/// Anybody can ask for names that do not exist; tenants with a licence are never left out.
pub const MOST_STRANGERS: usize = 100_000;

/// The same for tenants that are named by requests which need not be theirs, and by the pages that
/// load files. They are fewer, and leave the room of the others alone.
pub const MOST_UNCONFIRMED_STRANGERS: usize = 10_000;

/// Products of a day that nobody has a licence of, and that are told apart. Beyond them the product
/// is [`OTHERS`] too.
pub const MOST_STRANGE_PRODUCTS: usize = 100;

/// Versions of one day that are told apart: those that only strangers tell, and all.
const MOST_STRANGE_VERSIONS: usize = 1000;
const MOST_VERSIONS: usize = 10_000;

/// The number of the version that a record does not tell.
const NOT_TOLD: u32 = 0;

/// What is remembered of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestObservation {
    /// 128 bits of SHA-256 over the request's id: two ids of a day that have them in common are
    /// not to be expected in the age of the universe.
    request: u128,
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
    /// Whether the request is the tenant's, as far as it names one.
    is_confirmed: bool,
    /// Whether the gateway says that the function answered.
    was_answered: bool,
}

impl RequestObservation {
    /// Which of `parts` parts it is in.
    pub fn part(&self, parts: usize) -> usize {
        // The remainder is less than `parts`, so it fits.
        usize::try_from(self.request % parts.max(1) as u128).unwrap_or(0)
    }
}

/// A day that is being added up.
#[derive(Debug)]
pub struct Day {
    date: Date,
    rows: Names,
    codes: Names,
    versions: Names,
    counts: Vec<Counts>,
    kintone: Networks,
    confirmed: Strangers,
    unconfirmed: Strangers,
    strange_versions: usize,
    summary: DaySummary,
}

/// What has a row, or a part in one, without a licence.
#[derive(Debug, Default)]
struct Strangers {
    tenants: usize,
    products: HashSet<String>,
}

impl Day {
    /// A day without records. A request from one of `kintone`'s networks is its tenant's.
    pub fn new(date: Date, kintone: Networks) -> Self {
        let mut day = Self {
            date,
            rows: Names::default(),
            codes: Names::default(),
            versions: Names::default(),
            counts: Vec::new(),
            kintone,
            confirmed: Strangers::default(),
            unconfirmed: Strangers::default(),
            strange_versions: 0,
            summary: DaySummary::default(),
        };
        day.versions.number(""); // NOT_TOLD
        day.codes.number("");
        day
    }

    /// Takes note of a record.
    pub fn see(&mut self, source: Source, record: &AccessRecord<'_>) -> RequestObservation {
        self.summary.records += 1;
        let code = record.code.as_deref().unwrap_or_default();
        let product = record.product.as_deref().unwrap_or(UNKNOWN);
        let domain = record.domain.as_deref().unwrap_or(UNKNOWN);
        // The page that loads a file only says who it is.
        let is_licensed = Code::states_a_license(code);
        let is_confirmed = domain == UNKNOWN || source == Source::Lookup && self.confirms(record);
        let version = match record.version.as_deref() {
            Some(version) if is_confirmed || source == Source::Cdn => {
                self.version(PluginVersion::recorded(version), is_licensed)
            }
            _ => NOT_TOLD,
        };
        RequestObservation {
            request: request(&record.request_id),
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

    /// Takes note of a line that could not be read.
    pub fn see_unreadable(&mut self) {
        self.summary.unreadable += 1;
    }

    /// Counts a part: all sightings of some requests.
    pub fn count(&mut self, mut part: Vec<RequestObservation>) {
        // Sorted and not hashed: it takes no memory beside the sightings' own.
        part.sort_unstable_by_key(|sighting| (sighting.request, sighting.source));
        for request in part.chunk_by(|a, b| a.request == b.request) {
            let mut seen = Seen::default();
            for sighting in request {
                let door = match sighting.source {
                    Source::Gateway => &mut seen.gateway,
                    Source::Lookup => &mut seen.lookup,
                    Source::Cdn | Source::Unreadable | Source::Change => &mut seen.cdn,
                };
                match door {
                    Some(_) => self.summary.duplicates += 1,
                    None => *door = Some(*sighting),
                }
            }
            if let Some(file) = seen.cdn {
                self.count_file(&file);
            }
            if seen.gateway.is_some() || seen.lookup.is_some() {
                self.count_request(seen.gateway, seen.lookup);
            }
        }
    }

    /// What it all adds up to: the rows by product and tenant, and what is known of the day.
    pub fn finish(self) -> (Vec<DomainUsage>, DaySummary) {
        let names = self.rows.names.into_iter();
        let mut rows: Vec<DomainUsage> = names
            .zip(self.counts)
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
                let (product, domain) = name.split_once(' ').unwrap_or((&name, UNKNOWN));
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

    /// Whether a request that names a tenant is the tenant's: it came from kintone's addresses, or
    /// knew the serial.
    fn confirms(&self, record: &AccessRecord<'_>) -> bool {
        let is_kintones = |network| self.kintone.include(network);
        record.serial.as_deref() == Some("match")
            || record.network.as_deref().is_some_and(is_kintones)
    }

    fn version(&mut self, version: &str, is_licensed: bool) -> u32 {
        if let Some(number) = self.versions.known(version) {
            return number;
        }
        let is_known = is_licensed || self.strange_versions < MOST_STRANGE_VERSIONS;
        if !is_known || self.versions.len() >= MOST_VERSIONS {
            return self.versions.number("other");
        }
        self.strange_versions += usize::from(!is_licensed);
        self.versions.number(version)
    }

    fn row(&mut self, product: &str, domain: &str, is_licensed: bool, is_confirmed: bool) -> u32 {
        let name = format!("{product} {domain}"); // neither has a blank
        let number = match self.rows.known(&name) {
            Some(number) => number,
            None if is_licensed => self.rows.number(&name),
            None if !self.may_be_told_apart(product, is_confirmed) => {
                self.rows.number(&format!("{OTHERS} {OTHERS}"))
            }
            None if domain == UNKNOWN => self.rows.number(&name),
            None if self.has_room(is_confirmed) => {
                self.strangers(is_confirmed).tenants += 1;
                self.rows.number(&name)
            }
            None => self.rows.number(&format!("{product} {OTHERS}")),
        };
        self.counts.resize_with(self.rows.len(), Counts::default);
        number
    }

    /// Anybody can ask for products that do not exist: only so many of them are told apart.
    fn may_be_told_apart(&mut self, product: &str, is_confirmed: bool) -> bool {
        let products = &mut self.strangers(is_confirmed).products;
        if product == UNKNOWN || products.contains(product) {
            return true;
        }
        products.len() < MOST_STRANGE_PRODUCTS && products.insert(product.to_owned())
    }

    fn has_room(&mut self, is_confirmed: bool) -> bool {
        let most = match is_confirmed {
            true => MOST_STRANGERS,
            false => MOST_UNCONFIRMED_STRANGERS,
        };
        self.strangers(is_confirmed).tenants < most
    }

    fn strangers(&mut self, is_confirmed: bool) -> &mut Strangers {
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
        let Some(told) = lookup.or(gateway) else {
            return;
        };
        // What the caller got is what the gateway says.
        let status = gateway.map_or(told.status, |gateway| gateway.status);
        let code = match lookup {
            Some(lookup) => self.codes.names[lookup.code as usize].clone(),
            None if told.was_answered => UNRECORDED.to_owned(),
            None => gateways_own_code(status).to_owned(),
        };
        match (gateway, lookup) {
            (None, _) => self.summary.lookup_only += 1,
            (_, None) if code == UNRECORDED => self.summary.gateway_only += 1,
            _ => {}
        }
        let version =
            (told.version != NOT_TOLD).then(|| self.versions.names[told.version as usize].clone());
        let counts = &mut self.counts[told.row as usize];
        let time = gateway.map_or(told.time, |gateway| gateway.time);
        if !told.is_confirmed {
            let time = Timestamp::from_millisecond(time).unwrap_or_default();
            counts.unconfirmed.add(&Unconfirmed {
                requests: 1,
                codes: BTreeMap::from([(code, 1)]),
                first_seen: time,
                last_seen: time,
            });
            return;
        }
        notice(counts, time);
        counts.requests += 1;
        match status {
            500.. => counts.errors += 1,
            404 if code == UNRECORDED => {}
            400..500 if code != "NOT_FOUND" => counts.refused += 1,
            _ => {}
        }
        *counts.codes.entry(code).or_default() += 1;
        if let Some(version) = version {
            *counts.versions.entry(version).or_default() += 1;
        }
        if let Some(latency) = gateway.and_then(|gateway| gateway.latency) {
            counts.latencies.count(latency);
        }
    }

    fn count_file(&mut self, file: &RequestObservation) {
        self.summary.files += 1;
        let version =
            (file.version != NOT_TOLD).then(|| self.versions.names[file.version as usize].clone());
        let counts = &mut self.counts[file.row as usize];
        notice(counts, file.time);
        counts.bytes += file.bytes;
        // Neither an error nor a redirection is a file, nor is a reader who hung up (000).
        if !matches!(file.status, 200 | 206 | 304) {
            counts.file_errors += 1;
            return;
        }
        counts.files += 1;
        if let Some(version) = version.filter(|_| file.is_file) {
            *counts.file_versions.entry(version).or_default() += 1;
        }
    }
}

/// The function answered, but no line of it has arrived.
const UNRECORDED: &str = "UNRECORDED";

/// What an answer of the gateway's own is called.
fn gateways_own_code(status: u16) -> &'static str {
    match status {
        429 => "THROTTLED",
        404 | 405 => "NO_ROUTE",
        400..500 => "REFUSED_BY_GATEWAY",
        500.. => "GATEWAY_ERROR",
        _ => UNRECORDED,
    }
}

fn notice(counts: &mut Counts, time: i64) {
    let time = Timestamp::from_millisecond(time).unwrap_or_default();
    if !counts.has_own() {
        (counts.first_seen, counts.last_seen) = (time, time);
    }
    counts.first_seen = counts.first_seen.min(time);
    counts.last_seen = counts.last_seen.max(time);
}

fn request(id: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_le_bytes(half)
}

/// What the doors saw of one request.
#[derive(Default)]
struct Seen {
    gateway: Option<RequestObservation>,
    lookup: Option<RequestObservation>,
    cdn: Option<RequestObservation>,
}

/// Texts by number, in the order in which they came.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Text;

    fn record(id: &str, product: &str, domain: &str, code: &str) -> AccessRecord<'static> {
        let text = |text: &str| Some(Text::from(text.to_owned()));
        AccessRecord {
            product: text(product),
            domain: text(domain),
            code: text(code),
            status: Some(if code == "NOT_FOUND" { 404 } else { 200 }),
            network: text("103.79.14.0/24"),
            ..AccessRecord::new(Text::from(id.to_owned()), Timestamp::UNIX_EPOCH)
        }
    }

    fn gateway(id: &str, status: u16, integration: Option<u16>) -> AccessRecord<'static> {
        AccessRecord {
            status: Some(status),
            integration_status: integration,
            ..AccessRecord::new(Text::from(id.to_owned()), Timestamp::UNIX_EPOCH)
        }
    }

    fn add_up(records: &[(Source, AccessRecord<'_>)]) -> (Vec<DomainUsage>, DaySummary) {
        let mut day = Day::new("2026-11-22".parse().unwrap(), Networks::default());
        let seen = records
            .iter()
            .map(|(source, record)| day.see(*source, record));
        let seen: Vec<RequestObservation> = seen.collect();
        day.count(seen);
        day.finish()
    }

    #[test]
    fn whoever_makes_names_up_makes_no_more_rows_than_there_is_room_for() {
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
        // Comes last, and is a customer.
        let mut customer = record("c", "gantt", "example.cybozu.com", "VALID");
        customer.version = Some(Text::from("1.9.0"));
        records.push((Source::Lookup, customer));
        let (usage, summary) = add_up(&records);
        assert_eq!(summary.requests, 10_001);
        assert!(usage.len() <= MOST_STRANGE_PRODUCTS + 3, "{}", usage.len());
        let row = |product: &str| usage.iter().find(|row| row.product == product).unwrap();
        assert_eq!(row("gantt").counts.versions["1.9.0"], 1);
        let others = row(OTHERS);
        assert_eq!(others.domain, OTHERS);
        assert!(others.counts.requests > 4800);
        let versions = &row("sheet").counts.versions;
        assert!(versions.len() <= MOST_STRANGE_VERSIONS + 1);
        assert_eq!(versions.values().sum::<u64>(), 5000);
    }

    #[test]
    fn what_need_not_be_the_tenants_is_counted_apart_and_makes_no_versions() {
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
        assert_eq!(usage.len(), MOST_UNCONFIRMED_STRANGERS + 3);
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
    fn an_answer_of_the_functions_without_its_line_is_a_gap_and_no_answer_of_the_gateways() {
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

//! Generated requests and their expected usage, calculated independently of the tested code.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tegata_common::access::Source;
use tegata_common::usage::DomainUsage;

use crate::tokyo;

/// A request to the licence API or, with a file, to the CDN.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) product: &'static str,
    pub(crate) domain: String,
    pub(crate) version: Option<&'static str>,
    pub(crate) outcome: Outcome,
    pub(crate) latency: u32,
}

/// The source and the result of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// By the function: code and status.
    Function(&'static str, u16),
    /// By the gateway itself: the code it is counted as, and the status.
    Gateway(&'static str, u16),
    /// By the CDN: the status.
    Cdn(u16),
}

use Outcome::{Cdn, Function, Gateway};

const OUTCOMES: [(Outcome, u32); 13] = [
    (Function("VALID", 200), 600),
    (Function("GRACE", 200), 40),
    (Function("EXPIRED", 200), 30),
    (Function("SUSPENDED", 200), 5),
    (Function("NOT_FOUND", 404), 60),
    (Function("PREFLIGHT", 204), 40),
    (Function("ORIGIN_NOT_ALLOWED", 403), 5),
    (Function("UNAVAILABLE", 503), 10),
    (Gateway("THROTTLED", 429), 20),
    (Gateway("NO_ROUTE", 404), 10),
    (Gateway("GATEWAY_ERROR", 500), 5),
    (Cdn(200), 150),
    (Cdn(403), 25),
];

const VERSIONS: [Option<&str>; 5] = [
    Some("1.9.0"),
    Some("1.9.0"),
    Some("1.8.2"),
    Some("2.0.0-beta.1"),
    None,
];

impl Request {
    pub(crate) fn date(&self) -> Date {
        tokyo().to_datetime(self.at).date()
    }

    pub(crate) fn is_odd(&self) -> bool {
        self.id.ends_with(['1', '3', '5', '7', '9'])
    }

    pub(crate) fn time(&self) -> String {
        format!("{:.3}", self.at)
    }

    /// The time in the gateway's line: to the second.
    fn gateway_time(&self) -> Timestamp {
        Timestamp::from_second(self.at.as_second()).unwrap()
    }

    fn random(number: usize, random: &mut fastrand::Rng) -> Self {
        // Three days in Tokyo, which differ from days in UTC.
        let start: Timestamp = "2026-11-19T15:00:00Z".parse().unwrap();
        let total: u32 = OUTCOMES.iter().map(|(_, weight)| weight).sum();
        let mut at = random.u32(0..total);
        let mut outcome = OUTCOMES[0].0;
        for (candidate, weight) in OUTCOMES {
            if at < weight {
                outcome = candidate;
                break;
            }
            at -= weight;
        }
        Self {
            id: format!("JKJ{:06x}HcE{number}", random.u32(..1 << 24)),
            at: start + SignedDuration::from_millis(random.i64(0..3 * 24 * 3600 * 1000)),
            product: if random.u8(0..4) == 0 {
                "gantt"
            } else {
                "sheet"
            },
            domain: format!("tenant-{}.cybozu.com", random.u32(0..120)),
            version: random.choice(VERSIONS).unwrap(),
            outcome,
            latency: random.u32(1..900),
        }
    }
}

/// All generated requests.
pub(crate) struct World {
    pub(crate) requests: Vec<Request>,
}

impl World {
    pub(crate) fn new(number: usize, random: &mut fastrand::Rng) -> Self {
        Self::of(
            (0..number)
                .map(|number| Request::random(number, random))
                .collect(),
        )
    }

    pub(crate) fn of(requests: Vec<Request>) -> Self {
        Self { requests }
    }

    pub(crate) fn dates(&self) -> Vec<Date> {
        let mut dates: Vec<Date> = self.requests.iter().map(Request::date).collect();
        dates.sort();
        dates.dedup();
        dates
    }
}

/// The expected usage.
pub(crate) struct Truth {
    pub(crate) records: BTreeMap<Date, BTreeMap<(Source, String), Value>>,
    pub(crate) rows: BTreeMap<Date, BTreeMap<(String, String), Row>>,
    pub(crate) requests: BTreeMap<Date, u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    requests: u64,
    codes: BTreeMap<String, u64>,
    versions: BTreeMap<String, u64>,
    refused: u64,
    errors: u64,
    files: u64,
    file_versions: BTreeMap<String, u64>,
    file_errors: u64,
    times: Vec<Timestamp>,
    latencies: Vec<u32>,
}

impl Truth {
    pub(crate) fn of(requests: &[Request]) -> Self {
        let mut truth = Self {
            records: BTreeMap::new(),
            rows: BTreeMap::new(),
            requests: BTreeMap::new(),
        };
        for request in requests {
            truth.add(request);
        }
        truth
    }

    fn add(&mut self, request: &Request) {
        let date = request.date();
        let records = self.records.entry(date).or_default();
        let mut record = |source, value| {
            records.insert((source, request.id.clone()), value);
        };
        let unknown = ("-", "-".to_owned());
        let known = (request.product, request.domain.clone());
        let row = match request.outcome {
            Function(code, status) => {
                record(Source::Gateway, gateway_record(request, status, true));
                record(Source::Lookup, lookup_record(request, code, status));
                known
            }
            Gateway(_, status) => {
                record(Source::Gateway, gateway_record(request, status, false));
                unknown
            }
            Cdn(status) => {
                record(Source::Cdn, cdn_record(request, status));
                // For a missing file, only the tenant is recorded.
                if status == 200 { known } else { ("-", known.1) }
            }
        };
        let rows = self.rows.entry(date).or_default();
        let row = rows.entry((row.0.to_owned(), row.1)).or_default();
        row.times.push(match request.outcome {
            Cdn(_) => request.at,
            Function(..) | Gateway(..) => request.gateway_time(),
        });
        let mut count = |code: &str| *row.codes.entry(code.to_owned()).or_default() += 1;
        let version = request.version.map(str::to_owned);
        match request.outcome {
            Function(code, status) => {
                count(code);
                row.requests += 1;
                row.errors += u64::from(status == 503);
                row.refused += u64::from(status == 403);
                row.latencies.push(request.latency);
                if let Some(version) = version {
                    *row.versions.entry(version).or_default() += 1;
                }
            }
            Gateway(code, status) => {
                count(code);
                row.requests += 1;
                row.errors += u64::from(status == 500);
                row.refused += u64::from(status < 500);
                row.latencies.push(request.latency);
            }
            Cdn(200) => {
                row.files += 1;
                if let Some(version) = version {
                    *row.file_versions.entry(version).or_default() += 1;
                }
            }
            Cdn(_) => row.file_errors += 1,
        }
        if !matches!(request.outcome, Cdn(_)) {
            *self.requests.entry(date).or_default() += 1;
        }
    }
}

impl Row {
    pub(crate) fn check(&self, row: &DomainUsage) {
        let counts = &row.counts;
        assert_eq!(counts.requests, self.requests, "{row:?}");
        assert_eq!(counts.codes, self.codes, "{row:?}");
        assert_eq!(counts.versions, self.versions, "{row:?}");
        assert_eq!(counts.refused, self.refused, "{row:?}");
        assert_eq!(counts.errors, self.errors, "{row:?}");
        assert_eq!(counts.files, self.files, "{row:?}");
        assert_eq!(counts.file_versions, self.file_versions, "{row:?}");
        assert_eq!(counts.file_errors, self.file_errors, "{row:?}");
        assert_eq!(
            counts.bytes,
            1000 * (self.files + self.file_errors),
            "{row:?}"
        );
        assert_eq!(Some(&counts.first_seen), self.times.iter().min());
        assert_eq!(Some(&counts.last_seen), self.times.iter().max());
        for percent in [50, 99] {
            let mut sorted = self.latencies.clone();
            sorted.sort_unstable();
            // The nearest-rank percentile: rank n * percent / 100, rounded up.
            let rank = (sorted.len() * usize::from(percent)).div_ceil(100);
            let expected = rank.checked_sub(1).map(|index| sorted[index]);
            assert_eq!(counts.latencies.percentile(percent), expected, "{row:?}");
        }
    }
}

fn gateway_record(request: &Request, status: u16, is_asked: bool) -> Value {
    let mut record = json!({
        "request_id": request.id,
        "time": format!("{:.3}", request.gateway_time()),
        "method": "GET",
        "status": status,
        "latency_ms": request.latency,
    });
    if is_asked {
        record["integration_status"] = json!(200);
    }
    record
}

fn lookup_record(request: &Request, code: &str, status: u16) -> Value {
    let mut record = json!({
        "request_id": request.id,
        "time": request.time(),
        "method": "GET",
        "product": request.product,
        "domain": request.domain,
        "status": status,
        "code": code,
        "serial": "absent",
        "network": "103.79.14.0/24",
        "browser": false,
        "database_ms": 4.5,
    });
    if let Some(version) = request.version {
        record["version"] = json!(version);
    }
    record
}

fn cdn_record(request: &Request, status: u16) -> Value {
    let mut record = json!({
        "request_id": request.id,
        "time": request.time(),
        "domain": request.domain,
        "method": "GET",
        "status": status,
        "bytes": 1000,
        "latency_ms": request.latency,
        "cache": if status == 200 { "Hit" } else { "Error" },
        "network": "203.0.113.0/24",
        "agent": "Chrome/131",
    });
    if status == 200 {
        record["product"] = json!(request.product);
        match request.version {
            Some(version) => {
                record["version"] = json!(version);
                record["file"] = json!("plugin.min.js");
            }
            None => record["file"] = json!("current.jwt"),
        }
    }
    record
}

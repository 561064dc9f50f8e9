//! The parser and normaliser, in bytes of log a second on one core, beside a plain reading of the
//! same lines into `serde_json::Value`.
//!
//! `cargo bench -p tegata-tests --bench access_records [-- --short]`
#![allow(missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};
use tegata_common::access::{ReadLine, read_cdn, read_lines};
use tegata_common::domain::BaseDomains;
use tegata_tests::ratio;

/// Lines of each log.
const LINES: u32 = 10_000;

/// Rounds, after one that is not counted. Each round runs every candidate once.
const ROUNDS: usize = 40;
const SHORT_ROUNDS: usize = 5;

/// What is measured on a log.
type Candidate<'a> = (&'a str, Box<dyn Fn() + 'a>);

fn main() {
    let bases = BaseDomains::default();
    let at: Timestamp = "2026-11-22T01:03:11Z".parse().unwrap_or_default();
    println!("{:<34} {:>8} {:>22}", "log", "MB/s", "time of the peer's");
    for (name, log) in [("gateway", gateway()), ("lookup", lookup())] {
        let records = || {
            let mut records = 0;
            let read = read_lines(log.as_bytes(), at, &bases, |item| {
                records += u32::from(matches!(black_box(item), ReadLine::Record(..)));
            });
            assert!(read.is_ok() && records == LINES);
        };
        // What the archive's lines cost on top.
        let written = || {
            let mut out = Vec::with_capacity(log.len());
            let read = read_lines(log.as_bytes(), at, &bases, |item| {
                if let ReadLine::Record(_, record) = item {
                    let _ = serde_json::to_writer(&mut out, &record);
                }
            });
            assert!(read.is_ok());
            black_box(out);
        };
        let peer: Candidate<'_> = ("serde_json::Value", Box::new(|| values(&log)));
        let own: [Candidate<'_>; 2] = [
            ("records", Box::new(records)),
            ("records, written", Box::new(written)),
        ];
        compare(name, log.len(), peer, own);
    }
    let (json, w3c) = cdn();
    let read = |log: &str| {
        let mut records = 0;
        read_cdn(log.as_bytes(), at, &bases, |item| {
            records += u32::from(matches!(black_box(item), ReadLine::Record(..)));
        });
        assert_eq!(records, LINES);
    };
    let peer: Candidate<'_> = ("serde_json::Value", Box::new(|| values(&json)));
    let own: [Candidate<'_>; 2] = [
        ("records, JSON", Box::new(|| read(&json))),
        ("records, W3C", Box::new(|| read(&w3c))),
    ];
    compare("cdn", json.len(), peer, own);
}

/// Prints the medians of some rounds: megabytes a second, and the time in parts of the peer's in the
/// same round.
fn compare<const N: usize>(log: &str, bytes: usize, peer: Candidate<'_>, own: [Candidate<'_>; N]) {
    let candidates: Vec<Candidate<'_>> = [peer].into_iter().chain(own).collect();
    let mut times = vec![Vec::new(); candidates.len()];
    let rounds = if ratio::is_short() {
        SHORT_ROUNDS
    } else {
        ROUNDS
    };
    for round in 0..=rounds {
        for ((_, run), times) in candidates.iter().zip(&mut times) {
            let started = Instant::now();
            run();
            if round > 0 {
                times.push(started.elapsed().as_secs_f64());
            }
        }
    }
    for (number, ((name, _), of)) in candidates.iter().zip(&times).enumerate() {
        let ratio = median(of.iter().zip(&times[0]).map(|(own, peer)| own / peer));
        let name = format!("{log}: {name}");
        println!(
            "{name:<34} {:>8.0} {ratio:>22.2}",
            bytes as f64 / 1e6 / median(of.iter().copied()),
        );
        if number > 0 {
            ratio::compare(&name, ratio);
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The peer: every line as a tree.
fn values(log: &str) {
    let mut objects = 0;
    for line in log.lines() {
        let value: Result<Value, _> = serde_json::from_str(line);
        objects += u32::from(black_box(value).is_ok());
    }
    assert_eq!(objects, LINES);
}

fn gateway() -> String {
    let mut log = String::new();
    for number in 0..LINES {
        let _ = writeln!(
            log,
            r#"{{"type":"gateway","requestId":"JKJ{number:08}HcESHA=","time":"22/Nov/2026:01:03:{:02} +0000", "routeKey":"GET /v1/products/{{product}}/domains/{{domain}}/license","status":"200", "responseLatency":"14", "integrationStatus":"200"}}"#,
            number % 60,
        );
    }
    log
}

fn lookup() -> String {
    let mut log = String::new();
    for number in 0..LINES {
        let _ = writeln!(
            log,
            r#"{{"type":"access","time":"2026-11-22T01:03:11.{:03}Z","requested_at":"2026-11-22T01:03:11.{:03}Z","request_id":"JKJ{number:08}HcESHA=","method":"GET","product":"sheet","domain":"tenant-{number}.cybozu.com","version":"1.9.0","code":"VALID","status":200,"reason":null,"serial":"match","source":"103.79.14.0/24","browser":false,"database_ms":4.821}}"#,
            number % 1000,
            number % 1000,
        );
    }
    log
}

fn cdn() -> (String, String) {
    const FIELDS: [&str; 13] = [
        "timestamp(ms)",
        "x-edge-location",
        "sc-bytes",
        "c-ip",
        "cs-method",
        "cs-uri-stem",
        "sc-status",
        "cs(Referer)",
        "cs(User-Agent)",
        "cs-uri-query",
        "x-edge-result-type",
        "x-edge-request-id",
        "time-taken",
    ];
    let mut lines = String::new();
    let mut w3c = format!("#Version: 1.0\n#Fields: {}\n", FIELDS.join(" "));
    for number in 0..LINES {
        let values = [
            (1_795_309_391_000_u64 + u64::from(number)).to_string(),
            "NRT57-P4".to_owned(),
            "48213".to_owned(),
            format!("203.0.113.{}", number % 256),
            "GET".to_owned(),
            "/sheet/1.9.0/sheet.min.js".to_owned(),
            "200".to_owned(),
            format!("https://tenant-{number}.cybozu.com/"),
            "Mozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)%20AppleWebKit/537.36%20(KHTML,\
             %20like%20Gecko)%20Chrome/131.0.0.0%20Safari/537.36"
                .to_owned(),
            "-".to_owned(),
            "Hit".to_owned(),
            format!("K0v1lV1wC0ZrL3sQ0PZJk3cQ4y3m9gH7rR6kq1b2yZt8wXo5nU2{number:06}=="),
            "0.012".to_owned(),
        ];
        let object: serde_json::Map<String, Value> = FIELDS
            .iter()
            .zip(&values)
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let _ = writeln!(lines, "{}", Value::from(object));
        let _ = writeln!(w3c, "{}", values.join("\t"));
    }
    (lines, w3c)
}

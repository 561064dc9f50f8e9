//! The handler on a full subscription batch, and the roll-up of a day of millions of records: how
//! many a second, in how much memory, and beside DuckDB on the same files, if its Python package is
//! installed.
//!
//! `TEGATA_RECORDS=20000000 cargo bench -p tegata-tests --bench usage`   (2,000,000 otherwise;
//! 100,000 with `-- --short`)
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use access_log::handler::AccessLog;
use access_log::roll_up::add_up;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tegata_archive::copies::Copies;
use tegata_archive::objects::Objects;
use tegata_archive::{Archive, ObjectName};
use tegata_common::access::{ReadLine, Source, read_lines};
use tegata_common::domain::BaseDomains;
use tegata_common::network::Networks;
use tegata_common::usage::{Counts, DomainUsage};
use tegata_tests::{Database, log_lines, memory, ratio};

/// Events of a full batch.
const BATCH: u32 = 10_000;

/// Records of one object of the day.
const OBJECT: u32 = 5_000;

/// Tenants of the day.
const TENANTS: u32 = 20_000;

fn main() {
    let records = std::env::var("TEGATA_RECORDS").ok();
    let records: u32 = match records {
        Some(records) => records.parse().unwrap(),
        None if ratio::is_short() => 100_000,
        None => 2_000_000,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(batch());
    runtime.block_on(day(records));
}

fn mega(bytes: usize, since: Instant) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let mega = bytes as f64 / 1e6;
    mega / since.elapsed().as_secs_f64()
}

/// The whole handler on 10,000 events. The embedded database is in this process and counted.
async fn batch() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::start().await;
    let archive = Archive::new(Objects::Directory(directory.path().to_owned()));
    let zone = TimeZone::get("Asia/Tokyo").unwrap();
    let bases = BaseDomains::default();
    let access_log = AccessLog::new(archive, database.usage.clone(), zone, bases);
    let start: Timestamp = "2026-11-22T01:03:11Z".parse().unwrap();
    let before = memory::resident_mb();
    memory::forget_peak();
    let (event, bytes) = batch_of(start);
    let started = Instant::now();
    let report = access_log.handle(&event, start).await.unwrap();
    let rate = mega(bytes, started);
    assert_eq!(report.archived[&Source::Lookup], u64::from(BATCH));
    println!("the handler on a batch of {BATCH} events");
    println!(
        "  lines, MB                       {:>8.1}",
        bytes as f64 / 1e6
    );
    println!("  MB a second, compression in it  {rate:>8.1}");
    println!("  memory before, MB               {before:>8.1}");
    println!(
        "  memory at most, MB              {:>8.1}",
        memory::peak_mb()
    );
}

fn batch_of(start: Timestamp) -> (String, usize) {
    let lines: Vec<_> = (0..BATCH)
        .map(|number| {
            let at = start + SignedDuration::from_millis(i64::from(number));
            (start, lookup_line(number, at))
        })
        .collect();
    let bytes = lines.iter().map(|(_, line)| line.len()).sum();
    let lines = lines.iter().map(|(at, line)| (*at, &**line));
    (log_lines::subscription("lookup", lines), bytes)
}

/// A day of so many records, and of a quarter and a half of it.
async fn day(records: u32) {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::new(Objects::Directory(directory.path().to_owned()));
    println!("\nthe roll-up of a day, {TENANTS} tenants, two records a request");
    println!(
        "  {:>10}  {:>9}  {:>8}  {:>12}  {:>12}  {:>12}  {:>6}",
        "records", "MB, gzip", "MB, peak", "records/s", "from copies", "floor", "ratio"
    );
    let date: Date = "2026-11-22".parse().unwrap();
    let (mut written, most, mut usage) = (0, records, Vec::new());
    for records in [records / 4, records / 2, records] {
        written = write_day(&archive, date, written, records).await;
        let started = Instant::now();
        let bytes = read_only(&archive, date).await;
        let floor = f64::from(written) / started.elapsed().as_secs_f64();
        memory::forget_peak();
        // From the archive, and again from the copies that this wrote.
        let for_copies = tempfile::tempdir().unwrap();
        let copies = Copies::new(Objects::Directory(for_copies.path().to_owned()));
        let mut rates = Vec::new();
        for _ in 0..2 {
            drop(usage);
            let started = Instant::now();
            let kintone = Networks::default();
            let added = add_up(&archive, &copies, date, &kintone, || false).await;
            let added = added.unwrap();
            rates.push(f64::from(written) / started.elapsed().as_secs_f64());
            assert_eq!(added.summary.requests, u64::from(written / 2));
            assert_eq!(added.summary.duplicates, 0);
            usage = added.usage;
        }
        let (rate, of_copies) = (rates[0], rates[1]);
        println!(
            "  {written:>10}  {:>9.1}  {:>8.1}  {rate:>12.0}  {of_copies:>12.0}  {floor:>12.0}  {:>6.2}",
            bytes as f64 / 1e6,
            memory::peak_mb(),
            floor / rate
        );
        if records == most {
            ratio::compare("usage: the roll-up", floor / rate);
            compare_with_duckdb(directory.path(), date, rate, &usage);
        }
    }
}

/// The same sums by DuckDB, from the same files.
fn compare_with_duckdb(archive: &Path, date: Date, rate: f64, usage: &[DomainUsage]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/roll_up_by_duckdb.py");
    for threads in ["1", "2"] {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let run = Command::new(python)
            .arg(script)
            .arg(archive)
            .args([&date.to_string(), threads])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&run.stderr);
        if error.contains("No module named 'duckdb'") {
            println!("  DuckDB is not installed: pip install duckdb");
            return;
        }
        assert!(run.status.success(), "{error}");
        let sums: DuckDb = serde_json::from_slice(&run.stdout).unwrap();
        let mut codes: BTreeMap<[&str; 3], u64> = BTreeMap::new();
        let mut versions: BTreeMap<[&str; 3], u64> = BTreeMap::new();
        for (product, domain, code, version, requests) in &sums.rows {
            *codes.entry([product, domain, code]).or_default() += requests;
            *versions.entry([product, domain, version]).or_default() += requests;
        }
        let of = |figures: fn(&Counts) -> &BTreeMap<String, u64>| {
            let rows = usage.iter().flat_map(move |row| {
                let figures = figures(&row.counts).iter();
                figures.map(|(name, requests)| ([&*row.product, &*row.domain, &**name], *requests))
            });
            rows.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(codes, of(|counts| &counts.codes), "DuckDB's sums differ");
        assert_eq!(
            versions,
            of(|counts| &counts.versions),
            "DuckDB's sums differ"
        );
        let requests: u64 = codes.values().sum();
        #[allow(clippy::cast_precision_loss)]
        let duckdb = 2.0 * requests as f64 / sums.seconds;
        println!(
            "  DuckDB, {threads} threads: {duckdb:>9.0} records/s, {:.0} MB; the roll-up does {:.2} of it; the sums are equal",
            sums.peak_mb,
            rate / duckdb
        );
    }
}

/// What the script prints.
#[derive(Deserialize)]
struct DuckDb {
    seconds: f64,
    peak_mb: f64,
    rows: Vec<(String, String, String, String, u64)>,
}

/// The floor: fetching the objects, decompressing and checking them, and nothing else.
async fn read_only(archive: &Archive, date: Date) -> u64 {
    let mut bytes = 0;
    for source in [Source::Lookup, Source::Gateway] {
        for listed in archive.list(source, date).await.unwrap() {
            let object = archive.get(&listed.key).await.unwrap().unwrap();
            black_box(tegata_archive::open(&listed.name.unwrap(), &object).unwrap());
            bytes += listed.bytes;
        }
    }
    bytes
}

async fn write_day(archive: &Archive, date: Date, from: u32, to: u32) -> u32 {
    let start: Timestamp = "2026-11-21T15:00:00Z".parse().unwrap();
    let bases = BaseDomains::default();
    let mut at = from;
    while at < to {
        for source in [Source::Lookup, Source::Gateway] {
            let mut log = String::new();
            for number in (at / 2)..(at / 2 + OBJECT) {
                let at = start + SignedDuration::from_millis(i64::from(number) * 8);
                let line = match source {
                    Source::Lookup => lookup_line(number, at),
                    _ => {
                        let latency = u128::from(8 + number % 40);
                        log_lines::gateway_line(&request_id(number), at, 200, latency, "200")
                    }
                };
                let _ = writeln!(log, "{line}");
            }
            let mut lines = Vec::new();
            read_lines(log.as_bytes(), start, &bases, |item| {
                let ReadLine::Record(_, record) = item else {
                    unreachable!("{item:?}");
                };
                serde_json::to_writer(&mut lines, &record).unwrap();
                lines.push(b'\n');
            })
            .unwrap();
            let name = ObjectName::of(source, date, &lines);
            archive
                .put(&name, tegata_archive::compress(&lines).unwrap())
                .await
                .unwrap();
        }
        at += 2 * OBJECT;
    }
    at
}

fn request_id(number: u32) -> String {
    // As random as the gateway's.
    let mut random = fastrand::Rng::with_seed(u64::from(number));
    format!("{:011x}{number:08x}=", random.u64(..1 << 44))
}

fn lookup_line(number: u32, at: Timestamp) -> String {
    let tenant = number.wrapping_mul(2_654_435_761) % TENANTS;
    format!(
        r#"{{"type":"access","time":"{at:.3}","requested_at":"{at:.3}","request_id":"{}","method":"GET","product":"sheet","domain":"tenant-{tenant}.cybozu.com","version":"1.9.{}","code":"VALID","status":200,"reason":null,"serial":"match","source":"103.79.14.0/24","browser":false,"database_ms":{}.82}}"#,
        request_id(number),
        tenant % 4,
        number % 9,
    )
}

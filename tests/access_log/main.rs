//! From log lines to the usage. Deliveries are duplicated, reordered, split and interrupted; the
//! archive and the usage must be correct, and must not contain personal data.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod canary;
mod delivery;
mod records;
mod truth;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Instant;

use access_log::handler::AccessLog;
use access_log::roll_up::{RollUp, RollUpError};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tegata_archive::copies::{Copies, Members};
use tegata_archive::objects::Objects;
use tegata_archive::{Archive, ObjectName};
use tegata_common::access::Source;
use tegata_common::domain::BaseDomains;
use tegata_common::usage::DomainUsage;
use tegata_tests::Database;
use tegata_tests::crash::after_polls;

use truth::{Truth, World};

pub(crate) struct System {
    pub(crate) database: Database,
    pub(crate) archive: Archive,
    copies: Copies,
    pub(crate) access_log: AccessLog,
    pub(crate) roll_up: RollUp,
    directory: tempfile::TempDir,
    copies_directory: tempfile::TempDir,
}

impl System {
    pub(crate) async fn start() -> Self {
        let database = Database::start().await;
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::new(Objects::Directory(directory.path().to_owned()));
        let copies_directory = tempfile::tempdir().unwrap();
        let copies = Objects::Directory(copies_directory.path().to_owned());
        let copies = Copies::new(copies);
        let usage = database.usage.clone();
        let bases = BaseDomains::default();
        Self {
            access_log: AccessLog::new(archive.clone(), usage.clone(), tokyo(), bases),
            roll_up: RollUp::new(archive.clone(), copies.clone(), usage, tokyo()),
            archive,
            copies,
            database,
            directory,
            copies_directory,
        }
    }

    /// Delivers an event until it succeeds. Each delivery may be interrupted at any point.
    async fn deliver(&self, event: &str, random: &mut fastrand::Rng) -> u32 {
        let mut crashes = 0;
        while random.u8(..) < 64 {
            let polls = random.u32(0..12);
            let broken_off = after_polls(polls, self.access_log.handle(event, now())).await;
            crashes += u32::from(broken_off.is_none());
        }
        self.access_log.handle(event, now()).await.unwrap();
        crashes
    }

    /// Delivers a file of the CDN's log twice, after interrupted deliveries.
    async fn deliver_file(&self, file: &delivery::File, random: &mut fastrand::Rng) {
        let (key, content) = (file.key.as_str(), file.content.as_slice());
        let polls = random.u32(0..12);
        let _ = after_polls(polls, self.access_log.file(key, content, file.at)).await;
        for _ in 0..2 {
            let archived = self.access_log.file(key, content, file.at).await;
            archived.unwrap();
        }
    }

    /// The records of a day by source and request, without duplicates.
    pub(crate) async fn archived(&self, date: Date) -> BTreeMap<(Source, String), Value> {
        let mut records = BTreeMap::new();
        for source in [Source::Gateway, Source::Lookup, Source::Cdn] {
            for listed in self.archive.list(source, date).await.unwrap() {
                let object = self.archive.get(&listed.key).await.unwrap().unwrap();
                let lines = tegata_archive::open(&listed.name.unwrap(), &object).unwrap();
                for line in lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
                    let record: Value = serde_json::from_slice(line).unwrap();
                    let id = record["request_id"].as_str().unwrap().to_owned();
                    let before = records.insert((source, id), record.clone());
                    assert!(before.is_none_or(|before| before == record));
                }
            }
        }
        records
    }

    /// The copies of a day contain each object once, and nothing else. Returns their number.
    async fn check_copies(&self, date: Date) -> usize {
        let mut copies = 0;
        for source in Source::OF_ACCESSES {
            let listed = self.archive.list(source, date).await.unwrap();
            let mut objects = BTreeMap::new();
            for listed in listed {
                let object = self.archive.get(&listed.key).await.unwrap().unwrap();
                objects.insert(listed.name.unwrap().hash, object);
            }
            let copy = self.copies.read(source, date).await.unwrap();
            copies += usize::from(copy.is_some());
            assert_eq!(copy.is_some(), !objects.is_empty(), "{source} {date}");
            for member in copy
                .into_iter()
                .flat_map(|copy| Members::new(BufReader::new(copy)))
            {
                let member = member.unwrap();
                let object = objects.remove(&member.hash);
                assert_eq!(object, Some(member.compressed), "{source} {date}");
            }
            assert_eq!(objects, BTreeMap::new(), "{source} {date}");
        }
        copies
    }

    /// The objects of the archive cannot be read from now on, but can be listed.
    fn break_objects(&self) {
        for object in files(self.directory.path()) {
            std::fs::write(object, "").unwrap();
        }
    }

    pub(crate) async fn usage(&self, date: Date) -> BTreeMap<(String, String), DomainUsage> {
        let day = self.database.usage.day(date).await.unwrap();
        let mut rows = BTreeMap::new();
        for product in day.map(|day| day.products).unwrap_or_default() {
            for row in self.database.usage.rows(&product, date).await.unwrap() {
                rows.insert((row.product.clone(), row.domain.clone()), row);
            }
        }
        rows
    }
}

pub(crate) fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap()
}

/// Two days after the last of the requests.
pub(crate) fn now() -> Timestamp {
    "2026-11-24T03:00:00Z".parse().unwrap()
}

/// `TEGATA_REQUESTS=1000000` makes a longer run.
fn requests() -> usize {
    let number = std::env::var("TEGATA_REQUESTS").ok();
    number.map_or(20_000, |number| number.parse().unwrap())
}

#[tokio::test]
async fn the_archive_and_the_usage_are_the_truth() {
    let started = Instant::now();
    let seed = 20_261_122;
    let mut random = fastrand::Rng::with_seed(seed);
    let system = System::start().await;
    let world = World::new(requests(), &mut random);

    let deliveries = delivery::of(&world, &mut random);
    let mut files = delivery::cdn_files(&world, &mut random);
    assert!(files.len() < deliveries.events.len());
    let mut crashes = 0;
    for event in &deliveries.events {
        crashes += system.deliver(event, &mut random).await;
        // Files of the CDN's log are delivered in between.
        if let Some(file) = files.pop() {
            system.deliver_file(&file, &mut random).await;
        }
        // The roll-up is scheduled independently, and may also be interrupted.
        if random.u8(..) < 2 {
            let polls = random.u32(0..2000);
            let _ = after_polls(polls, system.roll_up.run(now(), || false)).await;
        }
    }
    let report = system.roll_up.run(now(), || false).await.unwrap();
    assert_eq!((report.waiting, report.damaged), (0, 0));
    println!(
        "seed {seed}: {} requests, {} lines in {} deliveries, {} lines twice, {crashes} broken \
         off, {:.1} s",
        world.requests.len(),
        deliveries.lines,
        deliveries.events.len(),
        deliveries.repeated,
        started.elapsed().as_secs_f64(),
    );
    assert!(crashes > 10 && deliveries.repeated > world.requests.len() / 50);

    let truth = Truth::of(&world.requests);
    let known: BTreeSet<Date> = system
        .database
        .usage
        .days()
        .await
        .unwrap()
        .into_iter()
        .map(|day| day.date)
        .collect();
    let expected: BTreeSet<Date> = truth.records.keys().copied().collect();
    assert_eq!(known, expected);
    for date in &expected {
        let archived = system.archived(*date).await;
        assert_eq!(archived, truth.records[date], "{date}");
        let usage = system.usage(*date).await;
        let rows: Vec<_> = usage.keys().collect();
        let expected: Vec<_> = truth.rows[date].keys().collect();
        assert_eq!(rows, expected, "{date}");
        for (key, row) in &usage {
            truth.rows[date][key].check(row);
        }
        let state = system.database.usage.day(*date).await.unwrap().unwrap();
        assert_eq!(state.summary.requests, truth.requests[date], "{date}");
        assert_eq!(state.summary.lookup_only, 0);
        assert_eq!(state.summary.gateway_only, 0);
        assert!(state.is_copied(), "{date}");
        assert!(system.check_copies(*date).await >= 3, "{date}");
    }
    // The usage of the copies alone is the same: no object is read again.
    let before = usage_of(&system, &expected).await;
    system.break_objects();
    for date in &expected {
        let added = system
            .roll_up
            .roll_up(*date, now(), || false)
            .await
            .unwrap();
        assert_eq!((added.damaged, added.is_copied), (0, true), "{date}");
    }
    assert_eq!(usage_of(&system, &expected).await, before);
}

async fn usage_of(system: &System, dates: &BTreeSet<Date>) -> Value {
    let mut usage = Vec::new();
    for date in dates {
        usage.extend(system.usage(*date).await.into_values());
    }
    json!(usage)
}

/// A day of two requests, with its copies.
async fn small_day() -> (System, Date) {
    let system = System::start().await;
    for event in [
        include_str!("../../events/subscription-gateway.json"),
        include_str!("../../events/subscription-lookup.json"),
    ] {
        system.access_log.handle(event, now()).await.unwrap();
    }
    system.roll_up.run(now(), || false).await.unwrap();
    let date = "2026-11-22".parse().unwrap();
    assert_eq!(system.check_copies(date).await, 2);
    (system, date)
}

#[tokio::test]
async fn what_a_copy_has_beyond_the_archive_is_neither_counted_nor_kept() {
    let (system, date) = small_day().await;
    let before = usage_of(&system, &BTreeSet::from([date])).await;
    let path = system.copies_directory.path();
    let path = path.join(Copies::key(Source::Lookup, date));
    let copy = std::fs::read(&path).unwrap();
    let lines = tegata_archive::compress(b"{\"request_id\":\"forged\"}\n").unwrap();
    for wrong in [
        // A member that is not in the archive, before and after the others.
        [&lines[..], &copy].concat(),
        [&copy[..], &lines].concat(),
        // An object twice.
        [&copy[..], &copy].concat(),
        // Truncated, empty, not gzip.
        copy[..copy.len() - 1].to_vec(),
        Vec::new(),
        b"not gzip".to_vec(),
    ] {
        std::fs::write(&path, wrong).unwrap();
        let added = system.roll_up.roll_up(date, now(), || false).await.unwrap();
        assert!(added.is_copied);
        assert_eq!(usage_of(&system, &BTreeSet::from([date])).await, before);
        assert_eq!(system.check_copies(date).await, 2);
    }
    std::fs::remove_file(&path).unwrap();
    system.roll_up.roll_up(date, now(), || false).await.unwrap();
    assert_eq!(system.check_copies(date).await, 2);
}

#[tokio::test]
async fn a_day_whose_copies_cannot_be_written_is_counted_and_due_again() {
    let (system, date) = small_day().await;
    let before = usage_of(&system, &BTreeSet::from([date])).await;
    let copies = system.copies_directory.path().join("access");
    std::fs::remove_dir_all(&copies).unwrap();
    // A file is where the directory has to be.
    std::fs::write(&copies, "").unwrap();
    let cdn = std::str::from_utf8(include_bytes!("../data/access/cdn-w3c.log")).unwrap();
    let at = "2026-11-22T03:00:00Z".parse().unwrap();
    system
        .access_log
        .file("cdn", cdn.as_bytes(), at)
        .await
        .unwrap();
    for _ in 0..2 {
        let report = system.roll_up.run(now(), || false).await.unwrap();
        assert_eq!((report.days, report.waiting), (2, 1));
        let state = system.database.usage.day(date).await.unwrap().unwrap();
        assert!(!state.is_waiting() && !state.is_copied());
    }
    assert_ne!(usage_of(&system, &BTreeSet::from([date])).await, before);
    std::fs::remove_file(&copies).unwrap();
    let report = system.roll_up.run(now(), || false).await.unwrap();
    assert_eq!((report.days, report.waiting), (2, 0));
    let state = system.database.usage.day(date).await.unwrap().unwrap();
    assert!(state.is_copied());
    system.check_copies(date).await;
    // Nothing is due any more but today.
    let report = system.roll_up.run(now(), || false).await.unwrap();
    assert_eq!((report.days, report.waiting), (1, 0));
}

#[tokio::test]
async fn a_run_continues_where_the_time_was_up() {
    let mut random = fastrand::Rng::with_seed(11);
    let system = System::start().await;
    let world = World::new(3000, &mut random);
    for event in delivery::of(&world, &mut random).events {
        system.access_log.handle(&event, now()).await.unwrap();
    }
    for file in delivery::cdn_files(&world, &mut random) {
        system.deliver_file(&file, &mut random).await;
    }
    let date = world.dates()[1];
    // Time for some objects only.
    let left = Cell::new(10);
    let time_is_up = || {
        left.set(left.get() - 1);
        left.get() < 0
    };
    let error = system.roll_up.roll_up(date, now(), time_is_up).await;
    assert!(matches!(error, Err(RollUpError::OutOfTime)));
    let copy = system.copies.read(Source::Lookup, date).await.unwrap();
    let copied: Vec<_> = Members::new(BufReader::new(copy.unwrap())).collect();
    let listed = system.archive.list(Source::Lookup, date).await.unwrap();
    assert!(!copied.is_empty() && copied.len() < listed.len());
    // The next run fetches the others.
    let name_of = |hash: String| {
        format!(
            "{}{hash}.ndjson.gz",
            ObjectName::prefix(Source::Lookup, date)
        )
    };
    for member in copied {
        let object = system.directory.path().join(name_of(member.unwrap().hash));
        std::fs::write(object, "").unwrap();
    }
    let added = system.roll_up.roll_up(date, now(), || false).await.unwrap();
    assert_eq!((added.damaged, added.is_copied), (0, true));
    let truth = Truth::of(&world.requests);
    let usage = system.usage(date).await;
    assert_eq!(usage.len(), truth.rows[&date].len());
    for (key, row) in &usage {
        truth.rows[&date][key].check(row);
    }
}

#[tokio::test]
async fn a_day_delivered_late_corrects_that_day_only() {
    let mut random = fastrand::Rng::with_seed(7);
    let system = System::start().await;
    let world = World::new(3000, &mut random);
    let dates = world.dates();
    let (late, early) = (dates[0], &dates[1..]);
    let is_late = |request: &truth::Request| request.date() == late && request.is_odd();
    let (missing, there): (Vec<_>, Vec<_>) = world.requests.iter().cloned().partition(is_late);
    assert!(missing.len() > 100);

    let world_there = World::of(there.clone());
    for event in delivery::of(&world_there, &mut random).events {
        system.access_log.handle(&event, now()).await.unwrap();
    }
    for file in delivery::cdn_files(&world_there, &mut random) {
        system.deliver_file(&file, &mut random).await;
    }
    system.roll_up.run(now(), || false).await.unwrap();
    let before = system.database.usage.days().await.unwrap();
    let truth = Truth::of(&there);
    for (key, row) in &system.usage(late).await {
        truth.rows[&late][key].check(row);
    }

    let later = now() + jiff::SignedDuration::from_hours(23);
    let world_missing = World::of(missing);
    for event in delivery::of(&world_missing, &mut random).events {
        system.access_log.handle(&event, later).await.unwrap();
    }
    for file in delivery::cdn_files(&world_missing, &mut random) {
        system.deliver_file(&file, &mut random).await;
    }
    let report = system.roll_up.run(later, || false).await.unwrap();
    // That day, and today, which has no records.
    assert_eq!(report.days, 2);
    let truth = Truth::of(&world.requests);
    let usage = system.usage(late).await;
    assert_eq!(usage.len(), truth.rows[&late].len());
    for (key, row) in &usage {
        truth.rows[&late][key].check(row);
    }
    let after = system.database.usage.days().await.unwrap();
    for date in early {
        let of = |days: &[tegata_storage::usage::DayState]| {
            days.iter().find(|day| day.date == *date).cloned().unwrap()
        };
        assert_eq!(of(&before), of(&after));
    }
}

#[tokio::test]
async fn what_a_stranger_says_in_a_tenants_name_is_counted_apart() {
    let system = System::start().await;
    let at = "2026-11-22T01:03:11Z".parse().unwrap();
    let lookup = |number: usize, source: &str, serial: &str, version: String| {
        let line = json!({
            "type": "access",
            "time": "2026-11-22T01:03:11.000Z",
            "request_id": format!("a{number}"),
            "method": "GET",
            "product": "sheet",
            "domain": "example.cybozu.com",
            "version": version,
            "code": "VALID",
            "status": 200,
            "serial": serial,
            "source": source,
        });
        delivery::Line {
            at,
            text: line.to_string(),
        }
    };
    let mut lines = vec![
        lookup(0, "103.79.14.0/24", "absent", "1.9.0".to_owned()),
        lookup(1, "198.51.100.0/24", "match", "1.9.1".to_owned()),
        lookup(2, "203.0.113.0/24", "mismatch", "1.0.0".to_owned()),
    ];
    // Forged: an old version that would delay a rotation of keys, and many versions that do not
    // exist.
    for number in 3..2000 {
        let version = format!("0.0.{number}");
        lines.push(lookup(number, "203.0.113.0/24", "absent", version));
    }
    let event = delivery::subscription("lookup", &lines);
    system.access_log.handle(&event, now()).await.unwrap();
    system.roll_up.run(now(), || false).await.unwrap();
    let usage = system.usage("2026-11-22".parse().unwrap()).await;
    let [row] = &usage.into_values().collect::<Vec<_>>()[..] else {
        panic!("one row");
    };
    let row = json!(row);
    assert_eq!(row["versions"], json!({ "1.9.0": 1, "1.9.1": 1 }));
    assert_eq!(row["requests"], 2);
    assert_eq!(row["codes"], json!({ "VALID": 2 }));
    assert_eq!(row["unconfirmed"]["requests"], 1998);
    assert_eq!(row["unconfirmed"]["codes"], json!({ "VALID": 1998 }));
    assert!(row.to_string().len() < 1000, "{row}");
}

/// Delivers a line that was logged at an instant, and returns where it is archived: source, day.
async fn archived_under(line: &str, logged_at: &str) -> (Source, String) {
    let system = System::start().await;
    let line = delivery::Line {
        at: logged_at.parse().unwrap(),
        text: line.to_owned(),
    };
    let event = delivery::subscription("group", &[line]);
    system.access_log.handle(&event, now()).await.unwrap();
    only_object(&system)
}

/// The same for a file of the CDN's log that was stored at an instant.
async fn file_archived_under(file: &str, stored_at: &str) -> (Source, String) {
    let system = System::start().await;
    let stored_at = stored_at.parse().unwrap();
    let archived = system.access_log.file("key", file.as_bytes(), stored_at);
    archived.await.unwrap();
    only_object(&system)
}

/// The files of an archive.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let mut files = Vec::new();
    for source in entries(root) {
        for day in entries(&source.path()) {
            files.extend(entries(&day.path()).map(|object| object.path()));
        }
    }
    files
}

fn only_object(system: &System) -> (Source, String) {
    let root = system.directory.path();
    let keys = files(root);
    let [object] = &keys[..] else {
        panic!("{keys:?}");
    };
    let key = object.strip_prefix(root).unwrap().to_str().unwrap();
    let name: tegata_archive::ObjectName = key.parse().unwrap();
    (name.source, name.date.to_string())
}

#[tokio::test]
async fn a_record_is_archived_under_the_day_of_its_request_or_as_evidence() {
    use Source::{Cdn, Gateway, Lookup, Unreadable};

    // 2025-05-18T21:08:50Z, as logged by an HTTP API and by a REST API.
    let request = "2025-05-18T21:08:50Z";
    let gateway = [
        r#"{"type":"gateway","requestId":"a","time":"18/May/2025:21:08:50 +0000"}"#,
        r#"{"type":"gateway","requestId":"a","time":"1747602530"}"#,
        r#"{"type":"gateway","requestId":"a","time":1747602530}"#,
        r#"{"type":"gateway","requestId":"a","time":"1747602530123"}"#,
    ];
    let lookup = [
        r#"{"type":"access","request_id":"a","code":"VALID","status":200,
            "time":"2025-05-18T21:08:50.140Z","requested_at":"2025-05-18T21:08:50.123Z"}"#,
        r#"{"type":"access","request_id":"a","code":"VALID","status":200,
            "time":"2025-05-18T21:08:50.140Z"}"#,
    ];
    for (source, line) in gateway
        .map(|line| (Gateway, line))
        .into_iter()
        .chain(lookup.map(|line| (Lookup, line)))
    {
        for (logged_at, expected) in [
            (request, (source, "2025-05-19")),
            ("2025-05-19T21:08:49Z", (source, "2025-05-19")),
            ("2025-05-17T21:08:51Z", (source, "2025-05-19")),
            ("2025-05-19T21:09:00Z", (Unreadable, "2025-05-20")),
            ("2025-05-17T21:08:40Z", (Unreadable, "2025-05-18")),
            ("2026-05-18T21:08:50Z", (Unreadable, "2026-05-19")),
        ] {
            let (source, date) = archived_under(line, logged_at).await;
            assert_eq!((source, date.as_str()), expected, "{line} at {logged_at}");
        }
    }
    let cdn = [
        r#"{"timestamp(ms)":"1747602530123","x-edge-request-id":"a"}"#,
        r#"{"timestamp(ms)":"1747602530","x-edge-request-id":"a"}"#,
        r#"{"date":"2025-05-18","time":"21:08:50","x-edge-request-id":"a"}"#,
        "#Fields: date time x-edge-request-id\n2025-05-18\t21:08:50\ta",
    ];
    for file in cdn {
        for (stored_at, expected) in [
            ("2025-05-18T21:30:00Z", (Cdn, "2025-05-19")),
            // One day late, and more than one day late.
            ("2025-05-20T21:08:00Z", (Cdn, "2025-05-19")),
            ("2025-05-20T21:09:00Z", (Unreadable, "2025-05-21")),
            ("2025-05-17T21:08:40Z", (Unreadable, "2025-05-18")),
            ("2026-05-18T21:08:50Z", (Unreadable, "2026-05-19")),
        ] {
            let (source, date) = file_archived_under(file, stored_at).await;
            assert_eq!((source, date.as_str()), expected, "{file} at {stored_at}");
        }
    }
}

#[tokio::test]
async fn the_sample_events_are_archived() {
    let system = System::start().await;
    let gateway = include_str!("../../events/subscription-gateway.json");
    let lookup = include_str!("../../events/subscription-lookup.json");
    for (event, source, lines) in [(gateway, Source::Gateway, 5), (lookup, Source::Lookup, 3)] {
        let report = system.access_log.handle(event, now()).await.unwrap();
        assert_eq!(report.archived, BTreeMap::from([(source, lines)]));
        assert_eq!((report.objects, report.repeated, report.foreign), (1, 0, 0));
        let again = system.access_log.handle(event, now()).await.unwrap();
        assert_eq!((again.objects, again.repeated), (0, 1));
    }
    // On one machine there are no buckets, so the call fails. The error has the decoded key, not
    // the encoded one of the event.
    for (event, key) in [
        (
            include_str!("../../events/s3-cdn-log.json"),
            "/EDFDVBD6EXAMPLE.2026-11-22-01",
        ),
        (
            include_str!("../../events/s3-cdn-log-encoded-key.json"),
            "/site=a b+c/EDFDVBD6EXAMPLE.2026-11-22-01",
        ),
    ] {
        let error = system.access_log.handle(event, now()).await.unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
    for ignored in [
        include_str!("../../events/s3-test-event.json"),
        r#"{"Records":[]}"#,
    ] {
        let report = system.access_log.handle(ignored, now()).await.unwrap();
        assert_eq!(report, access_log::report::BatchReport::default());
    }
    for unknown in ["", "{}", "7", r#"{"Records":[{}]}"#] {
        assert!(
            system.access_log.handle(unknown, now()).await.is_err(),
            "{unknown}"
        );
    }
    // A control message of CloudWatch, and a batch that cannot be decoded and is archived as
    // evidence.
    let control = include_str!("../../events/subscription-control.json");
    let report = system.access_log.handle(control, now()).await.unwrap();
    assert_eq!(report, access_log::report::BatchReport::default());
    let broken = r#"{"awslogs":{"data":"H4sIAAAA"}}"#;
    let report = system.access_log.handle(broken, now()).await.unwrap();
    assert_eq!(report.archived, BTreeMap::from([(Source::Unreadable, 1)]));
    let metrics = report.lines(now(), "stack");
    assert_eq!(metrics.last().unwrap()["UnreadableLines"], 1);
}

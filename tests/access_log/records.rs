//! Real log lines of the gateway, the function and the CDN, and their records.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;
use tegata_common::access::{ReadLine, read_cdn, read_lines};
use tegata_common::domain::BaseDomains;
use tegata_common::version::PluginVersion;

/// The time of delivery: that of the last request.
fn delivered_at() -> Timestamp {
    "2026-11-22T01:03:20Z".parse().unwrap()
}

/// Shows records as the JSON lines that are archived.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn show(&mut self, item: &ReadLine<'_>) {
        let line = match item {
            ReadLine::Record(source, record) => format!("{source}: {}", json!(record)),
            ReadLine::Unreadable(unreadable) => format!("unreadable: {}", json!(unreadable)),
            ReadLine::Foreign => "foreign".to_owned(),
        };
        writeln!(self.0, "{line}").unwrap();
    }
}

fn lines(log: &[u8]) -> String {
    let mut shown = Shown::default();
    let bases = BaseDomains::default();
    read_lines(log, delivered_at(), &bases, |item| shown.show(&item)).unwrap();
    shown.0
}

fn cdn(file: &[u8]) -> String {
    let mut shown = Shown::default();
    let bases = BaseDomains::default();
    read_cdn(file, delivered_at(), &bases, |item| shown.show(&item));
    shown.0
}

#[test]
fn the_gateways_access_log() {
    insta::assert_snapshot!(lines(include_bytes!("../data/access/gateway.log")));
}

#[test]
fn the_functions_log() {
    insta::assert_snapshot!(lines(include_bytes!("../data/access/lookup.log")));
}

#[test]
fn the_cdns_log_in_json_compressed() {
    insta::assert_snapshot!(cdn(include_bytes!("../data/access/cdn-json.log.gz")));
}

#[test]
fn the_cdns_log_in_w3c() {
    insta::assert_snapshot!(cdn(include_bytes!("../data/access/cdn-w3c.log")));
}

#[test]
fn a_file_that_breaks_off_is_read_up_to_there() {
    let file = include_bytes!("../data/access/cdn-json.log.gz");
    let whole = cdn(file);
    // Only the checksum at the end is missing.
    let read = cdn(&file[..file.len() - 4]);
    assert!(read.starts_with(&whole), "{read}");
    let last = read.lines().last().unwrap();
    assert!(last.contains("damaged or truncated"), "{last}");
    // Nothing is readable: one line of evidence.
    assert_eq!(cdn(&file[..20]).lines().count(), 1);
    assert_eq!(cdn(b""), "");
}

#[test]
fn a_line_that_is_too_long_hides_no_other() {
    let mut log = vec![b'x'; 1024 * 1024];
    log.extend(b"\n");
    log.extend(include_bytes!("../data/access/gateway.log"));
    let read = lines(&log);
    assert!(read.starts_with("unreadable: "), "{read}");
    assert!(read.contains("longer than 256 KiB"), "{read}");
    let rest = lines(include_bytes!("../data/access/gateway.log"));
    assert_eq!(read.split_once('\n').unwrap().1, rest);
}

#[test]
fn a_version_that_can_be_published_is_recorded_at_every_door() {
    let recorded = |version: &str| {
        let file = json!({
            "timestamp(ms)": "1795309391000",
            "x-edge-request-id": "a",
            "cs-uri-stem": format!("/sheet/{version}/sheet.min.js"),
            "sc-status": "200",
        });
        let line = json!({
            "type": "access",
            "time": "2026-11-22T01:03:11.000Z",
            "request_id": "a",
            "version": version,
            "code": "VALID",
            "status": 200,
        });
        let mut records = Vec::new();
        let bases = BaseDomains::default();
        read_cdn(
            file.to_string().as_bytes(),
            delivered_at(),
            &bases,
            |item| {
                if let ReadLine::Record(_, record) = item {
                    records.push(record.into_owned());
                }
            },
        );
        read_lines(
            line.to_string().as_bytes(),
            delivered_at(),
            &bases,
            |item| {
                if let ReadLine::Record(_, record) = item {
                    records.push(record.into_owned());
                }
            },
        )
        .unwrap();
        let [file, lookup] = &records[..] else {
            panic!("{version}: {records:?}");
        };
        assert_eq!(file.product.as_deref(), Some("sheet"), "{version}");
        assert_eq!(file.file.as_deref(), Some("sheet.min.js"), "{version}");
        assert_eq!(file.version, lookup.version, "{version}");
        lookup.version.clone().unwrap().to_string()
    };
    for version in [
        "1.9.0",
        "2026.11.27.1",
        "1.9.0-rc1",
        "1.9.0-rc.1",
        "2.0.0-beta",
    ] {
        assert!(version.parse::<PluginVersion>().is_ok(), "{version}");
        assert_eq!(recorded(version), version);
    }
    // Published before such versions were rejected: still recorded as files of that product.
    for version in ["v2.1.0", "2.0.1+build.5", "203.0.113.77"] {
        assert!(version.parse::<PluginVersion>().is_err(), "{version}");
        assert_eq!(recorded(version), "other", "{version}");
    }
}

#[test]
fn every_fixture_says_where_its_format_comes_from() {
    let sources = include_str!("../data/README.md");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for (directory, shown) in [("events", "events/"), ("tests/data/access", "access/")] {
        for entry in std::fs::read_dir(format!("{root}/{directory}")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let named = |pattern: &str| sources.contains(&format!("`{shown}{pattern}`"));
            let is_of_a_kind =
                |kind: &str| name.starts_with(kind) && named(&format!("{kind}*.json"));
            let is_named = named(&name) || ["get-license", "ses-"].into_iter().any(is_of_a_kind);
            assert!(is_named, "tests/data/README.md does not name {shown}{name}");
        }
    }
}

#[test]
fn nothing_that_must_not_be_kept_is_kept() {
    let all = [
        lines(include_bytes!("../data/access/gateway.log")),
        lines(include_bytes!("../data/access/lookup.log")),
        cdn(include_bytes!("../data/access/cdn-json.log.gz")),
        cdn(include_bytes!("../data/access/cdn-w3c.log")),
    ]
    .concat();
    let lower = all.to_lowercase();
    for planted in [
        "abcd-efgh",
        "someone",
        "secret",
        "203.0.113.77",
        "198.51.100.4",
        "2001:db8:1:2",
        "view=",
        "serial=",
        "v=1",
        "mozilla",
    ] {
        assert!(!lower.contains(planted), "{planted} in {all}");
    }
}

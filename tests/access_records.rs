//! Real lines of the doors' logs, and the records they become.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;
use tegata_common::access::{Item, read_cdn, read_lines};
use tegata_common::domain::BaseDomains;

/// When the lines were logged and the files were stored: at the last of their requests.
fn delivered_at() -> Timestamp {
    "2026-11-22T01:03:20Z".parse().unwrap()
}

/// Items as lines of JSON, the records as they are archived.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn show(&mut self, item: &Item<'_>) {
        let line = match item {
            Item::Record(source, record) => format!("{source}: {}", json!(record)),
            Item::Unreadable(unreadable) => format!("unreadable: {}", json!(unreadable)),
            Item::Foreign => "foreign".to_owned(),
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
    insta::assert_snapshot!(lines(include_bytes!("data/access/gateway.log")));
}

#[test]
fn the_functions_log() {
    insta::assert_snapshot!(lines(include_bytes!("data/access/lookup.log")));
}

#[test]
fn the_cdns_log_in_json_compressed() {
    insta::assert_snapshot!(cdn(include_bytes!("data/access/cdn-json.log.gz")));
}

#[test]
fn the_cdns_log_in_w3c() {
    insta::assert_snapshot!(cdn(include_bytes!("data/access/cdn-w3c.log")));
}

#[test]
fn a_file_that_breaks_off_is_read_up_to_there() {
    let file = include_bytes!("data/access/cdn-json.log.gz");
    let whole = cdn(file);
    // The checksum at its end is all that is missing.
    let read = cdn(&file[..file.len() - 4]);
    assert!(read.starts_with(&whole), "{read}");
    let last = read.lines().last().unwrap();
    assert!(last.contains("broken from some point on"), "{last}");
    // Nothing at all: one line of evidence.
    assert_eq!(cdn(&file[..20]).lines().count(), 1);
    assert_eq!(cdn(b""), "");
}

#[test]
fn a_line_that_is_too_long_hides_no_other() {
    let mut log = vec![b'x'; 1024 * 1024];
    log.extend(b"\n");
    log.extend(include_bytes!("data/access/gateway.log"));
    let read = lines(&log);
    assert!(read.starts_with("unreadable: "), "{read}");
    assert!(read.contains("longer than 256 KiB"), "{read}");
    let rest = lines(include_bytes!("data/access/gateway.log"));
    assert_eq!(read.split_once('\n').unwrap().1, rest);
}

#[test]
fn nothing_that_must_not_be_kept_is_kept() {
    let all = [
        lines(include_bytes!("data/access/gateway.log")),
        lines(include_bytes!("data/access/lookup.log")),
        cdn(include_bytes!("data/access/cdn-json.log.gz")),
        cdn(include_bytes!("data/access/cdn-w3c.log")),
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

//! Whatever the doors' logs hold: no panic, no line lost, nothing kept that is not in order.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz access_records -- -max_total_time=300`
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tegata_common::access::{AccessRecord, ReadLine, read_cdn, read_lines};
use tegata_common::domain::BaseDomains;
use tegata_common::network::is_network;
use tegata_common::serial::Serial;

static BASES: LazyLock<BaseDomains> = LazyLock::new(BaseDomains::default);

fuzz_target!(|data: &[u8]| {
    let at: Timestamp = "2026-11-22T01:03:11Z".parse().expect("an instant");
    let mut items = 0;
    let read = read_lines(data, at, &BASES, |item| {
        items += 1;
        check(&item);
    });
    assert!(read.is_ok());
    let lines = data.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty()).count();
    assert_eq!(items, lines);
    read_cdn(data, at, &BASES, |item| check(&item));
    // Of the CDN's log, the same behind a header that names every column that is read.
    let mut w3c = b"#Fields: timestamp(ms) x-edge-request-id cs-uri-stem sc-status cs(Referer) \
        cs(User-Agent) c-ip time-taken\n1795309391000\tabc=\t"
        .to_vec();
    w3c.extend(data);
    read_cdn(&w3c, at, &BASES, |item| check(&item));
});

fn check(item: &ReadLine<'_>) {
    match item {
        ReadLine::Foreign => {}
        ReadLine::Unreadable(line) => {
            let is_masked = |c: char| {
                c == 'a' || c == 'A' || c == '9' || (c.is_ascii() && !c.is_ascii_alphanumeric())
            };
            assert!(line.shape.chars().all(is_masked), "{}", line.shape);
        }
        ReadLine::Record(source, record) => {
            let archived = serde_json::to_string(record).unwrap_or_default();
            let again: AccessRecord<'_> = serde_json::from_str(&archived).expect("its own line");
            assert_eq!(again.request_id, record.request_id);
            assert_eq!(again.product, record.product);
            assert!(record.network.as_deref().is_none_or(is_network));
            let is_ours = |text: &str| !Serial::resembles(text);
            assert!(record.product.as_deref().is_none_or(is_ours));
            assert!(record.version.as_deref().is_none_or(is_ours));
            assert!(!archived.contains('\n') && !archived.contains('@'), "{source}: {archived}");
        }
    }
}

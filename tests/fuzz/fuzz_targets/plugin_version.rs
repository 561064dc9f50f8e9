//! Whatever a caller says its version is: what is accepted can stand in a path and in the log.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz plugin_version -- -max_total_time=300`
#![no_main]

use libfuzzer_sys::fuzz_target;
use tegata_common::network::address;
use tegata_common::serial::Serial;
use tegata_common::version::{OTHER, PluginVersion};

fuzz_target!(|text: &str| {
    let Ok(version) = text.parse::<PluginVersion>() else {
        assert_eq!(PluginVersion::recorded(text), OTHER);
        return;
    };
    assert_eq!(version.as_str(), text);
    assert_eq!(PluginVersion::recorded(text), text);
    let in_path = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    assert!(
        text.bytes().all(in_path) && !text.contains("..") && text.len() <= 40,
        "{text}"
    );
    assert!(
        !Serial::resembles(text) && Serial::parse(text).is_err(),
        "{text}"
    );
    let mut parts = text.split('-');
    assert!(parts.all(|part| address(part).is_none()), "{text}");
    let stored = serde_json::to_string(&version).expect("a text");
    let read: PluginVersion = serde_json::from_str(&stored).expect("its own text");
    assert_eq!(read, version);
});

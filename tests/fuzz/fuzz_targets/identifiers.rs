//! Text as each kind of identifier: what is accepted is the text itself and can stand in a key, a
//! path or a tag; a serial is hidden.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tegata_common::customer::{CustomerId, CustomerName};
use tegata_common::keys::Kid;
use tegata_common::notice::{ContactHash, DeliveryId, NoticeId};
use tegata_common::product::{KintonePluginId, ProductSlug};
use tegata_common::serial::{Serial, SerialHash};

fuzz_target!(|text: &str| {
    if let Some(id) = read::<CustomerId>(text) {
        assert!(is_plain(text, "-_.", 32), "{id}");
    }
    if let Some(name) = read::<CustomerName>(text) {
        assert!(!text.contains(['\n', '\r', '\0', '\u{1b}', '\u{85}']), "{name}");
        assert!(!text.starts_with(['=', '+', '-', '@']), "{name}");
    }
    if let Some(id) = read::<NoticeId>(text) {
        assert!(is_plain(text, "-.", 64) && text.len() >= 3 && !text.contains(".."), "{id}");
        let tag = id.tag();
        // What SES takes as a tag's value: letters, digits, '_' and '-'.
        assert!(is_plain(&tag, "-_", 64), "{tag}");
        assert_eq!(NoticeId::from_tag(&tag), Ok(id));
    }
    if let Ok(id) = NoticeId::from_tag(text) {
        assert_eq!(id.tag(), text);
    }
    if let Some(id) = read::<DeliveryId>(text) {
        assert!(is_plain(text, "-", 38), "{id}");
    }
    if let Some(hash) = ContactHash::from_hex(text) {
        assert_eq!(hash.as_str(), text);
    }
    if let Some(id) = read::<ProductSlug>(text) {
        assert!(is_plain(text, "-", 32), "{id}");
    }
    if read::<KintonePluginId>(text).is_some() {
        assert!(text.len() == 32 && text.bytes().all(|byte| (b'a'..=b'p').contains(&byte)));
    }
    if let Some(kid) = read::<Kid>(text) {
        // It names a file. Unlike the others it may start with '-' or '_'.
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(text.len() == 43 && text.bytes().all(is_letter), "{kid}");
    }
    serial(text);
});

/// The identifier that a text is, if it is one, by each way in.
fn read<T>(text: &str) -> Option<T>
where
    T: FromStr + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let json = serde_json::Value::from(text);
    let stored = serde_json::from_value::<T>(json.clone());
    match text.parse::<T>() {
        Ok(id) => {
            assert_eq!(id.to_string(), text);
            assert_eq!(serde_json::to_value(&id).expect("a text"), json);
            assert_eq!(stored.as_ref().ok(), Some(&id));
            Some(id)
        }
        Err(_) => {
            assert!(stored.is_err(), "the table has {text:?}, which nobody can type");
            None
        }
    }
}

/// Whether a text starts with a letter or digit, goes on with these or `others`, and is not longer.
fn is_plain(text: &str, others: &str, longest: usize) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|one| one.is_ascii_alphanumeric() || others.contains(one))
        && text.len() <= longest
}

fn serial(text: &str) {
    let json = serde_json::Value::from(text);
    if let Ok(hash) = serde_json::from_value::<SerialHash>(json.clone()) {
        assert_eq!(serde_json::to_value(hash).expect("a text"), json);
        assert_eq!(format!("{hash:?}"), "SerialHash(…)");
    }
    let Ok(serial) = Serial::parse(text) else {
        assert!(!Serial::resembles(text), "a text has a serial's form, and is none");
        return;
    };
    assert_eq!(format!("{serial:?}"), "Serial(…)");
    let hash = serial.hash();
    let shown = Serial::parse(serial.reveal()).expect("what is shown can be typed");
    assert_eq!(shown.reveal(), serial.reveal());
    let without_hyphens: String = serial.reveal().chars().filter(|one| *one != '-').collect();
    let spellings = [
        text.to_ascii_lowercase(),
        text.to_ascii_uppercase(),
        format!(" {} ", text.trim_matches(' ')),
        without_hyphens.clone(),
    ];
    for spelling in spellings {
        let same = Serial::parse(&spelling).expect("a spelling of the same serial");
        assert!(hash.matches(&same) && same.hash() == hash);
    }
    let mut other = without_hyphens.into_bytes();
    other[0] = if other[0] == b'A' { b'B' } else { b'A' };
    let other = Serial::parse(std::str::from_utf8(&other).expect("ASCII")).expect("a serial");
    assert!(!hash.matches(&other), "two serials with one hash");
}

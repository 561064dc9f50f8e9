//! Text as a mail address: what is accepted is canonical, and a mail can be addressed to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tegata_common::customer::EmailAddress;
use tegata_common::notice::{ContactHash, DeliveryId};

fuzz_target!(|text: &str| {
    // As an item of the table has it: an earlier version stored addresses in angle brackets.
    let stored = EmailAddress::of_stored(text);
    let json = serde_json::Value::from(text);
    assert_eq!(serde_json::from_value::<EmailAddress>(json).ok().as_ref(), stored.as_ref().ok());
    if let Ok(address) = &stored {
        check(address);
    }
    let Ok(address) = text.parse::<EmailAddress>() else { return };
    assert_eq!(stored, Ok(address.clone()));
    assert!(address.as_str().eq_ignore_ascii_case(text), "it says something else");
});

fn check(address: &EmailAddress) {
    let text = address.as_str();
    assert_eq!(text.parse(), Ok(address.clone()), "not canonical");
    let (local, host) = text.rsplit_once('@').expect("an address has an @");
    assert!(!local.is_empty() && host.contains('.'), "{text}");
    assert!(!host.bytes().any(|byte| byte.is_ascii_uppercase()), "{text}");
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte);
    assert!(text.bytes().all(is_plain), "{text}");
    // What RFC 5321 allows of each part.
    assert!(local.len() <= 64 && host.len() <= 255, "{text}");
    assert!(text.parse::<lettre::Address>().is_ok(), "no mail can be sent to {text}");

    // However it is spelt, it is one contact.
    let upper: EmailAddress = text.to_ascii_uppercase().parse().expect("case does not matter");
    assert_eq!(upper.canonical(), address.canonical());
    let lower: EmailAddress = address.canonical().parse().expect("case does not matter");
    assert_eq!(lower.canonical(), address.canonical());
    assert_eq!(ContactHash::of(&upper), ContactHash::of(address));
    let delivery = DeliveryId::of(1, address);
    assert_eq!(delivery.to_string().parse(), Ok(delivery));
    assert_eq!(format!("{address:?}"), "EmailAddress(…)");
}

//! Text as `products.toml`: what is accepted keeps the catalogue's rules, and reads back the same
//! from the table.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use tegata_common::product::{Catalogue, MAX_KINTONE_PLUGIN_IDS, Product, WithoutSerial};
use tegata_common::xml;

fuzz_target!(|text: &str| {
    let Ok(Catalogue { products }) = toml::from_str(text) else { return };
    let mut slugs = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for product in &products {
        assert!(slugs.insert(product.slug.clone()), "two products named {}", product.slug);
        assert!(product.kintone_plugin_ids.len() <= MAX_KINTONE_PLUGIN_IDS);
        for id in &product.kintone_plugin_ids {
            assert!(ids.insert(id.clone()), "two products with {id}");
        }
        check(product);
    }
});

fn check(product: &Product) {
    for name in [&product.name.ja, &product.name.en] {
        assert!(!name.trim().is_empty() && xml::first_forbidden(name).is_none(), "{name:?}");
    }
    assert!(product.notice_days <= 90);
    let policy = &product.policy;
    assert_eq!(policy.check(), Ok(()));
    assert!(policy.grace_days <= 90 && (1..=90).contains(&policy.lease_days));
    assert!(policy.refresh_hours >= 1 && policy.refresh_hours < policy.lease_days * 12);
    assert!((1..=31).contains(&policy.cancel_by_day));
    assert!(!policy.issuer.contains(char::is_whitespace) && policy.issuer.len() <= 200);
    assert_eq!((policy.cut_off.second(), policy.cut_off.subsec_nanosecond()), (0, 0));
    let limits_answers = !policy.requires_serial && policy.without_serial == WithoutSerial::State;
    assert_eq!(policy.limits_answers_without_serial(), limits_answers);

    let stored = serde_json::to_string(product).expect("an item");
    let read: Product = serde_json::from_str(&stored).expect("its own item");
    assert_eq!(&read, product);
    assert_eq!(serde_json::to_string(&read).expect("an item"), stored);
}

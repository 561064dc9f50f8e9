//! Text as a kintone tenant's host name: what is accepted has one spelling.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tegata_common::domain::{BaseDomains, Domain, KINTONE_BASE_DOMAINS};

const DEVELOPMENT: [&str; 2] = ["kintone.test", "dev.cybozu.com"];

static KINTONE: LazyLock<BaseDomains> = LazyLock::new(BaseDomains::default);
static ALL: LazyLock<BaseDomains> =
    LazyLock::new(|| BaseDomains::with_development(DEVELOPMENT).expect("they are valid"));

fuzz_target!(|host: &str| {
    if let Ok(domain) = KINTONE.canonicalize(host) {
        check(&KINTONE, &domain, &KINTONE_BASE_DOMAINS);
    }
    if let Ok(domain) = ALL.canonicalize(host) {
        let bases = KINTONE_BASE_DOMAINS.iter().chain(&DEVELOPMENT);
        check(&ALL, &domain, &bases.copied().collect::<Vec<_>>());
        // Nobody else's host name: what was typed starts as the answer does.
        let (subdomain, _) = domain.as_str().split_once('.').expect("a subdomain");
        assert!(host.to_ascii_lowercase().starts_with(subdomain), "{host:?} became {domain}");
    }
    // As a setting of a stack.
    if let Ok(bases) = BaseDomains::with_development([host]) {
        let tenant = format!("example.{host}");
        if let Ok(domain) = bases.canonicalize(&tenant) {
            assert_eq!(bases.canonicalize(domain.as_str()), Ok(domain));
        }
    }
});

fn check(bases: &BaseDomains, domain: &Domain, known: &[&str]) {
    assert_eq!(bases.canonicalize(domain.as_str()).as_ref(), Ok(domain), "not canonical");
    assert_eq!(bases.canonicalize(&domain.secure_access_host()).as_ref(), Ok(domain));
    let (subdomain, base) = domain.as_str().split_once('.').expect("a subdomain");
    assert!(known.contains(&base), "{domain}");
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!((3..=32).contains(&subdomain.len()) && subdomain.bytes().all(is_letter), "{domain}");
    assert!(!subdomain.starts_with('-') && !subdomain.ends_with('-'), "{domain}");
    let stored = serde_json::to_string(domain).expect("a text");
    assert_eq!(serde_json::from_str::<Domain>(&stored).ok().as_ref(), Some(domain));
}

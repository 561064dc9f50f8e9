//! Text as a lease, and claims under a true signature: only what a published key has signed is
//! believed, and a stored lease proves no other licence than its own.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use tegata_common::calendar::Billing;
use tegata_common::domain::BaseDomains;
use tegata_common::keys::{Jwk, Jwks, KeyLocation, KeyRegister};
use tegata_common::lease::{Claims, Lease, SignedLicense, StateClaims, expiry};
use tegata_common::license::{License, Order, Plan};
use tegata_common::product::Catalogue;
use tegata_common::serial::Serial;

#[path = "../../../crates/signing/src/stored.rs"]
mod stored;
#[path = "../../../crates/signing/src/verify.rs"]
#[allow(dead_code)] // What only the other users of the module read.
mod verify;

use stored::{LeaseError, check_lease};
use verify::{VerifyError, verify, verify_as};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    rare: u8,
    case: Case<'a>,
}

/// One of so many inputs is checked with its signature: that takes a hundred times as long as all
/// that comes before it.
const RARE: u8 = 32;

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Raw(&'a str),
    /// A true lease with bytes of it changed.
    Changed(Vec<(u16, u8)>),
    /// The parts of a token, each of the true lease or another.
    Parts {
        header: Option<&'a [u8]>,
        payload: Option<&'a [u8]>,
        signature: Option<&'a [u8]>,
        more: Option<&'a str>,
    },
    /// What a published key has signed: claims that no lease has.
    Signed(Vec<(u8, Mutation<'a>)>),
    /// Attributes beside a true lease.
    Stored { users: u32, suspended: Option<i64>, issued_at: i64, expires_at: i64, is_known: bool },
}

#[derive(Arbitrary, Debug)]
enum Mutation<'a> {
    Remove,
    Text(&'a str),
    Number(i64),
    Truth(bool),
    Null,
    List,
    Map(&'a str, u64),
}

struct Fixture {
    key: SigningKey,
    published: Jwks,
    register: KeyRegister,
    license: License,
    claims: Claims,
    signed: SignedLicense,
    header: String,
    input: String,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(fixture);

fn jwk(key: &SigningKey) -> Jwk {
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    Jwk::of(x, y)
}

fn license() -> License {
    let catalogue = json!({
        "issuer": "https://license.example.com",
        "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } },
    });
    let catalogue: Catalogue = serde_json::from_value(catalogue).expect("a catalogue");
    let order = Order {
        domain: BaseDomains::default().canonicalize("example.cybozu.com").expect("a domain"),
        customer: None,
        plan: Plan::Paid { billing: Billing::Monthly },
        edition: "standard".into(),
        users: 50,
        quotas: BTreeMap::new(),
        usable_from: "2017-10-03T10:00:00+09:00".parse().expect("an instant"),
    };
    let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").expect("a serial");
    License::issue(order, &catalogue.products[0], serial.hash()).expect("a licence")
}

fn fixture() -> Fixture {
    let key = SigningKey::from_slice(&[7; 32]).expect("a key");
    let other = SigningKey::from_slice(&[9; 32]).expect("a key");
    let now: Timestamp = "2017-10-03T10:00:00+09:00".parse().expect("an instant");
    let register = KeyRegister::default().with(jwk(&other), KeyLocation::File, now);
    let register = register.and_then(|one| one.with(jwk(&key), KeyLocation::File, now));
    let register = register.expect("two keys");
    let license = license();
    let claims = Claims::of(&license, now, "id".into()).expect("claims");
    let header = json!({ "alg": "ES256", "kid": jwk(&key).kid, "typ": "license+jwt" });
    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    let payload = serde_json::to_vec(&claims).expect("JSON");
    let input = format!("{header}.{}", BASE64URL_NOPAD.encode(&payload));
    let lease = Lease {
        jws: sign(&key, &input),
        kid: jwk(&key).kid.to_string(),
        issued_at: now,
        expires_at: expiry(&license, now).expect("an end"),
        without_serial: None,
    };
    Fixture {
        published: register.jwks(),
        register,
        signed: SignedLicense { license: license.clone(), lease },
        key,
        license,
        claims,
        header,
        input,
    }
}

fn sign(key: &SigningKey, input: &str) -> String {
    let signature: Signature = key.sign(input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

/// What was not made by the key's holder says nothing else than what was.
fn foreign(jws: &str) {
    let fixture = &*FIXTURE;
    match verify(&fixture.published, jws) {
        Ok(claims) => {
            assert_eq!(claims, fixture.claims);
            let (input, _) = jws.rsplit_once('.').expect("three parts");
            assert_eq!(input, fixture.input, "a forged lease is believed");
        }
        Err(VerifyError::Key(kid)) => panic!("the published key {kid} is a key"),
        Err(_) => {}
    }
    assert!(verify(&Jwks { keys: Vec::new() }, jws).is_err());
    let mut stored = fixture.signed.clone();
    stored.lease.jws = jws.to_owned();
    let is_proven = check_lease(&fixture.register, &stored).is_ok();
    assert!(!is_proven || jws.starts_with(&fixture.input));
}

fn changed(mutations: &[(u8, Mutation<'_>)]) -> Value {
    let mut claims = serde_json::to_value(&FIXTURE.claims).expect("JSON");
    let Some(members) = claims.as_object_mut() else { return claims };
    let names: Vec<String> = members.keys().cloned().collect();
    for (position, mutation) in mutations {
        let name = &names[usize::from(*position) % names.len()];
        let value = match mutation {
            Mutation::Remove => {
                members.remove(name);
                continue;
            }
            Mutation::Text(text) => json!(text),
            Mutation::Number(number) => json!(number),
            Mutation::Truth(truth) => json!(truth),
            Mutation::Null => Value::Null,
            Mutation::List => json!([]),
            Mutation::Map(name, number) => json!({ *name: number }),
        };
        members.insert(name.clone(), value);
    }
    claims
}

fuzz_target!(|input: Input<'_>| {
    let fixture = &*FIXTURE;
    let is_signed = input.rare % RARE == 0;
    match input.case {
        Case::Raw(jws) => foreign(jws),
        Case::Changed(changes) => {
            let mut jws = fixture.signed.lease.jws.clone().into_bytes();
            if !is_signed {
                jws.truncate(jws.len() - 2);
            }
            for (position, byte) in changes {
                let position = usize::from(position) % jws.len();
                jws[position] = byte & 0x7f;
            }
            foreign(std::str::from_utf8(&jws).expect("ASCII"));
        }
        Case::Parts { header, payload, signature, more } => {
            let mut own = fixture.signed.lease.jws.split('.');
            let mut part = |other: Option<&[u8]>| {
                let own = own.next().unwrap_or_default();
                other.map_or_else(|| own.to_owned(), |other| BASE64URL_NOPAD.encode(other))
            };
            let mut jws = [part(header), part(payload), part(signature)].join(".");
            if let Some(more) = more {
                jws.push_str(more);
            }
            if !is_signed {
                jws.pop();
                jws.pop();
            }
            foreign(&jws);
        }
        Case::Signed(_) | Case::Stored { .. } if !is_signed => {}
        Case::Signed(mutations) => {
            let claims = changed(&mutations);
            let payload = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
            let jws = sign(&fixture.key, &format!("{}.{payload}", fixture.header));
            let read = verify(&fixture.published, &jws);
            let expected: Option<Claims> = serde_json::from_value(claims.clone()).ok();
            assert_eq!(read.clone().ok(), expected);
            let state: Option<StateClaims> = verify_as(&fixture.published, &jws).ok();
            assert_eq!(state, serde_json::from_value(claims).ok());
            let mut stored = fixture.signed.clone();
            stored.lease.jws = jws;
            if check_lease(&fixture.register, &stored).is_ok() {
                let mut own = fixture.claims.clone();
                let read = read.expect("it is proven");
                own.jti.clone_from(&read.jti);
                assert_eq!(read, own, "a lease proves what its licence does not say");
            }
        }
        Case::Stored { users, suspended, issued_at, expires_at, is_known } => {
            let (Ok(issued_at), Ok(expires_at)) =
                (Timestamp::from_second(issued_at), Timestamp::from_second(expires_at))
            else {
                return;
            };
            let mut stored = fixture.signed.clone();
            stored.license.users = users;
            stored.license.suspended_from = suspended.and_then(|at| Timestamp::from_second(at).ok());
            stored.lease.issued_at = issued_at;
            stored.lease.expires_at = expires_at;
            let nothing = KeyRegister::default();
            let register = if is_known { &fixture.register } else { &nothing };
            let is_own = stored.license == fixture.license && stored.lease == fixture.signed.lease;
            match check_lease(register, &stored) {
                Ok(()) => assert!(is_own && is_known),
                Err(LeaseError::UnknownKey) => assert!(is_own && !is_known),
                Err(LeaseError::Contradiction(_)) => assert!(!is_own),
                Err(error) => panic!("{error}"),
            }
        }
    }
});

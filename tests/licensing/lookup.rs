//! The contract of the licence API, row by row, with the real handler, the real SDK and an embedded
//! DynamoDB.

mod official_sample;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use license_lookup::exchange::Answered;
use license_lookup::handler::Lookup;
use serde_json::{Value, json};
use tegata_common::calendar::Billing;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{LastDay, License};
use tegata_common::product::{Product, WithoutSerial};
use tegata_common::serial::Serial;
use tegata_storage::{ChangeContext, Item, Key, TableError, Versioned};
use tegata_tests::{Database, NOW, SERIAL, SigningKey, license, product, put, settings};
use tokio::net::TcpListener;

const GET: &str = include_str!("../../events/get-license.json");
const GET_WITH_SERIAL: &str = include_str!("../../events/get-license-with-serial.json");
const GET_FROM_BROWSER: &str = include_str!("../../events/get-license-from-browser.json");
const PREFLIGHT: &str = include_str!("../../events/preflight.json");

/// A lookup function over an embedded database with one valid licence: `example.cybozu.com`,
/// `sheet`, ordered on 2026-10-03 for a year from 2026-11-01.
struct Fixture {
    database: Database,
    key: SigningKey,
    lookup: Lookup,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(product()).await
    }

    async fn with(product: Product) -> Self {
        let license = license("example.cybozu.com", &product, "2026-10-03T01:00:00Z");
        Self::holding(license).await
    }

    async fn holding(license: License) -> Self {
        let database = Database::start().await;
        let key = SigningKey::create();
        let lookup = Lookup::new(&database.settings(&[])).unwrap();
        put(&database.licenses, &key, license).await;
        Self {
            database,
            key,
            lookup,
        }
    }

    async fn ask(&self, event: &Value) -> Seen {
        self.ask_at(event, NOW).await
    }

    async fn ask_at(&self, event: &Value, now: &str) -> Seen {
        let seen = seen(
            self.lookup
                .answer(&event.to_string(), now.parse().unwrap())
                .await,
        );
        seen.record(&event["requestContext"]["http"]["method"]);
        seen
    }

    async fn stored(&self) -> Versioned<SignedLicense> {
        let key = self.key_of_license();
        self.database
            .licenses
            .table()
            .get(&key)
            .await
            .unwrap()
            .unwrap()
    }

    fn key_of_license(&self) -> Key {
        Key::license(
            &tegata_tests::domain("example.cybozu.com"),
            &"sheet".parse().unwrap(),
        )
    }

    /// Puts an item without any check.
    async fn put_raw(&self, item: Item) {
        let put = self.database.client.put_item().table_name("Licenses");
        put.set_item(Some(item)).send().await.unwrap();
    }

    async fn raw(&self) -> Item {
        let get = self.database.client.get_item().table_name("Licenses");
        let get = get.set_key(Some(self.key_of_license().attributes()));
        get.send().await.unwrap().item.unwrap()
    }
}

/// An answer and its access line, parsed for assertions.
struct Seen {
    status: i64,
    headers: HeaderMap,
    body: Value,
    line: Value,
}

fn seen(answered: Answered) -> Seen {
    let ApiGatewayV2httpResponse {
        status_code,
        headers,
        body,
        ..
    } = answered.response;
    let body = match body {
        Some(Body::Text(text)) => serde_json::from_str(&text).unwrap(),
        None => Value::Null,
        other => panic!("{other:?}"),
    };
    let line = answered.line.to_string();
    assert!(!line.contains('\n'));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(
        line.as_object()
            .unwrap()
            .values()
            .all(|v| !v.is_object() && !v.is_array()),
        "flat"
    );
    assert_eq!(line["status"], status_code);
    Seen {
        status: status_code,
        headers,
        body,
        line,
    }
}

impl Seen {
    /// Appends the answer as a line of JSON to the file that `TEGATA_ANSWERS` names, if it is set.
    /// tests/openapi/check.py holds these answers to docs/openapi.json.
    fn record(&self, method: &Value) {
        let Some(file) = std::env::var_os("TEGATA_ANSWERS") else {
            return;
        };
        let headers: BTreeMap<&str, &str> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let Self { status, body, .. } = self;
        let line = json!({ "method": method, "status": status, "headers": headers, "body": body });
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        // One write, because tests run at the same time.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status and the code of a problem document, after checking its form (RFC 9457,
    /// docs/API.md).
    fn problem(&self) -> (i64, &str) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.body["status"], self.status);
        assert!(
            self.body["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:tegata:problem:")
        );
        assert!(!self.body["title"].as_str().unwrap().is_empty());
        assert_eq!(self.line["code"], self.body["code"]);
        (self.status, self.body["code"].as_str().unwrap())
    }
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The sample request with another value at a JSON pointer.
fn get_with(pointer: &str, value: impl Into<Value>) -> Value {
    changed(GET, pointer, value)
}

fn changed(text: &str, pointer: &str, value: impl Into<Value>) -> Value {
    let mut event = event(text);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[name] = value.into();
    event
}

#[tokio::test]
async fn a_valid_licence_is_answered_as_the_contract_says() {
    let fixture = Fixture::new().await;
    let seen = fixture.ask(&event(GET)).await;
    assert_eq!(seen.status, 200);
    let lease = fixture.stored().await.value.lease.jws;
    assert_eq!(
        seen.body,
        json!({
            "code": "VALID",
            "product": "sheet",
            "domain": "example.cybozu.com",
            "kind": "paid",
            "edition": "standard",
            "users": 50,
            "quotas": {},
            "term": { "starts_on": "2026-11-01", "ends_on": "2027-10-31" },
            "usable_from": "2026-10-03T10:00:00+09:00",
            "valid_until": "2027-11-01T09:00:00+09:00",
            "grace_until": "2027-11-08T09:00:00+09:00",
            "refresh_after": "2026-11-23T10:03:11+09:00",
            "evaluated_at": "2026-11-22T10:03:11+09:00",
            "lease": lease,
        })
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("cache-control"), Some("private, max-age=300"));
    assert_eq!(
        seen.line,
        json!({
            "type": "access",
            "time": "2026-11-22T01:03:11.000Z",
            "requested_at": "2026-11-22T01:03:11.000Z",
            "request_id": "JKJaXmPLvHcESHA=",
            "method": "GET",
            "product": "sheet",
            "domain": "example.cybozu.com",
            "version": "1.9.0",
            "code": "VALID",
            "status": 200,
            "reason": null,
            "serial": "absent",
            "source": "103.79.14.0/24",
            "browser": false,
            "database_ms": seen.line["database_ms"],
        })
    );
    assert!(seen.line["database_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn every_code_by_the_clock() {
    let license = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    let cancelled = license.cancelled("2026-11-20".parse().unwrap(), NOW.parse().unwrap());
    let fixture = Fixture::holding(cancelled.unwrap()).await;
    for (now, code, refresh_after) in [
        (
            "2026-10-03T00:59:59Z",
            "NOT_STARTED",
            "2026-10-03T10:59:59+09:00",
        ),
        ("2026-10-03T01:00:00Z", "VALID", "2026-10-04T10:00:00+09:00"),
        ("2027-10-31T23:59:59Z", "VALID", "2027-11-02T08:59:59+09:00"),
        ("2027-11-01T00:00:00Z", "GRACE", "2027-11-01T10:00:00+09:00"),
        (
            "2027-11-08T00:00:00Z",
            "EXPIRED",
            "2027-11-08T10:00:00+09:00",
        ),
    ] {
        let seen = fixture.ask_at(&event(GET), now).await;
        assert_eq!(
            (seen.status, seen.body["code"].as_str()),
            (200, Some(code)),
            "{now}"
        );
        assert_eq!(seen.body["refresh_after"], refresh_after, "{now}");
        assert!(seen.body["lease"].as_str().unwrap().starts_with("eyJ"));
    }
}

#[tokio::test]
async fn a_contract_that_nobody_renewed_is_answered_as_if_it_had_been() {
    let fixture = Fixture::new().await;
    for (now, starts_on, valid_until) in [
        (
            "2027-10-20T14:59:59Z",
            "2026-11-01",
            "2027-11-01T09:00:00+09:00",
        ),
        // It can no longer be cancelled for the current term.
        (
            "2027-10-20T15:00:00Z",
            "2026-11-01",
            "2028-11-01T09:00:00+09:00",
        ),
        (
            "2027-10-31T15:00:00Z",
            "2027-11-01",
            "2028-11-01T09:00:00+09:00",
        ),
        (
            "2030-03-01T00:00:00Z",
            "2029-11-01",
            "2030-11-01T09:00:00+09:00",
        ),
    ] {
        let seen = fixture.ask_at(&event(GET), now).await;
        assert_eq!(seen.body["code"], "VALID", "{now}");
        assert_eq!(seen.body["term"]["starts_on"], starts_on, "{now}");
        assert_eq!(seen.body["valid_until"], valid_until, "{now}");
        // The answer is valid, but its lease has expired, which raises an alarm.
        assert_eq!(seen.line["reason"], "lease_ended", "{now}");
    }
    let seen = fixture.ask(&event(GET)).await;
    assert_eq!(seen.line["reason"], Value::Null);
}

#[tokio::test]
async fn a_domain_that_the_contract_has_left_gets_nothing_of_it() {
    let old = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    let until = "2026-12-01T00:00:00Z";
    let to = tegata_tests::domain("renamed.cybozu.com");
    let from = "2026-11-25T00:00:00Z".parse().unwrap();
    let moved = old.moved(&to, from, until.parse().unwrap(), from).unwrap();
    let fixture = Fixture::holding(moved).await;
    let new = get_with("/pathParameters/domain", "renamed.cybozu.com");
    let before = fixture.ask_at(&new, NOW).await;
    assert_eq!(before.body["code"], "NOT_STARTED");
    let last = fixture.ask_at(&event(GET), "2026-11-30T23:59:59Z").await;
    assert_eq!(last.body["code"], "VALID");
    assert_eq!(last.body["valid_until"], "2026-12-01T09:00:00+09:00");
    let left = fixture.ask_at(&event(GET), until).await;
    assert_eq!(left.problem(), (404, "NOT_FOUND"));
    assert_eq!(left.line["reason"], "released");
    assert_eq!(fixture.ask_at(&new, until).await.body["code"], "VALID");
}

#[tokio::test]
async fn a_replaced_serial_works_until_its_overlap_ends() {
    let old = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    let new = Serial::parse("QRST-UVWX-YZ23-4567").unwrap();
    let until = "2026-11-25T00:00:00Z";
    let fixture =
        Fixture::holding(old.reissued(new.hash(), until.parse().unwrap(), NOW.parse().unwrap()))
            .await;
    for (serial, now, status) in [
        (new.reveal(), NOW, 200),
        (SERIAL, NOW, 200),
        (new.reveal(), until, 200),
        (SERIAL, until, 404),
    ] {
        let event = get_with("/headers/x-license-serial", serial);
        assert_eq!(fixture.ask_at(&event, now).await.status, status, "{now}");
    }
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_request_with_a_newer_lease() {
    let fixture = Fixture::new().await;
    let before = fixture.stored().await;
    let now: Timestamp = NOW.parse().unwrap();
    let suspended = before.value.license.suspended(now).unwrap();
    let signer = &fixture.key.signer;
    let signed = signer
        .sign(suspended, now, Some(before.value.lease.issued_at))
        .await
        .unwrap();
    let act = ChangeContext {
        at: now,
        by: "test",
        change: "suspend",
    };
    let key = fixture.key_of_license();
    let table = fixture.database.licenses.table();
    table
        .put(&key, Some(&before.revision), &signed, &act)
        .await
        .unwrap();

    let seen = fixture.ask(&event(GET)).await;
    assert_eq!(
        (seen.status, &seen.body["code"]),
        (200, &json!("SUSPENDED"))
    );
    assert_eq!(seen.body["suspended_from"], "2026-11-22T10:03:11+09:00");
    assert_eq!(seen.body["lease"], signed.lease.jws);
    assert!(
        signed.lease.issued_at > before.value.lease.issued_at,
        "the newer lease wins"
    );
}

#[tokio::test]
async fn two_operators_cannot_overwrite_each_other() {
    let fixture = Fixture::new().await;
    let (table, key) = (fixture.database.licenses.table(), fixture.key_of_license());
    let first = fixture.stored().await;
    let put = async |before, change| {
        let act = ChangeContext {
            at: NOW.parse().unwrap(),
            by: "test",
            change,
        };
        table.put(&key, before, &first.value, &act).await
    };
    let second = put(Some(&first.revision), "second").await.unwrap();
    assert_eq!(second.version, 2);
    assert!(
        second.at > first.revision.at,
        "history stays in order on a slow clock"
    );
    let late = put(Some(&first.revision), "late").await;
    assert!(matches!(late, Err(TableError::Conflict)));
    let again = put(None, "issue").await;
    assert!(matches!(again, Err(TableError::Conflict)));
    let history = table.history::<SignedLicense>(&key).await.unwrap();
    let changes: Vec<&str> = history
        .iter()
        .flatten()
        .map(|h| h.revision.change.as_str())
        .collect();
    assert_eq!(changes, ["issue", "second"]);
}

#[tokio::test]
async fn no_licence_and_a_wrong_serial_look_the_same() {
    let mut strict = product();
    strict.policy.requires_serial = true;
    let fixture = Fixture::with(strict).await;
    let stranger = fixture
        .ask(&get_with("/pathParameters/domain", "stranger.cybozu.com"))
        .await;
    let unknown_product = fixture
        .ask(&get_with("/pathParameters/product", "unknown"))
        .await;
    let missing = fixture.ask(&event(GET)).await;
    let empty = fixture
        .ask(&get_with("/headers/x-license-serial", ""))
        .await;
    let wrong = fixture
        .ask(&get_with(
            "/headers/x-license-serial",
            "ABCD-EFGH-IJKL-MNOQ",
        ))
        .await;
    for (seen, reason, serial) in [
        (&stranger, "no_license", "absent"),
        (&unknown_product, "no_license", "absent"),
        (&missing, "serial_missing", "absent"),
        (&empty, "serial_missing", "absent"),
        (&wrong, "serial_mismatch", "mismatch"),
    ] {
        assert_eq!(seen.problem(), (404, "NOT_FOUND"));
        assert_eq!(seen.body, stranger.body);
        assert_eq!(seen.headers, stranger.headers);
        assert_eq!(
            (&seen.line["reason"], &seen.line["serial"]),
            (&json!(reason), &json!(serial))
        );
    }
    let right = fixture.ask(&event(GET_WITH_SERIAL)).await;
    assert_eq!(
        (right.status, &right.line["serial"]),
        (200, &json!("match"))
    );
    let typed = fixture
        .ask(&get_with("/headers/x-license-serial", "abcdefghijklmnop"))
        .await;
    assert_eq!(typed.status, 200);
}

#[tokio::test]
async fn a_serial_that_is_not_required_is_checked_if_it_is_sent() {
    let fixture = Fixture::new().await;
    let wrong = fixture
        .ask(&get_with(
            "/headers/x-license-serial",
            "ABCD-EFGH-IJKL-MNOQ",
        ))
        .await;
    assert_eq!(wrong.problem(), (404, "NOT_FOUND"));
    assert_eq!(fixture.ask(&event(GET_WITH_SERIAL)).await.status, 200);
}

/// The payload of a lease, without verification.
fn payload(lease: &Value) -> Value {
    let payload = lease.as_str().unwrap().split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes());
    serde_json::from_slice(&payload.unwrap()).unwrap()
}

/// A product with the default of `without_serial`.
fn reticent() -> Product {
    let mut product = product();
    product.policy.without_serial = WithoutSerial::default();
    product
}

#[tokio::test]
async fn without_a_serial_the_state_is_told_and_nothing_else() {
    let fixture = Fixture::with(reticent()).await;
    let lease = fixture.stored().await.value.lease;
    let seen = fixture.ask(&event(GET)).await;
    assert_eq!(seen.status, 200);
    assert_eq!(
        seen.body,
        json!({
            "code": "VALID",
            "product": "sheet",
            "domain": "example.cybozu.com",
            "usable_from": "2026-10-03T10:00:00+09:00",
            "valid_until": "9999-12-30T09:00:00+09:00",
            "grace_until": "9999-12-30T09:00:00+09:00",
            "refresh_after": "2026-11-23T10:03:11+09:00",
            "evaluated_at": "2026-11-22T10:03:11+09:00",
            "lease": lease.without_serial,
        })
    );
    let full = payload(&json!(lease.jws));
    assert_eq!(
        payload(&seen.body["lease"]),
        json!({
            "iss": "https://license.example.com",
            "aud": "sheet",
            "sub": "example.cybozu.com",
            "iat": full["iat"],
            "nbf": full["nbf"],
            "exp": full["exp"],
            "jti": full["jti"],
            "usable_from": "2026-10-03T10:00:00+09:00",
            "valid_until": "9999-12-30T09:00:00+09:00",
            "grace_until": "9999-12-30T09:00:00+09:00",
        })
    );
    // With the serial, the answer is complete.
    let known = fixture.ask(&event(GET_WITH_SERIAL)).await;
    assert_eq!(known.line["serial"], "match");
    let everything = Fixture::new().await.ask(&event(GET)).await.body;
    for (name, value) in everything.as_object().unwrap() {
        if name != "lease" {
            assert_eq!(&known.body[name], value, "{name}");
        }
    }
    assert_eq!(known.body["lease"], lease.jws.as_str());
    assert_eq!(payload(&known.body["lease"])["users"], 50);
}

/// The code that a plug-in derives from a lease (docs/API.md).
fn derived(claims: &Value, now: Timestamp) -> &'static str {
    let at = |name: &str| {
        claims[name]
            .as_str()
            .map(|at| at.parse::<Timestamp>().unwrap())
    };
    match now {
        _ if at("suspended_from").is_some_and(|at| at <= now) => "SUSPENDED",
        _ if at("usable_from").is_some_and(|at| now < at) => "NOT_STARTED",
        _ if at("valid_until").is_some_and(|at| now < at) => "VALID",
        _ if at("grace_until").is_some_and(|at| now < at) => "GRACE",
        _ => "EXPIRED",
    }
}

#[tokio::test]
async fn both_leases_say_the_same_while_they_live() {
    let now: Timestamp = NOW.parse().unwrap();
    let days = |days: i64| now + SignedDuration::from_hours(24 * days);
    let sold = license("example.cybozu.com", &reticent(), "2026-10-03T01:00:00Z");
    let ending = LastDay {
        domain: tegata_tests::domain("example.cybozu.com"),
        last_day: "2026-11-30".parse().unwrap(),
        billing: Billing::Yearly,
        users: 50,
        renews: false,
    };
    let ending = License::of_last_day(ending, &reticent(), sold.serial_sha256, now).unwrap();
    let early = license("example.cybozu.com", &reticent(), "2026-12-01T00:00:00Z");
    let mut compared = 0;
    for (license, code) in [
        (sold.clone(), "VALID"),
        (sold.suspended(days(3)).unwrap(), "SUSPENDED"),
        (sold.suspended(days(60)).unwrap(), "VALID"),
        (ending, "GRACE"),
        (early, "VALID"),
    ] {
        let fixture = Fixture::holding(license).await;
        let lease = fixture.stored().await.value.lease;
        let full = payload(&json!(lease.jws));
        let state = payload(&json!(lease.without_serial));
        let mut last = "";
        for hour in 0..24 * 16 {
            let at = now + SignedDuration::from_hours(hour);
            if at >= lease.expires_at {
                break;
            }
            last = derived(&full, at);
            assert_eq!(derived(&state, at), last, "{at}: {state}");
            compared += 1;
        }
        assert_eq!(last, code, "{full}");
        // After its expiry, the lease is expired, but does not disclose the end of the contract.
        for hours in [1, 24 * 30, 24 * 300] {
            let after = lease.expires_at + SignedDuration::from_hours(hours);
            if derived(&full, after) == "VALID" {
                assert_eq!(derived(&state, after), "VALID", "{state}");
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[tokio::test]
async fn a_licence_of_an_earlier_version_is_answered_and_told_less_of() {
    let fixture = Fixture::with(reticent()).await;
    let mut item = fixture.raw().await;
    let mut remove = |path: [&str; 2], name: &str| {
        let mut members = &mut item;
        for step in path.into_iter().filter(|step| !step.is_empty()) {
            let Some(AttributeValue::M(deeper)) = members.get_mut(step) else {
                panic!("{step}");
            };
            members = deeper;
        }
        assert!(members.remove(name).is_some(), "{name}");
    };
    remove(["license", "policy"], "without_serial");
    remove(["lease", ""], "without_serial");
    fixture.put_raw(item).await;
    let lease = fixture.stored().await.value.lease;
    assert_eq!(lease.without_serial, None);
    let seen = fixture.ask(&event(GET)).await;
    assert_eq!((seen.status, &seen.body["code"]), (200, &json!("VALID")));
    for untold in ["kind", "edition", "users", "quotas", "term"] {
        assert_eq!(seen.body.get(untold), None, "{untold}");
    }
    // The only lease, until it is signed again. Without a lease the plug-in would not work.
    assert_eq!(seen.body["lease"], lease.jws.as_str());
    let known = fixture.ask(&event(GET_WITH_SERIAL)).await;
    assert_eq!(known.body["users"], 50);
    let before = fixture.stored().await;
    let later = NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * 8);
    let signed = fixture
        .key
        .signer
        .sign(before.value.license.clone(), later, None);
    let act = ChangeContext {
        at: later,
        by: "test",
        change: "resign",
    };
    let licenses = &fixture.database.licenses;
    let signed = signed.await.unwrap();
    licenses.put_lease(&before, &signed, &act).await.unwrap();
    let seen = fixture.ask_at(&event(GET), &later.to_string()).await;
    assert_eq!(payload(&seen.body["lease"]).get("users"), None);
}

#[tokio::test]
async fn malformed_requests_are_told_what_is_wrong() {
    let fixture = Fixture::new().await;
    let product = "product: expected 1 to 32 of a-z, 0-9 and '-', starting with a letter";
    let characters = "domain: expected a-z, 0-9, '-' and '.' only";
    let base = "domain: not below cybozu.com, kintone.com, cybozu.cn or a configured one";
    let serial =
        "X-License-Serial: expected one, of 16 to 64 letters and digits, grouped by hyphens";
    let version =
        "version: expected one, of 1 to 32 letters, digits, '.', '-', '_' and '+', such as 1.9.0";
    let query = "query: expected no parameter but version";
    let control = "headers: expected values without control characters";
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/pathParameters/product", "Sheet".into(), product),
        ("/pathParameters/product", "".into(), product),
        (
            "/pathParameters/product",
            "sheet@2026-01-01T00:00:00.000Z".into(),
            product,
        ),
        ("/pathParameters/product", "#products".into(), product),
        ("/pathParameters/product", "p".repeat(5000).into(), product),
        ("/pathParameters", Value::Null, product),
        ("/pathParameters/domain", "#signing-keys".into(), characters),
        (
            "/pathParameters/domain",
            "example%2Ecybozu.com".into(),
            characters,
        ),
        (
            "/pathParameters/domain",
            "example.cybozu.com%00".into(),
            characters,
        ),
        (
            "/pathParameters/domain",
            "..%2f..%2fexample.cybozu.com".into(),
            characters,
        ),
        (
            "/pathParameters/domain",
            "ｅｘａｍｐｌｅ.cybozu.com".into(),
            characters,
        ),
        ("/pathParameters/domain", "example.example.com".into(), base),
        (
            "/pathParameters/domain",
            "example.cybozu.com.evil.example".into(),
            base,
        ),
        (
            "/pathParameters/domain",
            "a".repeat(6000).into(),
            "domain: longer than 253 characters",
        ),
        (
            "/pathParameters/domain",
            "example.cybozu.com:99999".into(),
            "domain: its port is not a number from 1 to 65535",
        ),
        (
            "/pathParameters/domain",
            "".into(),
            "domain: expected a kintone host name such as example.cybozu.com",
        ),
        ("/headers/x-license-serial", "short".into(), serial),
        // Two headers of one name, as the gateway joins them and as a list.
        (
            "/headers/x-license-serial",
            format!("{SERIAL},{SERIAL}").into(),
            serial,
        ),
        ("/headers/x-license-serial", json!([SERIAL, SERIAL]), serial),
        ("/headers/x-license-serial", "A".repeat(65).into(), serial),
        (
            "/queryStringParameters",
            json!({ "version": "1.9.0", "user": "1" }),
            query,
        ),
        ("/queryStringParameters", json!({ "serial": SERIAL }), query),
        ("/queryStringParameters/version", "".into(), version),
        (
            "/queryStringParameters/version",
            "1.9.0,2.0.0".into(),
            version,
        ),
        ("/queryStringParameters/version", "<script>".into(), version),
        ("/body", "{}".into(), "body: expected none"),
        (
            "/requestContext/http/method",
            "POST".into(),
            "method: expected GET or OPTIONS",
        ),
        (
            "/requestContext/http/method",
            "OPTIONS".into(),
            "OPTIONS: expected an Origin header",
        ),
        (
            "/headers/x-license-serial",
            "シリアル番号は秘密です".into(),
            serial,
        ),
        // A header that the event types reject.
        ("/headers/x-note", "a\u{1}b".into(), control),
        (
            "/headers/x-license-serial",
            "ABCD-EFGH\r\nX-Evil: 1".into(),
            control,
        ),
    ];
    for (pointer, value, detail) in cases {
        let seen = fixture.ask(&get_with(pointer, value.clone())).await;
        assert_eq!(seen.status, 400, "{pointer} {value}");
        assert_eq!(seen.problem(), (400, "MALFORMED"), "{pointer} {value}");
        assert_eq!(seen.body["detail"], detail, "{pointer} {value}");
        assert_eq!(seen.line["reason"], detail);
        // The gateway's line is found by this id, even if the headers are invalid.
        assert_eq!(seen.line["request_id"], "JKJaXmPLvHcESHA=", "{pointer}");
        assert_eq!(seen.line["requested_at"], "2026-11-22T01:03:11.000Z");
    }
}

#[tokio::test]
async fn other_spellings_of_the_tenant_find_its_licence() {
    let fixture = Fixture::new().await;
    for spelling in [
        "example.s.cybozu.com",
        "EXAMPLE.cybozu.com",
        "example.cybozu.com.:443",
    ] {
        let seen = fixture
            .ask(&get_with("/pathParameters/domain", spelling))
            .await;
        assert_eq!(
            (seen.status, &seen.body["domain"]),
            (200, &json!("example.cybozu.com"))
        );
        assert_eq!(seen.line["domain"], "example.cybozu.com");
    }
}

#[tokio::test]
async fn a_page_reads_only_its_own_tenants_licence() {
    let fixture = Fixture::new().await;
    let own = fixture.ask(&event(GET_FROM_BROWSER)).await;
    assert_eq!(own.status, 200);
    assert_eq!(
        own.header("access-control-allow-origin"),
        Some("https://example.cybozu.com")
    );
    assert_eq!(
        (&own.line["browser"], &own.line["source"]),
        (&json!(true), &json!("2001:db8:85a3::/48"))
    );
    let secure = fixture
        .ask(&get_with("/headers/origin", "https://example.s.cybozu.com"))
        .await;
    assert_eq!(
        secure.header("access-control-allow-origin"),
        Some("https://example.s.cybozu.com")
    );
    for origin in [
        "https://other.cybozu.com",
        "https://evil.example",
        "null",
        "http://example.cybozu.com",
        "https://é.cybozu.com",
        "*",
        "https://example.cybozu.com,https://example.cybozu.com",
    ] {
        for text in [GET, PREFLIGHT] {
            let seen = fixture.ask(&changed(text, "/headers/origin", origin)).await;
            assert_eq!(seen.problem(), (403, "ORIGIN_NOT_ALLOWED"), "{origin}");
            assert_eq!(seen.header("access-control-allow-origin"), None);
        }
    }
    // The page may read the reason.
    let stranger = changed(
        GET_FROM_BROWSER,
        "/pathParameters/domain",
        "stranger.cybozu.com",
    );
    let mut stranger = stranger;
    stranger["headers"]["origin"] = "https://stranger.cybozu.com".into();
    let seen = fixture.ask(&stranger).await;
    assert_eq!(seen.problem(), (404, "NOT_FOUND"));
    assert_eq!(
        seen.header("access-control-allow-origin"),
        Some("https://stranger.cybozu.com")
    );
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_database() {
    let counted = Counted::start(200, json!({})).await;
    let lookup = Lookup::new(&settings(&counted.endpoint, &[])).unwrap();
    let seen = seen(lookup.answer(PREFLIGHT, NOW.parse().unwrap()).await);
    assert_eq!((seen.status, &seen.body), (204, &Value::Null));
    for (name, value) in [
        ("access-control-allow-origin", "https://example.cybozu.com"),
        ("access-control-allow-methods", "GET"),
        ("access-control-allow-headers", "X-License-Serial"),
        ("access-control-max-age", "86400"),
        ("vary", "Origin, X-License-Serial"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(seen.line["code"], "PREFLIGHT");
    assert!(counted.targets().is_empty());
}

#[tokio::test]
async fn only_configured_addresses_may_ask() {
    let fixture = Fixture::new().await;
    let ranges = [("ALLOWED_SOURCE_RANGES", "103.79.14.0/24,2001:db8::/32")];
    let lookup = Lookup::new(&fixture.database.settings(&ranges)).unwrap();
    let ask = async |address: Value| {
        // The header can be forged; the address is determined by the gateway.
        let mut event = get_with("/headers/x-forwarded-for", "103.79.14.21");
        event["requestContext"]["http"]["sourceIp"] = address;
        seen(
            lookup
                .answer(&event.to_string(), NOW.parse().unwrap())
                .await,
        )
    };
    for address in ["103.79.14.200", "2001:db8:85a3::8a2e:370:7334"] {
        assert_eq!(ask(address.into()).await.status, 200, "{address}");
    }
    for address in [
        "203.0.113.7".into(),
        "2001:db9::1".into(),
        "".into(),
        Value::Null,
    ] {
        let seen = ask(address.clone()).await;
        assert_eq!(seen.problem(), (403, "SOURCE_NOT_ALLOWED"), "{address}");
        assert_eq!(seen.line["domain"], Value::Null);
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let fixture = Fixture::new().await;
    let events = [
        event(GET),
        event(PREFLIGHT),
        get_with("/pathParameters/domain", "stranger.cybozu.com"),
        get_with("/pathParameters/domain", "nonsense"),
        get_with("/headers/origin", "https://evil.example"),
    ];
    for event in &events {
        let seen = fixture.ask(event).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            (
                "strict-transport-security",
                "max-age=63072000; includeSubDomains",
            ),
            (
                "content-security-policy",
                "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("vary", "Origin, X-License-Serial"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{} {name}", seen.status);
        }
    }
}

/// A stand-in for DynamoDB that records the calls and always returns the same response.
struct Counted {
    endpoint: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Counted {
    async fn start(status: u16, answer: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let targets = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&targets);
        let router = axum::Router::new().fallback(move |headers: HeaderMap| {
            let target = headers["x-amz-target"].to_str().unwrap().to_owned();
            noted.lock().unwrap().push(target);
            let content_type = [("content-type", "application/x-amz-json-1.0")];
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            let answer = answer.to_string();
            async move { (status, content_type, answer) }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, targets }
    }

    fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn one_get_item_is_all_that_a_request_costs() {
    let counted = Counted::start(200, json!({})).await;
    let lookup = Lookup::new(&settings(&counted.endpoint, &[])).unwrap();
    let ask = async |event: Value| {
        lookup
            .answer(&event.to_string(), NOW.parse().unwrap())
            .await
    };
    ask(event(GET)).await;
    assert_eq!(counted.targets(), ["DynamoDB_20120810.GetItem"]);
    ask(get_with("/pathParameters/domain", "nonsense")).await;
    ask(get_with("/headers/origin", "https://evil.example")).await;
    assert_eq!(
        counted.targets().len(),
        1,
        "what is refused never reaches the database"
    );
}

/// Sends a request while the database fails.
async fn ask_in_trouble(endpoint: &str) -> Seen {
    let lookup = Lookup::new(&settings(endpoint, &[])).unwrap();
    let seen = seen(lookup.answer(GET, NOW.parse().unwrap()).await);
    assert_eq!(seen.problem(), (503, "UNAVAILABLE"));
    assert_eq!(seen.header("retry-after"), Some("5"));
    assert_eq!(seen.line["domain"], "example.cybozu.com");
    seen
}

#[tokio::test]
async fn a_database_that_is_down_gives_503() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(ask_in_trouble(&endpoint).await.line["reason"], "connection");
}

/// Tokio's paused clock advances whenever all tasks are idle, so the measured time is that of the
/// time-outs, independent of this machine's speed.
#[tokio::test(start_paused = true)]
async fn a_database_that_does_not_answer_gives_503_within_two_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // The kernel accepts connections, but nothing reads from them.
    let started = tokio::time::Instant::now();
    let seen = ask_in_trouble(&endpoint).await;
    assert_eq!(seen.line["reason"], "timeout");
    let took = started.elapsed();
    assert!(took > Duration::from_secs(1), "it was tried: {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(listener);
}

#[tokio::test]
async fn a_database_that_refuses_gives_503_and_its_own_code() {
    for (status, code, attempts) in [
        (400, "ProvisionedThroughputExceededException", 2),
        (400, "AccessDeniedException", 1),
        (400, "ResourceNotFoundException", 1),
        (500, "InternalServerError", 2),
    ] {
        let answer = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "arn:aws:secret" });
        let counted = Counted::start(status, answer).await;
        let seen = ask_in_trouble(&counted.endpoint).await;
        assert_eq!(seen.line["reason"], code);
        assert!(!seen.body.to_string().contains("arn:"), "no internals");
        assert_eq!(counted.targets().len(), attempts, "{code}");
    }
}

/// All variants of an item with one broken attribute at any depth, by the attribute's path.
fn breakages(path: &str, members: &Item) -> Vec<(String, Item)> {
    let mut broken = Vec::new();
    for (name, value) in members {
        let path = format!("{path}{name}");
        let mut without = members.clone();
        without.remove(name);
        // Optional: items of an earlier version do not have it.
        if name != "without_serial" {
            broken.push((format!("{path} missing"), without));
        }
        let with = |value| {
            let mut members = members.clone();
            members.insert(name.clone(), value);
            members
        };
        // No attribute is valid as an empty list.
        let list = AttributeValue::L(Vec::new());
        if *value != list {
            broken.push((format!("{path} a list"), with(list)));
        }
        if let AttributeValue::M(members) = value {
            let text = AttributeValue::S("?".into());
            broken.push((format!("{path} a text"), with(text)));
            let deeper = breakages(&format!("{path}."), members);
            let deeper = deeper
                .into_iter()
                .map(|(what, m)| (what, with(AttributeValue::M(m))));
            broken.extend(deeper);
        }
    }
    broken
}

#[tokio::test]
async fn an_item_that_cannot_be_read_gives_503_and_never_a_licence() {
    let fixture = Fixture::new().await;
    let whole = fixture.raw().await;
    let mut tried = 0;
    for (what, item) in breakages("", &whole) {
        if !what.starts_with("license") && !what.starts_with("lease") {
            continue; // the key and the revision, which an answer does not need
        }
        fixture.put_raw(item).await;
        let seen = fixture.ask(&event(GET)).await;
        assert_eq!(seen.problem(), (503, "UNAVAILABLE"), "{what}");
        assert_eq!(seen.header("retry-after"), Some("300"), "{what}");
        assert_eq!(seen.line["reason"], "unreadable_item", "{what}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

#[tokio::test]
async fn a_suspension_that_was_lost_is_no_licence() {
    let fixture = Fixture::new().await;
    let mut item = fixture.raw().await;
    let Some(AttributeValue::M(license)) = item.get_mut("license") else {
        panic!("a licence has facts");
    };
    for lost in ["suspended_from", "ends_on", "billing"] {
        let value = license.remove(lost);
        assert!(value.is_some(), "{lost} is written, if only as null");
        license.extend(value.map(|value| (lost.to_owned(), value)));
    }
    license.remove("suspended_from");
    fixture.put_raw(item).await;
    assert_eq!(
        fixture.ask(&event(GET)).await.problem(),
        (503, "UNAVAILABLE")
    );
}

#[tokio::test]
async fn an_item_about_another_tenant_is_not_answered() {
    let fixture = Fixture::new().await;
    let mut item = fixture.raw().await;
    item.insert(
        "domain".into(),
        AttributeValue::S("other.cybozu.com".into()),
    );
    fixture.put_raw(item).await;
    let seen = fixture
        .ask(&get_with("/pathParameters/domain", "other.cybozu.com"))
        .await;
    assert_eq!(seen.problem(), (503, "UNAVAILABLE"));
}

#[tokio::test]
async fn nothing_of_the_callers_that_is_not_in_order_is_recorded_or_returned() {
    const CANARY: &str = "CANARY-SERIAL-0000-canary@example.com";
    let fixture = Fixture::new().await;
    let places = [
        "/pathParameters/product",
        "/pathParameters/domain",
        "/headers/x-license-serial",
        "/headers/origin",
        "/headers/user-agent",
        "/headers/referer",
        "/headers/cookie",
        "/headers/x-forwarded-for",
        "/queryStringParameters/version",
        "/queryStringParameters/canary",
        "/rawQueryString",
        "/rawPath",
        "/body",
        "/requestContext/http/path",
        "/requestContext/http/userAgent",
        "/requestContext/http/sourceIp",
    ];
    for place in places {
        let seen = fixture.ask(&get_with(place, CANARY)).await;
        let all = format!("{} {} {:?}", seen.body, seen.line, seen.headers).to_lowercase();
        assert!(!all.contains("canary"), "{place}: {all}");
    }
    let serial = fixture.ask(&event(GET_WITH_SERIAL)).await;
    let all = format!("{} {}", serial.body, serial.line);
    assert!(
        !all.contains(SERIAL) && !all.contains("103.79.14.21"),
        "{all}"
    );
}

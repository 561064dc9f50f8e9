//! The contract of `POST /license`, row by row: the answers to plug-ins of Cybozu's official
//! licence sample.

use super::*;
use tegata_common::access::{self, Source};
use tegata_common::calendar;
use tegata_common::domain::BaseDomains;
use tegata_common::lease::Claims;
use tegata_common::license::{Amendment, Purpose};
use tegata_common::product::KintonePluginId;
use tegata_operations::contract;
use tegata_operations::contract::WriteError;

const POST: &str = include_str!("../../../events/post-license.json");

/// The plug-in id in the sample request, and that of another build of the product.
const ID: &str = "abcdefghijklmnopabcdefghijklmnop";
const OTHER_ID: &str = "ponmlkjihgfedcbaponmlkjihgfedcba";

/// The product `sheet` with kintone plug-in ids.
fn product_with(ids: &[&str]) -> Product {
    let mut product = product();
    product.kintone_plugin_ids = ids.iter().map(|id| id.parse().unwrap()).collect();
    product
}

fn valid() -> License {
    let product = product_with(&[ID, OTHER_ID]);
    license("example.cybozu.com", &product, "2026-10-03T01:00:00Z")
}

/// The sample request with something else at a JSON pointer.
fn post_with(pointer: &str, value: impl Into<Value>) -> Value {
    changed(POST, pointer, value)
}

/// The sample request with another body.
fn post(domain: &str, id: &str) -> Value {
    let body = json!({ "domain": domain, "pluginId": id });
    post_with("/body", body.to_string())
}

fn preflight_from(origin: &str) -> Value {
    let mut event = changed(PREFLIGHT, "/routeKey", "OPTIONS /license");
    event["headers"]["origin"] = origin.into();
    event["headers"]["access-control-request-method"] = "POST".into();
    event.as_object_mut().unwrap().remove("pathParameters");
    event
}

impl Seen {
    /// The status and the message of an answer in the sample's form.
    fn told(&self) -> (i64, &str) {
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let members = self.body.as_object().unwrap();
        let is_known = |name: &String| matches!(name.as_str(), "message" | "expirationDate");
        assert!(members.keys().all(is_known), "{members:?}");
        (self.status, self.body["message"].as_str().unwrap())
    }
}

impl Fixture {
    /// The item of an alias.
    async fn raw_copy(&self, host: &str, id: &str) -> Option<Item> {
        let key = Key::plugin(&tegata_tests::domain(host), &id.parse().unwrap());
        let get = self.database.client.get_item().table_name("Licenses");
        let get = get.set_key(Some(key.attributes())).send().await.unwrap();
        get.item
    }

    /// The licence in an alias.
    async fn copy(&self, host: &str, id: &str) -> Option<License> {
        let item = self.raw_copy(host, id).await?;
        let mut names: Vec<&str> = item.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["domain", "license", "product"],
            "no lease, no version"
        );
        let AttributeValue::M(license) = item["license"].clone() else {
            panic!("a licence is a map");
        };
        Some(serde_dynamo::from_item(license).unwrap())
    }

    /// Writes a change of the one licence.
    async fn write(&self, license: &License, at: &str) {
        let licenses = &self.database.licenses;
        let contract = contract::read(licenses, &license.domain, &license.product).await;
        let contract = contract.unwrap();
        let act = ChangeContext {
            at: at.parse().unwrap(),
            by: "test",
            change: "change",
        };
        let signer = &self.key.signer;
        let written = contract::write(licenses, contract.as_ref(), license, signer, &act);
        written.await.unwrap();
    }
}

#[tokio::test]
async fn a_valid_licence_is_answered_as_the_sample_does() {
    let fixture = Fixture::holding(valid()).await;
    for id in [ID, OTHER_ID] {
        let seen = fixture.ask(&post("example.cybozu.com", id)).await;
        assert_eq!(seen.told(), (200, "Valid"));
        assert_eq!(
            seen.body,
            json!({ "message": "Valid", "expirationDate": "2027-10-31" })
        );
    }
    let seen = fixture.ask(&event(POST)).await;
    assert_eq!(
        seen.line,
        json!({
            "type": "access",
            "time": "2026-11-22T01:03:11.000Z",
            "requested_at": "2026-11-22T01:03:11.000Z",
            "request_id": "JKJaXmPLvHcESHA=",
            "method": "POST",
            "product": "sheet",
            "domain": "example.cybozu.com",
            "version": null,
            "code": "VALID",
            "status": 200,
            "reason": null,
            "serial": "absent",
            "source": "103.79.14.0/24",
            "browser": false,
            "database_ms": seen.line["database_ms"],
        })
    );
    // Both routes have the same result.
    assert_eq!(fixture.ask(&event(GET)).await.body["code"], "VALID");
}

/// A plug-in that compares the date with today gets the same result as one that reads the message.
#[tokio::test]
async fn every_code_by_the_clock_and_the_date_agrees_with_the_message() {
    let now = NOW.parse().unwrap();
    let cancelled = valid().cancelled("2026-11-20".parse().unwrap(), now);
    let cancelled = cancelled.unwrap();
    let suspended = valid().suspended("2026-11-21T15:00:00Z".parse().unwrap());
    for (license, now, code, message, expiration_date) in [
        (
            &cancelled,
            "2026-10-03T00:59:59Z",
            "NOT_STARTED",
            "Invalid",
            None,
        ),
        (
            &cancelled,
            "2026-10-03T01:00:00Z",
            "VALID",
            "Valid",
            Some("2027-10-31"),
        ),
        (
            &cancelled,
            "2027-10-31T14:59:59Z",
            "VALID",
            "Valid",
            Some("2027-10-31"),
        ),
        // The morning after the last day, up to 09:00.
        (
            &cancelled,
            "2027-10-31T15:00:00Z",
            "VALID",
            "Valid",
            Some("2027-11-01"),
        ),
        (
            &cancelled,
            "2027-10-31T23:59:59Z",
            "VALID",
            "Valid",
            Some("2027-11-01"),
        ),
        (
            &cancelled,
            "2027-11-01T00:00:00Z",
            "GRACE",
            "Valid",
            Some("2027-11-07"),
        ),
        (
            &cancelled,
            "2027-11-07T23:59:59Z",
            "GRACE",
            "Valid",
            Some("2027-11-08"),
        ),
        (
            &cancelled,
            "2027-11-08T00:00:00Z",
            "EXPIRED",
            "Invalid",
            Some("2027-10-31"),
        ),
        (
            suspended.as_ref().unwrap(),
            "2026-11-21T14:59:59Z",
            "VALID",
            "Valid",
            Some("2026-11-21"),
        ),
        (
            suspended.as_ref().unwrap(),
            "2026-11-21T15:00:00Z",
            "SUSPENDED",
            "Invalid",
            Some("2026-11-21"),
        ),
        // It renews automatically.
        (
            &valid(),
            "2030-03-01T00:00:00Z",
            "VALID",
            "Valid",
            Some("2030-10-31"),
        ),
    ] {
        let fixture = Fixture::holding(license.clone()).await;
        let seen = fixture.ask_at(&event(POST), now).await;
        assert_eq!(seen.told(), (200, message), "{now}");
        assert_eq!(seen.line["code"], code, "{now}");
        let date = seen.body.get("expirationDate").and_then(Value::as_str);
        assert_eq!(date, expiration_date, "{now}");
        let today = calendar::date_of(now.parse().unwrap(), &license.policy);
        let by_date = date.is_some_and(|date| today.to_string().as_str() <= date);
        assert_eq!(by_date, message == "Valid", "{now}");
        // The other route returns the code from which this follows.
        assert_eq!(fixture.ask_at(&event(GET), now).await.body["code"], code);
    }
}

#[tokio::test]
async fn no_licence_and_a_missing_serial_look_the_same() {
    let mut strict = product_with(&[ID]);
    strict.policy.requires_serial = true;
    let strict = Fixture::with(strict).await;
    let mut with_serial = event(POST);
    with_serial["headers"]["x-license-serial"] = SERIAL.into();
    let of_strict = strict.ask(&event(POST)).await;
    let of_strict_with_serial = strict.ask(&with_serial).await;
    let fixture = Fixture::holding(valid()).await;
    with_serial["headers"]["x-license-serial"] = "ABCD-EFGH-IJKL-MNOQ".into();
    let mismatch = fixture.ask(&with_serial).await;
    let stranger = fixture.ask(&post("stranger.cybozu.com", ID)).await;
    let unknown = fixture
        .ask(&post("example.cybozu.com", &"a".repeat(32)))
        .await;
    for (seen, reason, product) in [
        (&stranger, "no_license", Value::Null),
        (&unknown, "no_license", Value::Null),
        (&of_strict, "no_license", Value::Null),
        (&of_strict_with_serial, "no_license", Value::Null),
        (&mismatch, "serial_mismatch", json!("sheet")),
    ] {
        assert_eq!(seen.told(), (200, "No item found."));
        assert_eq!(seen.body, json!({ "message": "No item found." }));
        assert_eq!(seen.headers, stranger.headers);
        assert_eq!(seen.line["code"], "NOT_FOUND");
        assert_eq!(seen.line["reason"], reason);
        assert_eq!(seen.line["product"], product);
    }
    with_serial["headers"]["x-license-serial"] = SERIAL.into();
    assert_eq!(fixture.ask(&with_serial).await.told(), (200, "Valid"));
    // An alias that should not exist does not give access.
    let mut license = strict.stored().await.value.license;
    license.policy.requires_serial = false;
    let mut item = Key::plugin(&license.domain, &ID.parse().unwrap()).attributes();
    license.policy.requires_serial = true;
    let facts = serde_dynamo::to_attribute_value(&license).unwrap();
    item.insert("license".to_owned(), facts);
    strict.put_raw(item).await;
    let seen = strict.ask(&event(POST)).await;
    assert_eq!(seen.told(), (200, "No item found."));
    assert_eq!(seen.line["reason"], "serial_missing");
}

#[tokio::test]
async fn malformed_requests_are_told_what_is_wrong_in_the_samples_form() {
    let fixture = Fixture::holding(valid()).await;
    let object = "body: expected a JSON object with the texts domain and pluginId";
    let id = "pluginId: expected kintone's 32 letters from a to p";
    let empty = "domain: expected a kintone host name such as example.cybozu.com";
    let base = "domain: not below cybozu.com, kintone.com, cybozu.cn or a configured one";
    let body = |body: Value| body.to_string();
    let with_domain = |domain: &str| body(json!({ "domain": domain, "pluginId": ID }));
    let with_id = |id: Value| body(json!({ "domain": "example.cybozu.com", "pluginId": id }));
    let large = body(json!({
        "domain": "example.cybozu.com", "pluginId": ID, "note": "x".repeat(1000),
    }));
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/body", Value::Null, "body: expected domain and pluginId"),
        ("/body", "".into(), "body: expected domain and pluginId"),
        ("/body", "domain=example.cybozu.com".into(), object),
        ("/body", "{".into(), object),
        ("/body", "[]".into(), object),
        (
            "/body",
            json!(["example.cybozu.com", ID]).to_string().into(),
            object,
        ),
        ("/body", "null".into(), object),
        ("/body", with_id(json!(1)).into(), object),
        ("/body", "{}".into(), empty),
        ("/body", with_domain("").into(), empty),
        (
            "/body",
            with_domain("  ").into(),
            "domain: expected a-z, 0-9, '-' and '.' only",
        ),
        ("/body", with_domain("example.example.com").into(), base),
        (
            "/body",
            with_domain("#products").into(),
            "domain: expected a-z, 0-9, '-' and '.' only",
        ),
        ("/body", with_id(Value::Null).into(), id),
        ("/body", with_id("".into()).into(), id),
        ("/body", with_id(ID.to_uppercase().into()).into(), id),
        ("/body", with_id("a".repeat(33).into()).into(), id),
        ("/body", with_id("q".repeat(32).into()).into(), id),
        ("/body", with_id("sheet".into()).into(), id),
        ("/body", large.into(), "body: larger than 1 KB"),
        (
            "/isBase64Encoded",
            true.into(),
            "body: not the base64 that it is said to be",
        ),
        (
            "/requestContext/http/method",
            "GET".into(),
            "method: expected POST or OPTIONS",
        ),
        (
            "/requestContext/http/method",
            "OPTIONS".into(),
            "OPTIONS: expected an Origin header",
        ),
        (
            "/queryStringParameters",
            json!({ "user": "1" }),
            "query: expected no parameter but version",
        ),
        (
            "/headers/x-note",
            "a\u{1}b".into(),
            "headers: expected values without control characters",
        ),
    ];
    for (pointer, value, message) in cases {
        let seen = fixture.ask(&post_with(pointer, value.clone())).await;
        assert_eq!(seen.told(), (400, message), "{pointer} {value}");
        assert_eq!(seen.line["code"], "MALFORMED");
        assert_eq!(seen.line["reason"], message);
        assert_eq!(seen.line["request_id"], "JKJaXmPLvHcESHA=");
        assert_eq!(seen.line["requested_at"], "2026-11-22T01:03:11.000Z");
        // The archive records the reason unchanged.
        let line = seen.line.to_string();
        let item = access::read_line(
            line.as_bytes(),
            NOW.parse().unwrap(),
            &BaseDomains::default(),
        );
        let access::ReadLine::Record(Source::Lookup, record) = item else {
            panic!("{item:?}");
        };
        assert_eq!(record.reason.as_deref(), Some(message));
    }
}

#[tokio::test]
async fn what_a_plug_in_says_beyond_the_sample_does_not_matter() {
    let fixture = Fixture::holding(valid()).await;
    let more = json!({ "domain": "example.cybozu.com", "pluginId": ID, "app": 7 });
    let encoded = data_encoding::BASE64.encode(more.to_string().as_bytes());
    let mut base64 = post_with("/body", encoded);
    base64["isBase64Encoded"] = true.into();
    base64["headers"]["content-type"] = "application/x-www-form-urlencoded".into();
    let mut versioned = event(POST);
    versioned["queryStringParameters"] = json!({ "version": "1.9.0" });
    for event in [
        post_with("/body", more.to_string()),
        base64,
        post("example.s.cybozu.com", ID),
        post("EXAMPLE.cybozu.com", ID),
        versioned.clone(),
    ] {
        let seen = fixture.ask(&event).await;
        assert_eq!(seen.told(), (200, "Valid"), "{event}");
        assert_eq!(seen.line["domain"], "example.cybozu.com");
    }
    assert_eq!(fixture.ask(&versioned).await.line["version"], "1.9.0");
}

#[tokio::test]
async fn a_page_posts_for_its_own_tenant_only() {
    let fixture = Fixture::holding(valid()).await;
    for origin in ["https://example.cybozu.com", "https://example.s.cybozu.com"] {
        let seen = fixture.ask(&post_with("/headers/origin", origin)).await;
        assert_eq!(seen.told(), (200, "Valid"));
        assert_eq!(seen.header("access-control-allow-origin"), Some(origin));
        let seen = fixture.ask(&preflight_from(origin)).await;
        assert_eq!((seen.status, &seen.body), (204, &Value::Null));
        for (name, value) in [
            ("access-control-allow-origin", origin),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "Content-Type"),
            ("access-control-max-age", "86400"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{name}");
        }
        assert_eq!(seen.line["code"], "PREFLIGHT");
        assert_eq!(seen.line["domain"], "example.cybozu.com");
    }
    // The preflight does not contain the tenant; the request does.
    let other = "https://other.cybozu.com";
    assert_eq!(fixture.ask(&preflight_from(other)).await.status, 204);
    for origin in [
        other,
        "https://evil.example",
        "null",
        "http://example.cybozu.com",
        "https://example.cybozu.com:8443",
        "https://é.cybozu.com",
        "*",
        "https://example.cybozu.com,https://example.cybozu.com",
    ] {
        let refused = "A page may only ask for the licence of its own tenant.";
        let seen = fixture.ask(&post_with("/headers/origin", origin)).await;
        assert_eq!(seen.told(), (403, refused), "{origin}");
        assert_eq!(seen.header("access-control-allow-origin"), None);
        assert_eq!(seen.line["code"], "ORIGIN_NOT_ALLOWED");
        if origin != other {
            let seen = fixture.ask(&preflight_from(origin)).await;
            assert_eq!(seen.told(), (403, refused), "{origin}");
            assert_eq!(seen.header("access-control-allow-origin"), None);
        }
    }
    // A page may read why it gets no licence.
    let mut stranger = post("stranger.cybozu.com", ID);
    stranger["headers"]["origin"] = "https://stranger.cybozu.com".into();
    let seen = fixture.ask(&stranger).await;
    assert_eq!(seen.told(), (200, "No item found."));
    let own = seen.header("access-control-allow-origin");
    assert_eq!(own, Some("https://stranger.cybozu.com"));
}

#[tokio::test]
async fn only_configured_addresses_may_post() {
    let fixture = Fixture::holding(valid()).await;
    let ranges = [("ALLOWED_SOURCE_RANGES", "103.79.14.0/24")];
    let lookup = Lookup::new(&fixture.database.settings(&ranges)).unwrap();
    for (address, status, message) in [
        ("103.79.14.200", 200, "Valid"),
        (
            "203.0.113.7",
            403,
            "Requests are not accepted from this address.",
        ),
    ] {
        let event = post_with("/requestContext/http/sourceIp", address);
        let now = NOW.parse().unwrap();
        let seen = seen(lookup.answer(&event.to_string(), now).await);
        assert_eq!(seen.told(), (status, message));
    }
}

#[tokio::test]
async fn every_answer_to_a_post_has_the_security_headers() {
    let fixture = Fixture::holding(valid()).await;
    for event in [
        event(POST),
        preflight_from("https://example.cybozu.com"),
        post("stranger.cybozu.com", ID),
        post("nonsense", ID),
        post_with("/headers/origin", "https://evil.example"),
    ] {
        let seen = fixture.ask(&event).await;
        let get = fixture.ask(&self::event(GET)).await;
        for name in [
            "x-content-type-options",
            "strict-transport-security",
            "content-security-policy",
            "x-frame-options",
            "referrer-policy",
            "vary",
        ] {
            assert!(seen.header(name).is_some(), "{name}");
            assert_eq!(seen.header(name), get.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn one_get_item_is_all_that_a_post_costs() {
    let counted = Counted::start(200, json!({})).await;
    let lookup = Lookup::new(&settings(&counted.endpoint, &[])).unwrap();
    for (event, calls) in [
        (event(POST), 1),
        (preflight_from("https://example.cybozu.com"), 0),
        (post("nonsense", ID), 0),
        (post_with("/headers/origin", "https://evil.example"), 0),
        (post_with("/body", ""), 0),
    ] {
        let before = counted.targets().len();
        lookup
            .answer(&event.to_string(), NOW.parse().unwrap())
            .await;
        let targets = counted.targets();
        assert_eq!(targets.len() - before, calls, "{event}");
        assert!(targets.iter().all(|t| t == "DynamoDB_20120810.GetItem"));
    }
}

#[tokio::test]
async fn a_database_in_trouble_gives_503_in_the_samples_form() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = json!({ "__type": "AccessDeniedException", "message": "arn:aws:secret" });
    let refusing = Counted::start(400, answer).await;
    for (endpoint, reason) in [
        (&down, "connection"),
        (&refusing.endpoint, "AccessDeniedException"),
    ] {
        let lookup = Lookup::new(&settings(endpoint, &[])).unwrap();
        let seen = seen(lookup.answer(POST, NOW.parse().unwrap()).await);
        let message = "The licence cannot be read at the moment.";
        assert_eq!(seen.told(), (503, message));
        assert_eq!(seen.header("retry-after"), Some("5"));
        assert_eq!(seen.line["code"], "UNAVAILABLE");
        assert_eq!(seen.line["reason"], reason);
        assert_eq!(seen.line["domain"], "example.cybozu.com");
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_gives_503_and_never_valid() {
    let fixture = Fixture::holding(valid()).await;
    let whole = fixture.raw_copy("example.cybozu.com", ID).await.unwrap();
    let mut tried = 0;
    for (what, item) in breakages("", &whole) {
        if !what.starts_with("license") {
            continue; // The key.
        }
        fixture.put_raw(item).await;
        let seen = fixture.ask(&event(POST)).await;
        assert_eq!(seen.status, 503, "{what}");
        assert_eq!(seen.header("retry-after"), Some("300"), "{what}");
        assert_eq!(seen.line["reason"], "unreadable_item", "{what}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    // A write of the licence repairs it, unless the alias belongs to another product.
    for (at, damaged) in ["2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z"]
        .into_iter()
        .zip([None, Some(AttributeValue::S("?".to_owned()))])
    {
        let mut item = whole.clone();
        item.remove("license");
        item.extend(damaged.map(|facts| ("license".to_owned(), facts)));
        fixture.put_raw(item).await;
        fixture.write(&valid(), at).await;
        assert_eq!(fixture.ask(&event(POST)).await.status, 200);
    }
    // An alias with the licence of another tenant or another plug-in.
    let mut stray = whole.clone();
    stray.extend(
        Key::plugin(
            &tegata_tests::domain("other.cybozu.com"),
            &ID.parse().unwrap(),
        )
        .attributes(),
    );
    fixture.put_raw(stray).await;
    let seen = fixture.ask(&post("other.cybozu.com", ID)).await;
    assert_eq!(seen.status, 503);
    let unlisted = "a".repeat(32);
    let mut stray = whole;
    stray.extend(
        Key::plugin(
            &tegata_tests::domain("example.cybozu.com"),
            &unlisted.parse().unwrap(),
        )
        .attributes(),
    );
    fixture.put_raw(stray).await;
    let seen = fixture.ask(&post("example.cybozu.com", &unlisted)).await;
    assert_eq!(seen.status, 503);
}

#[tokio::test]
async fn nothing_of_a_post_that_is_not_in_order_is_recorded_or_returned() {
    const CANARY: &str = "CANARY-SERIAL-0000-canary@example.com";
    let fixture = Fixture::holding(valid()).await;
    let with = |name: &str| {
        let mut body = json!({ "domain": "example.cybozu.com", "pluginId": ID });
        body[name] = CANARY.into();
        post_with("/body", body.to_string())
    };
    let mut events = vec![with("domain"), with("pluginId"), with("serial")];
    for place in [
        "/body",
        "/headers/x-license-serial",
        "/headers/origin",
        "/headers/user-agent",
        "/headers/content-type",
        "/headers/x-forwarded-for",
        "/rawPath",
        "/rawQueryString",
        "/requestContext/http/sourceIp",
    ] {
        events.push(post_with(place, CANARY));
    }
    for event in events {
        let seen = fixture.ask(&event).await;
        let all = format!("{} {} {:?}", seen.body, seen.line, seen.headers).to_lowercase();
        assert!(!all.contains("canary"), "{event}: {all}");
    }
}

#[tokio::test]
async fn the_copies_follow_the_licence_through_its_life() {
    let fixture = Fixture::holding(valid()).await;
    let licenses = &fixture.database.licenses;
    let (old, new) = ("example.cybozu.com", "renamed.cybozu.com");
    let agree = async |hosts: &[&str], ids: &[&str]| {
        for host in hosts {
            let host = tegata_tests::domain(host);
            let stored = licenses.get(&host, &"sheet".parse().unwrap()).await;
            let license = stored.unwrap().unwrap().value.license;
            for id in [ID, OTHER_ID] {
                let copy = fixture.copy(host.as_str(), id).await;
                let expected = ids.contains(&id).then(|| license.clone());
                assert_eq!(copy, expected, "{host} {id}");
            }
        }
    };
    let current = async || fixture.stored().await.value.license;
    let now: Timestamp = NOW.parse().unwrap();
    let both = [ID, OTHER_ID];
    agree(&[old], &both).await;

    let amendment = Amendment {
        users: Some(80),
        ..Amendment::default()
    };
    let license = current().await.amended(amendment, now).unwrap();
    fixture.write(&license, NOW).await;
    agree(&[old], &both).await;
    let license = license.suspended(now).unwrap();
    fixture.write(&license, NOW).await;
    agree(&[old], &both).await;
    assert_eq!(fixture.ask(&event(POST)).await.told(), (200, "Invalid"));
    let license = license.resumed().unwrap();
    fixture.write(&license, NOW).await;

    // A second domain, and a move to a third.
    let until = "2026-12-01T00:00:00Z".parse().unwrap();
    let development = tegata_tests::domain("dev.cybozu.com");
    let license = license.with_domain(&development, Purpose::Development, now, now);
    let to = tegata_tests::domain(new);
    let license = license.unwrap().moved(&to, now, until, now).unwrap();
    fixture.write(&license, NOW).await;
    let all = [old, new, "dev.cybozu.com"];
    agree(&all, &both).await;
    for host in all {
        let seen = fixture.ask(&post(host, ID)).await;
        assert_eq!(seen.told(), (200, "Valid"), "{host}");
    }
    // From the instant at which the contract leaves a domain, no licence is found there.
    let left = fixture.ask_at(&post(old, ID), "2026-12-01T00:00:00Z").await;
    assert_eq!(left.told(), (200, "No item found."));
    assert_eq!(left.line["reason"], "released");

    // The ids in the catalogue have changed.
    let mut fewer = license.under(&to);
    fewer.kintone_plugin_ids = vec![OTHER_ID.parse().unwrap()];
    fixture.write(&fewer, NOW).await;
    agree(&all, &[OTHER_ID]).await;
    assert_eq!(
        fixture.ask(&post(new, ID)).await.told(),
        (200, "No item found.")
    );

    // Signing a lease again changes no alias, the renewal of a term changes all, and the end of the
    // quarantine deletes them with the item.
    let renewal = license_renewal::handler::Renewal::new(
        licenses.clone(),
        fixture.key.keys.clone(),
        "renewal",
    );
    fixture.key.register_in(licenses).await;
    let mut done = (0, 0, 0);
    for at in [
        "2026-11-30T00:00:00Z",
        "2027-03-05T00:00:00Z",
        "2027-12-24T00:00:00Z",
    ] {
        let report = renewal.run(at.parse().unwrap(), || false).await.unwrap();
        assert_eq!(report.failed, 0);
        done.0 += report.resigned;
        done.1 += report.renewed;
        done.2 += report.released;
        let left: &[&str] = if report.released > 0 || done.2 > 0 {
            &all[1..]
        } else {
            &all
        };
        agree(left, &[OTHER_ID]).await;
    }
    assert!(done.0 > 0 && done.1 > 0 && done.2 > 0, "{done:?}");
    assert_eq!(fixture.copy(old, OTHER_ID).await, None);

    // Lists, histories and scans do not contain aliases.
    let found = licenses.all().await.unwrap();
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    assert_eq!(found.licenses.len(), 2);
    let of_domain = licenses.of_domain(&to).await.unwrap();
    assert!(of_domain.unreadable.is_empty());
    assert_eq!(of_domain.licenses.len(), 1);
    let history = licenses
        .history(&to, &"sheet".parse().unwrap())
        .await
        .unwrap();
    let versions: Vec<u64> = history
        .iter()
        .flatten()
        .map(|past| past.revision.version)
        .collect();
    assert!(
        versions.windows(2).all(|pair| pair[0] < pair[1]),
        "{versions:?}"
    );
}

/// Of two concurrent operators, the second changes neither the licence nor its aliases.
#[tokio::test]
async fn a_conflict_leaves_the_copies_as_they_are() {
    let fixture = Fixture::holding(valid()).await;
    let licenses = &fixture.database.licenses;
    let (domain, product) = (
        tegata_tests::domain("example.cybozu.com"),
        "sheet".parse().unwrap(),
    );
    let now = NOW.parse().unwrap();
    let first = contract::read(licenses, &domain, &product)
        .await
        .unwrap()
        .unwrap();
    let suspended = first.license.suspended(now).unwrap();
    fixture.write(&suspended, NOW).await;
    let act = ChangeContext {
        at: now,
        by: "test",
        change: "late",
    };
    let signer = &fixture.key.signer;
    let late = contract::write(licenses, Some(&first), &first.license, signer, &act).await;
    assert!(
        matches!(late, Err(WriteError::Table(TableError::Conflict))),
        "{late:?}"
    );
    assert_eq!(
        fixture.copy("example.cybozu.com", ID).await,
        Some(suspended)
    );
    assert_eq!(fixture.ask(&event(POST)).await.told(), (200, "Invalid"));
}

/// If the catalogue gives an id to a second product, the first product keeps its alias.
#[tokio::test]
async fn an_id_of_two_products_stays_the_firsts() {
    let fixture = Fixture::holding(valid()).await;
    let licenses = &fixture.database.licenses;
    let mut other = product_with(&[ID]);
    other.slug = "other".parse().unwrap();
    let second = license("example.cybozu.com", &other, "2026-10-03T01:00:00Z");
    let act = ChangeContext {
        at: NOW.parse().unwrap(),
        by: "test",
        change: "issue",
    };
    let signer = &fixture.key.signer;
    let refused = contract::write(licenses, None, &second, signer, &act).await;
    assert!(
        matches!(refused, Err(WriteError::Table(TableError::Claimed))),
        "{refused:?}"
    );
    let copy = fixture.copy("example.cybozu.com", ID).await.unwrap();
    assert_eq!(copy.product.as_str(), "sheet");
    // After the first product has released the id, the second can have it.
    let mut without = fixture.stored().await.value.license;
    without
        .kintone_plugin_ids
        .retain(|id: &KintonePluginId| id.as_str() != ID);
    fixture.write(&without, NOW).await;
    contract::write(licenses, None, &second, signer, &act)
        .await
        .unwrap();
    let copy = fixture.copy("example.cybozu.com", ID).await.unwrap();
    assert_eq!(copy.product.as_str(), "other");
    fixture.write(&without, NOW).await;
    assert_eq!(fixture.ask(&event(POST)).await.line["product"], "other");
}

/// An item of an earlier version without plug-in ids can be read and changed, and has no aliases.
#[tokio::test]
async fn a_licence_from_before_the_ids_has_no_copies() {
    let fixture = Fixture::new().await;
    let AttributeValue::M(facts) = fixture.raw().await["license"].clone() else {
        panic!("a licence is a map");
    };
    assert!(!facts.contains_key("kintone_plugin_ids"));
    assert_eq!(fixture.ask(&event(GET)).await.status, 200);
    assert_eq!(
        fixture.ask(&event(POST)).await.told(),
        (200, "No item found.")
    );
    let mut with_ids = fixture.stored().await.value.license;
    with_ids.kintone_plugin_ids = vec![ID.parse().unwrap()];
    fixture.write(&with_ids, NOW).await;
    assert_eq!(fixture.ask(&event(POST)).await.told(), (200, "Valid"));
    // The lease does not contain the ids.
    let lease = fixture.stored().await.value.lease.jws;
    let payload = lease.split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD
        .decode(payload.as_bytes())
        .unwrap();
    let claims: Claims = serde_json::from_slice(&payload).unwrap();
    assert!(!serde_json::to_string(&claims).unwrap().contains(ID));
}

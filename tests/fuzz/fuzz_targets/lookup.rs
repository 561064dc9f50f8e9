//! Event in, answer out, with whatever a caller can send and whatever the table can hold.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz lookup -- -max_total_time=300`
#![no_main]

use std::collections::HashMap;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::BASE64;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use license_lookup::database::ReadFailed;
use license_lookup::handler::answer;
use license_lookup::settings::LookupSettings;
use tegata_lambda::Variables;
use serde_json::{Value, json};
use tegata_storage::Item;

const SERIAL: &str = "ABCD-EFGH-IJKL-MNOP";
const PLUGIN_ID: &str = "abcdefghijklmnopabcdefghijklmnop";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    event: Event<'a>,
    table: Table<'a>,
    now: i64,
    has_ranges: bool,
}

#[derive(Arbitrary, Debug)]
enum Event<'a> {
    Raw(&'a str),
    Shaped {
        is_options: bool,
        product: Option<&'a str>,
        domain: Option<&'a str>,
        headers: Vec<(Header, &'a str)>,
        query: Vec<(&'a str, &'a str)>,
        body: Option<&'a str>,
        source_ip: &'a str,
    },
    /// By the official sample's door.
    Posted {
        is_options: bool,
        domain: Option<&'a str>,
        plugin_id: Option<&'a str>,
        raw: Option<&'a str>,
        is_base64: bool,
        headers: Vec<(Header, &'a str)>,
    },
}

#[derive(Arbitrary, Debug)]
enum Header {
    Origin,
    Serial,
    ForwardedFor,
}

#[derive(Arbitrary, Debug)]
enum Table<'a> {
    Nothing,
    /// With the service's error code.
    Fails(Option<&'a str>),
    Item(Vec<(Vec<u8>, Mutation<'a>)>),
}

#[derive(Arbitrary, Debug)]
enum Mutation<'a> {
    Remove,
    Text(&'a str),
    Number(i128),
    Truth(bool),
    Null,
    Bytes(&'a [u8]),
    List,
    Map,
}

static OPEN: LazyLock<LookupSettings> = LazyLock::new(|| settings(""));
static RANGES: LazyLock<LookupSettings> = LazyLock::new(|| settings("103.79.14.0/24,2001:db8::/32"));

fn settings(ranges: &str) -> LookupSettings {
    LookupSettings::read(&Variables(|name: &str| match name {
        "ALLOWED_SOURCE_RANGES" => Some(ranges.to_owned()),
        "AWS_ENDPOINT_URL" | "AWS_CA_BUNDLE" => None,
        "DEVELOPMENT_BASE_DOMAINS" => Some("kintone.test".to_owned()),
        _ => Some("set".to_owned()),
    }))
    .expect("these settings are right")
}

fn names(headers: &[(Header, &str)]) -> Value {
    let mut names = serde_json::Map::new();
    for (header, value) in headers {
        let name = match header {
            Header::Origin => "origin",
            Header::Serial => "x-license-serial",
            Header::ForwardedFor => "x-forwarded-for",
        };
        names.insert(name.to_owned(), json!(value));
    }
    names.into()
}

fn event(event: &Event<'_>) -> String {
    let (is_options, product, domain, headers, query, body, source_ip) = match event {
        Event::Raw(text) => return (*text).to_owned(),
        Event::Posted { is_options, domain, plugin_id, raw, is_base64, headers } => {
            let shaped = json!({
                "domain": domain.unwrap_or("example.cybozu.com"),
                "pluginId": plugin_id.unwrap_or(PLUGIN_ID),
            });
            let body = raw.map_or_else(|| shaped.to_string(), str::to_owned);
            let method = if *is_options { "OPTIONS" } else { "POST" };
            return json!({
                "version": "2.0",
                "routeKey": format!("{method} /license"),
                "headers": names(headers),
                "requestContext": { "http": { "method": method, "sourceIp": "103.79.14.21" } },
                "body": if *is_base64 { BASE64.encode(body.as_bytes()) } else { body },
                "isBase64Encoded": is_base64,
            })
            .to_string();
        }
        Event::Shaped { is_options, product, domain, headers, query, body, source_ip } => {
            (is_options, product, domain, headers, query, body, source_ip)
        }
    };
    let query: HashMap<_, _> = query.iter().copied().collect();
    json!({
        "version": "2.0",
        "headers": names(headers),
        "queryStringParameters": query,
        "pathParameters": {
            "product": product.unwrap_or("sheet"),
            "domain": domain.unwrap_or("example.cybozu.com"),
        },
        "requestContext": { "http": {
            "method": if *is_options { "OPTIONS" } else { "GET" },
            "sourceIp": source_ip,
        } },
        "body": body,
        "isBase64Encoded": false,
    })
    .to_string()
}

/// An item as it is written.
fn item() -> AttributeValue {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |n: u64| AttributeValue::N(n.to_string());
    let map = |members: Vec<(&str, AttributeValue)>| {
        AttributeValue::M(members.into_iter().map(|(name, v)| (name.to_owned(), v)).collect())
    };
    map(vec![
        (
            "license",
            map(vec![
                ("domain", text("example.cybozu.com")),
                ("product", text("sheet")),
                ("customer", text("C-0042")),
                ("kind", text("paid")),
                ("edition", text("standard")),
                ("users", number(50)),
                ("quotas", map(vec![("rows", number(9))])),
                ("billing", text("yearly")),
                ("next_billing", text("monthly")),
                ("first_term_on", text("2026-11-01")),
                ("usable_from", text("2026-10-03T01:00:00Z")),
                ("term", map(vec![("starts_on", text("2026-11-01")), ("ends_on", text("2027-10-31"))])),
                ("ends_on", text("2027-10-31")),
                ("suspended_from", text("2027-01-01T00:00:00Z")),
                ("valid_until", text("2027-11-01T00:00:00Z")),
                ("grace_until", text("2027-11-08T00:00:00Z")),
                (
                    "policy",
                    map(vec![
                        ("issuer", text("https://license.example.com")),
                        ("time_zone", text("Asia/Tokyo")),
                        ("cut_off", text("09:00")),
                        ("grace_days", number(7)),
                        ("lease_days", number(14)),
                        ("refresh_hours", number(24)),
                        ("cancel_by_day", number(20)),
                        ("requires_serial", AttributeValue::Bool(false)),
                    ]),
                ),
                (
                    "names",
                    AttributeValue::L(vec![map(vec![
                        ("domain", text("example.cybozu.com")),
                        ("purpose", text("production")),
                        ("from", text("2026-10-03T01:00:00Z")),
                        ("until", text("2027-12-01T00:00:00Z")),
                    ])]),
                ),
                ("kintone_plugin_ids", AttributeValue::L(vec![text(PLUGIN_ID)])),
                // Of SERIAL.
                ("serial_sha256", text("e7e8b89c2721d290cc5f55425491ecd6831355e91063f20b39c22f9ec6a71f91")),
                (
                    "previous_serials",
                    AttributeValue::L(vec![map(vec![
                        ("sha256", text("e7e8b89c2721d290cc5f55425491ecd6831355e91063f20b39c22f9ec6a71f91")),
                        ("until", text("2026-12-24T00:00:00Z")),
                    ])]),
                ),
            ]),
        ),
        (
            "lease",
            map(vec![
                ("jws", text("a.b.c")),
                ("kid", text("kid")),
                ("issued_at", text("2026-11-22T01:03:11Z")),
                ("expires_at", text("2026-12-06T01:03:11Z")),
            ]),
        ),
    ])
}

/// Changes the attribute that a path of positions leads to.
fn mutate(value: &mut AttributeValue, path: &[u8], mutation: &Mutation<'_>) {
    let AttributeValue::M(members) = value else { return };
    let mut names: Vec<String> = members.keys().cloned().collect();
    names.sort();
    let (Some((position, rest)), false) = (path.split_first(), names.is_empty()) else { return };
    let name = &names[usize::from(*position) % names.len()];
    if !rest.is_empty() {
        if let Some(value) = members.get_mut(name) {
            mutate(value, rest, mutation);
        }
        return;
    }
    let changed = match mutation {
        Mutation::Remove => {
            members.remove(name);
            return;
        }
        Mutation::Text(text) => AttributeValue::S((*text).to_owned()),
        Mutation::Number(number) => AttributeValue::N(number.to_string()),
        Mutation::Truth(truth) => AttributeValue::Bool(*truth),
        Mutation::Null => AttributeValue::Null(true),
        Mutation::Bytes(bytes) => AttributeValue::B(bytes.to_vec().into()),
        Mutation::List => AttributeValue::L(Vec::new()),
        Mutation::Map => AttributeValue::M(HashMap::new()),
    };
    members.insert(name.clone(), changed);
}

fuzz_target!(|input: Input<'_>| {
    let settings = if input.has_ranges { &*RANGES } else { &*OPEN };
    let Ok(now) = Timestamp::from_microsecond(input.now) else { return };
    let read = match &input.table {
        Table::Nothing => Ok(None),
        Table::Fails(code) => Err(ReadFailed::of_service(*code, String::new())),
        Table::Item(mutations) => {
            let mut item = item();
            for (path, mutation) in mutations {
                mutate(&mut item, path, mutation);
            }
            let AttributeValue::M(item) = item else { unreachable!() };
            Ok::<Option<Item>, _>(Some(item))
        }
    };
    let is_found = matches!(read, Ok(Some(_)));
    let event = event(&input.event);
    let answered = futures_executor::block_on(answer(&event, settings, now, async |_| read));

    let status = answered.response.status_code;
    assert!([200, 204, 400, 403, 404, 503].contains(&status), "{status}");
    assert_eq!(answered.response.headers["x-content-type-options"], "nosniff");
    let line = answered.line.to_string();
    assert!(!line.contains('\n') && !line.contains(SERIAL));
    let line: Value = serde_json::from_str(&line).expect("the line is JSON");
    assert_eq!(line["status"], status);
    // Whatever the response holds, the gateway can read it.
    let response = serde_json::to_string(&answered.response).expect("the response is JSON");
    let code = line["code"].as_str().expect("a code");
    let is_posted = line["method"] == "POST";
    if status == 200 && is_posted && code == "NOT_FOUND" {
        assert!(response.contains("No item found."));
    } else if status == 200 {
        assert!(is_found, "a licence came from nowhere");
        assert_eq!(line["domain"], "example.cybozu.com");
        let is_valid = matches!(code, "VALID" | "GRACE");
        assert!(is_posted || response.contains(code));
        assert_eq!(is_posted && is_valid, response.contains(r#"message\":\"Valid\""#));
    }
});

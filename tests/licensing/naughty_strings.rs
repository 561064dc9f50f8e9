//! The Big List of Naughty Strings in every input of a caller or an operator: nothing panics, no
//! answer is a server error, and the text is not logged.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use aws_lambda_events::encodings::Body;
use license_lookup::handler::Lookup;
use naughty_strings::BLNS;
use serde_json::{Value, json};
use tegata_archive::ObjectName;
use tegata_common::customer::{CustomerId, CustomerName, EmailAddress};
use tegata_common::domain::BaseDomains;
use tegata_common::notice::{DeliveryId, NoticeId};
use tegata_common::product::{Catalogue, KintonePluginId, ProductSlug};
use tegata_common::serial::Serial;
use tegata_common::version::PluginVersion;
use tegata_notices::file::NoticeFile;
use tegata_tests::{Database, NOW, SigningKey, license, product, put};

const GET: &str = include_str!("../../events/get-license.json");
const POST: &str = include_str!("../../events/post-license.json");

/// The places in an event that a caller controls.
const PLACES: [(&str, &str); 15] = [
    (GET, "/pathParameters/product"),
    (GET, "/pathParameters/domain"),
    (GET, "/headers/x-license-serial"),
    (GET, "/headers/origin"),
    (GET, "/headers/user-agent"),
    (GET, "/headers/x-forwarded-for"),
    (GET, "/queryStringParameters/version"),
    (GET, "/queryStringParameters/serial"),
    (GET, "/rawQueryString"),
    (GET, "/rawPath"),
    (GET, "/body"),
    (GET, "/requestContext/http/sourceIp"),
    (GET, "/requestContext/http/userAgent"),
    (POST, "/body"),
    (POST, "/headers/origin"),
];

fn with(event: &str, pointer: &str, value: impl Into<Value>) -> Value {
    let mut event: Value = serde_json::from_str(event).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[name] = value.into();
    event
}

/// Whether a text appears in a log line only if it was planted: not true for `null`, `200` or
/// `evaluate`.
fn is_telling(text: &str) -> bool {
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric());
    !is_word && text.chars().count() > 6
        || text.chars().any(|c| !c.is_ascii() || c.is_ascii_control())
}

#[tokio::test]
async fn the_lookup_answers_each_as_the_callers_fault() {
    let database = Database::start().await;
    let key = SigningKey::create();
    let lookup = Lookup::new(&database.settings(&[])).unwrap();
    let license = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    put(&database.licenses, &key, license).await;
    let mut events: Vec<(&str, String, Value)> = Vec::new();
    for text in BLNS {
        for (event, pointer) in PLACES {
            events.push((text, pointer.to_owned(), with(event, pointer, *text)));
        }
        for body in [
            json!({ "domain": text, "pluginId": "abcdefghijklmnopabcdefghijklmnop" }),
            json!({ "domain": "example.cybozu.com", "pluginId": text }),
            json!({ "domain": text, "pluginId": text, *text: text }),
        ] {
            let name = format!("the sample's body {body}");
            events.push((text, name, with(POST, "/body", body.to_string())));
        }
    }
    for (text, place, event) in events {
        let answered = lookup
            .answer(&event.to_string(), NOW.parse().unwrap())
            .await;
        let line = answered.line.to_string();
        let response = answered.response;
        let status = response.status_code;
        assert!((200..500).contains(&status), "{place}: {text}: {status}");
        assert!(!line.contains(['\n', '\r']), "{place}: {text}");
        // A valid version or product is logged.
        let is_logged = match place.rsplit('/').next() {
            Some("version") => line.contains(r#""status":200"#),
            Some("product") => text.parse::<ProductSlug>().is_ok(),
            _ => false,
        };
        let quoted = json!(text).to_string();
        let quoted = &quoted[1..quoted.len() - 1];
        if is_telling(text) && !is_logged {
            assert!(!line.contains(quoted), "{place}: {text}: {line}");
        }
        if let Some(Body::Text(body)) = response.body {
            assert!(
                !is_telling(text) || !body.contains(quoted),
                "{place}: {text}: {body}"
            );
        }
    }
}

/// Parses each text. An accepted text parses to the same value again, and has no control character.
fn read_each<T: FromStr + Display>() -> usize
where
    T::Err: Display + Debug,
{
    let mut taken = 0;
    for text in BLNS {
        match text.parse::<T>() {
            Ok(value) => {
                taken += 1;
                let shown = value.to_string();
                assert!(!shown.chars().any(char::is_control), "{text:?}");
                let again: T = shown.parse().unwrap();
                assert_eq!(again.to_string(), shown, "{text:?}");
            }
            Err(error) => {
                let message = error.to_string();
                assert!(!message.is_empty() && !message.contains('\n'), "{text:?}");
                assert!(
                    !is_telling(text) || !message.contains(text),
                    "{text:?}: {message}"
                );
            }
        }
    }
    taken
}

#[test]
fn parsers_take_or_refuse_each() {
    assert!(BLNS.len() > 400);
    read_each::<ProductSlug>();
    read_each::<KintonePluginId>();
    read_each::<CustomerId>();
    read_each::<NoticeId>();
    read_each::<DeliveryId>();
    read_each::<PluginVersion>();
    // Most of them are valid names.
    assert!(read_each::<CustomerName>() > 100);
    for text in BLNS {
        // These types have no `Display`, so that they are not printed by accident.
        let _ = text.parse::<ObjectName>();
        if let Ok(address) = text.parse::<EmailAddress>() {
            let again: EmailAddress = address.as_str().parse().unwrap();
            assert_eq!(again.as_str(), address.as_str());
            assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }
        if let Ok(serial) = Serial::parse(text) {
            let again = Serial::parse(serial.reveal()).unwrap();
            assert_eq!(again.reveal(), serial.reveal());
        }
    }
}

#[test]
fn domains_have_one_spelling() {
    let bases = BaseDomains::default();
    for text in BLNS {
        for host in [
            (*text).to_owned(),
            format!("{text}.cybozu.com"),
            format!("example.cybozu.com{text}"),
            format!("{text}example.s.kintone.com"),
        ] {
            let Ok(domain) = bases.canonicalize(&host) else {
                continue;
            };
            let is_plain =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
            assert!(domain.as_str().bytes().all(is_plain), "{host:?}");
            assert_eq!(
                bases.canonicalize(domain.as_str()).unwrap(),
                domain,
                "{host:?}"
            );
        }
    }
}

#[test]
fn files_of_operators_are_read_or_refused() {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    for text in BLNS {
        let string = quoted(text);
        for notice in [
            (*text).to_owned(),
            format!("kind = {string}"),
            format!(
                "kind = \"release\"\nproducts = [{string}]\ntitle = {{ ja = {string}, en = {string} }}"
            ),
            format!(
                "kind = \"release\"\nplanned_at = {string}\nversion = {string}\ntitle = {{ ja = \"a\", en = \"b\" }}"
            ),
            format!(
                "kind = \"incident\"\ntitle = {{ ja = {string}, en = {string} }}\n[[updates]]\nstage = \"monitoring\"\nbody = {{ ja = {string}, en = {string} }}"
            ),
            format!("{string} = 1"),
        ] {
            if let Ok(file) = NoticeFile::parse(&notice) {
                assert!([*text, "b"].contains(&file.title.en.as_str()), "{notice}");
            }
        }
        for catalogue in [
            (*text).to_owned(),
            format!(
                "issuer = {string}\n[products.sheet]\nname = {{ ja = {string}, en = {string} }}"
            ),
            format!(
                "issuer = \"https://license.example.com\"\n[products.{string}]\nname = {{ ja = \"a\", en = \"b\" }}"
            ),
            format!(
                "issuer = \"https://license.example.com\"\ntime_zone = {string}\n[products.sheet]\nname = {{ ja = \"a\", en = \"b\" }}"
            ),
            format!(
                "issuer = \"https://license.example.com\"\n[products.sheet]\nname = {{ ja = \"a\", en = \"b\" }}\n{string} = {string}"
            ),
        ] {
            let _ = toml::from_str::<Catalogue>(&catalogue);
        }
    }
}

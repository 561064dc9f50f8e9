//! Redaction of items for the archive: addresses, hashes of serials and leases are hashed.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_dynamo::AttributeValue;
use serde_json::{Map, Value};

use crate::redact::{hashed, without_addresses};

/// Attributes with the hash of a serial or a lease. The hash of a serial is hashed again, so that
/// the archive cannot be used to test whether a serial belongs to a licence.
const HASHED: [&str; 3] = ["serial_sha256", "sha256", "jws"];

/// The attribute with the caller of a change, which is archived unchanged. The session name of an
/// ARN is often an operator's mail address: it is the evidence, and not a customer's address.
const CALLER: &str = "by";

/// The redacted attributes of an item, sorted by name.
pub(super) fn attributes(
    item: impl IntoIterator<Item = (String, AttributeValue)>,
) -> Map<String, Value> {
    let sorted: BTreeMap<String, AttributeValue> = item.into_iter().collect();
    let kept = sorted.into_iter().map(|(name, value)| {
        let value = keep(&name, value);
        (without_addresses(&name), value)
    });
    kept.collect()
}

fn keep(name: &str, value: AttributeValue) -> Value {
    let texts = |values: Vec<String>| -> Vec<Value> {
        let mut values: Vec<String> = values.iter().map(|text| text_of(name, text)).collect();
        // DynamoDB returns the elements of a set in any order.
        values.sort();
        values.into_iter().map(Value::String).collect()
    };
    match value {
        AttributeValue::S(text) => Value::String(text_of(name, &text)),
        AttributeValue::N(number) => number_of(&number),
        AttributeValue::B(bytes) => Value::String(text_of(name, &BASE64.encode(&bytes))),
        AttributeValue::Bool(value) => Value::Bool(value),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(values) => {
            let values = values.into_iter().map(|value| keep(name, value));
            Value::Array(values.collect())
        }
        AttributeValue::M(map) => Value::Object(attributes(map)),
        AttributeValue::Ss(values) => Value::Array(texts(values)),
        AttributeValue::Ns(values) => Value::Array(texts(values)),
        AttributeValue::Bs(values) => {
            let values = values.iter().map(|bytes| BASE64.encode(bytes));
            Value::Array(texts(values.collect()))
        }
    }
}

/// The tables contain whole numbers. Another number is archived as text.
fn number_of(number: &str) -> Value {
    match number.parse::<i64>() {
        Ok(number) => number.into(),
        Err(_) => Value::String(number.to_owned()),
    }
}

fn text_of(name: &str, text: &str) -> String {
    match name {
        CALLER => text.to_owned(),
        name if HASHED.contains(&name) || is_signed(text) => hashed(text),
        _ => without_addresses(text),
    }
}

/// Whether a text is a compact JWS: its header is a JSON object, and `{"` is `eyJ` in base64url.
fn is_signed(text: &str) -> bool {
    text.starts_with("eyJ") && text.matches('.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_attribute_is_archived_sorted_by_name() {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let item = [
            ("z", s("it@customer.example")),
            ("set", AttributeValue::Ss(vec!["b".into(), "a".into()])),
            (
                "list",
                AttributeValue::L(vec![s("a"), AttributeValue::Null(true)]),
            ),
            ("bytes", AttributeValue::B(b"it".to_vec())),
            ("number", AttributeValue::N("12".into())),
            ("decimal", AttributeValue::N("1.5".into())),
            ("flag", AttributeValue::Bool(true)),
            (
                "by",
                s("arn:aws:sts::1:assumed-role/contracts/taro@vendor.example"),
            ),
            ("serial_sha256", s("00ff")),
            ("token", s("eyJhbGciOiJFUzI1NiJ9.e30.AAAA")),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value));
        let kept = serde_json::to_string(&attributes(item)).unwrap();
        assert_eq!(
            kept,
            r#"{"by":"arn:aws:sts::1:assumed-role/contracts/taro@vendor.example","bytes":"aXQ=","decimal":"1.5","flag":true,"list":["a",null],"number":12,"serial_sha256":"HASH","set":["a","b"],"token":"TOKEN","z":"ADDRESS"}"#
                .replace("HASH", &hashed("00ff"))
                .replace("TOKEN", &hashed("eyJhbGciOiJFUzI1NiJ9.e30.AAAA"))
                .replace("ADDRESS", &hashed("it@customer.example"))
        );
    }
}

//! CloudTrail's records of writes: the caller of a change, as authenticated by IAM.
//!
//! A trail with data events for the tables has an event for each writing call, with the caller, the
//! tables and the keys. It does not contain the written attributes.

use jiff::Timestamp;
use serde::Deserialize;
use serde_dynamo::AttributeValue;
use serde_json::{Map, Value};

use super::item::ItemKey;

/// A call that wrote an item, from CloudTrail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailWrite {
    /// The instant of the call, to the second.
    pub time: Timestamp,
    /// The DynamoDB operation: `TransactWriteItems`, `PutItem`, …
    pub operation: String,
    /// The key of the written item.
    pub key: ItemKey,
    /// The authenticated caller.
    pub caller: Caller,
}

/// The caller of an AWS operation, as authenticated by IAM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The ARN of the identity, or of the session of a role.
    pub arn: String,
    /// The ARN of the role, if the caller is a session of one.
    pub role: Option<String>,
}

impl Caller {
    /// Whether this is the caller stated in a [`Revision`](crate::revision::Revision). An operator's
    /// revision has the ARN of the session, a function's the ARN of its role.
    pub fn is(&self, named: &str) -> bool {
        self.arn == named || self.role.as_deref() == Some(named)
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/understanding-ddb-log-entries.html>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_time: Timestamp,
    event_source: String,
    event_name: String,
    /// Present if the call failed, and wrote nothing.
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    read_only: Option<bool>,
    user_identity: UserIdentity,
    #[serde(default)]
    request_parameters: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity {
    #[serde(default)]
    arn: Option<String>,
    #[serde(default)]
    invoked_by: Option<String>,
    #[serde(default)]
    session_context: Option<SessionContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext {
    #[serde(default)]
    session_issuer: Option<SessionIssuer>,
}

#[derive(Deserialize)]
struct SessionIssuer {
    #[serde(default)]
    arn: Option<String>,
}

/// The writes in a file of a trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailFile {
    /// The writes with a known key.
    pub writes: Vec<TrailWrite>,
    /// The writes whose event has no key, such as PartiQL statements: `<operation> by <caller>`.
    pub without_a_key: Vec<(Timestamp, String)>,
}

/// Parses a decompressed file of a trail. Events of other services are ignored.
pub fn read_trail(file: &[u8]) -> Result<TrailFile, serde_json::Error> {
    let file: File = serde_json::from_slice(file)?;
    let mut read = TrailFile::default();
    for record in file.records {
        // Events of other services may have another format.
        let Ok(event) = serde_json::from_value::<Event>(record) else {
            continue;
        };
        let is_a_write = event.event_source == "dynamodb.amazonaws.com"
            && event.error_code.is_none()
            && event.read_only == Some(false);
        if is_a_write {
            add(&mut read, event);
        }
    }
    Ok(read)
}

fn add(read: &mut TrailFile, event: Event) {
    let identity = event.user_identity;
    let issuer = identity.session_context.and_then(|of| of.session_issuer);
    let caller = Caller {
        arn: identity.arn.or(identity.invoked_by).unwrap_or_default(),
        role: issuer.and_then(|issuer| issuer.arn),
    };
    let mut keys = Vec::new();
    let parameters = event.request_parameters.unwrap_or_default();
    find_keys(&Value::Object(parameters), &mut keys);
    if keys.is_empty() {
        let words = format!("{} by {}", event.event_name, caller.arn);
        read.without_a_key.push((event.event_time, words));
    }
    let writes = keys.into_iter().map(|key| TrailWrite {
        time: event.event_time,
        operation: event.event_name.clone(),
        key,
        caller: caller.clone(),
    });
    read.writes.extend(writes);
}

/// Finds the keys in a request's parameters: `key` of one item, `requestItems[].key` of a
/// transaction, or a list per table name of a batch. Published examples differ in upper and lower
/// case, and in whether a value has a type.
fn find_keys(value: &Value, keys: &mut Vec<ItemKey>) {
    match value {
        Value::Object(map) => {
            let is_check = member(map, "operation")
                .and_then(Value::as_str)
                .is_some_and(|operation| operation == "ConditionCheck");
            if is_check {
                return;
            }
            if let Some(Value::Object(key)) = member(map, "key") {
                keys.extend(item_key(key));
                return;
            }
            for value in map.values() {
                find_keys(value, keys);
            }
        }
        Value::Array(values) => {
            for value in values {
                find_keys(value, keys);
            }
        }
        _ => {}
    }
}

fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut members = map.iter();
    let found = members.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn item_key(key: &Map<String, Value>) -> Option<ItemKey> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(AttributeValue::S(text.clone())),
        Value::Object(typed) => match member(typed, "s") {
            Some(Value::String(text)) => Some(AttributeValue::S(text.clone())),
            _ => None,
        },
        _ => None,
    };
    let attributes = key
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), text(value)?)));
    let attributes: std::collections::HashMap<&str, AttributeValue> = attributes.collect();
    ItemKey::of(|name| attributes.get(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/contracts/taro.yamada";
    const ROLE: &str = "arn:aws:iam::123456789012:role/contracts";

    fn event(name: &str, parameters: &Value) -> Value {
        json!({
            "eventVersion": "1.07",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:taro.yamada",
                "arn": SESSION,
                "accountId": "123456789012",
                "sessionContext": {
                    "sessionIssuer": { "type": "Role", "arn": ROLE, "userName": "contracts" },
                    "attributes": { "creationDate": "2026-11-27T00:00:00Z", "mfaAuthenticated": "false" },
                },
            },
            "eventTime": "2026-11-27T01:00:00Z",
            "eventSource": "dynamodb.amazonaws.com",
            "eventName": name,
            "awsRegion": "ap-northeast-1",
            "requestParameters": parameters,
            "responseElements": null,
            "readOnly": false,
            "resources": [{
                "accountId": "123456789012",
                "type": "AWS::DynamoDB::Table",
                "ARN": "arn:aws:dynamodb:ap-northeast-1:123456789012:table/Licenses",
            }],
            "eventType": "AwsApiCall",
            "apiVersion": "2012-08-10",
            "managementEvent": false,
            "eventCategory": "Data",
        })
    }

    fn read(events: &[Value]) -> TrailFile {
        read_trail(json!({ "Records": events }).to_string().as_bytes()).unwrap()
    }

    /// The format is that of events published by others: awsdocs/amazon-dynamodb-developer-guide
    /// (understanding-ddb-log-entries.md, the data events; its examples differ in the case of
    /// letters within one event), and IBM/universal-connectors (logstash-filter-dynamodb-guardium,
    /// ParserTest.java: events around a request, as they arrived).
    #[test]
    fn a_transaction_has_its_keys_and_its_caller() {
        let transaction = event(
            "TransactWriteItems",
            &json!({ "requestItems": [
                {
                    "operation": "Put", "tableName": "Licenses", "items": ["domain", "product", "license"],
                    "key": { "domain": "example.cybozu.com", "product": "sheet" },
                },
                {
                    "operation": "Delete", "TableName": "Customers",
                    "Key": { "customer_id": "C-0001", "item": "contact#it@customer.example" },
                },
                {
                    "operation": "ConditionCheck", "TableName": "Licenses",
                    "Key": { "domain": "other.cybozu.com", "product": "sheet" },
                },
            ] }),
        );
        let found = read(&[transaction]);
        let keys: Vec<&str> = found
            .writes
            .iter()
            .map(|of| of.key.partition.as_str())
            .collect();
        assert_eq!(keys, ["example.cybozu.com", "C-0001"]);
        assert!(
            !found.writes[1].key.sort.contains('@'),
            "{:?}",
            found.writes
        );
        let write = &found.writes[0];
        assert_eq!(write.operation, "TransactWriteItems");
        assert!(
            write.caller.is(SESSION) && write.caller.is(ROLE) && !write.caller.is("local:taro")
        );
    }

    /// A key's values with their types, as in samples of such events in other programs.
    #[test]
    fn the_key_of_one_item_is_found_with_or_without_types() {
        for (partition, sort) in [
            (json!("example.cybozu.com"), json!("sheet")),
            (
                json!({ "S": "example.cybozu.com" }),
                json!({ "s": "sheet" }),
            ),
        ] {
            let put = event(
                "PutItem",
                &json!({ "tableName": "Licenses", "key": { "domain": partition, "product": sort } }),
            );
            let found = read(&[put]);
            assert_eq!(found.writes.len(), 1, "{found:?}");
            assert_eq!(
                found.writes[0].key.to_string(),
                "licenses example.cybozu.com, sheet"
            );
        }
    }

    #[test]
    fn failed_calls_are_ignored_and_calls_without_a_key_are_reported() {
        let parameters =
            json!({ "tableName": "Licenses", "key": { "domain": "x", "product": "y" } });
        let mut failed = event("PutItem", &parameters);
        failed["errorCode"] = json!("ConditionalCheckFailedException");
        let mut reading = event("GetItem", &parameters);
        reading["readOnly"] = json!(true);
        let mut of_another_service = event("PutObject", &parameters);
        of_another_service["eventSource"] = json!("s3.amazonaws.com");
        let statement =
            json!({ "statement": "UPDATE \"Licenses\" SET \"license\" = ***(Redacted)" });
        let partiql = event("ExecuteStatement", &statement);
        let found = read(&[failed, reading, of_another_service, json!({}), partiql]);
        assert_eq!(found.writes, []);
        assert_eq!(found.without_a_key.len(), 1);
        assert!(
            found.without_a_key[0]
                .1
                .starts_with("ExecuteStatement by arn:aws:sts")
        );
    }
}

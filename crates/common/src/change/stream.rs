//! DynamoDB stream records, as delivered by Lambda.

use jiff::Timestamp;
use serde::Deserialize;

use super::item::{self, ArchivedItem, ItemKey};
use super::record::{ChangeEvent, ChangeLine, ChangeRecord, UnreadableChange};
use crate::access::Unreadable;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Deserialize)]
struct StreamRecord {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventName")]
    event_name: EventName,
    dynamodb: Images,
    #[serde(rename = "userIdentity", default)]
    user_identity: Option<UserIdentity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum EventName {
    Insert,
    Modify,
    Remove,
}

#[derive(Deserialize)]
struct UserIdentity {
    #[serde(rename = "principalId")]
    principal_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    approximate_creation_date_time: f64,
    keys: serde_dynamo::Item,
    sequence_number: String,
    #[serde(default)]
    old_image: Option<serde_dynamo::Item>,
    #[serde(default)]
    new_image: Option<serde_dynamo::Item>,
}

/// The part of a record that decides under which day it is archived.
#[derive(Deserialize)]
struct Timed {
    dynamodb: TimedImages,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimedImages {
    approximate_creation_date_time: f64,
}

/// Converts a stream record into a line of the archive. The same record always gives the same line.
///
/// An invalid record gives [`ChangeLine::Unreadable`], which does not contain its content. `now` is
/// used as its instant if it has none.
pub fn read_record(record: &str, now: Timestamp) -> ChangeLine {
    let unreadable = |reason: String| {
        let time = serde_json::from_str::<Timed>(record);
        let time = time
            .ok()
            .and_then(|timed| instant(timed.dynamodb.approximate_creation_date_time));
        ChangeLine::Unreadable(UnreadableChange {
            time: time.unwrap_or(now),
            unreadable: Unreadable::new(record.as_bytes(), reason),
        })
    };
    let read: StreamRecord = match serde_json::from_str(record) {
        Ok(read) => read,
        // The message of serde_json may repeat content of the record.
        Err(error) => return unreadable(format!("invalid record, column {}", error.column())),
    };
    let images = read.dynamodb;
    let Some(time) = instant(images.approximate_creation_date_time) else {
        return unreadable("the instant is out of range".to_owned());
    };
    let keys = images.keys.into_inner();
    let Some(key) = ItemKey::of(|name| keys.get(name)) else {
        return unreadable("the key belongs to no known table".to_owned());
    };
    let kept = |image: Option<serde_dynamo::Item>| {
        image.and_then(|image| ArchivedItem::of(image.into_inner()).map(|item| item.attributes))
    };
    let after = kept(images.new_image);
    ChangeLine::Change(ChangeRecord {
        time,
        event_id: read.event_id,
        sequence: images.sequence_number,
        event: match read.event_name {
            EventName::Insert => ChangeEvent::Insert,
            EventName::Modify => ChangeEvent::Modify,
            EventName::Remove => ChangeEvent::Remove,
        },
        key,
        claim: after.as_ref().and_then(item::revision),
        service: read.user_identity.map(|identity| identity.principal_id),
        before: kept(images.old_image),
        after,
    })
}

/// Converts seconds since 1970. A fraction is cut off.
#[allow(clippy::cast_possible_truncation)] // A truncated value is out of the calendar's range too.
fn instant(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds.floor() as i64).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::change::TableKind;

    const NOW: &str = "2026-11-28T00:00:00Z";

    fn read(record: &Value) -> ChangeLine {
        read_record(&record.to_string(), NOW.parse().unwrap())
    }

    /// The format is that of records published by others: Ankcorn/dynamodb-streams-test (README.md,
    /// as they arrived from a table of each kind of view) and aws/aws-lambda-go
    /// (events/testdata/dynamodb-event.json).
    fn record() -> Value {
        json!({
            "eventID": "aadf063d99e89af53c4212e558d681b3",
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "ap-northeast-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_741_200,
                "Keys": { "customer_id": { "S": "C-0042" }, "item": { "S": "contact#it@customer.example" } },
                "NewImage": {
                    "customer_id": { "S": "C-0042" },
                    "item": { "S": "contact#it@customer.example" },
                    "email": { "S": "It@customer.example" },
                    "role": { "S": "primary" },
                    "releases": { "BOOL": true },
                    "severity_floor": { "NULL": true },
                    "revision": { "M": {
                        "version": { "N": "2" },
                        "at": { "S": "2026-11-27T01:00:00.123Z" },
                        "by": { "S": "arn:aws:sts::123456789012:assumed-role/contracts/taro@vendor.example" },
                        "change": { "S": "change" },
                    } },
                },
                "OldImage": {
                    "customer_id": { "S": "C-0042" },
                    "item": { "S": "contact#it@customer.example" },
                    "email": { "S": "it@customer.example" },
                },
                "SequenceNumber": "400000000008367680596",
                "SizeBytes": 300,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": "arn:aws:dynamodb:ap-northeast-1:123456789012:table/Customers/stream/2026-11-01T00:00:00.000",
        })
    }

    #[test]
    fn a_record_has_the_change_and_its_caller_without_an_address() {
        let ChangeLine::Change(change) = read(&record()) else {
            panic!("unreadable");
        };
        assert_eq!(change.time, "2026-11-27T01:00:00Z".parse().unwrap());
        assert_eq!(
            (change.event, change.key.table),
            (ChangeEvent::Modify, TableKind::Customers)
        );
        let claim = change.claim.clone().unwrap();
        assert_eq!((claim.version, claim.change.as_str()), (2, "change"));
        assert!(claim.by.ends_with("/taro@vendor.example"));
        let line = serde_json::to_string(&change).unwrap();
        assert!(!line.contains("customer.example"), "{line}");
        assert_eq!(
            change.before.unwrap()["email"],
            change.after.clone().unwrap()["email"]
        );
        assert_eq!(change.after.unwrap()["role"], "primary");
        // The line is the same for every delivery, and round-trips.
        assert_eq!(line, serde_json::to_string(&read(&record())).unwrap());
        assert_eq!(
            serde_json::from_str::<ChangeLine>(&line).unwrap(),
            read(&record())
        );
    }

    #[test]
    fn a_deletion_by_dynamodb_has_the_service() {
        let mut deleted = record();
        deleted["eventName"] = json!("REMOVE");
        deleted["userIdentity"] =
            json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
        deleted["dynamodb"]
            .as_object_mut()
            .unwrap()
            .remove("NewImage");
        let ChangeLine::Change(change) = read(&deleted) else {
            panic!("unreadable");
        };
        assert_eq!(change.service.as_deref(), Some("dynamodb.amazonaws.com"));
        assert_eq!((change.claim, change.after), (None, None));
    }

    #[test]
    fn an_invalid_record_gives_a_line_without_its_content() {
        let mut of_another_table = record();
        of_another_table["dynamodb"]["Keys"] = json!({ "id": { "S": "it@customer.example" } });
        let mut without_a_time = record();
        without_a_time["dynamodb"]["ApproximateCreationDateTime"] = json!("it@customer.example");
        let its_own = "2026-11-27T01:00:00Z";
        for (record, time, reason) in [
            (
                of_another_table,
                its_own,
                "the key belongs to no known table",
            ),
            (without_a_time, NOW, "invalid record"),
            (json!("it@customer.example"), NOW, "invalid record"),
        ] {
            let line = read(&record);
            assert_eq!(line.time(), time.parse().unwrap());
            let text = serde_json::to_string(&line).unwrap();
            assert!(
                text.contains(reason) && !text.contains("customer"),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<ChangeLine>(&text).unwrap(), line);
        }
    }
}

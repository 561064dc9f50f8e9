//! Whatever a trail's file holds: only successful writes are read, and their keys hold no address.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tegata_common::change::read_trail;

const ADDRESS: &str = "It.Dept@customer.example";
const SECRETS: [&str; 2] = ["it.dept", "customer.example"];
const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/contracts/taro.yamada";

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Shaped(Vec<Event<'a>>),
}

#[derive(Arbitrary, Debug)]
struct Event<'a> {
    name: &'a str,
    is_dynamodb: bool,
    read_only: Option<bool>,
    error: Option<&'a str>,
    has_session: bool,
    request: Request<'a>,
}

/// A request's parameters as published events have them: names in either case, values with their
/// type or without.
#[derive(Arbitrary, Debug)]
enum Request<'a> {
    Key(Key<'a>),
    Transaction(Vec<(Operation, Key<'a>)>),
    Batch(&'a str, Vec<Key<'a>>),
    Statement(&'a str),
    Nothing,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Put,
    Check,
}

#[derive(Arbitrary, Debug)]
struct Key<'a> {
    table: u8,
    partition: &'a str,
    is_contact: bool,
    sort: &'a str,
    form: u8,
}

fn key(key: &Key<'_>) -> Value {
    let [partition, sort] =
        [["domain", "product"], ["customer_id", "item"], ["notice_id", "item"]][usize::from(key.table % 3)];
    let text = match key.is_contact {
        true => format!("contact#{ADDRESS}"),
        false => key.sort.to_owned(),
    };
    let typed = |text: &str| match key.form % 3 {
        0 => json!(text),
        1 => json!({ "S": text }),
        _ => json!({ "s": text }),
    };
    json!({ partition: typed(key.partition), sort: typed(&text) })
}

fn event(event: &Event<'_>) -> Value {
    let parameters = match &event.request {
        Request::Key(of) => json!({ "tableName": "Licenses", "key": key(of) }),
        Request::Transaction(items) => {
            let items = items.iter().map(|(operation, of)| match operation {
                Operation::Put => json!({ "operation": "Put", "Key": key(of) }),
                Operation::Check => json!({ "operation": "ConditionCheck", "key": key(of) }),
            });
            json!({ "requestItems": items.collect::<Vec<_>>() })
        }
        Request::Batch(table, keys) => {
            let puts = keys.iter().map(|of| json!({ "deleteRequest": { "key": key(of) } }));
            json!({ "requestItems": { *table: puts.collect::<Vec<_>>() } })
        }
        Request::Statement(text) => json!({ "statement": text }),
        Request::Nothing => Value::Null,
    };
    let mut event_ = json!({
        "eventTime": "2026-11-27T01:00:00Z",
        "eventSource": if event.is_dynamodb { "dynamodb.amazonaws.com" } else { "s3.amazonaws.com" },
        "eventName": event.name,
        "errorCode": event.error,
        "userIdentity": { "arn": CALLER },
        "requestParameters": parameters,
    });
    if let Some(read_only) = event.read_only {
        event_["readOnly"] = json!(read_only);
    }
    if event.has_session {
        event_["userIdentity"]["sessionContext"] =
            json!({ "sessionIssuer": { "arn": "arn:aws:iam::123456789012:role/contracts" } });
    }
    event_
}

fn has_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SECRETS.iter().any(|secret| lower.contains(&secret.to_ascii_lowercase()))
}

fuzz_target!(|input: Input<'_>| {
    let events = match &input {
        Input::Raw(file) => {
            if let Ok(read) = read_trail(file) {
                assert_eq!(read_trail(file).ok(), Some(read));
            }
            return;
        }
        Input::Shaped(events) => events,
    };
    let file = json!({ "Records": events.iter().map(event).collect::<Vec<_>>() }).to_string();
    let read = read_trail(file.as_bytes()).expect("a trail's file");

    let is_a_write = |event: &&Event<'_>| {
        event.is_dynamodb && event.error.is_none() && event.read_only == Some(false)
    };
    let writes = events.iter().filter(is_a_write);
    let mut expected = 0;
    let mut without_a_key = 0;
    for event in writes {
        let keys = match &event.request {
            Request::Key(_) => 1,
            Request::Transaction(items) => {
                let puts = items.iter().filter(|(operation, _)| matches!(operation, Operation::Put));
                puts.count()
            }
            // A batch for a table of this name looks like one item's key.
            Request::Batch(table, _) if table.eq_ignore_ascii_case("key") => return,
            Request::Batch(table, _) if table.eq_ignore_ascii_case("operation") => return,
            Request::Batch(_, keys) => keys.len(),
            Request::Statement(_) | Request::Nothing => 0,
        };
        expected += keys;
        without_a_key += usize::from(keys == 0);
    }
    assert_eq!(read.writes.len(), expected, "{file}");
    assert_eq!(read.without_a_key.len(), without_a_key, "{file}");
    // A text of the fuzzer's may have a part of the address.
    let is_secret = !has_secret(&format!("{input:?}"));
    for write in &read.writes {
        assert!(write.caller.is(CALLER) && !write.caller.is(""));
        let key = write.key.to_string();
        assert!(!is_secret || !has_secret(&key), "{key}");
    }
});

//! Whatever a table's stream delivers: a line of the archive each, which reads back the same and
//! holds no address, no serial's hash as the table has it and no lease that could be used.
#![no_main]

use arbitrary::Arbitrary;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tegata_common::change::{ChangeLine, ChangeRecord, read_record};

const ADDRESS: &str = "It.Dept@customer.example";
const HASH: &str = "e7e8b89c2721d290cc5f55425491ecd6831355e91063f20b39c22f9ec6a71f91";
const SECRETS: [&str; 4] = ["it.dept", "customer.example", HASH, LEASE];
const LEASE: &str = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a str),
    Shaped {
        event: Event,
        table: u8,
        seconds: f64,
        partition: &'a str,
        sort: Sort<'a>,
        before: Option<Vec<(Name<'a>, Attribute<'a>)>>,
        after: Option<Vec<(Name<'a>, Attribute<'a>)>>,
    },
}

#[derive(Arbitrary, Debug)]
enum Event {
    Insert,
    Modify,
    Remove,
    Other,
}

#[derive(Arbitrary, Debug)]
enum Sort<'a> {
    Text(&'a str),
    Contact,
    /// A history item's, with whatever precedes the instant.
    Past(&'a str, i32),
    Around(Between, Between),
}

/// Around the address, what cannot be a part of one.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Between {
    Nothing,
    Blank,
    Angle,
    Comma,
    Colon,
    LineFeed,
    Japanese,
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Any(&'a str),
    Hash,
    Lease,
    Revision,
    Email,
}

#[derive(Arbitrary, Debug)]
enum Attribute<'a> {
    Text(&'a str),
    Address(&'a str, Between, Between, &'a str),
    Lease,
    Number(&'a str),
    Bytes(&'a str),
    Truth(bool),
    Null,
    Texts(Vec<&'a str>),
    Addresses(Between),
    List(Vec<Attribute<'a>>),
    Map(Vec<(Name<'a>, Attribute<'a>)>),
}

impl Between {
    fn text(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Blank => " ",
            Self::Angle => "<>",
            Self::Comma => ",",
            Self::Colon => "mailto:",
            Self::LineFeed => "\r\n",
            Self::Japanese => "　",
        }
    }
}

fn value(attribute: &Attribute<'_>) -> Value {
    match attribute {
        Attribute::Text(text) => json!({ "S": text }),
        Attribute::Address(before, left, right, after) => {
            json!({ "S": format!("{before}{}{ADDRESS}{}{after}", left.text(), right.text()) })
        }
        Attribute::Lease => json!({ "S": LEASE }),
        Attribute::Number(text) => json!({ "N": text }),
        Attribute::Bytes(text) => json!({ "B": text }),
        Attribute::Truth(truth) => json!({ "BOOL": truth }),
        Attribute::Null => json!({ "NULL": true }),
        Attribute::Texts(texts) => json!({ "SS": texts }),
        Attribute::Addresses(between) => {
            json!({ "SS": [ADDRESS, format!("a{}{ADDRESS}", between.text())] })
        }
        Attribute::List(values) => json!({ "L": values.iter().map(value).collect::<Vec<_>>() }),
        Attribute::Map(members) => json!({ "M": attributes(members) }),
    }
}

fn attributes(members: &[(Name<'_>, Attribute<'_>)]) -> Value {
    let mut map = serde_json::Map::new();
    for (name, attribute) in members {
        let (name, value) = match name {
            // Who made a change is kept as it is.
            Name::Any("by") => continue,
            Name::Any(name) => ((*name).to_owned(), value(attribute)),
            Name::Hash => ("serial_sha256".to_owned(), json!({ "S": HASH })),
            Name::Lease => ("jws".to_owned(), json!({ "S": LEASE })),
            Name::Email => (ADDRESS.to_owned(), value(attribute)),
            Name::Revision => (
                "revision".to_owned(),
                json!({ "M": {
                    "version": { "N": "2" }, "at": { "S": "2026-11-27T01:00:00.123Z" },
                    "by": { "S": "local:taro" }, "change": value(attribute),
                } }),
            ),
        };
        map.insert(name, value);
    }
    map.into()
}

fn record(input: &Input<'_>) -> String {
    let (event, table, seconds, partition, sort, before, after) = match input {
        Input::Raw(text) => return (*text).to_owned(),
        Input::Shaped { event, table, seconds, partition, sort, before, after } => {
            (event, table, seconds, partition, sort, before, after)
        }
    };
    let sort = match sort {
        Sort::Text(text) => (*text).to_owned(),
        Sort::Contact => format!("contact#{ADDRESS}"),
        Sort::Past(text, second) => {
            let at = Timestamp::from_second((*second).into()).unwrap_or_default();
            format!("{text}@{at}")
        }
        Sort::Around(left, right) => format!("{}{ADDRESS}{}", left.text(), right.text()),
    };
    let [partition_name, sort_name] =
        [["domain", "product"], ["customer_id", "item"], ["notice_id", "item"]][usize::from(table % 3)];
    let keys = json!({ partition_name: { "S": partition }, sort_name: { "S": sort } });
    let image = |members: &Vec<(Name<'_>, Attribute<'_>)>| {
        let mut image = attributes(members);
        image[partition_name] = keys[partition_name].clone();
        image[sort_name] = keys[sort_name].clone();
        image
    };
    let mut record = json!({
        "eventID": "aadf063d99e89af53c4212e558d681b3",
        "eventName": match event {
            Event::Insert => "INSERT",
            Event::Modify => "MODIFY",
            Event::Remove => "REMOVE",
            Event::Other => "RENAME",
        },
        "dynamodb": {
            "ApproximateCreationDateTime": seconds,
            "Keys": keys,
            "SequenceNumber": "400000000008367680596",
        },
    });
    if let Some(before) = before {
        record["dynamodb"]["OldImage"] = image(before);
    }
    if let Some(after) = after {
        record["dynamodb"]["NewImage"] = image(after);
    }
    record.to_string()
}

fn has_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SECRETS.iter().any(|secret| lower.contains(&secret.to_ascii_lowercase()))
}

fuzz_target!(|input: Input<'_>| {
    let now: Timestamp = "2026-11-28T00:00:00Z".parse().expect("an instant");
    let record = record(&input);
    let line = read_record(&record, now);
    let text = serde_json::to_string(&line).expect("a line");
    assert!(!text.contains('\n'));
    let read: ChangeLine = serde_json::from_str(&text).expect("its own line");
    assert_eq!(read, line, "{text}");
    assert_eq!(read.time(), line.time());
    if let ChangeLine::Change(change) = &line {
        check(change);
    }
    // Where secrets stand in places of their own. A text of the fuzzer's may have a part of one.
    if matches!(input, Input::Shaped { .. }) && !has_secret(&format!("{input:?}")) {
        assert!(!has_secret(&text), "{text}\n{record}");
    }
});

fn check(change: &ChangeRecord) {
    let (digits, number) = change.order();
    assert_eq!(digits, number.len());
    // Its key is in the archive's form already: what it is for does not depend on who asks.
    assert_eq!(change.key.role(), change.key.clone().role());
    let [partition, sort] = change.key.table.key_attributes();
    for image in [&change.before, &change.after].into_iter().flatten() {
        assert!(!image.contains_key(partition) && !image.contains_key(sort));
    }
}

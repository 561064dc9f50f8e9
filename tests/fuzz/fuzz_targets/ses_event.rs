//! Whatever EventBridge delivers as an event of SES's: what is recorded follows from the event, a
//! repeated event records nothing new, and the order of two does not matter.
#![no_main]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use arbitrary::Arbitrary;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use futures_executor::block_on;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tegata_storage::notices::Notices;

#[path = "../../../functions/release-notification/src/feedback.rs"]
#[allow(dead_code)] // Its answer is not written here.
mod feedback;

use feedback::{Feedback, FeedbackError, Seen};

const ADDRESS: &str = "it@sample.example";
const NOTICE: &str = "2026-12-05-sheet-1.9.0";
const DELIVERY: &str = "001-6f1ed002ab5595859014ebf0951522d9";

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a str),
    Shaped(Event<'a>, Event<'a>),
}

#[derive(Arbitrary, Debug)]
struct Event<'a> {
    kind: Kind<'a>,
    sent: i32,
    notice: Option<&'a str>,
    delivery: Option<&'a str>,
    attempt: Number<'a>,
}

#[derive(Arbitrary, Debug)]
enum Number<'a> {
    Small(u8),
    Any(i64),
    Text(&'a str),
    Missing,
}

#[derive(Arbitrary, Debug)]
enum Kind<'a> {
    Send,
    Delivery(Option<i32>),
    Bounce { kind: BounceType<'a>, subtype: Option<&'a str>, at: i32 },
    Complaint { at: i32, feedback: Option<&'a str>, is_not_spam: bool },
    Reject(Option<&'a str>),
    RenderingFailure(Option<&'a str>),
    Delay(Option<i32>),
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum BounceType<'a> {
    Permanent,
    Transient,
    Other(&'a str),
}

fn instant(second: i32) -> Timestamp {
    Timestamp::from_second(second.into()).unwrap_or_default()
}

fn event(event: &Event<'_>) -> String {
    let at = |second: &i32| json!({ "timestamp": instant(*second) });
    let (kind, name, details) = match &event.kind {
        Kind::Send => ("Send", "send", json!({})),
        Kind::Delivery(second) => ("Delivery", "delivery", second.as_ref().map_or(Value::Null, at)),
        Kind::Bounce { kind, subtype, at } => {
            let kind = match kind {
                BounceType::Permanent => "Permanent",
                BounceType::Transient => "Transient",
                BounceType::Other(kind) => kind,
            };
            let mut bounce = json!({ "bounceType": kind, "timestamp": instant(*at),
                "bouncedRecipients": [{ "emailAddress": ADDRESS, "diagnosticCode": format!("550 <{ADDRESS}>") }] });
            if let Some(subtype) = subtype {
                bounce["bounceSubType"] = json!(subtype);
            }
            ("Bounce", "bounce", bounce)
        }
        Kind::Complaint { at, feedback, is_not_spam } => {
            let feedback = if *is_not_spam { Some("not-spam") } else { *feedback };
            let complaint = json!({ "timestamp": instant(*at), "complaintFeedbackType": feedback,
                "complainedRecipients": [{ "emailAddress": ADDRESS }] });
            ("Complaint", "complaint", complaint)
        }
        Kind::Reject(reason) => {
            ("Reject", "reject", reason.map_or(Value::Null, |reason| json!({ "reason": reason })))
        }
        Kind::RenderingFailure(text) => {
            let failure = text.map_or(Value::Null, |text| json!({ "errorMessage": text }));
            ("Rendering Failure", "failure", failure)
        }
        Kind::Delay(second) => {
            let delay = second.as_ref().map_or(Value::Null, at);
            ("DeliveryDelay", "deliveryDelay", delay)
        }
        Kind::Other(name) => (*name, "open", json!({})),
    };
    let attempt = match event.attempt {
        Number::Small(number) => Some(number.to_string()),
        Number::Any(number) => Some(number.to_string()),
        Number::Text(text) => Some(text.to_owned()),
        Number::Missing => None,
    };
    let mut tags = json!({
        "notice": [event.notice.unwrap_or("2026-12-05-sheet-1_9_0")],
        "delivery": [event.delivery.unwrap_or(DELIVERY)],
    });
    if let Some(attempt) = attempt {
        tags["attempt"] = json!([attempt]);
    }
    let mut detail = json!({
        "eventType": kind,
        "mail": { "timestamp": instant(event.sent), "destination": [ADDRESS], "tags": tags },
    });
    detail[name] = details;
    json!({
        "version": "0", "id": "a94e5c17-8f03-4d26-b1e8-73d9c042f633", "detail-type": "Email",
        "source": "aws.ses", "account": "123456789012", "time": "2026-11-26T01:00:05Z",
        "region": "ap-northeast-1", "resources": [], "detail": detail,
    })
    .to_string()
}

/// DynamoDB as far as the function asks: items by key, without conditions. Nobody else writes.
#[derive(Clone, Debug, Default)]
struct Database(Arc<Mutex<HashMap<(String, String), Value>>>);

fn key(item: &Value) -> (String, String) {
    let text = |name: &str| item[name]["S"].as_str().expect("a key").to_owned();
    (text("notice_id"), text("item"))
}

impl Database {
    fn answer(&self, request: &HttpRequest) -> Value {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).expect("a request is JSON");
        let mut items = self.0.lock().expect("one thread");
        match operation {
            "DynamoDB_20120810.GetItem" => match items.get(&key(&body["Key"])) {
                Some(item) => json!({ "Item": item }),
                None => json!({}),
            },
            "DynamoDB_20120810.PutItem" => {
                items.insert(key(&body["Item"]), body["Item"].clone());
                json!({})
            }
            "DynamoDB_20120810.TransactWriteItems" => {
                for write in body["TransactItems"].as_array().into_iter().flatten() {
                    let item = &write["Put"]["Item"];
                    items.insert(key(item), item.clone());
                }
                json!({})
            }
            // The last item of a history.
            "DynamoDB_20120810.Query" => {
                let text = |name: &str| {
                    let value = &body["ExpressionAttributeValues"][name]["S"];
                    value.as_str().expect("a text").to_owned()
                };
                let (partition, first, end) = (text(":partition"), text(":first"), text(":end"));
                let found = items.iter().filter(|((of, sort), _)| {
                    *of == partition && *sort >= first && *sort <= end
                });
                let last = found.max_by_key(|(key, _)| (*key).clone());
                json!({ "Items": last.map(|(_, item)| item).into_iter().collect::<Vec<_>>() })
            }
            other => panic!("{other}"),
        }
    }

    fn items(&self) -> Vec<((String, String), Value)> {
        let items = self.0.lock().expect("one thread");
        let mut items: Vec<_> = items.clone().into_iter().collect();
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        items
    }

    /// As it was before any event: one delivery, which was sent.
    fn reset(&self) {
        let at = json!({ "S": "2026-11-26T01:00:03Z" });
        let attempt = json!({ "M": {
            "sent_at": at,
        } });
        let item = json!({
            "notice_id": { "S": NOTICE }, "item": { "S": format!("delivery#{DELIVERY}") },
            "delivery": { "S": DELIVERY }, "email": { "S": ADDRESS }, "language": { "S": "ja" },
            "why": { "S": "primary" }, "customers": { "L": [] }, "version": { "N": "1" },
            "facts": { "M": { "attempts": { "L": [attempt] }, "again": { "L": [] } } },
        });
        let mut items = self.0.lock().expect("one thread");
        items.clear();
        items.insert(key(&item), item);
    }
}

impl HttpConnector for Database {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = SdkBody::from(self.answer(&request).to_string());
        let ok = 200_u16.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, answer)))
    }
}

static DATABASE: LazyLock<Database> = LazyLock::new(Database::default);
static FUNCTION: LazyLock<Feedback> = LazyLock::new(|| {
    let connector = SharedHttpConnector::new(DATABASE.clone());
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("ap-northeast-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "fuzzing"))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    Feedback::new(Notices::new(client, "Notices"), "arn:aws:iam::1:role/feedback")
});

fn handle(event: &str) -> Option<Seen> {
    let now = "2026-11-26T02:00:00Z".parse().expect("an instant");
    match block_on(FUNCTION.handle(event, now)) {
        Ok(seen) => Some(seen),
        Err(FeedbackError::Unreadable(_)) => None,
        Err(FeedbackError::Table(error)) => panic!("{error}"),
    }
}

/// What the delivery and the list of addresses say, without what counts writes.
fn known() -> Vec<((String, String), Value)> {
    let mut items = DATABASE.items();
    // An address's first reason is the one that is kept.
    items.retain(|((partition, _), _)| partition != "#undeliverable");
    for (_, item) in &mut items {
        item["version"] = Value::Null;
    }
    items
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Raw(text) => {
            DATABASE.reset();
            let seen = handle(text);
            let again = handle(text);
            let expected = match seen {
                Some(Seen::Recorded) => Some(Seen::Known),
                seen => seen,
            };
            assert_eq!(again, expected);
        }
        Input::Shaped(first, second) => {
            let (first, second) = (event(&first), event(&second));
            let run = |events: [&String; 2]| {
                DATABASE.reset();
                let seen = events.map(|event| handle(event).expect("an event of SES's"));
                (seen, DATABASE.items().len(), known())
            };
            let (_, count, items) = run([&first, &second]);
            let (_, other_count, other_items) = run([&second, &first]);
            assert_eq!((count, &items), (other_count, &other_items), "{first}\n{second}");
            // Delivered again, in this order and the other: nothing new.
            let before = DATABASE.items();
            for event in [&first, &second, &first] {
                assert_ne!(handle(event), Some(Seen::Recorded));
            }
            assert_eq!(DATABASE.items(), before);
            for ((partition, sort), item) in before {
                // Beside the delivery's own address, none is kept.
                let mut item = item;
                if sort.starts_with("delivery#") {
                    item["email"] = Value::Null;
                }
                assert!(!item.to_string().contains(ADDRESS), "{partition} {sort}");
            }
        }
    }
});

use serde_json::{Value, json};
use tegata_common::change::{ArchivedItem, ChangeLine, read_record};

use super::*;

/// A write of a customer's item or history item, `seconds` after 2026-11-27T01:00:00Z
/// (1,795,741,200), with a revision of the instant `at`.
fn write(number: u32, history: bool, seconds: i64, at: &str) -> Value {
    let sort = match history {
        true => format!("customer@{at}"),
        false => "customer".to_owned(),
    };
    let keys = json!({ "customer_id": { "S": "C-0001" }, "item": { "S": sort } });
    let mut image = keys.clone();
    image["name"] = json!({ "S": "Example Inc." });
    image["revision"] = json!({ "M": {
        "version": { "N": "1" }, "at": { "S": at }, "by": { "S": "arn" }, "change": { "S": "add" },
    } });
    json!({
        "eventID": number.to_string(),
        "eventName": "INSERT",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_741_200 + seconds,
            "Keys": keys,
            "NewImage": image,
            "SequenceNumber": format!("1000000000000000{number:05}"),
        },
    })
}

/// The findings, as `kind: what`, if the tables contain the latest writes.
fn found(writes: &[Value], now: &str) -> (Vec<String>, Unproven) {
    let (mut items, mut changes) = (Items::default(), Changes::default());
    for write in writes {
        let ChangeLine::Change(change) = read_record(&write.to_string(), Timestamp::UNIX_EPOCH)
        else {
            panic!("{write}");
        };
        changes.since = Some(
            changes
                .since
                .map_or(change.time, |since| since.min(change.time)),
        );
        changes.add(change);
        let image = write["dynamodb"]
            .get("NewImage")
            .filter(|_| write["eventName"] != "REMOVE");
        if let Some(image) = image {
            let item: std::collections::HashMap<_, _> =
                serde_json::from_value(image.clone()).unwrap();
            let kept = ArchivedItem::of(item).unwrap();
            let version = Version::of(&kept.key, &kept.attributes);
            items.add(kept.key, version);
        }
    }
    let scope = Scope {
        from: "2026-11-20T00:00:00Z".parse().unwrap(),
        until: "2026-11-30T00:00:00Z".parse().unwrap(),
        now: now.parse().unwrap(),
        has_clock: true,
    };
    let mut findings = Findings::default();
    let unproven = compare(&items, &changes, scope, &mut findings);
    let found = findings.sorted().into_iter();
    let found = found.map(|found| format!("{}: {}", found.kind.as_str(), found.what));
    (found.collect(), unproven)
}

const LATER: &str = "2026-11-27T12:00:00Z";

#[test]
fn what_is_written_in_one_transaction_at_its_instant_is_in_order() {
    let at = "2026-11-27T01:00:00.123Z";
    let in_order = [write(1, false, 0, at), write(2, true, 0, at)];
    assert_eq!(found(&in_order, LATER), (vec![], Unproven::default()));
    // An import writes for hours, and all its changes have the instant at which it started.
    let late = [write(1, false, 7200, at), write(2, true, 7201, at)];
    assert_eq!(found(&late, LATER).0, Vec::<String>::new());
}

#[test]
fn a_history_item_of_another_time_than_it_says_is_forged() {
    for (at, seconds) in [
        ("2026-11-25T01:00:00.000Z", 0),
        ("2026-11-27T01:20:00.000Z", 0),
    ] {
        let forged = [write(1, false, seconds, at), write(2, true, seconds, at)];
        let what = format!(
            "FORGED: its instant is {}, but it was written at 2026-11-27T01:00:00Z",
            at.parse::<Timestamp>().unwrap()
        );
        assert_eq!(found(&forged, LATER).0, [what], "{at}");
    }
}

#[test]
fn an_item_and_its_history_that_were_written_apart_are_not_of_one_transaction() {
    let at = "2026-11-27T01:00:00.000Z";
    let (found, _) = found(&[write(1, false, 0, at), write(2, true, 300, at)], LATER);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("UNRECORDED: version 1 was written"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("FORGED: it was written at 2026-11-27T01:05:00Z"),
        "{found:?}"
    );
}

#[test]
fn a_deletion_of_dynamodbs_own_is_named() {
    let at = "2026-11-27T01:00:00.000Z";
    let mut gone = write(3, false, 600, at);
    gone["eventName"] = json!("REMOVE");
    gone["userIdentity"] = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
    let images = gone["dynamodb"].as_object_mut().unwrap();
    let image = images.remove("NewImage").unwrap();
    images.insert("OldImage".to_owned(), image);
    let (found, _) = found(
        &[write(1, false, 0, at), write(2, true, 0, at), gone],
        LATER,
    );
    let named = "UNRECORDED: dynamodb.amazonaws.com deleted it at 2026-11-27T01:10:00Z";
    assert!(found.contains(&named.to_owned()), "{found:?}");
}

#[test]
fn what_may_be_on_its_way_into_the_archive_is_not_missed_yet() {
    let at = "2026-11-27T01:00:00.000Z";
    let writes = [write(1, false, 0, at), write(2, true, 0, at)];
    let mut changes = Changes::default();
    let mut items = Items::default();
    for write in &writes {
        let image = write["dynamodb"]["NewImage"].clone();
        let item: std::collections::HashMap<_, _> = serde_json::from_value(image).unwrap();
        let kept = ArchivedItem::of(item).unwrap();
        let version = Version::of(&kept.key, &kept.attributes);
        items.add(kept.key, version);
    }
    changes.since = Some("2026-11-20T00:00:00Z".parse().unwrap());
    for (now, missed, too_new) in [
        ("2026-11-27T01:05:00Z", 0, 1),
        ("2026-11-27T02:00:00Z", 2, 0),
    ] {
        let scope = Scope {
            from: "2026-11-20T00:00:00Z".parse().unwrap(),
            until: "2026-11-30T00:00:00Z".parse().unwrap(),
            now: now.parse().unwrap(),
            has_clock: true,
        };
        let mut findings = Findings::default();
        let unproven = compare(&items, &changes, scope, &mut findings);
        let found = findings.sorted();
        assert!(
            found
                .iter()
                .all(|found| found.kind == FindingKind::NotArchived),
            "{found:?}"
        );
        assert_eq!((found.len(), unproven.too_new), (missed, too_new), "{now}");
    }
}

//! Items against history against archive. Pure: what was read goes in, what is wrong comes out.
//!
//! `tegata` writes an item and its history item in one transaction, the item's version one higher
//! than before. A lease that is signed again takes a version and leaves no history. Everything that
//! does not look like that was written in another way.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tegata_common::change::{ChangeEvent, ItemKey, Role};

use super::changes::{Changes, Write};
use super::findings::{Finding, FindingKind, Findings};
use super::items::{Items, Version, is_licence};

/// How long a write may take into the archive before it is missed.
const LAG: SignedDuration = SignedDuration::from_mins(15);

/// How far apart the stream may date the writes of one transaction.
const ONE_TRANSACTION: SignedDuration = SignedDuration::from_mins(1);

/// How long after its own instant a change may be written: an import writes for hours in the name
/// of the instant at which it began.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// How far ahead of DynamoDB's clock an operator's may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The first instant of the period.
    pub(super) from: Timestamp,
    /// The instant at which it ends.
    pub(super) until: Timestamp,
    /// When the tables were read.
    pub(super) now: Timestamp,
    /// Whether the instants of changes are those of a clock. On one machine `--now` makes them up.
    pub(super) has_clock: bool,
}

/// What no archive proves, because it does not reach so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unproven {
    /// History items from before the archive, or of other days.
    pub(super) history_items: u64,
    /// Versions of licences without a history: leases that were signed again, or history items
    /// that were removed.
    pub(super) versions: u64,
    /// Changes that are so new that the archive may not have them yet.
    pub(super) too_new: u64,
}

/// Compares; returns what cannot be decided.
pub(super) fn compare(
    items: &Items,
    changes: &Changes,
    scope: Scope,
    findings: &mut Findings,
) -> Unproven {
    let mut comparison = Comparison {
        items,
        changes,
        scope,
        findings,
        unproven: Unproven::default(),
    };
    comparison.histories();
    comparison.copies();
    for (key, writes) in &changes.by_item {
        comparison.writes(key, writes);
    }
    comparison.archived();
    comparison.unproven
}

struct Comparison<'a> {
    items: &'a Items,
    changes: &'a Changes,
    scope: Scope,
    findings: &'a mut Findings,
    unproven: Unproven,
}

impl Comparison<'_> {
    fn find(&mut self, kind: FindingKind, key: &ItemKey, version: Option<&Version>, what: String) {
        let revision = version.and_then(|version| version.revision.as_ref());
        self.findings.add(Finding {
            kind,
            item: Some(key.clone()),
            what,
            version: revision.map(|revision| revision.version),
            at: revision.map(|revision| revision.at),
            claimed_by: revision.map(|revision| revision.by.clone()),
        });
    }

    /// Whether the archive has to have what was written at an instant.
    fn is_covered(&self, at: Timestamp) -> bool {
        let since = self.changes.since.map(|since| since.max(self.scope.from));
        since.is_some_and(|since| since <= at) && at < self.scope.until && !self.is_too_new(at)
    }

    fn is_too_new(&self, at: Timestamp) -> bool {
        self.scope.now.duration_since(at) < LAG
    }

    // ---- Items against history: needs no archive ----

    fn histories(&mut self) {
        let items = self.items;
        let nothing = BTreeMap::new();
        for (key, past) in &items.past {
            self.history(key, items.current.get(key), past);
        }
        for (key, current) in &items.current {
            if !items.past.contains_key(key) {
                self.history(key, Some(current), &nothing);
            }
        }
    }

    fn history(
        &mut self,
        key: &ItemKey,
        current: Option<&Version>,
        past: &BTreeMap<Timestamp, (ItemKey, Version)>,
    ) {
        let mut last: Option<&Version> = None;
        for (at, (past_key, version)) in past {
            let Some(revision) = &version.revision else {
                let what = "it does not say which change it is of".to_owned();
                self.find(FindingKind::Altered, past_key, Some(version), what);
                continue;
            };
            if revision.at != *at {
                let what = format!("its key says {at}, and it says {}", revision.at);
                self.find(FindingKind::Forged, past_key, Some(version), what);
            }
            let before = last.and_then(Version::number).unwrap_or(0);
            if revision.version <= before {
                let number = revision.version;
                let what = format!("version {number} follows version {before}");
                self.find(FindingKind::Forged, past_key, Some(version), what);
            } else {
                let from = last.and_then(|last| last.revision.as_ref());
                let from = from.map(|revision| revision.at);
                self.gap(key, before + 1..revision.version, from, *at);
            }
            last = Some(version);
        }
        self.present(key, current, last);
    }

    /// Versions of which the history says nothing: in order only where leases were signed again.
    fn gap(
        &mut self,
        key: &ItemKey,
        versions: std::ops::Range<u64>,
        from: Option<Timestamp>,
        to: Timestamp,
    ) {
        for number in versions {
            let missing = format!("version {number} is missing from the history");
            // The first one is the issue.
            if !is_licence(key) || number == 1 {
                self.find(FindingKind::Deleted, key, None, missing);
            } else if !self.is_signed_again(key, number) {
                match from {
                    Some(from) if self.is_covered(from) && self.is_covered(to) => {
                        self.find(FindingKind::Deleted, key, None, missing);
                    }
                    _ => self.unproven.versions += 1,
                }
            }
        }
    }

    fn is_signed_again(&self, key: &ItemKey, number: u64) -> bool {
        self.changes.of(key).iter().any(|write| {
            write.after.as_ref().and_then(Version::number) == Some(number)
                && is_another_lease(key, write)
        })
    }

    /// The current item against the last of its history.
    fn present(&mut self, key: &ItemKey, current: Option<&Version>, last: Option<&Version>) {
        let what = match (current, last) {
            (None, None) => return,
            (None, Some(last)) if last.is_deletion => return,
            (None, Some(_)) => "it was deleted, and its history does not say so".to_owned(),
            (Some(_), None) => "it has no history".to_owned(),
            (Some(_), Some(last)) if last.is_deletion => {
                "it is there, and its history ends with a deletion".to_owned()
            }
            (Some(current), Some(last)) => match (current.number(), last.number()) {
                (Some(now), Some(then)) if now == then => match current.content == last.content {
                    true => return,
                    false => format!("it is not what its history says of version {now}"),
                },
                (Some(now), Some(then)) if now > then => {
                    // Leases that were signed again.
                    if is_licence(key) && current.facts == last.facts {
                        return;
                    }
                    format!("it has version {now}, and its history ends with {then}")
                }
                (Some(now), Some(then)) => {
                    format!("it has version {now}, and its history goes on to {then}")
                }
                _ => "it does not say which change it is of".to_owned(),
            },
        };
        self.find(FindingKind::Unrecorded, key, current.or(last), what);
    }

    /// A licence under a kintone plug-in id says what the licence says.
    fn copies(&mut self) {
        let items = self.items;
        let copies = items.others.iter();
        for (key, copy) in copies.filter(|(key, _)| key.role() == Role::Copy) {
            let license = copy.product.as_ref().and_then(|product| {
                items.current.get(&ItemKey {
                    sort: product.clone(),
                    ..key.clone()
                })
            });
            let what = match license {
                None => "it repeats a licence that is not there",
                Some(license) if license.license != copy.license => {
                    "it says something else than the licence that it repeats"
                }
                Some(_) => continue,
            };
            self.find(FindingKind::Contradiction, key, license, what.to_owned());
        }
    }

    // ---- The archive's writes, one item's at a time ----

    fn writes(&mut self, key: &ItemKey, writes: &[Write]) {
        for pair in writes.windows(2) {
            let image = |version: &Option<Version>| version.as_ref().map(|version| version.image);
            if image(&pair[0].after) != image(&pair[1].before) {
                let (first, second) = (pair[0].time, pair[1].time);
                let what = format!("what happened between {first} and {second} is not there");
                self.find(FindingKind::NotArchived, key, pair[1].before.as_ref(), what);
            }
        }
        let role = key.role();
        for write in writes {
            if let Some(service) = &write.service {
                let what = format!("{service} deleted it at {}", write.time);
                self.find(FindingKind::Unrecorded, key, write.before.as_ref(), what);
                continue;
            }
            match &role {
                Role::Current => self.write_of_an_item(key, write),
                Role::History { of, at } => self.write_of_history(key, of, *at, write),
                Role::Copy => self.write_of_a_copy(key, write),
                Role::Delivery if write.event == ChangeEvent::Remove => {
                    let what = format!("it was deleted at {}", write.time);
                    self.find(FindingKind::Unrecorded, key, write.before.as_ref(), what);
                }
                Role::Delivery => {}
            }
        }
        self.last_write(key, &role, writes);
    }

    fn write_of_an_item(&mut self, key: &ItemKey, write: &Write) {
        let time = write.time;
        let number = |version: &Option<Version>| version.as_ref().and_then(Version::number);
        let before = number(&write.before);
        let Some(after) = &write.after else {
            let is_recorded = self.history_written(key, time).any(|history| {
                history.is_deletion && history.number() == before.map(|before| before + 1)
            });
            if !is_recorded {
                let what = format!("it was deleted at {time}, and no history item says so");
                self.find(FindingKind::Unrecorded, key, write.before.as_ref(), what);
            }
            return;
        };
        let Some(revision) = &after.revision else {
            let what = format!("written at {time}, it does not say which change it is of");
            self.find(FindingKind::Unrecorded, key, Some(after), what);
            return;
        };
        let now = revision.version;
        if before == Some(now) {
            let what = format!("it was changed at {time} without a new version");
            self.find(FindingKind::Unrecorded, key, Some(after), what);
            return;
        }
        if let Some(before) = before.filter(|before| *before + 1 != now) {
            let what = format!("its version went from {before} to {now} at {time}");
            self.find(FindingKind::Forged, key, Some(after), what);
        }
        if is_another_lease(key, write) {
            return;
        }
        let is_recorded = self
            .history_written(key, time)
            .any(|history| history.content == after.content);
        if !is_recorded {
            let what = format!(
                "version {now} was written at {time}, and no history item in the same transaction"
            );
            self.find(FindingKind::Unrecorded, key, Some(after), what);
        }
    }

    /// The history items of an item that were written with what was written at an instant.
    fn history_written(&self, key: &ItemKey, time: Timestamp) -> impl Iterator<Item = &Version> {
        self.changes
            .history_of(key)
            .filter(move |write| {
                write.event == ChangeEvent::Insert
                    && write.time.duration_since(time).abs() <= ONE_TRANSACTION
            })
            .filter_map(|write| write.after.as_ref())
    }

    fn write_of_history(&mut self, key: &ItemKey, of: &ItemKey, at: Timestamp, write: &Write) {
        let time = write.time;
        let before = write.before.as_ref();
        let after = match (&write.event, &write.after) {
            (ChangeEvent::Insert, Some(after)) => after,
            (ChangeEvent::Remove, _) => {
                let what = format!("this history item was removed at {time}");
                return self.find(FindingKind::Deleted, key, before, what);
            }
            _ => {
                let what = format!("this history item was written over at {time}");
                return self.find(FindingKind::Altered, key, before, what);
            }
        };
        if self.scope.has_clock {
            let late = time.duration_since(at);
            if late > LATE || -late > AHEAD {
                let what = format!("it says {at}, and was written at {time}");
                self.find(FindingKind::Forged, key, Some(after), what);
            }
        }
        let written = self.changes.of(of).iter().filter(|write| {
            write.time.duration_since(time).abs() <= ONE_TRANSACTION && write.service.is_none()
        });
        let mut written = written.map(|write| (write.event, write.after.as_ref()));
        let is_of_a_write = written.any(|(event, version)| match version {
            Some(version) => version.revision == after.revision && !after.is_deletion,
            None => event == ChangeEvent::Remove && after.is_deletion,
        });
        if !is_of_a_write {
            let what = format!("written at {time}, and the item itself was not");
            self.find(FindingKind::Forged, key, Some(after), what);
        }
        match self.items.get(key) {
            None => {
                let what = format!("this history item, written at {time}, is gone");
                self.find(FindingKind::Deleted, key, Some(after), what);
            }
            Some(version) if version.image != after.image => {
                let what = format!("this history item is not what was written at {time}");
                self.find(FindingKind::Altered, key, Some(version), what);
            }
            Some(_) => {}
        }
    }

    /// A copy is written with its licence.
    fn write_of_a_copy(&mut self, key: &ItemKey, write: &Write) {
        let versions = [&write.after, &write.before];
        let product = versions
            .into_iter()
            .flatten()
            .find_map(|of| of.product.clone());
        let is_of_a_write = product.is_some_and(|sort| {
            let license = ItemKey {
                sort,
                ..key.clone()
            };
            let mut writes = self.changes.of(&license).iter();
            writes.any(|of| of.time.duration_since(write.time).abs() <= ONE_TRANSACTION)
        });
        if !is_of_a_write {
            let what = format!(
                "written at {}, and the licence that it repeats was not",
                write.time
            );
            self.find(FindingKind::Unrecorded, key, write.after.as_ref(), what);
        }
    }

    /// What was archived last of an item is what is there.
    fn last_write(&mut self, key: &ItemKey, role: &Role, writes: &[Write]) {
        // A history item is compared with its one write; what came after the period is not known.
        let is_until_now = self.scope.until >= self.scope.now;
        let (Some(last), false, true) = (
            writes.last(),
            matches!(role, Role::History { .. }),
            is_until_now,
        ) else {
            return;
        };
        let now = self.items.get(key);
        let image = |version: Option<&Version>| version.map(|version| version.image);
        if image(now) == image(last.after.as_ref()) {
            return;
        }
        let at = now
            .and_then(|now| now.revision.as_ref())
            .map(|revision| revision.at);
        if at.is_some_and(|at| self.is_too_new(at)) || self.is_too_new(last.time) {
            self.unproven.too_new += 1;
            return;
        }
        let what = format!("it is not what was archived of it last, at {}", last.time);
        self.find(
            FindingKind::NotArchived,
            key,
            now.or(last.after.as_ref()),
            what,
        );
    }

    // ---- What the archive should have ----

    fn archived(&mut self) {
        let items = self.items;
        let past = items.past.values().flat_map(BTreeMap::values);
        for (key, version) in past {
            if !self.changes.of(key).is_empty() {
                continue;
            }
            let at = version.revision.as_ref().map(|revision| revision.at);
            match at {
                Some(at) if self.is_covered(at) => {
                    let what = "the archive has no write of this history item".to_owned();
                    self.find(FindingKind::NotArchived, key, Some(version), what);
                }
                Some(at) if self.is_too_new(at) => self.unproven.too_new += 1,
                _ => self.unproven.history_items += 1,
            }
        }
        for (key, version) in &items.current {
            let at = version.revision.as_ref().map(|revision| revision.at);
            if self.changes.of(key).is_empty() && at.is_some_and(|at| self.is_covered(at)) {
                let what = "the archive has no write of it".to_owned();
                self.find(FindingKind::NotArchived, key, Some(version), what);
            }
        }
    }
}

/// Whether a write replaced a licence's lease, and nothing else.
fn is_another_lease(key: &ItemKey, write: &Write) -> bool {
    match (&write.before, &write.after) {
        (Some(before), Some(after)) => {
            is_licence(key) && before.facts == after.facts && before.lease != after.lease
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tegata_common::change::{ChangeLine, KeptItem, read_record};

    use super::*;

    /// A write of a customer's item or of its history item, at seconds after 1,795,741,200
    /// (2026-11-27T01:00:00Z), which says that it is of an instant.
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

    /// What is found when the tables hold what was written last, as `kind: what`.
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
                let kept = KeptItem::of(item).unwrap();
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
        // An import writes for hours in the name of the instant at which it began.
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
                "FORGED: it says {}, and was written at 2026-11-27T01:00:00Z",
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
            found[1].starts_with("FORGED: written at 2026-11-27T01:05:00Z"),
            "{found:?}"
        );
    }

    #[test]
    fn a_deletion_of_dynamodbs_own_is_named() {
        let at = "2026-11-27T01:00:00.000Z";
        let mut gone = write(3, false, 600, at);
        gone["eventName"] = json!("REMOVE");
        gone["userIdentity"] =
            json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
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
            let kept = KeptItem::of(item).unwrap();
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
}

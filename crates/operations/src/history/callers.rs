//! Comparison of the recorded callers with CloudTrail, if the stack has a trail.
//!
//! The author in an item's revision is only a claim. A trail contains every call that wrote to the
//! tables, with the caller's identity as verified by IAM. Findings are changes by a different
//! caller, and changes by a DynamoDB operation that `tegata` does not use for them.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use futures_util::{StreamExt as _, stream};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::Serialize;
use tegata_archive::objects::Objects;
use tegata_common::change::{ItemKey, Role, TrailWrite, read_trail};

use super::changes::{Changes, Write};
use super::compare::Scope;
use super::findings::{Finding, FindingKind, Findings};
use super::items::Version;
use crate::{Error, Progress};

/// The number of files that are fetched concurrently.
const AHEAD: usize = 16;

/// The maximum difference between the times of a write in the stream and in the trail.
const SAME: SignedDuration = SignedDuration::from_mins(1);

/// The maximum delay of an event in the trail. It is usually five minutes, and sometimes more.
const LAG: SignedDuration = SignedDuration::from_mins(30);

/// The location of a trail's files.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The bucket of the trail.
    pub objects: Objects,
    /// The account number, which is part of the keys.
    pub account: String,
    /// The region, which is part of the keys.
    pub region: String,
}

/// The writes in a trail during a period.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_item: BTreeMap<ItemKey, Vec<TrailWrite>>,
    /// The instant of the first event that was read.
    since: Option<Timestamp>,
    /// Writes whose event does not contain the item's key (PartiQL), with the time and a
    /// description.
    without_a_key: Vec<(Timestamp, String)>,
}

/// The number of changes whose author CloudTrail confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// Changes whose author is the caller in the trail.
    pub proven: u64,
    /// Changes without an event, because they are older than the trail or have not arrived there
    /// yet.
    pub unproven: u64,
}

impl Trail {
    /// Reads the trail's files of a period. Their days are in UTC.
    pub(super) async fn read(
        &self,
        scope: Scope,
        progress: &dyn Progress,
        findings: &mut Findings,
    ) -> Result<Calls, Error> {
        let mut calls = Calls::default();
        let mut date = TimeZone::UTC
            .to_datetime(scope.from)
            .date()
            .checked_sub(1.day())?;
        let last = TimeZone::UTC.to_datetime(scope.until.min(scope.now)).date();
        while date <= last.checked_add(1.day())? {
            let (account, region) = (&self.account, &self.region);
            let day = date.strftime("%Y/%m/%d");
            let prefix = format!("AWSLogs/{account}/CloudTrail/{region}/{day}/");
            let listed = self.objects.list(&prefix).await?;
            progress.add_total(listed.len());
            let files = stream::iter(listed).map(async |(key, _)| {
                let file = self.objects.get(&key).await?;
                Ok::<_, Error>((key, file))
            });
            let mut files = std::pin::pin!(files.buffered(AHEAD));
            while let Some(file) = files.next().await {
                progress.advance();
                let (key, file) = file?;
                if calls.add_file(&file.unwrap_or_default()).is_none() {
                    findings.add(Finding {
                        kind: FindingKind::Archive,
                        item: None,
                        what: format!("a file of the trail is unreadable: {key}"),
                        version: None,
                        at: None,
                        claimed_by: None,
                    });
                }
            }
            date = date.checked_add(1.day())?;
        }
        Ok(calls)
    }
}

impl Calls {
    fn add_file(&mut self, file: &[u8]) -> Option<()> {
        let mut text = Vec::new();
        MultiGzDecoder::new(file).read_to_end(&mut text).ok()?;
        let read = read_trail(&text).ok()?;
        for write in read.writes {
            self.add(write);
        }
        self.without_a_key.extend(read.without_a_key);
        Some(())
    }

    fn add(&mut self, write: TrailWrite) {
        self.since = Some(self.since.map_or(write.time, |since| since.min(write.time)));
        self.by_item
            .entry(write.key.clone())
            .or_default()
            .push(write);
    }

    /// Compares the author in each archived change with the caller in the trail.
    pub(super) fn compare(
        &self,
        changes: &Changes,
        scope: Scope,
        findings: &mut Findings,
    ) -> Proven {
        let mut proven = Proven::default();
        for (key, writes) in &changes.by_item {
            for write in writes {
                // A deletion has no author; its history item does.
                if let Some(after) = &write.after {
                    self.compare_write(key, write, after, scope, findings, &mut proven);
                }
            }
        }
        for (time, call) in &self.without_a_key {
            findings.add(Finding {
                kind: FindingKind::Caller,
                item: None,
                what: format!(
                    "{call} at {time}, whose event does not contain the item that it wrote"
                ),
                version: None,
                at: Some(*time),
                claimed_by: None,
            });
        }
        proven
    }

    fn compare_write(
        &self,
        key: &ItemKey,
        write: &Write,
        after: &Version,
        scope: Scope,
        findings: &mut Findings,
        proven: &mut Proven,
    ) {
        let Some(revision) = &after.revision else {
            return;
        };
        let calls = self.by_item.get(key).map_or(&[][..], Vec::as_slice);
        let calls = calls
            .iter()
            .filter(|call| call.time.duration_since(write.time).abs() <= SAME);
        let calls: Vec<&TrailWrite> = calls.collect();
        let mut find = |what: String| {
            findings.add(Finding {
                kind: FindingKind::Caller,
                item: Some(key.clone()),
                what,
                version: Some(revision.version),
                at: Some(revision.at),
                claimed_by: Some(revision.by.clone()),
            });
        };
        let Some(call) = calls.first() else {
            let is_covered = self.since.is_some_and(|since| since <= write.time)
                && scope.now.duration_since(write.time) > LAG;
            match is_covered {
                true => find(format!(
                    "CloudTrail has no call that wrote it at {}",
                    write.time
                )),
                false => proven.unproven += 1,
            }
            return;
        };
        if !calls.iter().any(|call| call.caller.is(&revision.by)) {
            let (arn, operation) = (&call.caller.arn, &call.operation);
            find(format!(
                "according to CloudTrail, {arn} wrote it, by {operation}"
            ));
        } else if matches!(key.role(), Role::History { .. })
            && !calls
                .iter()
                .any(|call| call.operation == "TransactWriteItems")
        {
            let operation = &call.operation;
            find(format!(
                "it was written by {operation}, which tegata does not use for history items"
            ));
        } else {
            proven.proven += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tegata_common::change::{ChangeLine, ChangeRecord, read_record};

    use super::*;

    const OPERATOR: &str = "arn:aws:sts::123456789012:assumed-role/contracts/taro.yamada";
    const TIME: &str = "2026-11-27T01:00:00Z";
    const SECONDS: i64 = 1_795_741_200;

    /// An archived history item that names an author.
    fn change(by: &str) -> ChangeRecord {
        let record = json!({
            "eventID": "1",
            "eventName": "INSERT",
            "dynamodb": {
                "ApproximateCreationDateTime": SECONDS,
                "Keys": { "domain": { "S": "example.cybozu.com" }, "product": { "S": "sheet@2026-11-27T01:00:00.000Z" } },
                "NewImage": {
                    "domain": { "S": "example.cybozu.com" },
                    "product": { "S": "sheet@2026-11-27T01:00:00.000Z" },
                    "revision": { "M": {
                        "version": { "N": "1" }, "at": { "S": TIME }, "by": { "S": by },
                        "change": { "S": "issue" },
                    } },
                },
                "SequenceNumber": "100000000000000000001",
            },
        });
        match read_record(&record.to_string(), Timestamp::UNIX_EPOCH) {
            ChangeLine::Change(change) => change,
            ChangeLine::Unreadable(unreadable) => panic!("{unreadable:?}"),
        }
    }

    /// What the trail says of it: the operation, and seconds after it.
    fn compared(by: &str, calls: &[(&str, &str, i64)]) -> (Vec<String>, Proven) {
        let mut changes = Changes::default();
        let change = change(by);
        let mut trail = Calls::default();
        for (operation, arn, later) in calls {
            trail.add(TrailWrite {
                time: TIME.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(*later),
                operation: (*operation).to_owned(),
                key: change.key.clone(),
                caller: tegata_common::change::Caller {
                    arn: (*arn).to_owned(),
                    role: Some("arn:aws:iam::123456789012:role/contracts".to_owned()),
                },
            });
        }
        changes.add(change);
        let instant = |text: &str| text.parse().unwrap();
        let scope = Scope {
            from: instant("2026-11-27T00:00:00Z"),
            until: instant("2026-11-28T00:00:00Z"),
            now: instant("2026-11-27T12:00:00Z"),
            has_clock: true,
        };
        let mut findings = Findings::default();
        let proven = trail.compare(&changes, scope, &mut findings);
        let found = findings.sorted().into_iter();
        let found = found.inspect(|found| assert_eq!(found.kind, FindingKind::Caller));
        (found.map(|found| found.what).collect(), proven)
    }

    #[test]
    fn the_author_that_a_change_names_is_compared_with_who_called() {
        let yes = Proven {
            proven: 1,
            unproven: 0,
        };
        let no = Proven {
            proven: 0,
            unproven: 1,
        };
        let none = Proven::default();
        let transact = "TransactWriteItems";
        let another = "arn:aws:sts::123456789012:assumed-role/contracts/hanako.sato";
        let role = "arn:aws:iam::123456789012:role/contracts";
        assert_eq!(
            compared(OPERATOR, &[(transact, OPERATOR, 1)]),
            (vec![], yes)
        );
        // A function names its role.
        assert_eq!(compared(role, &[(transact, OPERATOR, 0)]), (vec![], yes));
        let (found, proven) = compared(OPERATOR, &[(transact, another, 0)]);
        assert_eq!(
            found,
            [format!(
                "according to CloudTrail, {another} wrote it, by {transact}"
            )]
        );
        assert_eq!(proven, none);
        let (found, _) = compared(OPERATOR, &[("PutItem", OPERATOR, 0)]);
        assert_eq!(
            found,
            ["it was written by PutItem, which tegata does not use for history items"]
        );
        // A trail that has other writes, and not this one; and none at all.
        let (found, _) = compared(OPERATOR, &[(transact, OPERATOR, -3600)]);
        assert_eq!(
            found,
            [format!("CloudTrail has no call that wrote it at {TIME}")]
        );
        assert_eq!(compared(OPERATOR, &[]), (vec![], no));
    }
}

//! Who CloudTrail says made the changes, where the stack has a trail.
//!
//! What an item says of its author is a claim. A trail has every call that wrote into the tables,
//! with the caller as IAM knew it: a change whose author did not make it is named, and so is one
//! that was made by an operation that `tegata` does not use for it.

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

/// Files that are fetched at a time.
const AHEAD: usize = 16;

/// How far apart the stream and the trail may date a write.
const SAME: SignedDuration = SignedDuration::from_mins(1);

/// How long an event may take into the trail: usually five minutes, at times more.
const LAG: SignedDuration = SignedDuration::from_mins(30);

/// Where a trail's files are.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The bucket.
    pub objects: Objects,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
}

/// The writes that a trail has of a period.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_item: BTreeMap<ItemKey, Vec<TrailWrite>>,
    /// The instant of the first event in the trail.
    since: Option<Timestamp>,
    /// Calls that wrote, and do not say what: of PartiQL.
    without_a_key: Vec<(Timestamp, String)>,
}

/// How many changes were made by whom they name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// Changes that the trail says were made by whom they name.
    pub proven: u64,
    /// Changes of which the trail knows nothing, because it is younger, or has not got them yet.
    pub unproven: u64,
}

impl Trail {
    /// Reads the files of a period's days, which are those of UTC.
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
                        what: format!("a file of the trail cannot be read: {key}"),
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

    /// Compares the author that each archived change names with who called.
    pub(super) fn compare(
        &self,
        changes: &Changes,
        scope: Scope,
        findings: &mut Findings,
    ) -> Proven {
        let mut proven = Proven::default();
        for (key, writes) in &changes.by_item {
            for write in writes {
                // What is deleted names nobody: its history item does.
                if let Some(after) = &write.after {
                    self.compare_write(key, write, after, scope, findings, &mut proven);
                }
            }
        }
        for (time, call) in &self.without_a_key {
            findings.add(Finding {
                kind: FindingKind::Caller,
                item: None,
                what: format!("{call} at {time}, which does not say what it wrote"),
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
                "CloudTrail says that {arn} wrote it, by {operation}"
            ));
        } else if matches!(key.role(), Role::History { .. })
            && !calls
                .iter()
                .any(|call| call.operation == "TransactWriteItems")
        {
            let operation = &call.operation;
            find(format!(
                "it was written by {operation}, which is not how history is written"
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
                "CloudTrail says that {another} wrote it, by {transact}"
            )]
        );
        assert_eq!(proven, none);
        let (found, _) = compared(OPERATOR, &[("PutItem", OPERATOR, 0)]);
        assert_eq!(
            found,
            ["it was written by PutItem, which is not how history is written"]
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

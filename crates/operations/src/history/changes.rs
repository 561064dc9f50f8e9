//! The archived changes of the tables, reduced to what the comparison needs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Map, Value};
use tegata_archive::{Archive, Lock};
use tegata_common::access::Source;
use tegata_common::change::{ChangeEvent, ChangeLine, ChangeRecord, ItemKey, Role};

use super::findings::{Finding, FindingKind, Findings};
use super::items::Version;
use crate::{Error, Period, Progress};

/// The number of objects that are fetched concurrently.
const AHEAD: usize = 16;

/// The promised retention: the longest possible twelve months.
const PROMISED: SignedDuration = SignedDuration::from_hours(366 * 24);

/// One archived write of one item.
#[derive(Clone, Debug)]
pub(super) struct Write {
    /// When DynamoDB made the write, to the second.
    pub(super) time: Timestamp,
    pub(super) event: ChangeEvent,
    pub(super) before: Option<Version>,
    pub(super) after: Option<Version>,
    /// The AWS service that deleted the item, such as DynamoDB's time to live. `None` for a
    /// caller's write.
    pub(super) service: Option<String>,
    /// The order among the writes of one item: the length of the stream's sequence number, then the
    /// number.
    order: (usize, String),
}

/// The archived writes of a period.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The writes by item, in order.
    pub(super) by_item: BTreeMap<ItemKey, Vec<Write>>,
    /// The number of different writes.
    pub(super) count: u64,
    /// The instant from which the archive contains all changes, within the period that was read.
    pub(super) since: Option<Timestamp>,
    /// The keys of written history items, by the key of the current item.
    past: BTreeMap<ItemKey, BTreeSet<ItemKey>>,
    seen: BTreeSet<String>,
}

impl Changes {
    /// Reads the days of a period and one day before and after it: a write around midnight may be
    /// archived under the adjacent day.
    pub(super) async fn read(
        archive: &Archive,
        zone: &TimeZone,
        period: Period,
        progress: &dyn Progress,
        findings: &mut Findings,
    ) -> Result<Self, Error> {
        let mut changes = Self::default();
        let Some(first_day) = archive.first_day(Source::Change).await? else {
            return Ok(changes);
        };
        let wider = Period {
            from: period.from.checked_sub(1.day())?,
            to: period.to.checked_add(1.day())?,
        };
        for date in wider.days().skip_while(|date| *date < first_day) {
            progress.set_message(&date.to_string());
            changes.read_day(archive, date, progress, findings).await?;
        }
        for writes in changes.by_item.values_mut() {
            writes.sort_by(|a, b| a.order.cmp(&b.order));
        }
        let first = changes.by_item.values().flatten().map(|write| write.time);
        changes.since = match first_day >= wider.from {
            true => first.min(),
            false => Some(wider.from.to_zoned_datetime(zone.clone())?.timestamp()),
        };
        Ok(changes)
    }

    async fn read_day(
        &mut self,
        archive: &Archive,
        date: Date,
        progress: &dyn Progress,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let listed = archive.list(Source::Change, date).await?;
        progress.add_total(listed.len());
        let objects = stream::iter(listed).map(async |listed| {
            let object = archive.get(&listed.key).await?;
            let lock = archive.lock(&listed.key).await?;
            Ok::<_, Error>((listed, object, lock))
        });
        let mut objects = std::pin::pin!(objects.buffered(AHEAD));
        while let Some(object) = objects.next().await {
            progress.advance();
            let (listed, object, lock) = object?;
            let key = &listed.key;
            let mut wrong = |what: String| findings.add(of_the_archive(what));
            match lock {
                Lock::NotHere => {}
                Lock::Until { since, until } if until.duration_since(since) >= PROMISED => {}
                Lock::Until { .. } => wrong(format!("locked for less than 12 months: {key}")),
                Lock::None => wrong(format!("not locked in COMPLIANCE mode: {key}")),
            }
            let Some(name) = &listed.name else {
                wrong(format!("unknown kind of object name: {key}"));
                continue;
            };
            let lines = object
                .ok_or_else(|| "it is missing".to_owned())
                .and_then(|object| {
                    tegata_archive::open(name, &object).map_err(|damage| damage.to_string())
                });
            match lines {
                Ok(lines) => self.read_lines(key, &lines, findings),
                Err(damage) => wrong(format!("damaged: {key}: {damage}")),
            }
        }
        Ok(())
    }

    fn read_lines(&mut self, object: &str, lines: &[u8], findings: &mut Findings) {
        let lines = lines.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(ChangeLine::Change(change)) => self.add(change),
                Ok(ChangeLine::Unreadable(unreadable)) => {
                    let reason = &unreadable.unreadable.reason;
                    findings.add(Finding {
                        at: Some(unreadable.time),
                        ..of_the_archive(format!("a change could not be read: {reason}: {object}"))
                    });
                }
                Err(_) => findings.add(of_the_archive(format!("a line is not a change: {object}"))),
            }
        }
    }

    /// Adds a change unless it is already there: a batch that was partly delivered again is
    /// archived twice.
    pub(super) fn add(&mut self, change: ChangeRecord) {
        let (digits, number) = change.order();
        let order = (digits, number.to_owned());
        if !self
            .seen
            .insert(format!("{} {}", change.key.table, change.event_id))
        {
            return;
        }
        self.count += 1;
        let version = |image: &Option<Map<String, Value>>| {
            let image = image.as_ref();
            image.map(|attributes| Version::of(&change.key, attributes))
        };
        let write = Write {
            time: change.time,
            event: change.event,
            before: version(&change.before),
            after: version(&change.after),
            service: change.service.clone(),
            order,
        };
        if let Role::History { of, .. } = change.key.role() {
            self.past.entry(of).or_default().insert(change.key.clone());
        }
        self.by_item.entry(change.key).or_default().push(write);
    }

    /// The writes of the history items of an item.
    pub(super) fn history_of(&self, key: &ItemKey) -> impl Iterator<Item = &Write> {
        let past = self.past.get(key).into_iter().flatten();
        past.flat_map(|past| self.of(past))
    }

    /// The writes of an item, in order.
    pub(super) fn of(&self, key: &ItemKey) -> &[Write] {
        self.by_item.get(key).map_or(&[], Vec::as_slice)
    }
}

fn of_the_archive(what: String) -> Finding {
    Finding {
        kind: FindingKind::Archive,
        item: None,
        what,
        version: None,
        at: None,
        claimed_by: None,
    }
}

//! Verification that the archive is complete and unchanged. The result is a document for auditors.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tegata_archive::{Listed, Lock, ObjectName};
use tegata_common::access::Source;
use tegata_storage::usage::{DayState, Receipt};

use super::{AHEAD, Context};
use crate::{Error, Period, Progress};

/// The retention period, after which an object is deleted.
const KEPT: SignedDuration = SignedDuration::from_hours(tegata_archive::KEPT_DAYS as i64 * 24);

/// The promised retention: the longest possible twelve months.
const PROMISED: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The result of a verification.
#[derive(Debug, Serialize)]
pub struct ArchiveVerification {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The zone of the days.
    pub time_zone: String,
    /// When the archive was verified, RFC 3339.
    pub verified_at: String,
    /// The caller who verified it.
    pub verified_by: String,
    /// Whether contents and locks were checked. False for a quick verification.
    pub content_read: bool,
    /// Whether no problem was found.
    pub ok: bool,
    /// The results by day.
    pub days: Vec<DayVerification>,
}

/// The result for one day.
#[derive(Debug, Default, Serialize)]
pub struct DayVerification {
    /// The day.
    pub date: Date,
    /// The number of objects.
    pub objects: u64,
    /// The number of records by source.
    pub records: BTreeMap<Source, u64>,
    /// The total size of the objects in bytes.
    pub bytes: u64,
    /// Whether the objects are locked.
    pub locked: Locked,
    /// The earliest end of a lock, RFC 3339, if any object is locked.
    pub locked_until: Option<String>,
    /// Problems, such as a missing or changed object.
    pub problems: Vec<String>,
    /// Hours without records, or the reason why the whole day has none.
    pub gaps: Vec<String>,
    /// Facts that are not problems, such as objects whose retention has ended.
    pub notes: Vec<String>,
    #[serde(skip)]
    hours: BTreeSet<i8>,
}

/// The lock state of a day's objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Locked {
    /// Every object is locked for long enough.
    All,
    /// Some objects are not locked for long enough; the problems name them.
    NotAll,
    /// The target does not support locks: a directory on one machine.
    NotHere,
    /// Not checked, or there are no objects.
    #[default]
    Unknown,
}

#[derive(Deserialize)]
struct Timed {
    time: Timestamp,
}

/// Compares the objects of each day with the receipts recorded when they were written. A quick
/// verification compares names and sizes only.
pub async fn verify(
    context: &Context<'_>,
    period: Period,
    quick: bool,
    progress: &dyn Progress,
) -> Result<ArchiveVerification, Error> {
    let known = context.usage.days().await?.into_iter();
    let known: BTreeMap<Date, DayState> = known.map(|day| (day.date, day)).collect();
    let mut days = Vec::new();
    for date in period.days() {
        progress.set_message(&date.to_string());
        let mut day = DayVerification::read(context, date, quick, progress).await?;
        day.look_for_gaps(context, known.get(&date), known.keys().next(), quick);
        days.push(day);
    }
    Ok(ArchiveVerification {
        from: period.from,
        to: period.to,
        time_zone: context.zone.iana_name().unwrap_or("UTC").to_owned(),
        verified_at: context.local_time(context.caller.now),
        verified_by: context.caller.name.to_owned(),
        content_read: !quick,
        ok: days.iter().all(|day| day.problems.is_empty()),
        days,
    })
}

impl DayVerification {
    async fn read(
        context: &Context<'_>,
        date: Date,
        quick: bool,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let mut day = Self {
            date,
            ..Self::default()
        };
        let mut receipts: BTreeMap<String, Receipt> = context
            .usage
            .receipts(date)
            .await?
            .into_iter()
            .map(|receipt| {
                let name = ObjectName {
                    source: receipt.source,
                    date,
                    hash: receipt.hash.clone(),
                };
                (name.to_string(), receipt)
            })
            .collect();
        let mut objects = Vec::new();
        for source in Source::OF_ACCESSES {
            let listed = context.archive.list(source, date).await?;
            objects.extend(listed.into_iter().map(|listed| (source, listed)));
        }
        progress.add_total(objects.len());
        let looked_at = stream::iter(objects).map(async |(source, listed)| {
            let found = match quick {
                true => None,
                false => Some((
                    context.archive.get(&listed.key).await?,
                    context.archive.lock(&listed.key).await?,
                )),
            };
            Ok::<_, Error>((source, listed, found))
        });
        let mut looked_at = std::pin::pin!(looked_at.buffered(AHEAD));
        while let Some(object) = looked_at.next().await {
            progress.advance();
            let (source, listed, found) = object?;
            let receipt = receipts.remove(&listed.key);
            day.objects += 1;
            day.bytes += listed.bytes;
            day.check(context, source, &listed, receipt.as_ref(), found);
        }
        for (key, receipt) in receipts {
            let archived_at = context.local_time(receipt.archived_at);
            let records = receipt.records;
            if context.caller.now.duration_since(receipt.archived_at) > KEPT {
                day.notes.push(format!(
                    "no longer kept: {key}, {records} records, archived {archived_at}"
                ));
            } else {
                day.problems.push(format!(
                    "missing: {key}, {records} records, archived {archived_at}"
                ));
            }
        }
        Ok(day)
    }

    /// Compares an object with its receipt, and its content with the hash in its name.
    fn check(
        &mut self,
        context: &Context<'_>,
        source: Source,
        listed: &Listed,
        receipt: Option<&Receipt>,
        found: Option<(Option<Vec<u8>>, Lock)>,
    ) {
        let key = &listed.key;
        let Some(name) = &listed.name else {
            self.problems
                .push(format!("unknown kind of object name: {key}"));
            return;
        };
        if let Some(receipt) = receipt.filter(|receipt| receipt.bytes != listed.bytes) {
            self.problems.push(format!(
                "changed: {key} has {} bytes, was archived with {}",
                listed.bytes, receipt.bytes
            ));
        }
        let Some((object, lock)) = found else {
            let records = receipt.map_or(0, |receipt| receipt.records);
            *self.records.entry(source).or_default() += records;
            return;
        };
        let lines = object.ok_or("it is missing".to_owned()).and_then(|object| {
            tegata_archive::open(name, &object).map_err(|damage| damage.to_string())
        });
        match lines {
            Err(damage) => self.problems.push(format!("damaged: {key}: {damage}")),
            Ok(lines) => {
                let records = self.read_lines(context, &lines);
                *self.records.entry(source).or_default() += records;
                match receipt {
                    Some(receipt) if receipt.records != records => self.problems.push(format!(
                        "changed: {key} has {records} records, was archived with {}",
                        receipt.records
                    )),
                    Some(_) => {}
                    None => self.notes.push(format!(
                        "no receipt of {key} ({records} records): the batch broke off before it, \
                         and did not come again"
                    )),
                }
            }
        }
        self.check_lock(context, key, lock);
    }

    fn read_lines(&mut self, context: &Context<'_>, lines: &[u8]) -> u64 {
        let mut records = 0;
        for line in lines.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            records += 1;
            if let Ok(Timed { time }) = serde_json::from_slice(line) {
                self.hours.insert(context.zone.to_datetime(time).hour());
            }
        }
        records
    }

    fn check_lock(&mut self, context: &Context<'_>, key: &str, lock: Lock) {
        let is_long_enough = match lock {
            Lock::NotHere => {
                self.locked = Locked::NotHere;
                return;
            }
            Lock::None => {
                self.problems
                    .push(format!("not locked in COMPLIANCE mode: {key}"));
                false
            }
            Lock::Until { since, until } => {
                let shown = context.local_time(until);
                let is_long_enough = until.duration_since(since) >= PROMISED;
                if !is_long_enough {
                    self.problems.push(format!(
                        "locked for less than 12 months: {key}, until {shown}"
                    ));
                }
                let earliest = self.locked_until.take().into_iter().chain([shown]).min();
                self.locked_until = earliest;
                is_long_enough
            }
        };
        self.locked = match (self.locked, is_long_enough) {
            (Locked::Unknown | Locked::All, true) => Locked::All,
            _ => Locked::NotAll,
        };
    }

    /// Reports hours without records, with the reason if it is known.
    fn look_for_gaps(
        &mut self,
        context: &Context<'_>,
        state: Option<&DayState>,
        first: Option<&Date>,
        quick: bool,
    ) {
        let now = context.zone.to_datetime(context.caller.now);
        let notes = &self.notes;
        let is_over = notes.iter().any(|of| of.starts_with("no longer kept"));
        self.check_counted(state, is_over);
        if self.objects == 0 {
            let gap = self.empty_day(state, first, is_over, now.date());
            self.gaps.push(gap);
        } else if !quick {
            let last = match self.date == now.date() {
                true => now.hour(),
                false => 23,
            };
            let quiet = (0..=last).filter(|hour| !self.hours.contains(hour));
            let quiet: Vec<i8> = quiet.collect();
            if !quiet.is_empty() {
                self.gaps
                    .push(format!("hours without a record: {}", hours(&quiet)));
            }
        }
        if let Some(state) = state {
            self.note_state(state);
        }
    }

    /// The archive must contain at least as many records as the usage includes.
    fn check_counted(&mut self, state: Option<&DayState>, is_over: bool) {
        let read: u64 = self.records.values().sum();
        let unreadable = self.records.get(&Source::Unreadable).copied().unwrap_or(0);
        let counted = state.map_or(0, |state| state.summary.records);
        if read - unreadable < counted && self.problems.is_empty() && !is_over {
            self.problems.push(format!(
                "missing: {counted} records were counted into the usage, {} are there, and no \
                 receipt tells of the others",
                read - unreadable
            ));
        }
    }

    /// The reason why a day has no objects.
    fn empty_day(
        &self,
        state: Option<&DayState>,
        first: Option<&Date>,
        is_over: bool,
        today: Date,
    ) -> String {
        match (state, first) {
            (Some(_), _) if is_over => "its records are no longer kept".to_owned(),
            (Some(state), _) => format!(
                "no records are there, though the day changed {} times",
                state.changes
            ),
            (None, _) if self.date > today => "the day has not come yet".to_owned(),
            (None, Some(first)) if self.date < *first => {
                format!("no records: the first ones are of {first}")
            }
            (None, None) => "no records: there are none at all yet".to_owned(),
            (None, Some(_)) => "no records arrived: nobody asked, or the doors' logs did not \
                                arrive; compare with the gateway's Count metric, and look into \
                                the log groups, which keep their lines as long"
                .to_owned(),
        }
    }

    fn note_state(&mut self, state: &DayState) {
        if state.is_waiting() {
            self.notes
                .push("its usage is not of the last records yet".to_owned());
        }
        let summary = &state.summary;
        for (number, what) in [
            (
                summary.gateway_only,
                "requests were answered by the function, but its lines have not arrived",
            ),
            (
                summary.lookup_only,
                "requests were answered by the function, but the gateway's lines have not arrived",
            ),
            (summary.unreadable, "lines could not be read"),
        ] {
            if number > 0 {
                self.notes.push(format!("{number} {what}"));
            }
        }
    }
}

/// Formats hours as ranges: `0-5, 7, 22-23`.
fn hours(hours: &[i8]) -> String {
    let mut runs: Vec<(i8, i8)> = Vec::new();
    for hour in hours {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *hour => *last = *hour,
            _ => runs.push((*hour, *hour)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    runs.join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn hours_are_shown_as_runs() {
        assert_eq!(super::hours(&[0, 1, 2, 5, 22, 23]), "0-2, 5, 22-23");
    }
}

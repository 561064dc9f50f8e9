//! Whether the archive is whole: an answer that an auditor can file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tegata_archive::{Listed, Lock, ObjectName};
use tegata_common::access::Source;
use tegata_storage::usage::{DayState, Receipt};

use super::{AHEAD, progress};
use crate::output::{self, Output, say};
use crate::period::PeriodArgs;
use crate::target::Target;

/// After that, an object may be gone.
const KEPT: SignedDuration = SignedDuration::from_hours(tegata_archive::KEPT_DAYS as i64 * 24);

/// What is promised: twelve months, whichever they are.
const PROMISED: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Verify the archive, day by day: what should be there, what is, and whether it is locked.
///
/// For each day, the objects are compared with the receipts that were taken when they were
/// written: whether each is there, whether it is as long, whether it holds what its name says and
/// as many records, and whether its retention lock lasts for twelve months from then. Days and
/// hours without records are listed as gaps, with what is known about them. Exits with 1 if
/// anything is missing, changed or not locked.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    period: PeriodArgs,
    /// Compare names and sizes only, and read no content and no lock.
    #[arg(long)]
    quick: bool,
}

/// The answer.
#[derive(Serialize)]
struct Verification {
    from: Date,
    to: Date,
    time_zone: String,
    verified_at: String,
    verified_by: String,
    /// Whether content and locks were read.
    content_read: bool,
    ok: bool,
    days: Vec<Day>,
}

/// What is found of a day.
#[derive(Default, Serialize)]
struct Day {
    date: Date,
    objects: u64,
    records: BTreeMap<Source, u64>,
    bytes: u64,
    locked: Locked,
    /// The earliest end of a lock, where there is one.
    locked_until: Option<String>,
    problems: Vec<String>,
    gaps: Vec<String>,
    notes: Vec<String>,
    #[serde(skip)]
    hours: BTreeSet<i8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Locked {
    /// Every object, for long enough.
    All,
    /// Not every object: see the problems.
    NotAll,
    /// The target's objects cannot be locked.
    NotHere,
    /// Not looked at, or nothing to look at.
    #[default]
    Unknown,
}

#[derive(Deserialize)]
struct Timed {
    time: Timestamp,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    let known: BTreeMap<Date, DayState> = target
        .usage()?
        .days()
        .await?
        .into_iter()
        .map(|day| (day.date, day))
        .collect();
    let bar = progress(output);
    let mut days = Vec::new();
    for date in period.days() {
        bar.set_message(date.to_string());
        let mut day = Day::read(target, date, args.quick, &bar).await?;
        day.look_for_gaps(target, known.get(&date), known.keys().next(), args.quick);
        days.push(day);
    }
    bar.finish_and_clear();
    let verification = Verification {
        from: period.from,
        to: period.to,
        time_zone: target.zone.iana_name().unwrap_or("UTC").to_owned(),
        verified_at: target.local_time(target.now),
        verified_by: target.caller().name.to_owned(),
        content_read: !args.quick,
        ok: days.iter().all(|day| day.problems.is_empty()),
        days,
    };
    match output {
        Output::Json => output::json(&verification)?,
        Output::Text => verification.print(),
    }
    let problems: usize = verification.days.iter().map(|day| day.problems.len()).sum();
    if problems > 0 {
        bail!("the archive is not whole: {problems} problems");
    }
    Ok(())
}

impl Day {
    async fn read(
        target: &Target,
        date: Date,
        quick: bool,
        bar: &indicatif::ProgressBar,
    ) -> anyhow::Result<Self> {
        let mut day = Self {
            date,
            ..Self::default()
        };
        let mut receipts: BTreeMap<String, Receipt> = target
            .usage()?
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
            let listed = target.archive()?.list(source, date).await?;
            objects.extend(listed.into_iter().map(|listed| (source, listed)));
        }
        bar.inc_length(objects.len() as u64);
        let looked_at = stream::iter(objects).map(async |(source, listed)| {
            let found = match quick {
                true => None,
                false => Some((
                    target.archive()?.get(&listed.key).await?,
                    target.archive()?.lock(&listed.key).await?,
                )),
            };
            anyhow::Ok((source, listed, found))
        });
        let mut looked_at = std::pin::pin!(looked_at.buffered(AHEAD));
        while let Some(object) = looked_at.next().await {
            bar.inc(1);
            let (source, listed, found) = object?;
            let receipt = receipts.remove(&listed.key);
            day.objects += 1;
            day.bytes += listed.bytes;
            day.check(target, source, &listed, receipt.as_ref(), found);
        }
        for (key, receipt) in receipts {
            let archived_at = target.local_time(receipt.archived_at);
            let records = receipt.records;
            if target.now.duration_since(receipt.archived_at) > KEPT {
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

    /// Compares an object with its receipt and its name.
    fn check(
        &mut self,
        target: &Target,
        source: Source,
        listed: &Listed,
        receipt: Option<&Receipt>,
        found: Option<(Option<Vec<u8>>, Lock)>,
    ) {
        let key = &listed.key;
        let Some(name) = &listed.name else {
            self.problems.push(format!(
                "not of the archive: {key}, nothing writes such a name"
            ));
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
        let lines = object.ok_or("it is gone".to_owned()).and_then(|object| {
            tegata_archive::open(name, &object).map_err(|damage| damage.to_string())
        });
        match lines {
            Err(damage) => self.problems.push(format!("damaged: {key}: {damage}")),
            Ok(lines) => {
                let records = self.read_lines(target, &lines);
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
        self.check_lock(target, key, lock);
    }

    fn read_lines(&mut self, target: &Target, lines: &[u8]) -> u64 {
        let mut records = 0;
        for line in lines.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            records += 1;
            if let Ok(Timed { time }) = serde_json::from_slice(line) {
                self.hours.insert(target.zone.to_datetime(time).hour());
            }
        }
        records
    }

    fn check_lock(&mut self, target: &Target, key: &str, lock: Lock) {
        let is_long_enough = match lock {
            Lock::NotHere => {
                self.locked = Locked::NotHere;
                return;
            }
            Lock::None => {
                self.problems
                    .push(format!("not locked against everybody: {key}"));
                false
            }
            Lock::Until { since, until } => {
                let shown = target.local_time(until);
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

    /// What is not there though nothing is missing, and what is known about it.
    fn look_for_gaps(
        &mut self,
        target: &Target,
        state: Option<&DayState>,
        first: Option<&Date>,
        quick: bool,
    ) {
        let today = target.today();
        let read: u64 = self.records.values().sum();
        let unreadable = self.records.get(&Source::Unreadable).copied().unwrap_or(0);
        let counted = state.map_or(0, |state| state.summary.records);
        let is_over = self
            .notes
            .iter()
            .any(|note| note.starts_with("no longer kept"));
        if read - unreadable < counted && self.problems.is_empty() && !is_over {
            self.problems.push(format!(
                "missing: {counted} records were counted into the usage, {} are there, and no \
                 receipt tells of the others",
                read - unreadable
            ));
        }
        if self.objects == 0 {
            self.gaps.push(match (state, first) {
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
                                    arrive; compare with the gateway's Count metric, and look \
                                    into the log groups, which keep their lines as long"
                    .to_owned(),
            });
        } else if !quick {
            let last = match self.date == today {
                true => target.zone.to_datetime(target.now).hour(),
                false => 23,
            };
            let quiet: Vec<i8> = (0..=last)
                .filter(|hour| !self.hours.contains(hour))
                .collect();
            if !quiet.is_empty() {
                self.gaps
                    .push(format!("hours without a record: {}", hours(&quiet)));
            }
        }
        let Some(state) = state else { return };
        if state.is_waiting() {
            self.notes
                .push("its usage is not of the last records yet".to_owned());
        }
        for (number, what) in [
            (
                state.summary.gateway_only,
                "requests were answered by the function, but its lines have not arrived",
            ),
            (
                state.summary.lookup_only,
                "requests were answered by the function, but the gateway's lines have not arrived",
            ),
            (state.summary.unreadable, "lines could not be read"),
        ] {
            if number > 0 {
                self.notes.push(format!("{number} {what}"));
            }
        }
    }
}

/// `0-5, 7, 22-23`.
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

impl Verification {
    fn print(&self) {
        say!(
            "The archive of access records, {} to {} ({}), verified {} by {}:\n",
            self.from,
            self.to,
            self.time_zone,
            self.verified_at,
            self.verified_by
        );
        let rows = self.days.iter().map(|day| {
            let mut row = vec![day.date.to_string(), day.objects.to_string()];
            for source in Source::OF_ACCESSES {
                let records = day.records.get(&source).copied().unwrap_or(0);
                row.push(records.to_string());
            }
            row.push(match (day.locked, &day.locked_until) {
                (Locked::All, Some(until)) => format!("until {until} at least"),
                (Locked::NotAll, _) => "NOT ALL".to_owned(),
                (Locked::NotHere, _) => "none on one machine".to_owned(),
                _ => "-".to_owned(),
            });
            row.push(match (day.problems.len(), day.gaps.len()) {
                (0, 0) => "whole".to_owned(),
                (0, _) => "whole, with gaps".to_owned(),
                (problems, _) => format!("{problems} PROBLEMS"),
            });
            row
        });
        let header = [
            "date",
            "objects",
            "gateway",
            "lookup",
            "cdn",
            "unreadable",
            "lock",
            "state",
        ];
        output::table(&header, rows.collect());
        for (title, of) in [
            (
                "Problems",
                (|day: &Day| &day.problems) as fn(&Day) -> &Vec<String>,
            ),
            ("Gaps", |day| &day.gaps),
            ("Notes", |day| &day.notes),
        ] {
            if self.days.iter().any(|day| !of(day).is_empty()) {
                say!("\n{title}:");
            }
            for day in &self.days {
                for line in of(day) {
                    say!("  {}: {line}", day.date);
                }
            }
        }
        if !self.content_read {
            say!("\nNames and sizes only: neither content nor locks were looked at.");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn hours_are_shown_as_runs() {
        assert_eq!(super::hours(&[0, 1, 2, 5, 22, 23]), "0-2, 5, 22-23");
    }
}

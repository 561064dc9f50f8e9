//! The roll-up: days that have changed are added up anew, from the archive.

mod set_aside;

use std::io;

use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use serde_json::Value;
use tegata_archive::objects::ObjectsError;
use tegata_archive::{Archive, KEPT_DAYS, Listed};
use tegata_aws::TrustError;
use tegata_common::access::{AccessRecord, Source};
use tegata_common::network::Networks;
use tegata_common::usage::day::Day;
use tegata_common::usage::{DaySummary, DomainUsage, cdn_records_stopped};
use tegata_lambda::metrics::{CDN_RECORDS_MISSING, DAMAGED_OBJECTS, DAYS_WAITING, ReportLine};
use tegata_storage::TableError;
use tegata_storage::usage::{DayState, UsageTable};

use crate::clients;
use crate::settings::AccessLogSettings;
use set_aside::SetAside;

/// Objects that are fetched at a time, ahead of the one that is being read.
const AHEAD: usize = 8;

/// Compressed bytes of a part: about 300,000 records, of which some 30 MB are remembered at a
/// time.
const PART: u64 = 8 * 1024 * 1024;

/// The function: the archive, and the table with the usage.
#[derive(Clone, Debug)]
pub struct RollUp {
    archive: Archive,
    usage: UsageTable,
    zone: TimeZone,
    kintone: Networks,
}

/// Why a day, or a run, came to nothing. What has changed is still to be rolled up at the next.
#[derive(Debug, thiserror::Error)]
pub enum RollUpError {
    /// The archive failed.
    #[error("the archive: {0}")]
    Archive(#[from] ObjectsError),
    /// The table failed.
    #[error("the usage: {0}")]
    Table(#[from] TableError),
    /// What was set aside on the disk is lost.
    #[error("set aside on the disk: {0}")]
    SetAside(#[from] io::Error),
    /// There was no time left.
    #[error("out of time")]
    OutOfTime,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RollUpReport {
    /// Days that were rolled up.
    pub days: u64,
    /// Days that have changed and are still waiting: they failed, or there was no time.
    pub waiting: u64,
    /// Records that were read.
    pub records: u64,
    /// Records that repeated another.
    pub duplicates: u64,
    /// Objects that are damaged, and so not counted.
    pub damaged: u64,
    /// Whether records of the CDN should have arrived and none have.
    pub cdn_records_missing: bool,
}

impl RollUpReport {
    /// The report's line.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        ReportLine::new("roll_up", now, stack)
            .figure("DaysRolledUp", self.days)
            .metric(DAYS_WAITING, self.waiting)
            .figure("DuplicateRecords", self.duplicates)
            .metric(DAMAGED_OBJECTS, self.damaged)
            .metric(CDN_RECORDS_MISSING, u8::from(self.cdn_records_missing))
            .figure("records", self.records)
            .line()
    }
}

/// What a day adds up to.
#[derive(Debug)]
pub struct AddedUp {
    /// The rows, by product and tenant.
    pub usage: Vec<DomainUsage>,
    /// What is known of the day.
    pub summary: DaySummary,
    /// Objects that are damaged.
    pub damaged: u64,
}

impl RollUp {
    /// The function with clients of its own.
    pub fn open(settings: &AccessLogSettings) -> Result<Self, TrustError> {
        let (archive, usage) = clients::open(settings)?;
        let roll_up = Self::new(archive, usage, settings.time_zone.tz().clone());
        Ok(roll_up.with_kintone(settings.kintone.clone()))
    }

    /// The function on given stores.
    pub fn new(archive: Archive, usage: UsageTable, zone: TimeZone) -> Self {
        Self {
            archive,
            usage,
            zone,
            kintone: Networks::default(),
        }
    }

    /// The same with other networks that kintone asks from.
    pub fn with_kintone(self, kintone: Networks) -> Self {
        Self { kintone, ..self }
    }

    /// Rolls up today and the days that have changed, the newest first, until the time is up.
    pub async fn run(
        &self,
        now: Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> Result<RollUpReport, RollUpError> {
        let today = self.zone.to_datetime(now).date();
        let known = self.usage.days().await?;
        // Today in any case: a batch may have broken off before it said that the day has changed.
        // Not a day whose archive may be gone: nothing but its usage would be left of it.
        let oldest = today.saturating_sub(KEPT_DAYS.days());
        let mut due: Vec<Date> = known
            .iter()
            .filter(|day| day.is_waiting() && day.date >= oldest || day.date == today)
            .map(|day| day.date)
            .collect();
        if !due.contains(&today) {
            due.push(today);
        }
        due.sort_by(|a, b| b.cmp(a));
        let days = known.iter().map(|day| (day.date, &day.summary));
        let mut report = RollUpReport {
            cdn_records_missing: cdn_records_stopped(days, today),
            ..RollUpReport::default()
        };
        for date in due {
            match self.roll_up(date, now, &time_is_up).await {
                Ok(AddedUp {
                    summary, damaged, ..
                }) => {
                    report.days += 1;
                    report.records += summary.records;
                    report.duplicates += summary.duplicates;
                    report.damaged += damaged;
                }
                Err(error) => {
                    tracing::error!(%date, %error, "a day was not rolled up");
                    report.waiting += 1;
                }
            }
        }
        Ok(report)
    }

    /// Rolls up one day: adds it up, and replaces its usage.
    pub async fn roll_up(
        &self,
        date: Date,
        now: Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> Result<AddedUp, RollUpError> {
        // Before the archive: what is archived from here on makes the day change once more.
        let state = self.usage.day(date).await?;
        let is_known = state.is_some();
        let state = state.unwrap_or_else(|| DayState {
            date,
            changes: 0,
            rolled_up: 0,
            rolled_up_at: None,
            products: Default::default(),
            summary: DaySummary::default(),
        });
        let added = add_up(&self.archive, date, &self.kintone, time_is_up).await?;
        if is_known || added.summary != DaySummary::default() {
            let AddedUp { usage, summary, .. } = &added;
            self.usage.replace(&state, usage, summary, now).await?;
        }
        Ok(added)
    }
}

/// Calculates the usage of a day from the archive. Memory grows with the number of tenants and with
/// `PART`, not with the number of records, whose observations are written to the disk.
pub async fn add_up(
    archive: &Archive,
    date: Date,
    kintone: &Networks,
    time_is_up: impl Fn() -> bool,
) -> Result<AddedUp, RollUpError> {
    let mut objects = Vec::new();
    // The function's first: it knows which tenants have a licence.
    for source in [
        Source::Lookup,
        Source::Gateway,
        Source::Cdn,
        Source::Unreadable,
    ] {
        let listed = archive.list(source, date).await?;
        objects.extend(listed.into_iter().map(|listed| (source, listed)));
    }
    let bytes: u64 = objects.iter().map(|(_, listed)| listed.bytes).sum();
    let parts = usize::try_from(bytes.div_ceil(PART)).unwrap_or(1);
    let mut aside = SetAside::new(parts.max(1))?;
    let mut day = Day::new(date, kintone.clone());
    let mut damaged = 0;

    let fetched = stream::iter(objects)
        .map(async |(source, listed)| (source, archive.get(&listed.key).await, listed));
    let mut fetched = std::pin::pin!(fetched.buffered(AHEAD));
    while let Some((source, object, listed)) = fetched.next().await {
        if time_is_up() {
            return Err(RollUpError::OutOfTime);
        }
        match lines_of(&listed, object?) {
            Some(lines) => read_object(source, &lines, &mut day, &mut aside)?,
            None => damaged += 1,
        }
    }
    for part in 0..aside.parts() {
        if time_is_up() {
            return Err(RollUpError::OutOfTime);
        }
        day.count(aside.take(part)?);
    }
    let (usage, summary) = day.finish();
    Ok(AddedUp {
        usage,
        summary,
        damaged,
    })
}

/// The lines of an object, if it is as it was written.
fn lines_of(listed: &Listed, object: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let key = &listed.key;
    let (Some(name), Some(object)) = (&listed.name, object) else {
        tracing::error!(%key, "an object that is none of the archive's, or is gone");
        return None;
    };
    match tegata_archive::open(name, &object) {
        Ok(lines) => Some(lines),
        Err(damage) => {
            tracing::error!(%key, "a damaged object: {damage}");
            None
        }
    }
}

fn read_object(
    source: Source,
    lines: &[u8],
    day: &mut Day,
    aside: &mut SetAside,
) -> Result<(), RollUpError> {
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if source == Source::Unreadable {
            day.see_unreadable();
            continue;
        }
        match serde_json::from_slice::<AccessRecord<'_>>(line) {
            Ok(record) => aside.put(&day.see(source, &record))?,
            // Of a version of this program that wrote otherwise.
            Err(_) => day.see_unreadable(),
        }
    }
    Ok(())
}
